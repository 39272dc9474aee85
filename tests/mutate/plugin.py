"""Noting which test runs which line, and the ways one change gets into one module: into its functions as they are, or by
importing it changed (as a plugin of pytest, loaded before anything of zrm).
"""

from __future__ import annotations

import gc
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
from tests.mutate.knowledge import module_name

CANNOT_BE_PUT = 71
"""The exit status where a function's code cannot be replaced (it no longer uses a variable of its surroundings)."""


class LineNotes:
    """Writes which test ran which lines of `files`, and how long it took, to `into` as JSON."""

    def __init__(self, files: Sequence[Path], items: Sequence[pytest.Item], into: Path) -> None:
        self._into = into
        self._tests = [item.nodeid for item in items]
        self._coverage = coverage.Coverage(data_file=None, include=[str(file) for file in files], config_file=False)
        self._coverage.set_option("run:disable_warnings", ["no-data-collected", "module-not-measured"])
        self._seconds: dict[str, float] = defaultdict(float)
        self._failed: set[str] = set()
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """What runs from here to the end of the test is the test's."""
        self._coverage.switch_context(str(self._tests.index(item.nodeid)))
        try:
            return (yield)
        finally:
            self._coverage.switch_context("between")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum up its time; a test that does not pass on the original notices nothing."""
        self._seconds[report.nodeid] += report.duration
        if (report.when == "call" and report.outcome != "passed") or report.outcome == "failed":
            self._failed.add(report.nodeid)

    def write(self, sources: dict[str, str]) -> None:
        """Write it down, with the digests of the modules as they were."""
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            file: {
                str(line): sorted(int(test) for test in set(tests) if test.isdigit())
                for line, tests in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        seconds = {test: spent for test, spent in self._seconds.items() if test not in self._failed}
        self._into.write_text(
            json.dumps({"tests": self._tests, "seconds": seconds, "lines": lines, "sources": sources})
        )


def put(file: Path, number: int) -> None:
    """Put a change into the functions of a module that is imported already.

    Ends the process with `CANNOT_BE_PUT` where one cannot take its new code.
    """
    tree, found = changes(file.read_text(encoding="utf-8"))
    found[number].apply()
    new = {
        (code.co_qualname, code.co_firstlineno): code
        for code in _codes(compile(tree, str(file), "exec", dont_inherit=True))
    }
    for one in gc.get_objects():
        if isinstance(one, types.FunctionType) and one.__code__.co_filename == str(file):
            try:
                one.__code__ = new[one.__code__.co_qualname, one.__code__.co_firstlineno]
            except (KeyError, ValueError):
                os._exit(CANNOT_BE_PUT)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


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
def pytest_load_initial_conftests() -> None:
    """Put in the change that the environment names: before conftest.py imports anything of zrm."""
    if change := os.environ.get("ZRM_CHANGE"):
        number, _, file = change.partition(":")
        sys.meta_path.insert(0, ChangedModule(module_name(Path(file)), Path(file), int(number)))
