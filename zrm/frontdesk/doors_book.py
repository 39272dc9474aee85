"""The doors' book: each contact that a door confirms, recorded before the confirmation, apart from the contacts.

The conservation law compares it with the receipts (`zrm.insight.ledger`), so that a contact that was confirmed and is
not stored shows up, whatever lost it: a fault in the store, two contacts taken for one, a database restored from
yesterday.

A line is written at once to a file of this process, where it survives the process, and a moment later to the table
`door_answers`. The next process on the same folder takes in the file of a killed one. If the book cannot be written,
doors still accept contacts: the law then knows of fewer answers than there were, never of more.
"""

from __future__ import annotations

import fcntl
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg

from zrm.contract.inbound import RawContact, Receipt
from zrm.inbox import door_records
from zrm.inbox.content import content_of
from zrm.kit import log
from zrm.kit.db import Database
from zrm.kit.ids import new_id

_EVERY: Final = 1.0  # seconds between two writes to the store
_BookLine = tuple[UUID, str, str, datetime]
_COLUMNS: Final = 4
_log = log.get(__name__)


class DoorsBook:
    """The book of one process. `folder` is where processes of one machine keep what has not reached the store yet."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._lock = threading.Lock()
        self._lines: list[_BookLine] = []  # not in the store yet
        self._journal: int | None = None
        self._written: list[Path] = []  # our files with lines that are not in the store yet, the newest last
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def note(self, contact: RawContact, receipt: Receipt) -> None:
        """Record that the door is about to confirm this contact. From any thread; never raises."""
        line = (receipt.contact_id, content_of(contact), contact.channel, receipt.received_at)
        with self._lock:
            self._lines.append(line)
            try:
                os.write(self._open(), _text(line))
            except OSError as error:
                _log.warning("the doors' book is not written to disk", error=os.strerror(error.errno or 0))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="door-answers", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write the lines noted so far to the store. Errors: psycopg.Error; then they are kept for later."""
        with self._lock:
            lines, self._lines = self._lines, []
            written, self._written = self._written, []
            journal, self._journal = self._journal, None
        try:
            self._insert(lines)
        except BaseException:
            with self._lock:
                self._lines[:0] = lines
                self._written[:0] = written
            raise
        finally:
            if journal is not None:
                os.close(journal)
        for path in written:
            path.unlink(missing_ok=True)

    def adopt(self) -> int:
        """Take in what ended processes have left; returns how many lines. Errors: as `flush`, OSError."""
        found = 0
        for path in self._folder.glob("*.log"):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            with os.fdopen(descriptor, "rb") as file:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # its process lives
                with self._lock:
                    if path in self._written:
                        continue
                lines = [line for text in file if (line := _read(text)) is not None]
                self._insert(lines)
                path.unlink(missing_ok=True)
                found += len(lines)
        return found

    def close(self) -> None:
        """Write everything to the store; what does not get there stays in the folder."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        adopted = False
        while True:
            last = self._closing.wait(_EVERY)
            try:
                self.flush()
                if not adopted:
                    self.adopt()
                    adopted = True
            except (psycopg.Error, OSError) as error:
                _log.warning("the doors' book is not in the store yet", error=type(error).__name__)
            if last:
                return

    def _insert(self, lines: list[_BookLine]) -> None:
        if lines:
            with self._database.cursor() as cursor:
                door_records.note_answers(cursor, lines)

    def _open(self) -> int:
        """The file of the lines since the last write, locked while its process lives. Errors: OSError."""
        while self._journal is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{new_id().hex}.log"
            journal = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                if _locked(journal):
                    self._journal = journal
                    self._written.append(path)
            finally:
                if self._journal is None:
                    os.close(journal)
                    path.unlink(missing_ok=True)
        return self._journal


def _locked(journal: int) -> bool:
    """Whether the new file is ours. A process that adopts files may have been faster: it holds or has removed it.

    Never waits: the confirming door is blocked here, and `adopt` in our own process may hold the file and wait for our
    lock.
    """
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(journal).st_nlink > 0


def _text(line: _BookLine) -> bytes:
    contact_id, content, channel, received_at = line
    return f"{contact_id} {content} {channel} {received_at.isoformat()}\n".encode()


def _read(text: bytes) -> _BookLine | None:
    """A line of a file; None for the incomplete end of one."""
    words = text.decode("utf-8", "replace").split()
    if len(words) != _COLUMNS or not text.endswith(b"\n"):
        return None
    try:
        return UUID(words[0]), words[1], words[2], datetime.fromisoformat(words[3])
    except ValueError:
        return None
