"""The history of a case: the only file that writes `case_events`, and the only one that reads them.

A line has a kind, a version, an actor and a payload (`history_payloads.py`). The database refuses to change or remove
it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field as SqlField

from zrm.casestore.case import Status
from zrm.casestore.history_payloads import (
    Cause,
    HistoryPayload,
    KnownPayload,
    NoteWritten,
    StatusChanged,
    UnknownPayload,
    parse,
)
from zrm.kit.clock import now
from zrm.kit.db import Cursor, insert_records, record, records
from zrm.kit.ids import new_id
from zrm.kit.tables import BY_MONTH, Table, one_of


class ActorKind(StrEnum):
    """Kinds of actors: an agent at the desk, a citizen by any channel, or the installation by itself."""

    AGENT = "agent"
    CITIZEN = "citizen"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of a line; `agent_id` if and only if it is an agent. Errors: ValueError."""

    kind: ActorKind
    agent_id: UUID | None = None

    def __post_init__(self) -> None:
        if (self.kind is ActorKind.AGENT) is (self.agent_id is None):
            raise ValueError("an agent has an id, and no other actor has one")


CITIZEN: Final = Actor(ActorKind.CITIZEN)
SYSTEM: Final = Actor(ActorKind.SYSTEM)


def by_agent(agent_id: UUID) -> Actor:
    """The agent as an actor."""
    return Actor(ActorKind.AGENT, agent_id)


class CaseEvent(Table, table=True):
    """A line as stored. Appended only: the database refuses to change or remove one."""

    __tablename__ = "case_events"
    __table_args__ = (
        one_of("actor", ActorKind),
        CheckConstraint("(actor = 'agent') = (agent_id IS NOT NULL)", name="case_events_agent"),
        CheckConstraint("version > 0"),
        Index("case_events_case", "case_id", "at", "id"),
        Index("case_events_kind", "case_id", "kind", "at"),
        BY_MONTH,
    )

    id: UUID = SqlField(primary_key=True)
    case_id: UUID = SqlField(foreign_key="cases.id")
    at: datetime
    actor: str
    agent_id: UUID | None = SqlField(default=None, foreign_key="agents.id")
    kind: str
    version: int = SqlField(sa_type=SmallInteger)
    data: dict[str, Any] = SqlField(sa_type=JSONB)


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line to be written; `at` is the time it is about."""

    case_id: UUID
    actor: Actor
    payload: KnownPayload
    at: datetime = field(default_factory=now)
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A line as read."""

    id: UUID
    case_id: UUID
    at: datetime
    actor: Actor
    kind: str
    version: int
    payload: KnownPayload | UnknownPayload

    def agent_ids(self) -> set[UUID]:
        """Every agent the line names."""
        named = self.payload.agent_ids() if isinstance(self.payload, HistoryPayload) else set()
        return named | ({self.actor.agent_id} if self.actor.agent_id else set())


@dataclass(frozen=True, slots=True)
class AgentStep:
    """A step of an agent with the change of status it caused, if any, and whether it was undone."""

    line: HistoryLine
    change: StatusChanged | None
    undone: bool


def append(cursor: Cursor, case_id: UUID, actor: Actor, payload: KnownPayload) -> NewLine:
    """Write one line with the present time; returns it."""
    line = NewLine(case_id, actor, payload)
    append_all(cursor, [line])
    return line


def append_step(cursor: Cursor, line: NewLine, *, before: Status, after: Status) -> None:
    """Write the line of a step of the desk, and that of the change of status it caused, if any."""
    written = [line]
    if before is not after:
        cause = cast("Cause", line.payload.KIND)
        changed = StatusChanged(before=before, after=after, cause=cause, step_id=line.id)
        written.append(NewLine(line.case_id, line.actor, changed, line.at))
    append_all(cursor, written)


def append_all(cursor: Cursor, lines: Iterable[NewLine]) -> None:
    """Write lines, in one pipeline."""
    rows = [
        _StoredLine(
            id=line.id,
            case_id=line.case_id,
            at=line.at,
            actor=line.actor.kind.value,
            agent_id=line.actor.agent_id,
            kind=line.payload.KIND,
            version=line.payload.VERSION,
            data=line.payload.model_dump_json(exclude_defaults=True),
        )
        for line in lines
    ]
    insert_records(cursor, "case_events", rows)


class _StoredLine(NamedTuple):
    """A row; the fields are the columns."""

    id: UUID
    case_id: UUID
    at: datetime
    actor: str
    agent_id: UUID | None
    kind: str
    version: int
    data: Any


class _StoredStep(NamedTuple):
    """A row of a step, with the other values needed for it."""

    id: UUID
    case_id: UUID
    at: datetime
    actor: str
    agent_id: UUID | None
    kind: str
    version: int
    data: Any
    change_version: int | None
    change_data: Any
    undone: bool


_COLUMNS: Final = "e.id, e.case_id, e.at, e.actor, e.agent_id, e.kind, e.version, e.data"
_HAS_A_LINE_OF_ITS_OWN: Final = "e.kind = 'status_changed' AND e.data ? 'step_id'"
"""A change of status that an agent's step caused: the step's own line tells it."""
_UNDONE: Final = (
    "EXISTS (SELECT FROM case_events u WHERE u.case_id = e.case_id AND u.kind = 'undone' AND u.at >= e.at"
    " AND u.data ->> 'undone_step_id' = e.id::text)"
)
_CHANGE: Final = (
    "LEFT JOIN LATERAL (SELECT s.version, s.data FROM case_events s WHERE s.case_id = e.case_id AND s.kind = 'status_changed'"
    " AND s.at >= e.at AND s.data ->> 'step_id' = e.id::text ORDER BY s.at LIMIT 1) AS s ON true"
)
_STEP_COLUMNS: Final = f"{_COLUMNS}, s.version AS change_version, s.data AS change_data, {_UNDONE} AS undone"
CAME_FROM: Final = (
    "SELECT CASE WHEN pg_input_is_valid(e.data ->> 'previous_unit_id', 'uuid')"
    " THEN (e.data ->> 'previous_unit_id')::uuid END AS unit_id FROM case_events e WHERE e.case_id = c.id"
    " AND e.kind IN ('transferred', 'assigned') AND e.version = 1 ORDER BY e.at DESC, e.id DESC LIMIT 1"
)
"""A query for the unit that handed a case `c` over last."""
REOPENED_AT: Final = (
    "SELECT max(e.at) FROM case_events e WHERE e.case_id = %(case)s AND e.kind = 'status_changed' AND e.version = 1"
    " AND e.data ->> 'before' = 'closed' AND e.data ->> 'cause' <> 'undone'"
)
"""A query for the time at which a case was last reopened. A closing that was undone does not count."""


def entries(
    cursor: Cursor,
    case_id: UUID,
    *,
    since: datetime,
    before: tuple[datetime, bool, UUID],
    limit: int,
    but: Sequence[str],
) -> list[HistoryLine]:
    """Lines since a time and before a place (time, whether it is a contact's, id), newest first, without the kinds
    `but` and without changes of status that a step's own line tells.
    """
    cursor.execute(
        f"SELECT {_COLUMNS} FROM case_events e WHERE e.case_id = %(case)s AND e.kind <> ALL(%(but)s)"  # noqa: S608  # constants of this file
        f" AND NOT ({_HAS_A_LINE_OF_ITS_OWN}) AND e.at >= %(since)s AND e.at <= %(at)s"
        " AND (e.at, false, e.id) < (%(at)s, %(is_contact)s, %(id)s) ORDER BY e.at DESC, e.id DESC LIMIT %(limit)s",
        {
            "case": case_id, "but": list(but), "since": since, "at": before[0], "is_contact": before[1], "id": before[2],
            "limit": limit,
        },
    )  # fmt: skip
    return [_line(row) for row in records(cursor, _StoredLine)]


def lines(cursor: Cursor, ids: Collection[UUID]) -> dict[UUID, HistoryLine]:
    """Lines by id."""
    cursor.execute(f"SELECT {_COLUMNS} FROM case_events e WHERE e.id = ANY(%s)", [list(ids)])  # noqa: S608  # a constant of this file
    return {row.id: _line(row) for row in records(cursor, _StoredLine)}


def mentioned_in(cursor: Cursor, notes: Collection[tuple[UUID, UUID]]) -> dict[UUID, tuple[UUID, ...]]:
    """The agents whom each of these notes mentions; a note as (case, contact)."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM case_events e WHERE e.case_id = ANY(%s) AND e.kind = 'note_written'"  # noqa: S608  # a constant of this file
        " AND e.data ->> 'note_id' = ANY(%s)",
        [[case_id for case_id, _ in notes], [str(note_id) for _, note_id in notes]],
    )
    found = (_line(row).payload for row in records(cursor, _StoredLine))
    return {payload.note_id: payload.mentioned for payload in found if isinstance(payload, NoteWritten)}


def steps_of(
    cursor: Cursor, agent_id: UUID, case_id: UUID, kinds: Collection[str], *, since: datetime
) -> list[AgentStep]:
    """The agent's steps of these kinds at a case since a moment, newest first."""
    cursor.execute(
        f"SELECT {_STEP_COLUMNS} FROM case_events e {_CHANGE}"  # noqa: S608  # constants of this file
        " WHERE e.case_id = %s AND e.kind = ANY(%s) AND e.at >= %s AND e.agent_id = %s ORDER BY e.at DESC, e.id DESC",
        [case_id, list(kinds), since, agent_id],
    )
    return [_step(row) for row in records(cursor, _StoredStep)]


def step(cursor: Cursor, agent_id: UUID, case_id: UUID, kinds: Collection[str], step_id: UUID) -> AgentStep | None:
    """The agent's step of that id, if it is one of these kinds at the case."""
    cursor.execute(
        f"SELECT {_STEP_COLUMNS} FROM case_events e {_CHANGE}"  # noqa: S608  # constants of this file
        " WHERE e.id = %s AND e.case_id = %s AND e.kind = ANY(%s) AND e.agent_id = %s",
        [step_id, case_id, list(kinds), agent_id],
    )
    row = record(cursor, _StoredStep)
    return _step(row) if row else None


def _line(row: _StoredLine | _StoredStep) -> HistoryLine:
    actor = Actor(ActorKind(row.actor), row.agent_id)
    payload = parse(row.kind, row.version, row.data)
    return HistoryLine(row.id, row.case_id, row.at, actor, row.kind, row.version, payload)


def _step(row: _StoredStep) -> AgentStep:
    change = None
    if row.change_version is not None:
        change = parse(StatusChanged.KIND, row.change_version, row.change_data)
    return AgentStep(_line(row), change if isinstance(change, StatusChanged) else None, row.undone)
