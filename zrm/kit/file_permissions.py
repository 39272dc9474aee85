"""Files and folders with exactly the mode they need. The processes' umask gives all to the owner; here are the
exceptions.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

PRIVATE_UMASK: Final = 0o077
"""The umask of a process that writes personal data: files and folders are for their owner only, unless made
otherwise."""

PASSAGE: Final = 0o711
"""Others may pass through to their own folders below, and see nothing on the way."""

SHARED: Final = 0o770
"""For owner and group: another server (Asterisk, a fax server) puts files here that we take away."""

PUBLIC: Final = 0o755
"""Readable for all users."""


def open_to_others(folder: Path) -> bool:
    """Whether every user of the machine may read its content."""
    return folder.is_dir() and folder.stat().st_mode & 0o005 == 0o005


def obstacle(folder: Path) -> str | None:
    """Why nothing can be written into a folder, or the folder cannot be made; None when it can. Writes nothing
    itself.
    """
    place = next(place for place in (folder, *folder.parents) if place.exists())
    if not place.is_dir():
        return f"{place} is no folder"
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        return os.strerror(errno.EROFS)
    if not os.access(place, os.W_OK | os.X_OK):
        return os.strerror(errno.EACCES)
    return os.strerror(errno.ENOSPC) if os.statvfs(place).f_bavail == 0 else None


def make(folder: Path, mode: int) -> None:
    """Make a folder if it is missing, whatever the umask, and its missing parents as `PASSAGE`. Errors: OSError.

    An existing folder is not changed: an operator may have given it another owner, group or mode.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        place.chmod(mode if place == folder else PASSAGE)
