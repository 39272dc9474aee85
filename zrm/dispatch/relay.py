"""The relay: listens to the outbox and wakes RQ; turns due timers into tasks; sweeps for tasks without a wake-up and
for unreferenced files; folds the counters; creates the coming months' partitions. Work of a topic that it does not know
(another version's) stays where it is.

Several relays may run without harm. It keeps nothing in memory that matters.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Event

import psycopg

from zrm.casestore import counts, heartbeat, months, notification, outbox, proof, timers, uploads
from zrm.casestore.outbox import Topic
from zrm.config import Dispatch
from zrm.dispatch.queues import Queues
from zrm.dispatch.status import query_missing_reports
from zrm.errors import StoreUnavailable
from zrm.inbox import door_records
from zrm.kit import log, throttle
from zrm.kit.blobs import BlobStore
from zrm.kit.database_checks import reason
from zrm.kit.db import Connection, Database
from zrm.kit.outage import Outage
from zrm.security import sessions

_RECONNECT = 0.5
_TOGETHER = 0.02  # seconds; wake-ups of a topic so close together share one job
_HOUSEKEEPING = 3600.0
_SOONEST = 0.1  # seconds between two sweeps, whatever becomes due
_TOPICS = frozenset(topic.value for topic in Topic)

_log = log.get(__name__)


class Relay:
    """Runs until `stop` is set; survives restarts of PostgreSQL and Valkey."""

    def __init__(
        self, database: Database, queues: Queues, settings: Dispatch, blobs: BlobStore, *, keep_read: float = 30
    ) -> None:
        """`keep_read`: the days for which read notifications are kept."""
        self._database = database
        self._queues = queues
        self._settings = settings
        self._blobs = blobs
        self._keep_read = keep_read
        self._store = Outage("store")
        self._files = Outage("blob store")
        self._housekeeping_at = 0.0
        self._woken: dict[Topic, float] = {}  # when each topic was last woken
        self._announced: set[Topic] = set()  # topics announced since then
        self._reported: set[str] = set()  # unknown topics that the log names already

    def run(self, stop: Event) -> None:
        """Listen and sweep until told to stop."""
        while not stop.is_set():
            try:
                with self._database.connect(autocommit=True) as connection:
                    connection.execute("LISTEN zrm_outbox")
                    self._store.over()
                    self._listen(connection, stop)
            except psycopg.OperationalError as error:
                self._store.begun(error, reason(error))
                stop.wait(_RECONNECT)

    def _listen(self, connection: Connection, stop: Event) -> None:
        next_sweep = 0.0
        while not stop.is_set():
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + self._sweep()
            wait = _TOGETHER if self._announced else max(0.01, min(0.5, next_sweep - time.monotonic()))
            for notice in connection.notifies(timeout=wait, stop_after=1):
                if notice.payload in _TOPICS:
                    self._announced.add(Topic(notice.payload))
                else:
                    self._report_unknown([notice.payload])
            self._wake_announced()

    def _wake_announced(self) -> None:
        """Wake each topic at once, unless it was woken just now: a job costs as much as a contact, so under load many
        share one.
        """
        at = time.monotonic()
        for topic in [topic for topic in self._announced if at - self._woken.get(topic, 0.0) >= _TOGETHER]:
            self._announced.remove(topic)
            self._woken[topic] = at
            self._queues.wake(topic)

    def _report_unknown(self, topics: Iterable[str]) -> None:
        """Log each unknown topic once."""
        for topic in sorted(set(topics) - self._reported):
            self._reported.add(topic)
            _log.error("work of an unknown topic stays: this version of ZRM does not know it", topic=topic)

    def _sweep(self) -> float:
        """Wake every topic with due work, so that nothing waits longer than a sweep when its notification was lost.

        Returns the seconds until the next sweep: fewer than usual if something becomes due before that.
        """
        with self._database.cursor() as cursor:
            outbox.repair_future_due_times(cursor)
            timers.repair_future_due_times(cursor)
            timers.move_due(cursor)
            unknown = timers.unknown_topics(cursor)
            due = outbox.due_topics(cursor)
            counts.compact(cursor)
            moments = [outbox.seconds_to_next(cursor), timers.seconds_to_next(cursor)]
            soonest = min((seconds for seconds in moments if seconds is not None), default=None)
        for topic in due:
            self._queues.wake(topic)
        self._report_unknown(unknown)
        self._sweep_uploads()
        if time.monotonic() - self._housekeeping_at > _HOUSEKEEPING or not self._housekeeping_at:
            self._housekeeping_at = time.monotonic()
            throttle.sweep(self._database)
            with self._database.cursor() as cursor:
                heartbeat.forget(cursor)
                counts.fold_days(cursor)
                sessions.forget_expired(cursor)
                door_records.forget_dialogues(cursor)
                query_missing_reports(cursor, hours=self._settings.report_hours)
                proof.forget_old(cursor)
                door_records.compare_answers(cursor)
                door_records.forget_kept_answers(cursor)
                self._report_unknown(outbox.unknown_topics(cursor))
            self._forget_notifications()
            months.make_coming(self._database)
        return self._settings.sweep if soonest is None else min(self._settings.sweep, max(_SOONEST, soonest))

    def _forget_notifications(self) -> None:
        """Remove notifications that were read long ago, some thousands per transaction."""
        more = True
        while more:
            with self._database.cursor() as cursor:
                more = notification.forget_read(cursor, days=self._keep_read)

    def _sweep_uploads(self) -> None:
        """Remove some files without references; the rest waits for the next sweep, as all do while the folder is away."""
        try:
            uploads.sweep(self._database, self._blobs)
            self._files.over()
        except StoreUnavailable as error:
            self._files.begun(error, str(error))
