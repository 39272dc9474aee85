"""T2: files waiting raw contacts into cases, one transaction a batch. A contact that fails does not affect the others.

Interpretation is pure (`interpretation`) and runs in a child process with bounds (`bounded_interpretation`). Then
`lookups` reads what the store knows, `case_matching` decides in memory, and `write_batch` writes everything in one
pipeline. A contact that is slow to interpret is filed by itself when it is done. One that takes too long or too much
memory goes to quarantine at the first try.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from threading import Thread
from typing import TypeVar
from uuid import UUID

import psycopg

from zrm.casestore import live, outbox
from zrm.casestore.outbox import Task
from zrm.casework.reply_routes import SendingAccount
from zrm.config import Settings
from zrm.contract.addresses import EMAIL
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import Ignored
from zrm.contract.reasons import Reason
from zrm.errors import StoreUnavailable
from zrm.inbox import quarantine, raw_contacts
from zrm.inbox.raw_contacts import Settled
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.bounded import HANGS
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.normalizer import reasons
from zrm.normalizer.bounded_interpretation import (
    MEMORY,
    SECONDS,
    Asked,
    BoundedInterpretation,
    ChildAnswer,
    InterpretationOutcome,
    Join,
    NotNow,
)
from zrm.normalizer.case_matching import CaseMatching, StoredAttachment
from zrm.normalizer.interpretation import (
    Interpretation,
    Parse,
    PartOf,
    PerhapsReport,
    Raw,
    ReceivedCommand,
    raw_contact,
)
from zrm.normalizer.lookups import BatchContext
from zrm.normalizer.reassembly import Reassembly
from zrm.normalizer.reports import apply_delivery_report
from zrm.normalizer.self_service import execute

_log = log.get(__name__)

_TRIES_BEFORE_QUARANTINE = 3
_BACKOFF = 2.0
_MESSAGE_WAITS = 6.0  # seconds during which a possible delivery report waits for its delivery to appear

_BUSY = 5.0  # seconds until a contact is tried again that was put off because others were slow

T = TypeVar("T", Interpretation, ReceivedCommand)
Read = tuple[Task, Raw, InterpretationOutcome, list[StoredAttachment]]


class Filer:
    """Files raw contacts. `parsers` are the channels' `parse` by kind, `joiners` their `join` where messages have
    parts.

    `own` are our own addresses on every channel; a sender with one of them is not a citizen. `senders` are the accounts
    that can answer a contact whose channel cannot. Interpreting one contact may take `seconds` of processor time and
    `memory` bytes.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        parsers: Mapping[str, Parse],
        settings: Settings,
        joiners: Mapping[str, Join] | None = None,
        own: Collection[str] = (),
        senders: Sequence[SendingAccount] = (),
        *,
        seconds: float = SECONDS,
        memory: int = MEMORY,
    ) -> None:
        self._database = database
        self._settings = settings
        self._senders = senders
        region = settings.organisation.region
        self._reading = BoundedInterpretation(
            blobs, parsers, joiners or {}, region=region, own=own, seconds=seconds, memory=memory
        )
        self._parts = Reassembly(self._reading.join)

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Do the tasks: each contact is filed, joined, ignored, quarantined, or put off with its reason. May run twice.

        Slow contacts are not waited for: a thread files them when they are interpreted.
        """
        raws = self._load(tasks)
        asked = [(task, *raws[task.ref]) for task in tasks if task.ref in raws]
        read, slow, left = self._reading.read(
            [Asked(raw, key) for _, raw, key in asked], budget=self._settings.dispatch.lease / 3
        )
        if slow or left:
            with self._database.cursor() as cursor:
                outbox.extend_lease(cursor, [asked[place][0] for place in slow], seconds=HANGS)
                outbox.extend_lease(cursor, [asked[place][0] for place in left], seconds=_BUSY)
        self._file(
            [task for task in tasks if task.ref not in raws],
            [(*asked[place][:2], answer) for place, answer in sorted(read.items())],
        )
        for place, wait in slow.items():
            Thread(target=self._file_later, args=(*asked[place][:2], wait), daemon=True, name="slow-reading").start()

    def _file_later(self, task: Task, raw: Raw, wait: Callable[[], ChildAnswer]) -> None:
        """File a slow contact by itself. While the store is away the task stays in the outbox."""
        _log.warning("slow to interpret", contact=str(raw.id), trace=task.trace, channel=raw.contact.channel)
        try:
            self._file([], [(task, raw, wait())])
        except (psycopg.OperationalError, StoreUnavailable) as error:
            _log.error("filing put off", contact=str(raw.id), trace=task.trace, error=type(error).__name__)

    def _file(self, settled: Sequence[Task], read: Sequence[tuple[Task, Raw, ChildAnswer]]) -> None:
        """File the interpreted contacts; `settled` are tasks with nothing left to do."""
        ready: list[Read] = []
        for task, raw, answer in read:
            if isinstance(answer, NotNow):
                self._put_off(task, answer.error)
            else:
                ready.append((task, raw, answer.outcome, answer.files))
        if not settled and not ready:
            return
        try:
            self._commit([*settled, *(one[0] for one in ready)], ready)
        except (psycopg.OperationalError, StoreUnavailable):
            raise
        except Exception:  # noqa: BLE001  # whatever one of them does to us, its neighbours are filed
            for task in settled:
                self._alone(task, [])
            for one in ready:
                self._alone(one[0], [one])

    def _put_off(self, task: Task, error: str) -> None:
        """The blob store is full or does not answer: this contact waits, the others are filed."""
        _log.error("filing put off", contact=str(task.ref), trace=task.trace, error=error)
        with self._database.cursor() as cursor:
            outbox.retry_later(cursor, task, after=_BACKOFF**task.attempts, error=error)

    def _alone(self, task: Task, outcomes: list[Read]) -> None:
        try:
            self._commit([task], outcomes)
        except (psycopg.OperationalError, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # tried again, then quarantined for a person to look at
            ours = not isinstance(error, psycopg.Error)
            _log.error(
                "filing failed", contact=str(task.ref), trace=task.trace, error=type(error).__name__, exc_info=ours
            )
            with self._database.cursor() as cursor:
                if task.attempts < _TRIES_BEFORE_QUARANTINE:
                    outbox.retry_later(cursor, task, after=_BACKOFF**task.attempts, error=type(error).__name__)
                else:
                    words = f"{type(error).__name__} {getattr(error, 'sqlstate', None) or ''}".strip()
                    self._quarantine(cursor, task.ref, reasons.NOT_STORED(words=words))
                    outbox.done(cursor, self._fail_missing(cursor, [task]))

    def give_up(self, task: Task) -> None:
        """A contact at which workers died again and again: quarantined for a person to look at."""
        with self._database.cursor() as cursor:
            self._quarantine(cursor, task.ref, reasons.NEVER_FINISHED)
            outbox.done(cursor, self._fail_missing(cursor, [task]))

    # ------------------------------------------------------------------ interpretation

    def _load(self, tasks: Sequence[Task]) -> dict[UUID, tuple[Raw, str | None]]:
        """The contacts still to be filed, each with its body or the body's key in the blob store."""
        with self._database.cursor() as cursor:
            found = raw_contacts.load(cursor, [task.ref for task in tasks], unfiled=True)
        return {stored.id: (raw_contact(stored), stored.body_key) for stored in found}

    # ------------------------------------------------------------------ the transaction

    def _commit(self, tasks: Sequence[Task], outcomes: Sequence[Read]) -> None:
        with self._database.cursor() as cursor:
            self._parts.hold(cursor, [outcome for _, _, outcome, _ in outcomes if isinstance(outcome, PartOf)])
            states = raw_contacts.lock_unfiled(cursor, [raw.id for _, raw, _, _ in outcomes])
            still = states.keys()
            done = self._fail_missing(cursor, [task for task in tasks if task.ref not in still])
            for contact_id, stood in states.items():
                if stood == "quarantined":  # also if it was given up while this slow worker still interpreted it
                    quarantine.end(cursor, contact_id, "replayed")
                    live.publish_change(cursor, "quarantine", [contact_id])
            present = [outcome for outcome in outcomes if outcome[1].id in still]
            put_off = self._reports(cursor, present)
            put_off |= self._join(cursor, present)
            known = BatchContext(cursor, self._settings, self._senders)
            known.look_up(_only(Interpretation, present), _only(ReceivedCommand, present))
            self._grant(cursor, present, known)
            known.look_up_answers(_only(Interpretation, present))
            placing = CaseMatching(known, self._settings, self._senders)
            for task, raw, outcome, kept in present:
                match outcome:
                    case Interpretation():
                        placing.place(outcome, kept)
                    case Unparseable():
                        self._quarantine(cursor, raw.id, outcome.reason)
                    case Ignored():
                        placing.rows.settled.append(Settled(raw.id, "ignored", outcome.reason))
                    case _ if task.id not in put_off:
                        placing.rows.settled.append(Settled(raw.id, "joined"))
            placing.rows.write(cursor)
            outbox.done(cursor, [task for task in tasks if task.ref in still and task.id not in put_off] + done)
        for task, raw, outcome, _ in present:
            _log.info(
                "filed",
                contact=str(raw.id),
                trace=raw.contact.trace or task.trace,
                channel=raw.contact.channel,
                outcome=type(outcome).__name__.lower(),
                seconds=round((now() - raw.received_at).total_seconds(), 4),
            )

    def _fail_missing(self, cursor: Cursor, tasks: Sequence[Task]) -> list[Task]:
        """Leave a task failed, for an agent to see, where its contact is not there; returns the others: done already."""
        missing = raw_contacts.missing(cursor, [task.ref for task in tasks]) if tasks else set()
        for task in tasks:
            if task.ref in missing:
                _log.error("a contact to be filed is not there", contact=str(task.ref), trace=task.trace)
                outbox.fail(cursor, task, reasons.NOT_THERE)
                live.publish_change(cursor, "task", [task.id])
        return [task for task in tasks if task.ref not in missing]

    def _quarantine(self, cursor: Cursor, contact_id: UUID, reason: Reason) -> None:
        due_at = now() + timedelta(hours=self._settings.quarantine.hours)
        quarantine.enter(cursor, contact_id, reason=reason, due_at=due_at)
        live.publish_change(cursor, "quarantine", [contact_id])

    def _join(self, cursor: Cursor, present: list[Read]) -> set[UUID]:
        """Replace the part that completes a message by the message; returns the tasks of parts that wait for others."""
        waiting: set[UUID] = set()
        taken: list[int] = []
        for index, (task, raw, outcome, kept) in enumerate(present):
            if isinstance(outcome, PartOf):
                match self._parts.take(cursor, outcome):
                    case None:
                        taken.append(index)
                    case float() as seconds:
                        waiting.add(task.id)
                        outbox.retry_later(cursor, task, after=seconds, error="waiting for the other parts")
                    case found:
                        present[index] = (task, raw, found, kept)
        for index in reversed(taken):
            del present[index]
        return waiting

    def _grant(self, cursor: Cursor, present: list[Read], known: BatchContext) -> None:
        """Replace each self-service command by its outcome: settled and answered, or filed as an ordinary message if it
        fits nothing.
        """
        for index, (task, raw, outcome, kept) in enumerate(present):
            if isinstance(outcome, ReceivedCommand):
                by_mail = outcome.asker is not None and outcome.asker.kind == EMAIL
                asked = outcome.otherwise if by_mail else None
                message_id = asked.thread.message_id if asked is not None else ""
                reason = execute(
                    cursor, self._settings, raw, outcome.command, outcome.asker, known.cases,
                    senders=self._senders, message_id=message_id,
                )  # fmt: skip
                settled = Ignored(reason or reasons.NO_COMMAND)
                present[index] = (task, raw, settled if reason else outcome.otherwise or settled, kept)

    def _reports(self, cursor: Cursor, present: list[Read]) -> set[UUID]:
        """Apply delivery reports; returns the tasks put off because the delivery's reference is not committed yet."""
        put_off: set[UUID] = set()
        for index, (task, raw, outcome, kept) in enumerate(present):
            if not isinstance(outcome, list | PerhapsReport):
                continue
            reports = outcome if isinstance(outcome, list) else [outcome.report]
            age = (now() - raw.received_at).total_seconds()
            late = age >= _BACKOFF
            unknown = sum(
                not apply_delivery_report(cursor, raw.contact.channel, report, late=late) for report in reports
            )
            if not unknown:
                continue
            patience = self._settings.dispatch.report_wait
            if age < (patience if isinstance(outcome, list) else min(patience, _MESSAGE_WAITS)):
                put_off.add(task.id)
                outbox.retry_later(cursor, task, after=max(_BACKOFF, age), error="report for a delivery not known yet")
                outbox.reset_attempts(cursor, task)
            elif isinstance(outcome, PerhapsReport):
                present[index] = (task, raw, outcome.otherwise, kept)
            else:
                present[index] = (task, raw, Ignored(reasons.NOBODYS_REPORT), kept)
        return put_off


def _only(kind: type[T], present: Sequence[Read]) -> list[T]:
    return [outcome for _, _, outcome, _ in present if isinstance(outcome, kind)]
