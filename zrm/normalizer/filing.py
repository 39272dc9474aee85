"""T2: from waiting raw contacts to cases, in one transaction a batch; who fails alone does not take neighbours along.

Reading is pure (`reading`), then the store is asked (`asking`), deciding thinks (`placing`), writing is one pipeline
(`rows`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import psycopg

from zrm.casestore import live, outbox
from zrm.casestore.outbox import Task
from zrm.config import Settings
from zrm.contract import AddressKind, Ignored, InboundFile, Report, Unparseable
from zrm.errors import NotFound, StoreUnavailable
from zrm.inbox import quarantine
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.normalizer.asking import Records
from zrm.normalizer.parts import Join, Parts
from zrm.normalizer.placing import KeptFile, Placing
from zrm.normalizer.reading import Parse, PartOf, PerhapsReport, Raw, Reading, Wished, raw_contact, read
from zrm.normalizer.reports import apply
from zrm.normalizer.wishes import grant

_log = log.get(__name__)

_TRIES_BEFORE_QUARANTINE = 3
_BACKOFF = 2.0
_MESSAGE_WAITS = 6.0  # seconds in which what looks like a report may turn out to be one

T = TypeVar("T", Reading, Wished)
Outcome = Reading | Wished | PartOf | PerhapsReport | list[Report] | Ignored | Unparseable


class Filer:
    """Files raw contacts. `parsers` are the channels' `parse` by kind, `joiners` their `join` where messages have parts.

    `own` are our own addresses on every channel: nobody who bears one is a citizen.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        parsers: Mapping[str, Parse],
        settings: Settings,
        joiners: Mapping[str, Join] | None = None,
        own: Collection[str] = (),
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._parsers = parsers
        self._settings = settings
        self._own = own
        self._parts = Parts(joiners or {}, region=settings.organisation.region, own=own)

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Do the tasks: each is filed, joined, ignored, quarantined, or put off with its reason. May run twice."""
        raws = self._load(tasks)
        outcomes: list[tuple[Task, Raw, Outcome, list[KeptFile]]] = []
        ready: list[Task] = []
        for task in tasks:
            try:
                if task.ref in raws:
                    outcomes.append((task, *self._understand(*raws[task.ref])))
            except (StoreUnavailable, OSError) as error:
                self._put_off(task, error)
            else:
                ready.append(task)
        try:
            self._commit(ready, outcomes)
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            for task in ready:
                self._alone(task, [outcome for outcome in outcomes if outcome[0].id == task.id])

    def _put_off(self, task: Task, error: Exception) -> None:
        """The blob store has no room or no answer: no fault of the contact's, which waits; its neighbours do not."""
        _log.error("filing put off", contact=str(task.ref), trace=task.trace, error=type(error).__name__)
        with self._database.cursor() as cursor:
            outbox.again(cursor, task, after=_BACKOFF**task.attempts, error=type(error).__name__)

    def _alone(self, task: Task, outcomes: list[tuple[Task, Raw, Outcome, list[KeptFile]]]) -> None:
        try:
            self._commit([task], outcomes)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            _log.error("filing failed", contact=str(task.ref), trace=task.trace, error=type(error).__name__)
            with self._database.cursor() as cursor:
                if task.attempts < _TRIES_BEFORE_QUARANTINE:
                    outbox.again(cursor, task, after=_BACKOFF**task.attempts, error=type(error).__name__)
                else:
                    reason = f"could not be stored: {type(error).__name__} {error.sqlstate or ''}".strip()
                    self._quarantine(cursor, task.ref, reason)
                    outbox.done(cursor, [task])

    def give_up(self, task: Task) -> None:
        """A contact at which workers died again and again: quarantined, for a person to look at."""
        with self._database.cursor() as cursor:
            self._quarantine(cursor, task.ref, "filing it was begun too often and never finished")
            outbox.done(cursor, [task])

    # ------------------------------------------------------------------ reading

    def _load(self, tasks: Sequence[Task]) -> dict[UUID, tuple[Raw, str | None]]:
        """The contacts that are still to be filed, each with its body or the key of its body in the blob store."""
        with self._database.cursor() as cursor:
            cursor.execute(
                """
                SELECT w.body, w.body_key, w.id, w.received_at, r.code, w.channel, w.account, w.kind, w.media_type,
                       w.envelope, w.files, w.trace
                FROM raw_contacts w JOIN receipts r ON r.contact_id = w.id
                WHERE w.id = ANY(%s) AND w.state IN ('waiting', 'quarantined')
                """,
                [[task.ref for task in tasks]],
            )
            rows = cursor.fetchall()
        return {raw.id: (raw, key) for body, key, *rest in rows for raw in [raw_contact(tuple(rest), body or b"")]}

    def _understand(self, raw: Raw, key: str | None) -> tuple[Raw, Outcome, list[KeptFile]]:
        """The pure reading, and its files made durable before the transaction speaks of them.

        What is returned holds neither a large body nor the files' bytes: a batch of them would fill the memory.
        """
        parse = self._parsers.get(raw.contact.channel)
        if parse is None:
            return raw, Unparseable(f"no channel {raw.contact.channel} is configured"), []
        try:
            whole = raw if key is None else replace(raw, contact=replace(raw.contact, body=self._blobs.get(key)))
            outcome = read(whole, parse, region=self._settings.organisation.region, own=self._own)
        except Unparseable as error:
            return raw, error, []
        except NotFound:
            return raw, Unparseable("the original is not in the blob store"), []
        if not isinstance(outcome, Reading):
            return raw, outcome, []
        return raw, replace(outcome, raw=raw, files=()), [self._keep(file) for file in outcome.files]

    def _keep(self, file: InboundFile) -> KeptFile:
        if file.remote:
            return KeptFile(file, "", 0)
        if file.stored is not None:
            return KeptFile(file, file.stored.key, file.stored.size)
        key, size = self._blobs.put(file.data or b"")
        return KeptFile(replace(file, data=None), key, size)

    # ------------------------------------------------------------------ the transaction

    def _commit(self, tasks: Sequence[Task], outcomes: Sequence[tuple[Task, Raw, Outcome, list[KeptFile]]]) -> None:
        with self._database.cursor() as cursor:
            self._parts.hold(cursor, [outcome for _, _, outcome, _ in outcomes if isinstance(outcome, PartOf)])
            ids = [raw.id for _, raw, _, _ in outcomes]
            cursor.execute(
                "SELECT id, state FROM raw_contacts WHERE id = ANY(%s) AND state IN ('waiting', 'quarantined') "
                "ORDER BY id FOR UPDATE",
                [ids],
            )
            states: dict[UUID, str] = dict(cursor.fetchall())
            still = states.keys()
            for contact_id, stood in states.items():
                if stood == "quarantined":  # also when it was given up while this slow worker still read it
                    quarantine.end(cursor, contact_id, "replayed")
            present = [outcome for outcome in outcomes if outcome[1].id in still]
            put_off = self._reports(cursor, present)
            put_off |= self._join(cursor, present)
            known = Records(cursor, self._settings)
            known.look_up(_only(Reading, present), _only(Wished, present))
            self._grant(cursor, present, known)
            known.look_up_answers(_only(Reading, present))
            placing = Placing(known, self._settings)
            for task, raw, outcome, kept in present:
                match outcome:
                    case Reading():
                        placing.place(outcome, kept)
                    case Unparseable():
                        self._quarantine(cursor, raw.id, str(outcome))
                    case Ignored():
                        placing.rows.settled.append((raw.id, "ignored", outcome.reason))
                    case _ if task.id not in put_off:
                        placing.rows.settled.append((raw.id, "joined", ""))
            placing.rows.write(cursor)
            outbox.done(cursor, [task for task in tasks if task.id not in put_off])
        for task, raw, outcome, _ in present:
            _log.info(
                "filed",
                contact=str(raw.id),
                trace=raw.contact.trace or task.trace,
                channel=raw.contact.channel,
                outcome=type(outcome).__name__.lower(),
                seconds=round((now() - raw.received_at).total_seconds(), 4),
            )

    def _quarantine(self, cursor: Cursor, contact_id: UUID, reason: str) -> None:
        due_at = now() + timedelta(hours=self._settings.quarantine.hours)
        quarantine.enter(cursor, contact_id, reason=reason, due_at=due_at)
        live.announce(cursor, "quarantine", [contact_id])

    def _join(self, cursor: Cursor, present: list[tuple[Task, Raw, Outcome, list[KeptFile]]]) -> set[UUID]:
        """Turn the part that completes a message into the message; returns the tasks of parts that wait for others."""
        waiting: set[UUID] = set()
        taken: list[int] = []
        for index, (task, raw, outcome, kept) in enumerate(present):
            if isinstance(outcome, PartOf):
                match self._parts.take(cursor, outcome):
                    case None:
                        taken.append(index)
                    case float() as seconds:
                        waiting.add(task.id)
                        outbox.again(cursor, task, after=seconds, error="waiting for the other parts")
                    case found:
                        present[index] = (task, raw, found, kept)
        for index in reversed(taken):
            del present[index]
        return waiting

    def _grant(self, cursor: Cursor, present: list[tuple[Task, Raw, Outcome, list[KeptFile]]], known: Records) -> None:
        """Turn each wish into what became of it: settled and answered, or the ordinary message it is after all."""
        for index, (task, raw, outcome, kept) in enumerate(present):
            if isinstance(outcome, Wished):
                by_mail = outcome.asker is not None and outcome.asker.kind is AddressKind.EMAIL
                asked = outcome.otherwise if by_mail else None
                message_id = asked.thread.message_id if asked is not None else ""
                reason = grant(
                    cursor, self._settings, raw, outcome.wish, outcome.asker, known.cases,
                    message_id=message_id,
                )  # fmt: skip
                settled = Ignored(reason or "a wish that fits nothing")
                present[index] = (task, raw, settled if reason else outcome.otherwise or settled, kept)

    def _reports(self, cursor: Cursor, present: list[tuple[Task, Raw, Outcome, list[KeptFile]]]) -> set[UUID]:
        """Apply delivery reports; returns the tasks put off because our own commit of the reference is not there yet."""
        put_off: set[UUID] = set()
        for index, (task, raw, outcome, kept) in enumerate(present):
            if not isinstance(outcome, list | PerhapsReport):
                continue
            reports = outcome if isinstance(outcome, list) else [outcome.report]
            age = (now() - raw.received_at).total_seconds()
            late = age >= _BACKOFF
            unknown = sum(not apply(cursor, raw.contact.channel, report, late=late) for report in reports)
            if not unknown:
                continue
            patience = self._settings.dispatch.report_wait
            if age < (patience if isinstance(outcome, list) else min(patience, _MESSAGE_WAITS)):
                put_off.add(task.id)
                outbox.again(cursor, task, after=max(_BACKOFF, age), error="report for a delivery not known yet")
                outbox.unworn(cursor, task)
            elif isinstance(outcome, PerhapsReport):
                present[index] = (task, raw, outcome.otherwise, kept)
            else:
                present[index] = (task, raw, Ignored("nobody's report"), kept)
        return put_off


def _only(kind: type[T], present: Sequence[tuple[Task, Raw, Outcome, list[KeptFile]]]) -> list[T]:
    return [outcome for _, _, outcome, _ in present if isinstance(outcome, kind)]
