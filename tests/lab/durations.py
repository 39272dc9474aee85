"""The duration of each test file: printed after large runs, and used to assign files to workers.

The slowest files are assigned first, so that no worker still runs a long one when the others have ended. The durations are
those of the last recorded full run (`RECORD=1 make test`), in durations.json beside this file; unknown files are assigned
first.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

RECORDED: Final = Path(__file__).with_suffix(".json")
SHOWN: Final = 10


class Durations:
    """Sums up the time of each file."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """In a worker: the slowest files first; a file's tests stay together in their order."""
        if hasattr(config, "workerinput"):
            known = json.loads(RECORDED.read_text(encoding="utf-8"))
            items.sort(key=lambda item: (-known.get(_file(item.nodeid), float("inf")), _file(item.nodeid)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Setup, call and teardown."""
        self._seconds[_file(report.nodeid)] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the slowest files, if there are many."""
        if len(self._seconds) > SHOWN:
            terminalreporter.section(f"the {SHOWN} dearest of {len(self._seconds)} files")
            for file, seconds in sorted(self._seconds.items(), key=lambda one: -one[1])[:SHOWN]:
                terminalreporter.write_line(f"{seconds:6.1f} s  {file}")
        if os.environ.get("RECORD"):
            rounded = {file: round(seconds, 1) for file, seconds in sorted(self._seconds.items())}
            RECORDED.write_text(json.dumps(rounded, indent=0) + "\n", encoding="utf-8")


def _file(test: str) -> str:
    return test.partition("::")[0]


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(Durations())
