"""The desk on a big store: list and case page, and that counting a queue does not read the queue."""

from __future__ import annotations

import time
from typing import Any, cast

import httpx

from bench import stock
from bench.figures import Figure, Result, Sizes, median
from tests.journeys.hub import Hub
from zrm.casestore import case_list
from zrm.kit.db import Cursor
from zrm.simulate.simulator import percentile


def measure(hub: Hub, sizes: Sizes) -> Result:
    """Sequential requests of one agent, over one connection, after a warm-up."""
    stock.fill(hub.servers.database_url, 1, sizes.cases)
    result = Result(
        "The desk",
        f"{sizes.cases:,} cases, {sizes.cases // 10:,} of them open. {sizes.desk_requests} requests each, one after the other, by one agent who sees all units, over one "
        "connection; the whole page from request to last byte.",
    )
    with httpx.Client(trust_env=False, timeout=30) as client:
        hub.sign_in(client, "maryam")
        for view in ("unassigned", "open", "mine", "closed"):
            times = _times(client, [f"{hub.web}/desk/queue/{view}"] * sizes.desk_requests)
            result.figures.append(_figure(f"list “{view}”", times, 30))
        rows = hub.ask("SELECT id FROM cases WHERE status <> 'closed' ORDER BY random() LIMIT %s", sizes.desk_requests)
        times = _times(client, [f"{hub.web}/desk/cases/{case}" for (case,) in rows])
        result.figures.append(_figure("case page", times, 40))
    plan = _explain(hub)
    read_cases = any(table in line for line in plan for table in (" on cases", " on contacts"))
    result.figures.append(
        Figure("counting reads the queue", "yes" if read_cases else "no", target="no", met=not read_cases)
    )
    result.notes.append("How the desk counts:\n\n" + "\n".join(f"    {line}" for line in plan))
    return result


def _times(client: httpx.Client, addresses: list[str]) -> list[float]:
    for address in addresses[:5]:
        client.get(address).raise_for_status()
    times = []
    for address in addresses:
        began = time.perf_counter()
        answer = client.get(address)
        times.append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise OSError(f"the desk answered {answer.status_code}")
    return times


def _figure(name: str, times: list[float], target: float) -> Figure:
    p50 = 1000 * median(times)
    value = f"{p50:.1f} ms (p99 {1000 * percentile(times, 0.99):.1f})"
    return Figure(f"{name}: p50", value, target=f"< {target:g} ms", met=p50 < target)


class _Explaining:
    """Replaces a cursor: asks PostgreSQL for the plan of each statement and keeps it."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.plan: list[str] = []

    def execute(self, query: str, values: Any = None) -> None:
        self._cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF) {query}".encode(), values)
        self.plan = [str(row[0]) for row in self._cursor.fetchall()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Any:
        return iter(())


def _explain(hub: Hub) -> list[str]:
    with hub.database().cursor() as cursor:
        explaining = _Explaining(cursor)
        case_list.counted(cast("Cursor", explaining))
        return explaining.plan
