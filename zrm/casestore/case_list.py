"""The case lists as the desk reads them: one page of rows by keyset, rows by id for live updates, and the counters.

Counting does not read the cases: the counters are sums over `case_counts`, which triggers maintain. A page reads one
index range for each unit and status and merges their first rows, so its cost depends on the page and not on the number
of cases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from zrm.casestore import history
from zrm.contract.descriptions import Description
from zrm.kit.db import Cursor, record, records
from zrm.localized import Localized

SNIPPET = 180
"""Characters of the last message that a row shows."""


class View(StrEnum):
    """The lists an agent works from."""

    UNASSIGNED = "unassigned"
    MINE = "mine"
    WAITING = "waiting"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases a view shows: by status, and by who has them (empty: whoever)."""

    statuses: tuple[str, ...]
    assignee: Literal["", "nobody", "reader"] = ""


FILTERS: Final[dict[View, Filter]] = {
    View.UNASSIGNED: Filter(("new", "open"), "nobody"),
    View.MINE: Filter(("new", "open", "waiting"), "reader"),
    View.WAITING: Filter(("waiting",)),
    View.OPEN: Filter(("new", "open", "waiting")),
    View.CLOSED: Filter(("closed",)),
}


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case as a line of a list; `address` is the citizen's last one, unmasked; `undelivered` if an answer of it has not
    arrived and is not handled.

    `came_from` is the unit that handed it over, if any: agents who see only that unit must be told that it is gone.
    """

    id: UUID
    code: str
    title: str
    description: Description
    snippet: str
    snippet_description: Description
    channel: str
    status: str
    person: str
    address: str
    unit_id: UUID
    unit_names: Localized
    subject_names: Localized
    assignee_id: UUID | None
    assignee_names: Localized
    last_contact_at: datetime
    version: int
    undelivered: bool
    came_from: UUID | None


@dataclass(frozen=True, slots=True)
class PageKey:
    """Where in a list a page begins: after (older than) this case."""

    last_contact_at: datetime
    id: UUID


_ROW = """
SELECT c.id, c.code, c.title, c.description, coalesce(said.text, '') AS snippet,
    coalesce(said.description, '[]') AS snippet_description, c.channel, c.status,
    coalesce(p.name, '') AS person, coalesce(said.address, '') AS address,
    c.unit_id, u.names AS unit_names,
    coalesce(s.names, '{{}}') AS subject_names,
    c.assignee_id, coalesce(a.names, '{{}}') AS assignee_names,
    c.last_contact_at, c.version,
    EXISTS (SELECT FROM deliveries d
            WHERE d.case_id = c.id AND d.state IN ('failed', 'unknown') AND d.settled_by IS NULL) AS undelivered,
    moved.unit_id AS came_from
FROM {picked} JOIN cases c ON c.id = picked.id
JOIN units u ON u.id = c.unit_id
LEFT JOIN persons p ON p.id = c.person_id
LEFT JOIN subjects s ON s.id = c.subject_id
LEFT JOIN agents a ON a.id = c.assignee_id
LEFT JOIN LATERAL (
    SELECT left(t.text, %(snippet)s) AS text, t.description, t.address FROM contacts t
    WHERE t.case_id = c.id AND t.direction = 'in' ORDER BY t.at DESC, t.id DESC LIMIT 1
) AS said ON true
LEFT JOIN LATERAL (
    {came_from}
) AS moved ON true
"""

_HEAD = "(SELECT head.id FROM {probe} ORDER BY head.last_contact_at DESC, head.id DESC LIMIT %(limit)s) AS picked"

_RANGE = """LATERAL (
    SELECT x.id, x.last_contact_at FROM cases x WHERE {conditions}
    ORDER BY x.last_contact_at DESC, x.id DESC LIMIT %(limit)s
) AS head"""

_ORDER = " ORDER BY c.last_contact_at DESC, c.id DESC"


def page(
    cursor: Cursor,
    view: View,
    agent_id: UUID,
    units: Collection[UUID] | None,
    *,
    limit: int,
    after: PageKey | None = None,
) -> list[CaseRow]:
    """Up to `limit` rows of a view, newest first, only of `units` (None: all), beginning after a place."""
    if units is not None and not units:
        return []
    probe = _probe(view, units, after)
    picked = _HEAD.format(probe=probe)
    cursor.execute(
        (_ROW.format(picked=picked, came_from=history.CAME_FROM) + _ORDER).encode(),
        {
            "snippet": SNIPPET,
            "limit": limit,
            "agent": agent_id,
            "units": None if units is None else list(units),
            "statuses": list(FILTERS[view].statuses),
            "at": after.last_contact_at if after else None,
            "id": after.id if after else None,
        },
    )
    return records(cursor, CaseRow)


def _probe(view: View, units: Collection[UUID] | None, after: PageKey | None) -> str:
    """The FROM clause whose rows are the first ones of every index range the view needs; built of constants only."""
    ranges, conditions = [], []
    assignee = FILTERS[view].assignee
    if assignee == "nobody":
        conditions.append("assignee_id IS NULL AND status IN ('new', 'open')")  # as the index on them says
    else:
        ranges.append("unnest(%(statuses)s::text[]) AS wanted_status (status)")
        conditions.append("x.status = wanted_status.status")
    if assignee == "reader":
        conditions.append("assignee_id = %(agent)s")
        if units is not None:
            conditions.append("unit_id = ANY(%(units)s)")
    elif units is not None:
        ranges.append("unnest(%(units)s::uuid[]) AS wanted_unit (id)")
        conditions.append("x.unit_id = wanted_unit.id")
    if after is not None:
        conditions.append("(last_contact_at, x.id) < (%(at)s::timestamptz, %(id)s::uuid)")
    lateral = _RANGE.format(conditions=" AND ".join(conditions))
    return " CROSS JOIN ".join([*ranges, lateral])


@dataclass(frozen=True, slots=True)
class NextCase:
    """The case an agent goes on with."""

    id: UUID
    title: str
    description: Description


def next_case(cursor: Cursor, agent_id: UUID, units: Collection[UUID] | None, *, but: UUID) -> NextCase | None:
    """The case for the agent to work on next: their own that waits longest, else an unassigned one; never `but`. None
    when no case waits.
    """
    if units is not None and not units:
        return None
    seen = "" if units is None else "AND unit_id = ANY(%(units)s)"
    for whose in ("assignee_id = %(agent)s", "assignee_id IS NULL"):
        cursor.execute(
            f"SELECT id, title, description FROM cases WHERE {whose} AND status IN ('new', 'open') AND id <> %(but)s {seen}"  # noqa: S608  # constants of this function
            " ORDER BY last_contact_at, id LIMIT 1".encode(),
            {"agent": agent_id, "but": but, "units": None if units is None else list(units)},
        )
        if (found := record(cursor, NextCase)) is not None:
            return found
    return None


def rows(cursor: Cursor, ids: Iterable[UUID]) -> list[CaseRow]:
    """These cases as rows, in no order; ids that are not cases are left out."""
    cursor.execute(
        _ROW.format(picked="unnest(%(ids)s::uuid[]) AS picked (id)", came_from=history.CAME_FROM).encode(),
        {"snippet": SNIPPET, "ids": list(ids)},
    )
    return records(cursor, CaseRow)


@dataclass(frozen=True, slots=True)
class Counted:
    """The number of cases with the same unit, status and assignee."""

    unit_id: UUID
    status: str
    assignee_id: UUID | None
    n: int


def counted(cursor: Cursor) -> list[Counted]:
    """The numbers of all cases that are not closed; one row per unit, status and assignee, however many cases there
    are.
    """
    cursor.execute(
        "SELECT unit_id, status, assignee_id, sum(n)::bigint AS n FROM case_counts WHERE status <> 'closed'"
        " GROUP BY 1, 2, 3 HAVING sum(n) <> 0"
    )
    return records(cursor, Counted)


def count_views(groups: Sequence[Counted], agent_id: UUID | None, units: Collection[UUID] | None) -> dict[View, int]:
    """The number beside each view for one agent. Closed cases are not counted: their number would be of no use."""
    totals = dict.fromkeys((View.UNASSIGNED, View.MINE, View.WAITING, View.OPEN), 0)
    for group in groups:
        if units is not None and group.unit_id not in units:
            continue
        totals[View.OPEN] += group.n
        if group.status == "waiting":
            totals[View.WAITING] += group.n
        elif group.assignee_id is None:
            totals[View.UNASSIGNED] += group.n
        if agent_id is not None and group.assignee_id == agent_id:
            totals[View.MINE] += group.n
    return totals
