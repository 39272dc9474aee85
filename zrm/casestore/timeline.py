"""Everything a case's page shows, read in a few queries: the case, its conversation, its history, its person."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from zrm.casestore import history
from zrm.casestore.contact_files import UNSAFE
from zrm.casestore.history import HistoryLine
from zrm.casestore.history_payloads import CaseReplied, NoteWritten
from zrm.contract.descriptions import Description
from zrm.contract.reasons import KeptReason
from zrm.kit.db import Cursor, record, records
from zrm.localized import Localized

DOSSIER = 8
"""How many other cases of the person the page lists."""
RELATIONS = 20
"""How many related cases the page lists: undecided ones first, then the newest."""
WINDOW: Final = 100
"""How many entries of the timeline one page has; a link leads to the earlier ones, a window at a time."""
WHOLE_BYTES: Final = 4_000_000
"""How many bytes of text one page shows whole, from the newest contact on: the longest text there is, in any script."""
BEGINNING: Final = 20_000
"""How many characters are shown of a text that is not shown whole."""
_AS_CONTACTS: Final = (CaseReplied.KIND, NoteWritten.KIND)
"""Kinds of history lines that the timeline shows as the contact they wrote."""


@dataclass(frozen=True, slots=True)
class CaseHead:
    """The case itself, with the names of what it refers to."""

    id: UUID
    code: str
    title: str
    description: Description
    nature: str
    language: str
    channel: str
    account: str
    status: str
    opened_at: datetime
    status_at: datetime
    version: int
    person_id: UUID | None
    person: str
    preferred_language: str
    preferred_channel: str
    subject_id: UUID | None
    subject_names: Localized
    unit_id: UUID
    unit_names: Localized
    assignee_id: UUID | None
    assignee_names: Localized


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a contact; `size` in bytes. `content_id` of a rendition: the id of the file it was rendered from.

    `scan` and `threat`: the virus scanner's result, see `Attachment`.
    """

    id: UUID
    contact_id: UUID
    role: str
    name: str
    media_type: str
    size: int
    content_id: str
    scan: str
    threat: str

    @property
    def unsafe(self) -> bool:
        """Whether it has a virus, or may have one: it is given out only by a deliberate step."""
        return self.scan in UNSAFE


@dataclass(frozen=True, slots=True)
class DeliveryStep(KeptReason):
    """One step of a delivery."""

    at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class DeliveryRow(KeptReason):
    """An answer's delivery, with its steps, oldest first."""

    id: UUID
    contact_id: UUID
    channel: str
    account: str
    address: str
    state: str
    settled_by: UUID | None
    steps: list[DeliveryStep] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One line of the conversation, with its files and deliveries. `goes_on`: its text is shortened here."""

    id: UUID
    direction: str
    channel: str
    account: str
    person: str
    agent_id: UUID | None
    address: str
    title: str
    description: Description
    text: str
    folded_quote: str
    has_html: bool
    has_remote_pictures: bool
    headers: list[list[str]]
    labels: list[str]
    automatic: bool
    public: bool
    goes_on: bool
    reply_to: list[str]
    copied: list[str]
    at: datetime
    files: list[FileRow] = field(default_factory=list)
    deliveries: list[DeliveryRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True, order=True)
class TimelineKey:
    """The place of an entry in the timeline; an event at the very time of a contact stands before it."""

    at: datetime
    is_contact: bool
    id: UUID


_END: Final = TimelineKey(datetime.max.replace(tzinfo=UTC), True, UUID(int=(1 << 128) - 1))


@dataclass(frozen=True, slots=True)
class OtherCase:
    """Another case: of the same person, or related to this one. Its unit decides whether the agent may see it."""

    id: UUID
    code: str
    title: str
    description: Description
    status: str
    opened_at: datetime
    unit_id: UUID


@dataclass(frozen=True, slots=True)
class Relation:
    """A link to another case that an agent has to decide about, or has decided."""

    id: UUID
    reason: str
    decision: str
    other: OtherCase


@dataclass(frozen=True, slots=True)
class AddressRow:
    """A way to reach the person; `claimed` if only typed into a form, so that it proves nothing; `doubtful_at` since
    when our messages to it come back.
    """

    kind: str
    value: str
    claimed: bool
    doubtful_at: datetime | None


@dataclass(frozen=True, slots=True)
class CasePage:
    """All of it, with one window of the timeline, oldest first. `earlier` is the place of its oldest entry if there are
    older ones: the window before this one ends there.
    """

    head: CaseHead
    contacts: list[ContactRow]
    events: list[HistoryLine]
    earlier: TimelineKey | None
    addresses: list[AddressRow]
    dossier: list[OtherCase]
    relations: list[Relation]


def head(cursor: Cursor, case_id: UUID) -> CaseHead | None:
    """The case alone."""
    cursor.execute(
        """
        SELECT c.id, c.code, c.title, c.description, coalesce(c.nature, '') AS nature, c.language, c.channel, c.account, c.status, c.opened_at, c.status_at,
            c.version, c.person_id, coalesce(p.name, '') AS person,
            coalesce(p.preferred_language, '') AS preferred_language,
            coalesce(p.preferred_channel, '') AS preferred_channel,
            c.subject_id, coalesce(s.names, '{}') AS subject_names,
            c.unit_id, u.names AS unit_names,
            c.assignee_id, coalesce(a.names, '{}') AS assignee_names
        FROM cases c JOIN units u ON u.id = c.unit_id LEFT JOIN persons p ON p.id = c.person_id
        LEFT JOIN subjects s ON s.id = c.subject_id LEFT JOIN agents a ON a.id = c.assignee_id
        WHERE c.id = %s
        """,
        [case_id],
    )
    return record(cursor, CaseHead)


def load(cursor: Cursor, case_id: UUID, *, before: TimelineKey | None = None) -> CasePage | None:
    """Everything on the case's page, with the `WINDOW` newest entries of its timeline, or the newest of those before a
    place; None if there is no such case. However long the case is, the amount read is bounded.
    """
    case = head(cursor, case_id)
    if case is None:
        return None
    end = before or _END
    contacts = _contacts(cursor, case_id, end)
    # Events before the oldest contact could be in this window only if there were fewer contacts.
    since = contacts[-1][0].at if len(contacts) > WINDOW else datetime.min.replace(tzinfo=UTC)
    events = _events(cursor, case_id, since, end)
    entries = sorted([*(place for place, _ in contacts), *(place for place, _ in events)])
    oldest = entries[-WINDOW:][0] if entries else end
    rows = [row for place, row in reversed(contacts) if place >= oldest]
    return CasePage(
        case,
        _with_files(cursor, rows),
        [event for place, event in reversed(events) if place >= oldest],
        oldest if len(entries) > WINDOW else None,
        addresses(cursor, case.person_id),
        _dossier(cursor, case),
        _relations(cursor, case_id),
    )


@dataclass(frozen=True, slots=True)
class _AnswerPlace:
    """The time and id of a delivery's answer in the timeline."""

    at: datetime
    id: UUID


def behind_delivery(cursor: Cursor, case_id: UUID, delivery_id: UUID) -> TimelineKey | None:
    """The place right after a delivery's answer: the window before it ends with that answer. None if there is none."""
    cursor.execute(
        "SELECT coalesce(c.at, d.created_at) AS at, coalesce(c.id, d.id) AS id FROM deliveries d"
        " LEFT JOIN contacts c ON c.id = d.contact_id WHERE d.id = %s AND d.case_id = %s",
        [delivery_id, case_id],
    )
    found = record(cursor, _AnswerPlace)
    return TimelineKey(found.at, True, UUID(int=found.id.int + 1)) if found else None


def _contacts(cursor: Cursor, case_id: UUID, before: TimelineKey) -> list[tuple[TimelineKey, ContactRow]]:
    """The contacts before a place, newest first, without files and deliveries; one more than a window has. A message to
    the citizen without a contact (a link to the tracking page) is one of them: its id is the delivery's.

    Texts are whole as far as `WHOLE_BYTES` reach, from the newest on; beyond that, longer ones are shortened.
    """
    cursor.execute(
        """
        SELECT id, direction, channel, account, person, agent_id, address, title, description,
            CASE WHEN whole THEN text ELSE left(text, %(beginning)s) END AS text,
            CASE WHEN whole THEN folded_quote ELSE left(folded_quote, %(beginning)s) END AS folded_quote,
            html <> '' AS has_html, html LIKE '%%src="http%%' AS has_remote_pictures, headers, labels, automatic, public,
            NOT whole AS goes_on, reply_to, copied, at
        FROM (
            SELECT w.*, w.bytes <= %(beginning)s
                OR sum(w.bytes) OVER (ORDER BY w.at DESC, w.id DESC) <= %(whole)s AS whole
            FROM (
                (SELECT c.id, c.direction, c.channel, c.account, coalesce(p.name, '') AS person, c.agent_id, c.address,
                    c.title, c.description, c.text, c.folded_quote, c.html, c.headers, c.labels, c.automatic, c.public, c.reply_to,
                    c.copied, c.at, octet_length(c.text) + octet_length(c.folded_quote) AS bytes
                FROM contacts c LEFT JOIN persons p ON p.id = c.person_id
                WHERE c.case_id = %(case)s AND c.direction <> 'withdrawn' AND c.at <= %(at)s AND (c.at, true, c.id) < (%(at)s, %(is_contact)s, %(id)s)
                ORDER BY c.at DESC, c.id DESC LIMIT %(most)s)
                UNION ALL
                (SELECT d.id, 'out', d.channel, d.account, '', NULL, d.address, d.title, '[]', d.text, '', '', '[]',
                    ARRAY[d.kind], true, false, '{}', '{}', d.created_at, octet_length(d.text)
                FROM deliveries d
                WHERE d.case_id = %(case)s AND d.contact_id IS NULL AND d.created_at <= %(at)s
                    AND (d.created_at, true, d.id) < (%(at)s, %(is_contact)s, %(id)s)
                ORDER BY d.created_at DESC, d.id DESC LIMIT %(most)s)
                ORDER BY at DESC, id DESC LIMIT %(most)s
            ) AS w
        ) AS found ORDER BY at DESC, id DESC
        """,
        {
            "case": case_id, "at": before.at, "is_contact": before.is_contact, "id": before.id, "most": WINDOW + 1,
            "beginning": BEGINNING, "whole": WHOLE_BYTES,
        },
    )  # fmt: skip
    return [(TimelineKey(row.at, True, row.id), row) for row in records(cursor, ContactRow)]


def _events(
    cursor: Cursor, case_id: UUID, since: datetime, before: TimelineKey
) -> list[tuple[TimelineKey, HistoryLine]]:
    """The history lines since a time and before a place, newest first; one more than a window has."""
    place = (before.at, before.is_contact, before.id)
    found = history.entries(cursor, case_id, since=since, before=place, limit=WINDOW + 1, but=_AS_CONTACTS)
    return [(TimelineKey(line.at, False, line.id), line) for line in found]


def _with_files(cursor: Cursor, contacts: list[ContactRow]) -> list[ContactRow]:
    """The contacts with their files and deliveries."""
    known = {contact.id: contact for contact in contacts}
    cursor.execute(
        "SELECT id, contact_id, role, name, media_type, size, content_id, scan, threat FROM attachments"
        " WHERE contact_id = ANY(%s) ORDER BY contact_id, position, id",
        [list(known)],
    )
    for file in records(cursor, FileRow):
        known[file.contact_id].files.append(file)
    cursor.execute(
        "SELECT id, coalesce(contact_id, id) AS contact_id, channel, account, address, state, reason_code, reason_params, settled_by "
        "FROM deliveries"
        " WHERE contact_id = ANY(%(ids)s) OR id = ANY(%(ids)s) AND contact_id IS NULL ORDER BY created_at, id",
        {"ids": list(known)},
    )
    deliveries = {row.id: row for row in records(cursor, DeliveryRow)}
    for delivery in deliveries.values():
        known[delivery.contact_id].deliveries.append(delivery)
    cursor.execute(
        "SELECT delivery_id, at, state, reason_code, reason_params FROM delivery_events WHERE delivery_id = ANY(%s) ORDER BY at, id",
        [list(deliveries)],
    )
    for step in records(cursor, dict):
        deliveries[step.pop("delivery_id")].steps.append(DeliveryStep(**step))
    return contacts


def addresses(cursor: Cursor, person_id: UUID | None) -> list[AddressRow]:
    """The ways to reach a person, the oldest first."""
    if person_id is None:
        return []
    cursor.execute(
        "SELECT kind, value, claimed, doubtful_at FROM addresses WHERE person_id IN (SELECT id FROM same_person(%s)) ORDER BY created_at, id LIMIT 50",
        [person_id],
    )
    return records(cursor, AddressRow)


def _dossier(cursor: Cursor, case: CaseHead) -> list[OtherCase]:
    if case.person_id is None:
        return []
    cursor.execute(
        "SELECT id, code, title, description, status, opened_at, unit_id FROM cases WHERE person_id IN (SELECT id FROM same_person(%s)) AND id <> %s"
        " ORDER BY last_contact_at DESC LIMIT %s",
        [case.person_id, case.id, DOSSIER],
    )
    return records(cursor, OtherCase)


def _relations(cursor: Cursor, case_id: UUID) -> list[Relation]:
    cursor.execute(
        """
        SELECT r.id AS relation_id, r.reason, r.decision, o.id, o.code, o.title, o.description, o.status, o.opened_at, o.unit_id
        FROM (
            SELECT * FROM case_relations WHERE case_id = %(case)s OR other_case_id = %(case)s
            ORDER BY decision <> '', at DESC, id DESC LIMIT %(most)s
        ) AS r JOIN cases o ON o.id = CASE WHEN r.case_id = %(case)s THEN r.other_case_id ELSE r.case_id END
        ORDER BY r.decision <> '', r.at DESC, r.id DESC
        """,
        {"case": case_id, "most": RELATIONS},
    )
    found = records(cursor, dict)
    return [Relation(row.pop("relation_id"), row.pop("reason"), row.pop("decision"), OtherCase(**row)) for row in found]
