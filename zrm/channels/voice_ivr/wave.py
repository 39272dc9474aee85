"""WAV files as Asterisk writes them: their real length, and repair of a header that was never completed."""

from __future__ import annotations

import os
import struct
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_PCM: Final = 1
_HISS: Final = 330  # 1 % of full scale


@dataclass(frozen=True, slots=True)
class Wave:
    """Where the sound is in a file. `rate` in frames a second, `frame` in bytes, `data_at` and `size` in bytes."""

    rate: int
    frame: int
    data_at: int
    size: int

    @property
    def seconds(self) -> float:
        """Length of the sound that is really in the file."""
        return self.size / self.frame / self.rate


def measure(path: Path) -> Wave | None:
    """Find the sound in a PCM file by its content, not by its header's sizes; None if it is no such file.

    Errors: OSError.
    """
    with path.open("rb") as file:
        return _measure(file, path.stat().st_size)


def mend(path: Path) -> Wave | None:
    """As `measure`, and write the true sizes into a header that disagrees, so that players can read it.

    A file that we may only read (Asterisk runs as another user) is measured and not changed. Errors: OSError.
    """
    if not os.access(path, os.W_OK):
        return measure(path)
    with path.open("r+b") as file:
        total = os.fstat(file.fileno()).st_size
        wave = _measure(file, total)
        if wave is None:
            return None
        file.seek(wave.data_at - 4)
        claimed = struct.unpack("<I", file.read(4))[0]
        if claimed > total - wave.data_at or (claimed == 0 and wave.size):
            file.seek(4)
            file.write(struct.pack("<I", wave.data_at + wave.size - 8))
            file.seek(wave.data_at - 4)
            file.write(struct.pack("<I", wave.size))
            file.flush()
            os.fsync(file.fileno())
        return wave


def is_silent(path: Path, wave: Wave) -> bool:
    """Whether nothing in the file is louder than a line's noise; only 16-bit sound is judged. Errors: OSError."""
    if wave.frame != 2:
        return False
    with path.open("rb") as file:
        file.seek(wave.data_at)
        samples = array("h", file.read(wave.size))
    if sys.byteorder == "big":
        samples.byteswap()
    return max(map(abs, samples), default=0) < _HISS


def _measure(file: BinaryIO, total: int) -> Wave | None:
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    rate = frame = 0
    while len(chunk := file.read(8)) == 8:
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            if not rate or not frame:
                return None
            there = total - file.tell()
            # A header that was never completed says 0 (or too much); then all that follows is the sound.
            size = there if size == 0 or size > there else size
            return Wave(rate, frame, file.tell(), size - size % frame)
        if name == b"fmt ":
            form = file.read(min(size, 16))
            if len(form) < 16:
                return None
            kind, _, rate, _, frame, _ = struct.unpack("<HHIIHH", form)
            if kind != _PCM:
                return None
            size -= 16
        file.seek(size + size % 2, os.SEEK_CUR)
    return None
