"""What is known before faults are made: which modules are meant, and which test runs which of their lines."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from tests.lab.durations import RECORDED
from tests.mutate.changes import Change, changes
from tests.run import HUBS

CHECKOUT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = CHECKOUT / "var" / "mutate"
MOST_TESTS, MOST_SECONDS = 120, 60.0
"""What is run for one fault at most: of the tests that run its line, the quickest of each file."""
DEAR_SECONDS = 30.0
"""A test file that takes longer is run only for its own folder's modules."""


@dataclass(frozen=True)
class Fault:
    """One change of one module, and tests that run its lines, with what they take together."""

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
    """The test files that may notice a fault in the modules.

    Those of their own folders, those that import one (themselves or by helpers in tests), and those of the folders that
    use one: casework is tested by the desk's tests too. Of the last two the dear ones are left out.
    """
    names = {module_name(module) for module in modules}
    rooms = {_room(module, CHECKOUT / "zrm") for module in modules} - {()}
    users = {_room(file, CHECKOUT / "zrm") for file in (CHECKOUT / "zrm").rglob("*.py") if names & _imported(file)} - {
        ()
    }
    dear = {
        file for file, seconds in json.loads(RECORDED.read_text(encoding="utf-8")).items() if seconds > DEAR_SECONDS
    }
    found = []
    for file in sorted((CHECKOUT / "tests").rglob("test_*.py")):
        room = _room(file, CHECKOUT / "tests")
        if any(CHECKOUT / hub in file.parents for hub in HUBS):
            continue
        if room in rooms or (
            str(file.relative_to(CHECKOUT)) not in dear and (room in users or names & _imported_by_test(file))
        ):
            found.append(file)
    return found


def _room(file: Path, root: Path) -> tuple[str, ...]:
    return file.relative_to(root).parts[:-1]


@functools.cache
def _imported(file: Path) -> frozenset[str]:
    """Every module that a file imports (and every name that it takes from one, which may be a module)."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _imported_by_test(file: Path) -> frozenset[str]:
    """What a test file, its folder's conftest.py and their helpers in tests import."""
    seen: set[Path] = set()
    waiting = {file, file.with_name("conftest.py")}
    while waiting:
        one = waiting.pop()
        if one in seen or not one.exists():
            continue
        seen.add(one)
        waiting |= {
            CHECKOUT / Path(*name.split(".")).with_suffix(".py")
            for name in _imported(one)
            if name.startswith("tests.") and not name.startswith("tests.lab.plugin")
        }
    return frozenset(name for one in seen for name in _imported(one))


def tests_of(names: Sequence[str]) -> list[Path]:
    """The test files that are meant by files and folders."""
    paths = [CHECKOUT / name for name in names]
    return sorted({file for path in paths for file in (path.rglob("test_*.py") if path.is_dir() else [path])})


def module_name(module: Path) -> str:
    """`zrm/inbox/code.py` → `zrm.inbox.code`."""
    parts = module.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def notes_of(file: Path) -> Path:
    """Where it is kept what a test file, as it is, runs."""
    return KEPT / f"{_digest(str(file).encode(), file.read_bytes())}.json"


class Known:
    """Which test runs which line of the modules.

    What a test file showed is kept until that file changes; when a module changes, its lines are followed to where they
    are now, and a new line counts as run by whoever ran the line before it.
    """

    def __init__(self, modules: Sequence[Path]) -> None:
        self.modules = modules
        self._seconds: dict[str, float] = {}
        self._lines: dict[Path, dict[int, set[str]]] = {module: {} for module in modules}
        (KEPT / "sources").mkdir(parents=True, exist_ok=True)

    def sources(self) -> dict[str, str]:
        """The digest of each module as it is, under which its text is kept."""
        digests = {}
        for module in self.modules:
            source = module.read_bytes()
            digests[str(module)] = _digest(source)
            (KEPT / "sources" / _digest(source)).write_bytes(source)
        return digests

    def covers(self, file: Path) -> bool:
        """Whether it is known which lines of all the modules the file's tests run."""
        notes = notes_of(file)
        return notes.exists() and {str(one) for one in self.modules} <= json.loads(notes.read_text())["sources"].keys()

    def read(self, file: Path) -> None:
        """Take in what is known of a test file."""
        if not notes_of(file).exists():
            return
        notes = json.loads(notes_of(file).read_text())
        self._seconds |= notes["seconds"]
        for name, lines in notes["lines"].items():
            if (module := Path(name)) in self._lines:
                ran = {int(line): {notes["tests"][test] for test in tests} for line, tests in lines.items()}
                before = (KEPT / "sources" / notes["sources"][name]).read_text(encoding="utf-8").splitlines()
                for line, was in enumerate(_followed(before, module.read_text(encoding="utf-8").splitlines()), 1):
                    if was in ran:
                        self._lines[module].setdefault(line, set()).update(ran[was])

    def all(self) -> list[tuple[Path, int, Change]]:
        """Every change that can be made in the modules, with its number."""
        return [
            (module, number, change)
            for module in self.modules
            for number, change in enumerate(changes(module.read_text(encoding="utf-8"))[1])
        ]

    def fault(self, module: Path, number: int, change: Change) -> Fault:
        """A change with the tests that may notice it."""
        lines = self._lines[module]
        ran = {test for line in change.lines for test in lines.get(line, ())}
        if not change.in_function:  # a constant, say: whoever uses the module may notice
            ran = {test for tests in lines.values() for test in tests}
        tests = ran & self._seconds.keys()
        chosen: list[str] = []
        seconds = 0.0
        for test in self._mixed(tests)[:MOST_TESTS]:
            if not chosen or seconds + self._seconds[test] <= MOST_SECONDS:
                seconds += self._seconds[test]
                chosen.append(test)
        quickest: dict[str, float] = {}
        for test in chosen:
            quickest.setdefault(_file(test), self._seconds[test])
        chosen.sort(key=lambda test: (quickest[_file(test)], _file(test)))  # what a file's tests share is made once
        return Fault(module, number, change, tuple(chosen), seconds)

    def _mixed(self, tests: Iterable[str]) -> list[str]:
        """The quickest of each file, then the second of each, and so on: each file sees another side."""
        of_file: dict[str, int] = {}
        ranks = {}
        for test in sorted(tests, key=lambda test: self._seconds[test]):
            ranks[test] = of_file[_file(test)] = of_file.get(_file(test), 0) + 1
        return sorted(ranks, key=lambda test: (ranks[test], self._seconds[test]))


@functools.lru_cache(64)
def _cached_followed(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[int, ...]:
    lines = list[int]()
    for _, start, end, new_start, new_end in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        lines.extend(min(start + place, max(end - 1, start - 1)) + 1 for place in range(new_end - new_start))
    return tuple(lines)


def _followed(before: Sequence[str], now: Sequence[str]) -> tuple[int, ...]:
    """For each line of now the line of before that it is, or that it stands in the place of, or after."""
    return _cached_followed(tuple(before), tuple(now))


def _file(test: str) -> str:
    return test.partition("::")[0]


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]
