"""The folder that Asterisk records into, and how nothing in it is lost.

A message is a note and its takes: `<uniqueid>-<nonce>.json`, written and synced before the first take is begun, and
`<uniqueid>-<nonce>-<take>.wav`, written by Asterisk. The process that handles a message holds a lock on its note; the
kernel releases it when that process dies, by kill -9 too. The sweep receives every message whose lock is free and whose
takes no longer grow. Files are deleted only after the receipt. The nonce is in the contact's external id, so that
neither a repeated uniqueid (a restarted Asterisk, a clock set back) nor a second message in one call is taken for the
first.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zrm.channels.voice_ivr import wave
from zrm.kit import file_permissions, log

_log = log.get(__name__)

NOTE_VERSION: Final = 1
# Less sound than this is a click, not a message.
SHORTEST_SECONDS: Final = 0.5
UNREADABLE_BYTES: Final = 4096
# Asterisk leaves a second of the silence at which it stopped; a take that short and no louder than the line is empty.
SILENT_SECONDS: Final = 2.0
MAX_TAKES: Final = 20
_STEM: Final = r"[A-Za-z0-9_.-]{1,80}-[0-9a-f]{12}"
_TAKE_NAME: Final = re.compile(rf"(?P<stem>{_STEM})-\d{{1,2}}\.wav")
_NOTE_NAME: Final = re.compile(rf"(?P<stem>{_STEM})\.json")


@dataclass(frozen=True, slots=True)
class Take:
    """One recording: its file, its number (1 the first), and the seconds of sound in it."""

    path: Path
    number: int
    seconds: float


@dataclass(slots=True)
class VoiceMessage:
    """A message being recorded, or found. `facts` are what is known of the call; the note on disk has the same."""

    folder: Path
    stem: str
    facts: dict[str, Any] = field(default_factory=dict)
    _lock: int = -1

    @property
    def note_path(self) -> Path:
        """The note beside the takes."""
        return self.folder / f"{self.stem}.json"

    def take_base(self, number: int) -> Path:
        """The path of a take without its ending, as Asterisk wants it."""
        return self.folder / f"{self.stem}-{number}"

    def takes(self) -> list[Take]:
        """The takes that hold sound, in order. Errors: OSError."""
        found = []
        for path in _takes_of(self.folder, self.stem):
            sound = wave.mend(path)
            if sound is None:
                # A file we cannot read as sound is still the citizen's unless it is too small to hold any.
                if path.stat().st_size > UNREADABLE_BYTES:
                    found.append(Take(path, _number(path), 0.0))
            elif sound.seconds >= SILENT_SECONDS or (
                sound.seconds >= SHORTEST_SECONDS and not wave.is_silent(path, sound)
            ):
                found.append(Take(path, _number(path), sound.seconds))
        return found

    def write_note(self) -> None:
        """Make the facts durable. Errors: OSError."""
        text = json.dumps({"version": NOTE_VERSION, **self.facts}, ensure_ascii=False).encode()
        os.pwrite(self._lock, text, 0)
        os.ftruncate(self._lock, len(text))
        os.fsync(self._lock)

    def drop_take(self, number: int) -> None:
        """Delete a take that the caller recorded anew. Errors: OSError."""
        (self.folder / f"{self.stem}-{number}.wav").unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the takes, then the note; only after the receipt, or when there is no sound. Errors: OSError."""
        for path in _takes_of(self.folder, self.stem):
            path.unlink(missing_ok=True)
        self.note_path.unlink(missing_ok=True)

    def release(self) -> None:
        """Release the lock: from now on the sweep may receive what is still there."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class VoiceSpool:
    """The recordings folder of one telephone door; several processes may share it."""

    def __init__(self, folder: Path, settle_seconds: float, longest_seconds: float) -> None:
        self.folder = folder
        self._settle_seconds = settle_seconds
        # A note whose recording has not begun yet must wait for the beep, and a slow Asterisk, before it is swept.
        self._lonely_seconds = longest_seconds + 120

    def prepare(self) -> None:
        """Make the folder if it is missing. Errors: OSError."""
        file_permissions.make(self.folder, file_permissions.SHARED)

    def begin(self, uniqueid: str, facts: dict[str, Any]) -> VoiceMessage:
        """A new message, its note durable and locked by us. Errors: OSError."""
        nonce = secrets.token_hex(6)
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", uniqueid)[:80].lstrip(".-") or "call"
        message = VoiceMessage(self.folder, f"{safe}-{nonce}", facts)
        message._lock = os.open(message.note_path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(message._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            message.write_note()
            _sync_folder(self.folder)
        except BaseException:
            message.release()
            raise
        return message

    def orphans(self) -> Generator[VoiceMessage, None, None]:
        """Messages that are unlocked and that Asterisk has finished, each locked by us while it is yielded."""
        for stem in sorted(self._stems()):
            message = self._claim(stem)
            if message is None:
                continue
            try:
                yield message
            finally:
                message.release()

    def strangers(self) -> int:
        """How many sound files here were not requested by this door; they are left alone. Errors: OSError."""
        return sum(1 for path in self.folder.glob("*.wav") if _TAKE_NAME.fullmatch(path.name) is None)

    def _stems(self) -> set[str]:
        stems = set()
        for path in self.folder.iterdir():
            match = _TAKE_NAME.fullmatch(path.name) or _NOTE_NAME.fullmatch(path.name)
            if match:
                stems.add(match["stem"])
        return stems

    def _claim(self, stem: str) -> VoiceMessage | None:
        message = VoiceMessage(self.folder, stem)
        # A take whose note is gone gets a new, empty note: the lock needs a file.
        create = os.O_CREAT if _takes_of(self.folder, stem) else 0
        try:
            lock = os.open(message.note_path, create | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.error("note cannot be opened", reason=error.strerror)
            return None
        message._lock = lock
        if _locked(lock) and self._at_rest(message) and message.note_path.exists():
            message.facts = _read_note(lock)
            return message
        message.release()
        return None

    def _at_rest(self, message: VoiceMessage) -> bool:
        """Whether nothing was written for a while, by the file system's time against our clock."""
        now = time.time()
        takes = _takes_of(message.folder, message.stem)
        wait = self._settle_seconds if takes else self._lonely_seconds
        try:
            newest = max(path.stat().st_mtime for path in (*takes, message.note_path))
        except FileNotFoundError:
            return False
        # A date in the future (a clock set back, another machine's clock) must not keep a message here for ever.
        return now - newest >= wait or newest - now > self._lonely_seconds


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_note(descriptor: int) -> dict[str, Any]:
    """The facts of a note; none if it is empty or damaged: the recording counts even without them."""
    try:
        facts = json.loads(os.pread(descriptor, 1 << 20, 0))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _takes_of(folder: Path, stem: str) -> list[Path]:
    # Checked by name rather than by listing the folder, which may hold thousands after an outage.
    takes = (folder / f"{stem}-{number}.wav" for number in range(1, MAX_TAKES + 1))
    return [path for path in takes if path.exists()]


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
