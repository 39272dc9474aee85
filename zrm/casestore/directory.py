"""Agents, their preferences and permissions; units and subjects for the pickers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from zrm.kit.db import Cursor, record, records
from zrm.localized import Localized, in_language


@dataclass(frozen=True, slots=True)
class DeskAgent:
    """An active agent; `grants` are (permission, unit) rows, a row without a unit being for everywhere."""

    id: UUID
    login: str
    names: Localized
    unit_id: UUID
    unit_names: Localized
    language: str
    calendar: str
    theme: str
    grants: tuple[tuple[str, UUID | None], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """Something with an id and a name in both languages; `parent_id` is its parent in a tree or its unit, `retired` if
    it is no longer offered.
    """

    id: UUID
    names: Localized
    parent_id: UUID | None = None
    retired: bool = False

    def name(self, language: str) -> str:
        """The name in a language."""
        return in_language(self.names, language)


def at_desk(cursor: Cursor, agent_id: UUID) -> DeskAgent | None:
    """An active agent with everything a page needs to know about them."""
    cursor.execute(
        """
        SELECT a.id, a.login, a.names, a.unit_id, u.names AS unit_names,
            a.language, a.calendar, a.theme,
            ARRAY(SELECT p.permission FROM permissions p WHERE p.agent_id = a.id ORDER BY p.permission, p.unit_id)
                AS permissions,
            ARRAY(SELECT p.unit_id FROM permissions p WHERE p.agent_id = a.id ORDER BY p.permission, p.unit_id)
                AS granted_units
        FROM agents a JOIN units u ON u.id = a.unit_id WHERE a.id = %s AND a.active
        """,
        [agent_id],
    )
    row = record(cursor, dict)
    if row is None:
        return None
    return DeskAgent(grants=tuple(zip(row.pop("permissions"), row.pop("granted_units"), strict=True)), **row)


class _GrantRow(NamedTuple):
    """A permission of an agent; `unit_id` None: everywhere."""

    agent_id: UUID
    permission: str
    unit_id: UUID | None


def grants(cursor: Cursor, agent_ids: Iterable[UUID]) -> dict[UUID, list[tuple[str, UUID | None]]]:
    """The (permission, unit) rows of these agents; agents who have left have none."""
    cursor.execute(
        "SELECT p.agent_id, p.permission, p.unit_id FROM permissions p JOIN agents a ON a.id = p.agent_id"
        " WHERE a.active AND p.agent_id = ANY(%s)",
        [list(agent_ids)],
    )
    found: dict[UUID, list[tuple[str, UUID | None]]] = defaultdict(list)
    for grant in records(cursor, _GrantRow):
        found[grant.agent_id].append((grant.permission, grant.unit_id))
    return found


def active(cursor: Cursor, agent_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these agents who have not left."""
    cursor.execute("SELECT id FROM agents WHERE active AND id = ANY(%s)", [list(agent_ids)])
    return {row[0] for row in cursor}


def agents_by_login(cursor: Cursor, logins: list[str]) -> dict[str, UUID]:
    """The agents who have not left, by their logins."""
    cursor.execute("SELECT login, id FROM agents WHERE active AND login = ANY(%s)", [logins])
    return dict(cursor.fetchall())


def units(cursor: Cursor) -> list[Named]:
    """Every unit, by name."""
    cursor.execute("SELECT id, names, parent_id FROM units ORDER BY names ->> 'en', id")
    return records(cursor, Named)


def colleagues(cursor: Cursor, unit_ids: Iterable[UUID]) -> list[Named]:
    """The active agents of these units, by name; `parent_id` is their unit."""
    cursor.execute(
        "SELECT id, names, unit_id AS parent_id FROM agents WHERE active AND unit_id = ANY(%s) ORDER BY names ->> 'en', id",
        [list(unit_ids)],
    )
    return records(cursor, Named)


def logins(cursor: Cursor, agent_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The agents' logins, by their ids."""
    cursor.execute("SELECT id, login FROM agents WHERE id = ANY(%s)", [list(agent_ids)])
    return dict(cursor.fetchall())


def agents_by_id(cursor: Cursor, ids: list[UUID]) -> dict[UUID, Named]:
    """Agents by id, those who left included: history goes on naming them."""
    cursor.execute("SELECT id, names, unit_id AS parent_id FROM agents WHERE id = ANY(%s)", [ids])
    return {agent.id: agent for agent in records(cursor, Named)}


def subjects(cursor: Cursor) -> list[Named]:
    """The subject tree, parents before their children."""
    cursor.execute(
        """
        WITH RECURSIVE tree AS (
            SELECT id, names, parent_id, retired_at IS NOT NULL AS retired, ARRAY[(position, key)] AS path FROM subjects WHERE parent_id IS NULL
            UNION ALL
            SELECT s.id, s.names, s.parent_id, t.retired OR s.retired_at IS NOT NULL, t.path || (s.position, s.key)
            FROM subjects s JOIN tree t ON s.parent_id = t.id
        ) SELECT id, names, parent_id, retired FROM tree ORDER BY path
        """
    )
    return records(cursor, Named)
