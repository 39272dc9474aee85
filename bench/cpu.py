"""CPU time of a hub over all its processes: the roles, PostgreSQL with its backends, Valkey."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.journeys.hub import Hub

_TICK: Final = os.sysconf("SC_CLK_TCK")


def spent(hub: Hub) -> dict[str, float]:
    """Seconds of CPU, user and system, by role, since each process started; a parent's include those of its ended children."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended; its time is in its parent's
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)] = int(fields[1])
            used[int(entry.name)] = sum(map(int, fields[11:15])) / _TICK
    roles = {pid: role for role, pid in hub.pids.items()} | {hub.pid: "up"}
    totals: defaultdict[str, float] = defaultdict(float)
    for pid, seconds in used.items():
        ancestor = pid
        while ancestor not in roles and ancestor in parents:
            ancestor = parents[ancestor]
        if ancestor in roles:
            totals[roles[ancestor]] += seconds
    return dict(totals)


def of(pid: int) -> float:
    """Seconds of CPU of one process and its ended children. Errors: OSError if it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICK


def between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """The seconds each role used between two readings."""
    return {role: seconds - before.get(role, 0.0) for role, seconds in after.items()}
