"""The spool folder: hooks put a fax there when the hub does not answer, other machines always do.

A fax is `<name>.tif` and `<name>.json`, each written under another name and renamed, the note last: once the note
exists, the fax is complete. Received files go to `done/`, those too large to `refused/`; a TIFF whose note never comes,
an unreadable note, and a note without its TIFF are received as they are. Nothing else in the folder is touched.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Final

from zrm.channels.fax.record import FILE_MISSING, NO_NOTE, NOTE_UNREADABLE, contact
from zrm.contract.inbound import RawContact
from zrm.contract.ports import ReceptionPort
from zrm.contract.refusals import TOO_LARGE
from zrm.errors import StoreUnavailable, TooLarge
from zrm.kit import file_permissions, log

_MAX_NOTE: Final = 64 * 1024
_DAY: Final = 86_400.0

_log = log.get(__name__)


class FaxSpool:
    """Receives the faxes put into `folder`."""

    def __init__(
        self,
        folder: Path,
        reception: ReceptionPort,
        *,
        line: str,
        max_bytes: int,
        orphan_seconds: float,
        keep_days: float,
    ) -> None:
        self.folder = folder
        self._reception = reception
        self._line = line
        self._max_bytes = max_bytes
        self._orphan_seconds = orphan_seconds
        self._keep_days = keep_days
        self._stuck: set[tuple[str, int]] = set()

    def serve(self, stop: Event, poll: float) -> None:
        """Look into the folder every `poll` seconds until `stop` is set. Errors: OSError if it cannot be made."""
        file_permissions.make(self.folder, file_permissions.SHARED)
        swept = float("-inf")
        while not stop.is_set():
            self.look(stop)
            if time.monotonic() - swept > 3600:
                swept = time.monotonic()
                self.sweep()
            stop.wait(poll)

    def look(self, stop: Event) -> int:
        """Receive everything that is complete, oldest first; how many faxes that was."""
        taken = 0
        try:
            for name in list(self._complete()):
                if stop.is_set():
                    break
                taken += self._receive(name)
        except StoreUnavailable as error:
            _log.warning("not received", channel="fax", reason=type(error).__name__)
        except OSError as error:
            _log.error("the fax spool cannot be read", channel="fax", reason=os.strerror(error.errno or 0))
        return taken

    def sweep(self) -> None:
        """Remove files that have been in done/ for longer than `keep_days`; the hub has its own copy."""
        before = time.time() - self._keep_days * _DAY
        done = self.folder / "done"
        for path in done.iterdir() if done.is_dir() else ():
            try:
                if path.lstat().st_ctime < before:
                    path.unlink()
            except FileNotFoundError:
                continue  # an operator removed it meanwhile
            except OSError as error:
                _log.warning("not removed", channel="fax", reason=os.strerror(error.errno or 0))

    def _complete(self) -> Iterator[str]:
        """Names of complete faxes, by age: those with a note, and TIFFs that have waited for one long enough."""
        found: dict[str, float] = {}
        with os.scandir(self.folder) as entries:
            files = {
                entry.name: entry.stat(follow_symlinks=False)
                for entry in entries
                if not entry.name.startswith(".") and not entry.is_dir(follow_symlinks=False)
            }
        for file, status in files.items():
            name, dot, kind = file.rpartition(".")
            if not dot or (file, status.st_mtime_ns) in self._stuck:
                continue
            # The writer cannot set the change time back, so a file with an old date is not mistaken for an orphan.
            waited = time.time() - status.st_ctime
            if kind == "json" or (kind == "tif" and f"{name}.json" not in files and waited > self._orphan_seconds):
                found[name] = status.st_ctime
        return iter(sorted(found, key=lambda name: (found[name], name)))

    def _receive(self, name: str) -> bool:
        """Receive one fax and move its files away. Errors: StoreUnavailable, OSError."""
        note_path, tiff_path = self.folder / f"{name}.json", self.folder / f"{name}.tif"
        try:
            note = _read(note_path, _MAX_NOTE)
            tiff = _read(tiff_path, self._max_bytes)
        except TooLarge:
            self._reception.refuse("fax", self._line, TOO_LARGE, "spool")
            _log.warning("refused", channel="fax", reason="too large")
            self._put_away(name, "refused")
            return False
        except PermissionError:
            _log.error("a fax in the spool may not be read", channel="fax")
            self._give_up(name)
            return False
        if note is None and tiff is None:
            return False  # removed by another process
        fax = _contact(note, tiff, self._line)
        receipt = self._reception.receive(fax)
        _log.info(
            "received",
            channel="fax",
            contact=str(receipt.contact_id),
            trace=fax.trace,
            repeated=receipt.repeated,
            size=len(fax.body),
        )
        self._put_away(name, "done")
        return True

    def _put_away(self, name: str, where: str) -> None:
        """Move a fax's files; this process ignores files that it cannot move."""
        try:
            file_permissions.make(self.folder / where, file_permissions.SHARED)  # an operator may have removed it
            # The note first: without it the TIFF is no complete fax, should the process die in between.
            for kind in ("json", "tif"):
                source = self.folder / f"{name}.{kind}"
                target = self.folder / where / source.name
                if target.exists():
                    target = target.with_name(f"{name}.{time.time_ns()}.{kind}")
                try:
                    source.rename(target)
                except FileNotFoundError:
                    continue
        except OSError as error:
            _log.error("a received fax cannot be put away", channel="fax", reason=os.strerror(error.errno or 0))
            self._give_up(name)

    def _give_up(self, name: str) -> None:
        for kind in ("json", "tif"):
            try:
                status = (self.folder / f"{name}.{kind}").lstat()
            except FileNotFoundError:
                continue
            self._stuck.add((f"{name}.{kind}", status.st_mtime_ns))


def _contact(note: bytes | None, tiff: bytes | None, line: str) -> RawContact:
    if note is None:
        return contact({}, tiff, line=line, fault=NO_NOTE.code)
    try:
        fields = json.loads(note.decode("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return contact({}, tiff, line=line, note=note, fault=NOTE_UNREADABLE.code)
    texts = {str(name): str(value) for name, value in fields.items() if isinstance(value, str | int)}
    missing = tiff is None and texts.get("file", "no") == "yes"
    return contact(texts, tiff, line=line, note=note, fault=FILE_MISSING.code if missing else "")


def _read(path: Path, limit: int) -> bytes | None:
    """The file's bytes; None if it is missing or no regular file. Errors: TooLarge, OSError.

    Links are not followed: the spool may belong to a user who may not read what we can.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        if path.is_symlink():
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        content = file.read(limit + 1)
    if len(content) > limit:
        raise TooLarge(limit)
    return content
