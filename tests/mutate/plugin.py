"""Two plugins for pytest: one notes which test runs which line, the other puts one change into one module.

They are loaded before anything of zrm is imported, so that lines run by imports are seen and the changed module is the one
that everybody gets.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import types
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import coverage
import pytest

from tests.mutate.changes import changes

IMPORTING = ""
"""The lines run before any test: imports."""


class LineNotes:
    """Writes which test ran which lines of `files`, and how long it took, to `into` as JSON."""

    def __init__(self, files: Sequence[Path], into: Path) -> None:
        self._into = into
        self._coverage = coverage.Coverage(data_file=None, include=[str(file) for file in files], config_file=False)
        self._coverage.set_option("run:disable_warnings", ["no-data-collected", "module-not-measured"])
        self._seconds: dict[str, float] = defaultdict(float)
        self._failed: set[str] = set()
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """What runs from here to the end of the test is the test's."""
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context("between")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum up its time; a test that does not pass on the original notices nothing."""
        self._seconds[report.nodeid] += report.duration
        if report.outcome != "passed":
            self._failed.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            file: {str(line): sorted(set(tests)) for line, tests in data.contexts_by_lineno(file).items()}
            for file in data.measured_files()
        }
        seconds = {test: spent for test, spent in self._seconds.items() if test not in self._failed}
        libraries = [name for name in sys.modules if name.partition(".")[0] not in ("zrm", "tests", "__main__")]
        self._into.write_text(json.dumps({"seconds": seconds, "lines": lines, "libraries": libraries}))


class ChangedModule(importlib.abc.MetaPathFinder):
    """Finds one module before anybody else does, with the change numbered `number` in it."""

    def __init__(self, name: str, file: Path, number: int) -> None:
        self._loader = _ChangedSource(name, file, number)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The changed module's; nobody else's."""
        if fullname != self._loader.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._loader.path, loader=self._loader)


class _ChangedSource(importlib.machinery.SourceFileLoader):
    """Compiles the module with the change."""

    def __init__(self, name: str, file: Path, number: int) -> None:
        super().__init__(name, str(file))
        self._number = number

    def get_code(self, fullname: str) -> types.CodeType:
        """Never the compiled file on disk."""
        tree, found = changes(Path(self.path).read_text(encoding="utf-8"))
        found[self._number].apply()
        return compile(tree, self.path, "exec", dont_inherit=True)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Note lines, if the environment asks for it: from before conftest.py imports anything of zrm."""
    if into := os.environ.get("ZRM_LINES"):
        files = [Path(name) for name in os.environ["ZRM_LINES_OF"].split(os.pathsep)]
        early_config.pluginmanager.register(LineNotes(files, Path(into)))
