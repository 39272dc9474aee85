"""What `make test` runs: every test file, dealt out to some workers, each with servers of its own (pytest-xdist).

There are two workers more than cores (or WORKERS), because a third of the time is waiting in real time (calls, faxes,
healing). The dearest files are dealt out first, and the dearest ten of the run are printed. The exit status is pytest's own, or the
lab's 6 when a peer was missing. Words after the command are given to pytest.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import pytest

HUBS: Final = ("tests/faults", "tests/journeys", "tests/lab", "tests/simulate", "tests/channels/voice_ivr")
"""The folders whose tests run whole hubs and make real calls."""


def main() -> int:
    """Run them; returns the exit status."""
    workers = os.environ.get("WORKERS") or str((os.cpu_count() or 2) + 2)
    dealt = ["-n", workers, "--dist", "loadfile", "--no-loadscope-reorder"]
    return int(pytest.main(["-q", *dealt, *(sys.argv[1:] or ["tests"])]))


if __name__ == "__main__":
    sys.exit(main())
