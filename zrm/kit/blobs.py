"""Content-addressed files: a blob's key is its SHA-256, so the same attachment is kept once.

Written under a temporary name, synced, renamed, and the folder synced: when `put` returns, the blob survives a power
cut.

The folder may bear its owner's mark. A store that knows its owner writes nothing into a folder with another mark or
none: that is a disk that is not mounted.

A blob's modification time is when it was put last, for the removal of unused blobs: `put` of an existing blob and
`touch` renew it, under a lock that `remove` takes too, so that no blob is removed while a writer counts on it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from zrm.errors import NotFound, StoreFull, StoreUnavailable

_CHUNK = 1 << 20
_MARK = ".installation"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class BlobStore:
    """A folder of blobs, two levels deep by the key's first four hex digits.

    `owner` gives the mark the folder must bear; it is called once, before the first blob is written, and may raise
    ZrmError.
    """

    def __init__(self, root: Path, owner: Callable[[], str] | None = None) -> None:
        self.root = root
        self._owner = owner
        self._own_mark: str | None = None

    def mark(self) -> str | None:
        """The mark of the folder's owner; None without a mark or a folder. Errors: StoreUnavailable."""
        try:
            return (self.root / _MARK).read_text("ascii").strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"the blob store cannot be read: {error}") from error

    def write_mark(self, mark: str) -> None:
        """Put the mark on the folder, which is made if missing. Errors: StoreUnavailable."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=self.root)
            with os.fdopen(handle, "w") as file:
                file.write(f"{mark}\n")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.root / _MARK)
            _sync_folder(self.root)
        except OSError as error:
            raise StoreUnavailable(f"{self.root} cannot be written: {error.strerror}") from error

    def require_own(self) -> None:
        """Check the mark. Errors: StoreUnavailable if the folder is not its owner's, and the errors of `owner`."""
        if self._owner is None:
            return
        if self._own_mark is None:
            self._own_mark = self._owner()
        if self.mark() != self._own_mark:
            raise StoreUnavailable(f"{self.root} is no longer the installation's folder; is its disk mounted?")

    def put(self, source: bytes | BinaryIO, *, announce: Callable[[str], None] | None = None) -> tuple[str, int]:
        """Keep the bytes; returns (key, size in bytes). `announce` gets the key before the blob exists.

        Errors: StoreFull when there is no space, StoreUnavailable, those of `announce`.
        """
        self.require_own()
        try:
            return self._put(source, announce or _to_nobody)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise StoreFull("no space in the blob store") from error
            raise StoreUnavailable(f"{self.root} cannot be written: {error.strerror}") from error

    def _put(self, source: bytes | BinaryIO, announce: Callable[[str], None]) -> tuple[str, int]:
        if isinstance(source, bytes):
            key = hashlib.sha256(source).hexdigest()
            if self._path(key).exists():
                announce(key)
                if self._touch(key):
                    return key, len(source)
        self.root.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=self.root)
        try:
            digest, size = hashlib.sha256(), 0
            with os.fdopen(handle, "wb") as file:
                for chunk in [source] if isinstance(source, bytes) else iter(lambda: source.read(_CHUNK), b""):
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            path = self._path(digest.hexdigest())
            announce(path.name)
            if self._touch(path.name):
                Path(temporary).unlink()
                return path.name, size
            for parent in (path.parent.parent, path.parent):
                if not parent.exists():
                    parent.mkdir(exist_ok=True)
                    _sync_folder(parent.parent)
            Path(temporary).rename(path)
            _sync_folder(path.parent)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return path.name, size

    def touch(self, key: str) -> bool:
        """Whether the blob exists; if so, it counts as put now. Errors: NotFound for an invalid key,
        StoreUnavailable.
        """
        self.require_own()
        self.path(key)
        try:
            return self._touch(key)
        except OSError as error:
            raise StoreUnavailable(f"{self.root} cannot be written: {error.strerror}") from error

    def remove(self, key: str, *, unused_for: float) -> bool:
        """Remove a blob, unless it was put or touched in the last `unused_for` seconds; whether it is gone.

        May be repeated. Errors: NotFound for an invalid key, StoreUnavailable.
        """
        self.require_own()
        path = self.path(key)
        try:
            with path.open("r+b") as file:  # NFS gives the lock only for a file opened for writing
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_mtime > time.time() - unused_for:
                    return False
                if _lies_at(path, file):
                    path.unlink()
                    _sync_folder(path.parent)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise StoreUnavailable(f"{self.root} cannot be written: {error.strerror}") from error
        return True

    def get(self, key: str) -> bytes:
        """The whole blob. Errors: NotFound."""
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError:
            raise NotFound("no such blob") from None

    def open(self, key: str) -> BinaryIO:
        """The blob as an open binary file, for streaming. Errors: NotFound."""
        try:
            return self.path(key).open("rb")
        except FileNotFoundError:
            raise NotFound("no such blob") from None

    def path(self, key: str) -> Path:
        """The blob's path (it may not exist). Errors: NotFound if `key` is not a SHA-256 in lower-case hex."""
        if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
            raise NotFound("not a blob key")
        return self._path(key)

    def sweep(self, older_than: float = 86_400) -> int:
        """Remove half-written files of killed writers, `older_than` seconds old; returns how many."""
        limit = time.time() - older_than
        left = [path for path in self.root.glob(".new-*") if path.stat().st_mtime < limit]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def keys(self) -> Iterator[str]:
        """Every key in the store, in no order."""
        return (path.name for path in self.root.glob("??/??/*"))

    def _touch(self, key: str) -> bool:
        path = self._path(key)
        while True:
            try:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_SH)
                    if _lies_at(path, file):
                        os.utime(file.fileno())
                        return True
            except FileNotFoundError:
                return False

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / key[2:4] / key


def _to_nobody(_key: str) -> None:
    """Does nothing: the default of `announce`."""


def _lies_at(path: Path, file: IO[bytes]) -> bool:
    """Whether the open file is still the one of that name. Errors: FileNotFoundError if there is none."""
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
