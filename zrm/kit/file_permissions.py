"""Folders with exactly the mode they need. The processes' umask keeps everything for its owner; here are the exceptions."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

PRIVATE_UMASK: Final = 0o077
"""What a process that writes personal data sets: its files and folders are its owner's only, unless told otherwise."""

PASSAGE: Final = 0o711
"""Others come through to what is theirs further down, and see nothing on the way."""

SHARED: Final = 0o770
"""Owner and group alike: another server (Asterisk, a fax server) puts down here what we take away."""

PUBLIC: Final = 0o755
"""Everybody reads."""


def open_to_others(folder: Path) -> bool:
    """Whether every user of the machine may read what lies in it."""
    return folder.is_dir() and folder.stat().st_mode & 0o005 == 0o005


def obstacle(folder: Path) -> str | None:
    """Why nothing could be written into a folder, or made where it is missing; None when it could. Writes nothing itself."""
    place = next(place for place in (folder, *folder.parents) if place.exists())
    if not place.is_dir():
        return f"{place} is no folder"
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        return os.strerror(errno.EROFS)
    if not os.access(place, os.W_OK | os.X_OK):
        return os.strerror(errno.EACCES)
    return os.strerror(errno.ENOSPC) if os.statvfs(place).f_bavail == 0 else None


def make(folder: Path, mode: int) -> None:
    """Make a folder if it is not there, whatever the umask, and what is missing above it as a passage. Errors: OSError.

    One that is there stays as it is: an operator may have given it another owner, group or mode.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        place.chmod(mode if place == folder else PASSAGE)
