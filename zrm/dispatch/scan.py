"""Has clamd scan citizens' files for viruses, where the installation has one; in a worker, never at a door.

A file is `waiting` until clamd answers, then `clean` or `infected`; it never counts as clean because clamd could not be
asked. While clamd is away it is asked again for as long as it takes, and the contact says so meanwhile; a file that
clamd refuses to judge becomes a failed task for a person. The bytes are kept in every case.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from zrm.casestore import attachment, contact, live, outbox
from zrm.casestore.outbox import Task
from zrm.contract.reasons import Reason, declare
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.clamd import Clamd, ScannerAway, ScannerRefused
from zrm.kit.db import Cursor, Database

_log = log.get(__name__)
_NEVER_FINISHED: Final = declare("scan.never_finished", "scanning was started too often and never finished")
_CANNOT_JUDGE: Final = declare("scan.cannot_judge", "the virus scanner cannot judge this file")
_PAUSE: Final = 30.0  # seconds until clamd is asked again after it was away


class ScanHandler:
    """The handler of the topic `scan`: a ref is an attachment. Without a `clamd` (any more) files are marked as
    unscanned.
    """

    def __init__(self, database: Database, blobs: BlobStore, clamd: Clamd | None) -> None:
        self._database = database
        self._blobs = blobs
        self._clamd = clamd
        self._away_until = 0.0

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Scan each task's file, or put it off, or record why it cannot be judged. May run twice."""
        for task in tasks:
            with self._database.cursor() as cursor:
                cursor.execute("SELECT blob_key FROM attachments WHERE id = %s AND scan = 'waiting'", [task.ref])
                row = cursor.fetchone()
                if row is None or self._clamd is None:
                    self._settle(cursor, task, "", "")
                    continue
            self._scan(task, row[0], self._clamd)

    def give_up(self, task: Task) -> None:
        """Started too often and never finished: it stays unscanned, and a person can start the scan again."""
        with self._database.cursor() as cursor:
            self._fail(cursor, task, _NEVER_FINISHED)

    def _scan(self, task: Task, blob_key: str, clamd: Clamd) -> None:
        try:
            if time.monotonic() < self._away_until:
                raise ScannerAway("it was away a moment ago")
            with self._blobs.open(blob_key) as file:
                threat = clamd.scan(file)
        except ScannerAway as error:
            self._put_off(task, error, clamd)
        except ScannerRefused as error:
            with self._database.cursor() as cursor:
                self._fail(cursor, task, _CANNOT_JUDGE(words=str(error)[:400]))
        else:
            with self._database.cursor() as cursor:
                self._settle(cursor, task, "infected" if threat else "clean", threat)
            _log.info("scanned", file=str(task.ref), trace=task.trace, infected=bool(threat))

    def _put_off(self, task: Task, error: ScannerAway, clamd: Clamd) -> None:
        """While clamd is away, attempts do not count; if clamd answers and only this file breaks the scan off, each
        counts.
        """
        away = time.monotonic() < self._away_until or not clamd.ping()
        if away and time.monotonic() >= self._away_until:
            self._away_until = time.monotonic() + _PAUSE
        _log.warning("not scanned", file=str(task.ref), trace=task.trace, reason=str(error), away=away)
        with self._database.cursor() as cursor:
            _label(cursor, task.ref)
            outbox.retry_later(cursor, task, after=_PAUSE, error=type(error).__name__)
            if away:
                outbox.reset_attempts(cursor, task)

    def _settle(self, cursor: Cursor, task: Task, verdict: str, threat: str) -> None:
        attachment.settle_scan(cursor, task.ref, verdict, threat)
        _label(cursor, task.ref)
        outbox.done(cursor, [task])

    def _fail(self, cursor: Cursor, task: Task, reason: Reason) -> None:
        _label(cursor, task.ref)
        outbox.fail(cursor, task, reason)
        live.publish_change(cursor, "task", [task.id])


def _label(cursor: Cursor, file_id: UUID) -> None:
    """Record the scan results on the contact, and tell the open desks."""
    live.publish_change(cursor, "case", contact.label_scanned(cursor, file_id))
