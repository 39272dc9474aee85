"""Making faults: each in a process forked from one that has the libraries, but nothing of zrm, in it."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.mutate.knowledge import CHECKOUT, Fault, module_name
from tests.mutate.plugin import ChangedModule

BROKEN = 70
"""The exit status of a process of ours that fell over itself."""

Servers = tuple[Path, str]
"""The folder of a PostgreSQL and a Valkey, and the PostgreSQL's address."""


def preload(libraries: Iterable[str]) -> None:
    """Import what tests import beside zrm and themselves, so that a fault's process need not."""
    for name in sorted(libraries):
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def attempt(faults: Sequence[Fault], until: float, servers: Sequence[Servers]) -> tuple[int, list[Fault]]:
    """Make each fault, one process for each servers; returns how many were made and which of them nobody noticed.

    `until`: on the monotonic clock; later no new one is begun.
    """
    children = []
    for job, (folder, address) in enumerate(servers):
        mine = list(enumerate(faults))[job :: len(servers)]
        children.append(_forked(partial(_work, mine, until, folder, address)))
    for child in children:
        os.waitpid(child, 0)
    seen = [line.split() for folder, _ in servers for line in (folder / "results").read_text().splitlines()]
    return len(seen), [faults[int(number)] for number, noticed in seen if noticed == "no"]


def _work(faults: Sequence[tuple[int, Fault]], until: float, folder: Path, address: str) -> None:
    with (folder / "results").open("w") as results:
        for number, fault in faults:
            if time.monotonic() > until:
                break
            started = time.monotonic()
            noticed = is_noticed(fault, folder, address)
            spent = time.monotonic() - started
            print(f"{number:4} {'noticed ' if noticed else 'SURVIVED'} {spent:5.1f} s  {fault}", flush=True)
            results.write(f"{number} {'yes' if noticed else 'no'}\n")
            results.flush()


def is_noticed(fault: Fault, folder: Path, address: str) -> bool:
    """Whether a test fails (or hangs, or cannot even begin) with the fault in the module."""
    if not fault.tests:
        return False
    child = _forked(partial(_run_tests, fault, folder))
    status = _waited(child, 20 + 6 * fault.seconds)
    _drop_databases(address, child)
    if status in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR, BROKEN):
        raise RuntimeError(f"no test was run for {fault}: {(folder / 'output').read_text(errors='replace')[-2000:]}")
    return status != pytest.ExitCode.OK


def _forked(work: Callable[[], int | None]) -> int:
    """A process of its own that does the work and ends with its status; returns its number.

    Whatever goes wrong in it, it never comes back into what its parent was doing: it would stop the parent's servers.
    """
    if child := os.fork():
        return child
    status = BROKEN
    try:
        status = int(work() or 0)
    except BaseException:  # noqa: BLE001  # the process ends in any case
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _run_tests(fault: Fault, folder: Path) -> int:
    os.setsid()
    os.environ |= {"ZRM_TEST_SERVERS": str(folder), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
    with (folder / "output").open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.chdir(CHECKOUT)
    sys.meta_path.insert(0, ChangedModule(module_name(fault.module), fault.module, fault.number))
    early = "ignore::pytest.PytestAssertRewriteWarning"  # what was preloaded asserts nothing of ours
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-W", early, *fault.tests]))


def _waited(child: int, seconds: float) -> int | None:
    """The exit status; None if it had to be killed."""
    end = time.monotonic() + seconds
    status = None
    while status is None and time.monotonic() < end:
        done, how = os.waitpid(child, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(how)
        else:
            time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    return status


def _drop_databases(address: str, child: int) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        mine = "SELECT datname FROM pg_database WHERE datname LIKE %s"
        for (name,) in connection.execute(mine, [f"%\\_{child}\\_%"]).fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
