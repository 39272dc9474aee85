"""Followers: agents who want to know what happens at a case although it is not theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from zrm.kit.clock import now
from zrm.kit.db import Cursor
from zrm.kit.tables import Table


class CaseFollower(Table, table=True):
    """An agent and a case. An agent who stopped following keeps a row that says so: then nothing makes them follow it
    again automatically.
    """

    __tablename__ = "case_followers"

    case_id: UUID = Field(primary_key=True, foreign_key="cases.id")
    agent_id: UUID = Field(primary_key=True, foreign_key="agents.id")
    following: bool
    at: datetime = Field(default_factory=now)


def set_following(cursor: Cursor, case_id: UUID, agent_id: UUID, *, following: bool) -> None:
    """What the agent chose."""
    cursor.execute(
        "INSERT INTO case_followers (case_id, agent_id, following, at) VALUES (%s, %s, %s, now())"
        " ON CONFLICT (case_id, agent_id) DO UPDATE SET following = excluded.following, at = excluded.at",
        [case_id, agent_id, following],
    )


def take_part(cursor: Cursor, case_id: UUID, agent_ids: Iterable[UUID]) -> None:
    """Make these agents follow the case from now on, except those who stopped following it."""
    cursor.executemany(
        "INSERT INTO case_followers (case_id, agent_id, following, at) VALUES (%s, %s, true, now()) ON CONFLICT DO NOTHING",
        [(case_id, agent_id) for agent_id in sorted(set(agent_ids))],
    )


def follows(cursor: Cursor, case_id: UUID, agent_id: UUID) -> bool:
    """Whether the agent follows the case."""
    cursor.execute("SELECT FROM case_followers WHERE case_id = %s AND agent_id = %s AND following", [case_id, agent_id])
    return cursor.fetchone() is not None


def followers(cursor: Cursor, case_ids: Iterable[UUID]) -> dict[UUID, set[UUID]]:
    """The agents who follow each of these cases."""
    cursor.execute(
        "SELECT case_id, agent_id FROM case_followers WHERE case_id = ANY(%s) AND following", [list(case_ids)]
    )
    found: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for case_id, agent_id in cursor:
        found[case_id].add(agent_id)
    return found
