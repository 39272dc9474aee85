"""Tells a message delivered again from the same words sent twice: SMPP gives messages no id.

After a broken connection an SMSC delivers a message again if it did not get our answer. So the same bytes on the same
connection are a new message, and soon after on a later one they are the old message. The last minutes are also kept in
a file, in case our process died; the file outlives it at least in the kernel's memory.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Final

_SOON: Final = 300.0
_MOST_LINES: Final = 20_000


class Recent:
    """The messages of the last minutes of one SMSC. `line` counts our connections to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._known: dict[str, list[tuple[str, float, int]]] = {}  # digest → (id, when, line), oldest first
        self._read()
        self._file = path.open("a", encoding="ascii")

    def new_line(self) -> None:
        """A new connection: from now on the same bytes may repeat an earlier message."""
        self._line += 1
        self._forget()

    def identify(self, content: bytes, fresh: str) -> str:
        """The id of the message with these bytes: that of an earlier connection's, used once, or else `fresh`."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        now = time.time()
        for index, (known, when, line) in enumerate(self._known.get(digest, ())):
            if line != self._line and abs(now - when) < _SOON:  # a clock that was set back must not cause a duplicate
                self._known[digest][index] = (known, now, self._line)
                return known
        self._known.setdefault(digest, []).append((fresh, now, self._line))
        self._file.write(f"{digest} {fresh} {now:.3f}\n")
        self._file.flush()
        return fresh

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> None:
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return
        lines = self._path.read_text(encoding="ascii", errors="replace").splitlines()[-_MOST_LINES:]
        for entry in lines:
            words = entry.split()
            if len(words) == 3 and words[2].replace(".", "").isdigit():
                self._known.setdefault(words[0], []).append((words[1], float(words[2]), self._line))
        self._forget()
        kept = sorted((when, digest, known) for digest, found in self._known.items() for known, when, _ in found)
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(f"{digest} {known} {when:.3f}\n" for when, digest, known in kept), encoding="ascii")
        fresh.replace(self._path)

    def _forget(self) -> None:
        oldest = time.time() - _SOON
        self._known = {
            digest: kept
            for digest, found in self._known.items()
            if (kept := [item for item in found if item[1] > oldest])
        }
