"""What is known before faults are made: which modules are meant, and which test runs which of their lines."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from tests.mutate.changes import Change, changes
from tests.mutate.plugin import IMPORTING
from tests.run import HUBS

CHECKOUT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = CHECKOUT / "var" / "mutate"
MOST_TESTS, MOST_SECONDS = 120, 60.0
"""What is run for one fault at most: the quickest tests that run its line."""


@dataclass(frozen=True)
class Fault:
    """One change of one module, and the tests that run its lines (quickest first) with what they take together."""

    module: Path
    number: int
    change: Change
    tests: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        return f"{self.module.relative_to(CHECKOUT)}:{self.change.line}: {self.change.what}"


def modules_of(names: Sequence[str]) -> list[Path]:
    """The Python files of zrm that are meant: given files and folders, else those changed since main."""
    if not names:
        changed = subprocess.run(
            ["git", "diff", "--name-only", "--merge-base", "main", "--", "zrm"],
            cwd=CHECKOUT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        names = changed.stdout.split()
    paths = [CHECKOUT / name for name in names]
    found = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    return sorted(file for file in found if file.suffix == ".py" and file.exists() and "migrations" not in file.parts)


def concerned(modules: Iterable[Path]) -> list[Path]:
    """Test files of the modules' own folders, and those that import one of the modules."""
    names = {module_name(module) for module in modules}
    rooms = {module.relative_to(CHECKOUT / "zrm").parts[:-1] for module in modules} - {()}
    hubs = [CHECKOUT / folder for folder in HUBS]
    return [
        file
        for file in sorted((CHECKOUT / "tests").rglob("test_*.py"))
        if not any(hub in file.parents for hub in hubs)
        and (file.relative_to(CHECKOUT / "tests").parts[:-1] in rooms or names & _names(file))
    ]


def _names(file: Path) -> frozenset[str]:
    """Every module that a file imports (and every name that it takes from one, which may be a module)."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def tests_of(names: Sequence[str]) -> list[Path]:
    """The test files that are meant by files and folders."""
    paths = [CHECKOUT / name for name in names]
    return sorted({file for path in paths for file in (path.rglob("test_*.py") if path.is_dir() else [path])})


def module_name(module: Path) -> str:
    """`zrm/inbox/code.py` → `zrm.inbox.code`."""
    parts = module.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Known:
    """Which test runs which line of the modules."""

    def __init__(self, modules: Sequence[Path]) -> None:
        self._modules = modules
        self._seconds: dict[str, float] = {}
        self.libraries: set[str] = set()
        self._lines: dict[Path, dict[int, set[str]]] = {module: {} for module in modules}
        KEPT.mkdir(parents=True, exist_ok=True)

    def learn(self, files: Sequence[Path], servers: Sequence[Path]) -> None:
        """Run what is not known yet, each test file by itself, as many at once as there are folders of servers."""
        source = b"".join(one.read_bytes() for one in self._modules)
        kept = {file: KEPT / f"{_digest(source, file)}.json" for file in files}
        free: SimpleQueue[Path] = SimpleQueue()
        for folder in servers:
            free.put(folder)

        def run(file: Path) -> None:
            folder = free.get()
            self._run(file, kept[file], folder)
            free.put(folder)

        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(run, (file for file in files if not kept[file].exists())))
        for notes in kept.values():
            if notes.exists():
                self._read(json.loads(notes.read_text()))

    def _run(self, file: Path, into: Path, servers: Path) -> None:
        print(f"learning {file.relative_to(CHECKOUT)}", flush=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.mutate.plugin",
            "-p",
            "no:cacheprovider",
            str(file),
        ]
        names = os.pathsep.join(map(str, self._modules))
        done = subprocess.run(
            command, cwd=CHECKOUT, check=False, capture_output=True, text=True,
            env={**os.environ, "ZRM_TEST_SERVERS": str(servers), "ZRM_LINES": str(into), "ZRM_LINES_OF": names},
        )  # fmt: skip
        if done.returncode:
            print(f"{file.relative_to(CHECKOUT)} does not pass as it is:\n{done.stdout[-1500:]}", flush=True)

    def _read(self, notes: dict[str, Any]) -> None:
        self._seconds |= notes["seconds"]
        self.libraries |= set(notes["libraries"])
        for name, lines in notes["lines"].items():
            for line, tests in lines.items():
                self._lines[Path(name)].setdefault(int(line), set()).update(tests)

    def faults(self) -> list[Fault]:
        """Every fault of the modules."""
        return [
            self._fault(module, number, change)
            for module in self._modules
            for number, change in enumerate(changes(module.read_text(encoding="utf-8"))[1])
        ]

    def _fault(self, module: Path, number: int, change: Change) -> Fault:
        lines = self._lines[module]
        ran = {test for line in change.lines for test in lines.get(line, ())}
        tests = ran & self._seconds.keys()
        if IMPORTING in ran and not tests:  # a constant, say: whoever uses the module may notice
            tests = {test for tests in lines.values() for test in tests} & self._seconds.keys()
        quickest: list[str] = []
        seconds = 0.0
        for test in sorted(tests, key=lambda test: self._seconds[test])[:MOST_TESTS]:
            if quickest and seconds + self._seconds[test] > MOST_SECONDS:
                break
            seconds += self._seconds[test]
            quickest.append(test)
        return Fault(module, number, change, tuple(quickest), seconds)


def _digest(source: bytes, file: Path) -> str:
    """Of all that a note depends on, nearly: helpers and other modules change which lines run more rarely."""
    return hashlib.sha256(b"\0".join([source, str(file).encode(), file.read_bytes()])).hexdigest()[:24]
