"""A device that fills up: a tmpfs of a few megabytes, mounted by root or by sudo without a password."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

MEGABYTES = 4


def _as_root(*command: str) -> bool:
    prefix = [] if os.geteuid() == 0 else [shutil.which("sudo") or "sudo", "-n"]
    try:
        return subprocess.run([*prefix, *command], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def small_device(folder: Path) -> Iterator[Path]:
    """Mount a fresh tmpfs of `MEGABYTES` at `folder`. Raises OSError if this machine does not allow it."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = f"size={MEGABYTES}m,uid={os.geteuid()},mode=0700"
    if not _as_root("mount", "-t", "tmpfs", "-o", owner, "tmpfs", str(folder)):
        raise OSError("a small tmpfs cannot be mounted")
    try:
        yield folder
    finally:
        _as_root("umount", "--lazy", str(folder))


@lru_cache
def can_mount() -> bool:
    """Whether `small_device` works on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_device(Path(folder)):
                return True
        except OSError:
            return False
