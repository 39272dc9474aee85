"""One pytest session that collects the tests once; each work on them is done in a process forked from it.

So nothing is imported or collected anew for a fault: the code of the changed functions is replaced in place. A fault
outside functions (a constant, a class) needs its module imported anew, and gets a process that begins from nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import psycopg
import pytest
from psycopg import sql

from tests.mutate.knowledge import CHECKOUT, Fault, Known, notes_of
from tests.mutate.plugin import CANNOT_BE_PUT, LineNotes, put

BROKEN: Final = 70
"""The exit status of a process of ours that fell over itself."""

Work = TypeVar("Work")
Servers = tuple[Path, str]
"""The folder of a PostgreSQL and a Valkey, and the PostgreSQL's address."""


@dataclass
class _Child:
    process: int
    servers: Servers
    started: float
    end: float

    def status(self) -> int | None:
        """Its exit status (negative for a signal, or when its time was up); None while it runs."""
        done, how = os.waitpid(self.process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(how)
        if time.monotonic() < self.end:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        return -signal.SIGKILL


class Collected:
    """A plugin: gives the collected tests to `work` instead of running them."""

    def __init__(self, servers: Sequence[Servers], work: Callable[[Collected], None]) -> None:
        self._free = list(servers)
        self._work = work
        self._session: pytest.Session
        self._items: dict[str, pytest.Item]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """What takes the place of running all tests."""
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        self._work(self)
        return True

    def learn(self, known: Known) -> None:
        """Run each test file that is not known yet, and note which of its tests runs which line."""
        of_file: dict[Path, list[pytest.Item]] = {}
        for item in self._items.values():
            of_file.setdefault(item.path, []).append(item)
        wanted = {file: items for file, items in of_file.items() if not known.covers(file)}

        def note(file: Path) -> Callable[[Path], int]:
            def run(_: Path) -> int:
                notes = LineNotes(known.modules, wanted[file], notes_of(file))
                self._session.config.pluginmanager.register(notes)
                failed = self._run(wanted[file], every=True)
                notes.write(known.sources())
                return failed

            return run

        for file, status, spent, folder in self._each([(file, note(file), float("inf")) for file in wanted]):
            print(f"learnt {file.relative_to(CHECKOUT)} in {spent:.0f} s", flush=True)
            if status:
                words = (folder / "output").read_text(errors="replace")[-1500:]
                print(f"{file.relative_to(CHECKOUT)} does not pass as it is:\n{words}", flush=True)
        for file in of_file:
            known.read(file)

    def attempt(self, faults: Sequence[Fault], until: float) -> tuple[int, list[Fault]]:
        """Make each fault; returns how many were made and which of them nobody noticed.

        `until`: on the monotonic clock; later no new one is begun.
        """
        survivors = [fault for fault in faults if not fault.tests]
        tried = len(survivors)
        anew: list[Fault] = []
        quick = [fault for fault in faults if fault.tests and fault.change.in_function]
        slow = [fault for fault in faults if fault.tests and not fault.change.in_function]
        for made, how in ((quick, self._replaced), (slow, self._imported)):
            works = [(fault, how(fault), 60 + 10 * fault.seconds) for fault in (*made, *anew)]
            anew = []
            for fault, status, spent, folder in self._each(works, until):
                if status == CANNOT_BE_PUT:
                    anew.append(fault)
                    continue
                if status in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR, BROKEN):
                    words = (folder / "output").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"no test was run for {fault}: {words}")
                noticed = status != pytest.ExitCode.OK
                tried += 1
                survivors += [] if noticed else [fault]
                print(f"{tried:4} {'noticed ' if noticed else 'SURVIVED'} {spent:5.1f} s  {fault}", flush=True)
        return tried, survivors

    def _replaced(self, fault: Fault) -> Callable[[Path], int]:
        def run(_: Path) -> int:
            put(fault.module, fault.number)
            return self._run([self._items[test] for test in fault.tests if test in self._items])

        return run

    def _imported(self, fault: Fault) -> Callable[[Path], int]:
        def run(_: Path) -> int:
            os.environ["ZRM_CHANGE"] = f"{fault.number}:{fault.module}"
            options = ["-x", "-q", "-p", "tests.mutate.plugin", "-p", "no:cacheprovider"]
            os.execv(sys.executable, [sys.executable, "-m", "pytest", *options, *fault.tests])  # our own

        return run

    def _run(self, items: Sequence[pytest.Item], *, every: bool = False) -> int:
        """Run these tests, up to the first that fails (or `every`); the exit status."""
        for place, item in enumerate(items):
            following = items[place + 1] if place + 1 < len(items) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._session.testsfailed and not every:
                break
        return int(pytest.ExitCode.TESTS_FAILED if self._session.testsfailed else pytest.ExitCode.OK)

    def _each(
        self, works: Iterable[tuple[Work, Callable[[Path], int], float]], until: float = float("inf")
    ) -> Iterable[tuple[Work, int, float, Path]]:
        """Do each in a process of its own, as many at once as there are servers.

        Yields the work, its exit status, the seconds it took and the folder that has its output.
        """
        waiting = list(works)[::-1]
        running: list[tuple[Work, _Child]] = []
        while waiting or running:
            while waiting and self._free and time.monotonic() < until:
                work, run, seconds = waiting.pop()
                servers = self._free.pop()
                process = _forked(run, servers[0])
                running.append((work, _Child(process, servers, time.monotonic(), time.monotonic() + seconds)))
            if not running:
                return
            for one in list(running):
                work, child = one
                if (status := child.status()) is not None:
                    running.remove(one)
                    folder, address = child.servers
                    _drop_databases(address, child.process)
                    yield work, status, time.monotonic() - child.started, folder
                    self._free.append(child.servers)
            time.sleep(0.05)


def _forked(run: Callable[[Path], int], folder: Path) -> int:
    """A process of its own that does the work and ends with its status; returns its number.

    Whatever goes wrong in it, it never comes back into what its parent was doing: it would stop the parent's servers.
    """
    if child := os.fork():
        return child
    status = BROKEN
    try:
        os.setsid()
        os.environ |= {"ZRM_TEST_SERVERS": str(folder), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
        with (folder / "output").open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.chdir(CHECKOUT)
        status = run(folder)
    except BaseException:  # noqa: BLE001  # the process ends in any case
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _drop_databases(address: str, child: int) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        mine = "SELECT datname FROM pg_database WHERE datname LIKE %s"
        for (name,) in connection.execute(mine, [f"%\\_{child}\\_%"]).fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
