"""Making faults: each in a process forked from one that has the libraries, but nothing of zrm, in it."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.mutate.knowledge import CHECKOUT, Fault, module_name
from tests.mutate.plugin import ChangedModule

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
        if (child := os.fork()) == 0:
            _work(list(enumerate(faults))[job :: len(servers)], until, folder, address)
            os._exit(0)
        children.append(child)
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
    child = os.fork()
    if child == 0:
        os.setsid()
        os.environ |= {"ZRM_TEST_SERVERS": str(folder), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
        with (folder / "output").open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.chdir(CHECKOUT)
        sys.meta_path.insert(0, ChangedModule(module_name(fault.module), fault.module, fault.number))
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *fault.tests])))
    status = _waited(child, 20 + 6 * fault.seconds)
    _drop_databases(address, child)
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise RuntimeError(f"no test was run: {(folder / 'output').read_text(errors='replace')[-2000:]}")
    return status != pytest.ExitCode.OK


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
