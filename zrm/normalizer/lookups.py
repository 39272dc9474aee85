"""Lookups: reads what the store knows about a batch, in a few queries, before anything is decided (`case_matching`).

What the batch may change is locked until the commit: first its addresses, then its cases, each in order and in one
place, so two batches can block each other but never deadlock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from zrm.casestore.case import Status
from zrm.casestore.template import acknowledgements
from zrm.casework.reply_routes import WEB, ReplyRoute, SendingAccount, automatic_route
from zrm.config import Settings
from zrm.errors import ConfigError
from zrm.kit.clock import now
from zrm.kit.db import Cursor, records
from zrm.languages import Language
from zrm.localized import Localized
from zrm.normalizer.interpretation import Interpretation, ReceivedCommand
from zrm.normalizer.origin import FORGED, is_impersonal
from zrm.normalizer.self_service import rateable

TYPED: Final = "typed_address"
"""The label of a code sent to an address that was only typed into the web form."""


@dataclass(slots=True)
class KnownCase:
    """What filing must know of a case, stored or just opened.

    `addresses` are those it was opened with and those we have written to in it; senders with one of them belong to the
    case.
    """

    id: UUID
    code: str
    status: Status
    status_at: datetime
    unit_id: UUID
    person_id: UUID | None
    language: Language
    fresh: bool = False
    addresses: set[str] = field(default_factory=set)


class _Owner(NamedTuple):
    """An address and its person, with the language that person asked for and the one they first wrote in."""

    kind: str
    value: str
    person_id: UUID
    claimed: bool
    doubtful: bool
    preferred_language: str
    language: str
    name: str


class SubjectInUse(NamedTuple):
    """A subject and the unit that its cases go to, if it names one."""

    key: str
    id: UUID
    unit_id: UUID | None


class _OpenLine(NamedTuple):
    """The newest open case of a person on a channel and an account of ours."""

    person_id: UUID
    channel: str
    account: str
    id: UUID


class _AutomaticAnswers(NamedTuple):
    """How many automatic answers an address got from an account of ours."""

    channel: str
    account: str
    address: str
    last_hour: int
    last_day: int


class BatchContext:
    """The interpreted contacts and commands of one transaction, and what the store has about them.

    `look_up` runs before the commands are executed, `look_up_answers` after, because a command may refuse further
    answers.
    """

    def __init__(self, cursor: Cursor, settings: Settings, senders: Sequence[SendingAccount] = ()) -> None:
        self._cursor = cursor
        self._settings = settings
        self._senders = senders
        self.owners: dict[tuple[str, str], list[tuple[UUID, bool]]] = defaultdict(list)
        self.cases: dict[UUID, KnownCase] = {}
        self.by_message: dict[str, list[UUID]] = defaultdict(list)  # an id can be forged
        self.by_token: dict[str, UUID] = {}
        self.by_code: dict[str, UUID] = {}
        self.by_delivery: dict[UUID, UUID] = {}
        self.lines: dict[tuple[UUID, str, str], UUID] = {}
        self.names: dict[UUID, str] = {}
        self.speaks: dict[UUID, tuple[str, str]] = {}  # the language a person asked for, the one they first wrote in
        self.opted_out_addresses: set[tuple[str, str]] = set()
        self.doubtful: set[tuple[str, str]] = set()
        self.answered: dict[tuple[str, str, str], tuple[int, int]] = {}  # automatic answers: last hour, last day
        # Codes sent to typed addresses in the last hour; batches at the same moment may exceed the limit a little.
        self.codes_to_typed = 0
        self.first_words: dict[UUID | None, Localized] = {}
        self.units: dict[str, UUID] = {}
        self.subjects: dict[str, SubjectInUse] = {}
        self.natures: set[str] = set()

    def look_up(self, readings: Sequence[Interpretation], commands: Sequence[ReceivedCommand]) -> None:
        """Lock the addresses and the cases, and read their persons and state. A command may turn out to be a message."""
        readings = [*readings, *(command.otherwise for command in commands if command.otherwise is not None)]
        known = _addresses(readings)
        askers = {(command.asker.kind, command.asker.value) for command in commands if command.asker is not None}
        if known or askers:
            _hold_addresses(self._cursor, known | askers)
        self._look_up_owners(known)
        self._look_up_threads(readings)
        self._hold_cases(rateable(self._cursor, commands))
        if readings:
            self._cursor.execute("SELECT key, id FROM units")
            self.units = dict(self._cursor.fetchall())
        if any(reading.nature for reading in readings):
            self._cursor.execute("SELECT key FROM natures")
            self.natures = {key for (key,) in self._cursor.fetchall()}
        if any(reading.subject_key for reading in readings):
            self._cursor.execute("SELECT key, id, unit_id FROM subjects")
            self.subjects = {subject.key: subject for subject in records(self._cursor, SubjectInUse)}

    def _look_up_owners(self, known: set[tuple[str, str]]) -> None:
        if not known:
            return
        self._cursor.execute(
            "SELECT kind, value, person_id, claimed, doubtful_at IS NOT NULL AS doubtful, p.preferred_language, "
            "p.language, p.name "
            "FROM addresses a JOIN unnest(%s::text[], %s::text[]) AS wanted (kind, value) USING (kind, value) "
            "JOIN persons p ON p.id = a.person_id ORDER BY a.created_at",
            [[kind for kind, _ in known], [value for _, value in known]],
        )
        for owner in records(self._cursor, _Owner):
            self.owners[owner.kind, owner.value].append((owner.person_id, owner.claimed))
            self.speaks[owner.person_id] = (owner.preferred_language, owner.language)
            self.names[owner.person_id] = owner.name
            if owner.doubtful:
                self.doubtful.add((owner.kind, owner.value))

    def _look_up_threads(self, readings: Sequence[Interpretation]) -> None:
        cursor = self._cursor
        references = {ref for reading in readings for ref in reading.thread.references}
        if references:
            cursor.execute("SELECT message_id, case_id FROM message_ids WHERE message_id = ANY(%s)", [list(references)])
            for message_id, case_id in cursor.fetchall():
                self.by_message[message_id].append(case_id)
        tokens = {token for reading in readings for token in reading.thread.tokens}
        if tokens:
            cursor.execute("SELECT reply_token, id FROM cases WHERE reply_token = ANY(%s)", [list(tokens)])
            self.by_token = dict(cursor.fetchall())
        returned = {reading.thread.returned for reading in readings if reading.thread.returned is not None}
        if returned:
            cursor.execute(
                "SELECT id, case_id FROM deliveries WHERE id = ANY(%s) AND case_id IS NOT NULL", [list(returned)]
            )
            self.by_delivery = dict(cursor.fetchall())
        codes = {reading.thread.conversation for reading in readings if reading.thread.conversation}
        codes |= {token for token in tokens if token.isdigit()}  # a tracking code quoted in a subject
        if codes:
            cursor.execute(
                "SELECT code, case_id FROM tracking_codes WHERE code = ANY(%s::bpchar[]) AND case_id IS NOT NULL",
                [list(codes)],
            )
            self.by_code = dict(cursor.fetchall())
        callers = {
            person
            for reading in readings
            if reading.thread.open_line
            for address in reading.shown
            for person, claimed in self.owners[address.kind, address.value]
            if not claimed
        }
        if callers:
            since = now() - timedelta(days=self._settings.threads.open_line_days)
            cursor.execute(
                "SELECT DISTINCT ON (person_id, channel, account) person_id, channel, account, id FROM cases "
                "WHERE person_id = ANY(%s) AND status <> 'closed' AND last_contact_at > %s "
                "ORDER BY person_id, channel, account, last_contact_at DESC",
                [list(callers), since],
            )
            self.lines = {(one.person_id, one.channel, one.account): one.id for one in records(cursor, _OpenLine)}

    def _hold_cases(self, rated: Iterable[UUID]) -> None:
        """The one place where filing locks cases: those that are joined, linked or rated, in order."""
        answered = {case_id for found in self.by_message.values() for case_id in found}
        joined = {*answered, *self.by_token.values(), *self.by_code.values(), *self.lines.values()}
        joined.update(self.by_delivery.values())
        wanted = joined.union(rated)
        if not wanted:
            return
        self._cursor.execute(
            "SELECT id, code, status, status_at, unit_id, person_id, language, opened_from || ARRAY("
            "SELECT DISTINCT one FROM contacts, unnest(address || other_addresses) AS one "
            "WHERE case_id = cases.id AND one <> '' AND direction = 'out') AS addresses "
            "FROM cases WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            [list(wanted)],
        )
        for row in records(self._cursor, dict):
            case = KnownCase(**row | {"status": Status(row["status"]), "addresses": set(row["addresses"])})
            self.cases[case.id] = case

    def look_up_answers(self, readings: Sequence[Interpretation]) -> None:
        """Which addresses asked us not to write there, and how many automatic answers each got lately."""
        if known := _addresses(readings):
            self._cursor.execute(
                "SELECT channel, address FROM (SELECT DISTINCT ON (channel, address) channel, address, out FROM opt_outs "
                "WHERE address = ANY(%s) ORDER BY channel, address, at DESC, id DESC) AS newest WHERE out",
                [[value for _, value in known]],
            )
            self.opted_out_addresses = {(channel, address) for channel, address in self._cursor}
        found = [acknowledgement_route(reading, self._settings, self._senders) for reading in readings]
        wanted = {route.address for route in found if route is not None}
        if any(route is not None and route.claimed for route in found):
            self._cursor.execute(
                "SELECT count(*) FROM contacts WHERE automatic AND 'typed_address' = ANY(labels) "  # as its index has it
                "AND at > now() - interval '1 hour'"
            )
            self.codes_to_typed = (self._cursor.fetchone() or (0,))[0]
        if wanted:
            self.first_words = acknowledgements(self._cursor)
            self._cursor.execute(
                "SELECT channel, account, address, "
                "count(*) FILTER (WHERE created_at > now() - interval '1 hour') AS last_hour, count(*) AS last_day "
                "FROM deliveries WHERE kind <> 'answer' AND kind <> 'self_service' AND address = ANY(%s) "
                "AND created_at > now() - interval '1 day' GROUP BY 1, 2, 3",
                [list(wanted)],
            )
            for one in records(self._cursor, _AutomaticAnswers):
                self.answered[one.channel, one.account, one.address] = (one.last_hour, one.last_day)

    def default_unit(self) -> UUID:
        """The unit of a case whose subject names no other. Errors: ConfigError if the operator has not made the unit."""
        try:
            return self.units[self._settings.default_unit]
        except KeyError:
            raise ConfigError(f"default_unit: no unit is called {self._settings.default_unit}") from None


def acknowledgement_route(
    reading: Interpretation, settings: Settings, senders: Sequence[SendingAccount]
) -> ReplyRoute | None:
    """The address for the acknowledgement: the one the contact came from or (from a form) one that was typed, which is
    claimed.

    None for a machine, a forged sender, a citizen who opted out, and where the door has already told the code.
    """
    contact = reading.raw.contact
    if reading.code_told or not reading.addresses or contact.channel not in settings.acknowledge:
        return None
    first = reading.addresses[0]
    if reading.robot or FORGED in reading.labels or is_impersonal(first):  # the owner of a forged address wrote nothing
        return None
    if contact.channel != WEB:
        return ReplyRoute(contact.channel, contact.account, first.value)
    typed = [(address.kind, address.value) for address in reading.addresses]
    return automatic_route(typed, senders, settings.organisation.region)


def _addresses(readings: Iterable[Interpretation]) -> set[tuple[str, str]]:
    return {(address.kind, address.value) for reading in readings for address in reading.addresses}


def _hold_addresses(cursor: Cursor, addresses: Iterable[tuple[str, str]]) -> None:
    """Until the commit no other transaction gives these (kind, value) addresses a person or executes their commands."""
    cursor.execute(
        "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(value, 0) AS key "
        "FROM unnest(%s::text[]) AS value ORDER BY 1) AS keys",
        [[f"{kind}:{value}" for kind, value in addresses]],
    )
