"""`make mutate MODULES="zrm/inbox zrm/casework/undo.py" SAMPLE=80`: makes faults at random and prints those no test notices.

Without MODULES: the modules that differ from main. First every test file concerned runs once, to learn which test runs
which line (kept in var/mutate until the file or the modules change); then each fault is made in a process of its own, in
which only the tests that run its line are run. PostgreSQL and Valkey are real. Files whose tests run whole hubs or make
calls are left out: what only they notice counts as unnoticed.

Environment: MODULES, SAMPLE (60 faults), SEED (1), SECONDS (900: no new fault is begun after them), JOBS (2), TESTS (test
files or folders, instead of those that are found: those in the module's own folder, and those that import it).
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutate.attempts import attempt, preload
from tests.mutate.knowledge import CHECKOUT, Fault, Known, concerned, modules_of, tests_of

ENOUGH = 0.92
_PREPARE = """
import sys
from pathlib import Path
from tests.conftest import make_seeded
from tests.lab.servers import servers_in
make_seeded(servers_in(Path(sys.argv[1])))
"""


def main() -> int:
    """Run it; returns 0 if enough was noticed."""
    asked = os.environ.get
    modules = modules_of((asked("MODULES") or "").split())
    if not modules:
        print("No module differs from main: say MODULES=…")
        return 0
    files = tests_of((asked("TESTS") or "").split()) or concerned(modules)
    with tempfile.TemporaryDirectory(prefix="zrm-mutate-") as folder:
        jobs = [Path(folder, str(job)) for job in range(int(asked("JOBS") or 2))]
        with servers(jobs) as addresses:
            known = Known(modules)
            known.learn(files, jobs)
            faults = known.faults()
            sample = random.Random(int(asked("SEED") or 1)).sample(faults, min(len(faults), int(asked("SAMPLE") or 60)))
            print(
                f"{len(sample)} of {len(faults)} faults in {len(modules)} modules, {len(files)} test files", flush=True
            )
            preload(known.libraries)
            until = time.monotonic() + float(asked("SECONDS") or 900)
            tried, survivors = attempt(sample, until, list(zip(jobs, addresses, strict=True)))
    return _tell(tried, survivors)


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
    from tests.lab.servers import running_servers

    with contextlib.ExitStack() as stack:
        addresses = []
        for folder in folders:
            folder.mkdir()
            addresses.append(stack.enter_context(running_servers(folder)).postgres.url("postgres"))
            subprocess.run([sys.executable, "-c", _PREPARE, str(folder)], cwd=CHECKOUT, check=True)
        # Whoever is forked from here imports all of these anew, one of them with a fault.
        for name in [name for name in sys.modules if name.partition(".")[0] == "zrm" or name.startswith("tests.lab")]:
            del sys.modules[name]
        yield addresses


if __name__ == "__main__":
    sys.exit(main())
