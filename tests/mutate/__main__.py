"""`make mutate MODULES="zrm/inbox zrm/casework/undo.py" SAMPLE=80`: makes faults at random and prints those no test notices.

Without MODULES: the modules that differ from main. First every test file concerned runs once, to learn which test runs
which line (kept in var/mutate until the file changes); then each fault is made in a process of its own, in which only tests
that run its line are run. PostgreSQL and Valkey are real. Files whose tests run whole hubs or make calls are left out: what
only they notice counts as unnoticed, and so does a fault where a test starts a new interpreter.

Environment: MODULES, SAMPLE (60 faults), SEED (1), SECONDS (900: no new fault is begun after them), JOBS (2), TESTS (test
files or folders, instead of those that are found: those in the module's own folder, and those that import it).
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.mutate.attempts import Collected
from tests.mutate.knowledge import Fault, Known, concerned, modules_of, tests_of

ENOUGH = 0.92


def main() -> int:
    """Run it; returns 0 if enough was noticed."""
    asked = os.environ.get
    modules = modules_of((asked("MODULES") or "").split())
    if not modules:
        print("No module differs from main: say MODULES=…")
        return 0
    files = tests_of((asked("TESTS") or "").split()) or concerned(modules)
    result: list[tuple[int, list[Fault]]] = []

    def work(collected: Collected) -> None:
        known = Known(modules)
        collected.learn(known)
        every = known.all()
        drawn = random.Random(int(asked("SEED") or 1)).sample(every, min(len(every), int(asked("SAMPLE") or 60)))
        sample = [known.fault(*one) for one in drawn]
        print(f"{len(sample)} of {len(every)} faults in {len(modules)} modules, {len(files)} test files", flush=True)
        result.append(collected.attempt(sample, time.monotonic() + float(asked("SECONDS") or 900)))

    with tempfile.TemporaryDirectory(prefix="zrm-mutate-") as folder:
        jobs = [Path(folder, str(job)) for job in range(int(asked("JOBS") or 2))]
        with servers(jobs) as addresses:
            collected = Collected(list(zip(jobs, addresses, strict=True)), work)
            early = "ignore::pytest.PytestAssertRewriteWarning"  # what is imported already asserts nothing of ours
            pytest.main(["-q", "-s", "-p", "no:cacheprovider", "-W", early, *map(str, files)], plugins=[collected])
    return _tell(*result[0]) if result else 2


def _tell(tried: int, survivors: Sequence[Fault]) -> int:
    print("\nNobody noticed:" if survivors else "")
    for fault in sorted(survivors, key=lambda fault: (fault.module, fault.change.line)):
        print(f"  {fault}{'' if fault.tests else '   (no test runs this line)'}")
    share = 1 - len(survivors) / tried if tried else 1.0
    print(f"{tried - len(survivors)} of {tried} noticed: {share:.0%}")
    return 0 if share >= ENOUGH else 1


@contextlib.contextmanager
def servers(folders: Sequence[Path]) -> Iterator[list[str]]:
    """A PostgreSQL and a Valkey in each folder; yields the addresses of the PostgreSQLs.

    The templates of the tests' databases are made now, so that no fault gets into them.
    """
    from tests.conftest import make_seeded
    from tests.lab.servers import running_servers, servers_in

    with contextlib.ExitStack() as stack:
        addresses = []
        for folder in folders:
            folder.mkdir()
            addresses.append(stack.enter_context(running_servers(folder)).postgres.url("postgres"))
            make_seeded(servers_in(folder))
        yield addresses


if __name__ == "__main__":
    sys.exit(main())
