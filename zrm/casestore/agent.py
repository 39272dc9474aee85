"""Agents: the people at the desk, and what each may do. The only file that writes them and their permissions."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, col, delete, select

from zrm.casestore import unit  # noqa: F401  # agents belong to units, and a session that writes them looks for that table
from zrm.kit.db import Cursor, session_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, in_some_language, one_of
from zrm.localized import Localized

NO_PASSWORD: Final = "!"  # noqa: S105  # what stands for none
"""Stored in place of a password's hash: no hash has this form, so no password matches."""


class Agent(Table, table=True):
    """A person at the desk, with the language, calendar and theme they chose."""

    __tablename__ = "agents"
    __table_args__ = (
        in_some_language("names"),
        one_of("calendar", ["solar", "gregorian"]),
        one_of("theme", ["auto", "light", "dark"]),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    login: str = Field(unique=True)
    names: dict[str, str] = Field(sa_type=JSONB)
    password_hash: str
    unit_id: UUID = Field(foreign_key="units.id")
    language: str = "fa"
    calendar: str = "solar"
    theme: str = "auto"
    active: bool = True


class Permission(StrEnum):
    """What an agent may be allowed; the code knows no role names."""

    VIEW_CASES = "case.view"
    WORK_CASES = "case.work"  # claim, reply, note, close, reopen
    ASSIGN_CASES = "case.assign"
    VIEW_ADDRESSES = "person.addresses"
    HANDLE_QUARANTINE = "quarantine.handle"
    HANDLE_DELIVERIES = "delivery.handle"
    VIEW_LEDGER = "ledger.view"
    MANAGE_TEMPLATES = "template.manage"
    TAKE_CONTACTS = "contact.take"  # enter calls, visits and letters
    ERASE_CONTACTS = "contact.erase"  # erase what contacts say, for ever


PERMISSIONS: Final = frozenset(Permission)
"""What this version knows; the store may hold permissions of another."""

ONLY_EVERYWHERE: Final = frozenset({Permission.HANDLE_QUARANTINE, Permission.VIEW_LEDGER, Permission.ERASE_CONTACTS})
"""Permissions that cannot be given for one unit: a quarantined contact and an hour of the ledger belong to none, nor does a
contact to be erased: it may have no case.

The database refuses such a row too (constraint `permissions_only_everywhere`).
"""


class Grant(Table, table=True):
    """A permission for one unit, or everywhere when `unit_id` is None."""

    __tablename__ = "permissions"
    __table_args__ = (
        UniqueConstraint("agent_id", "permission", "unit_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(
            "unit_id IS NULL OR permission NOT IN ('quarantine.handle', 'ledger.view', 'contact.erase')",
            name="permissions_only_everywhere",
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    permission: str
    unit_id: UUID | None = Field(default=None, foreign_key="units.id")


def by_login(cursor: Cursor, login: str) -> Agent | None:
    """The agent with this `login`."""
    return session_of(cursor).exec(select(Agent).where(Agent.login == login)).first()


def of_id(cursor: Cursor, agent_id: UUID) -> Agent | None:
    """An agent by id."""
    return session_of(cursor).exec(select(Agent).where(Agent.id == agent_id)).first()


def everybody(cursor: Cursor) -> list[Agent]:
    """Every agent, those who have left included, in the order they were made."""
    return list(session_of(cursor).exec(select(Agent).order_by(col(Agent.id))))


def rights(cursor: Cursor) -> list[Grant]:
    """Every agent's permissions."""
    return list(session_of(cursor).exec(select(Grant)))


def keep(
    cursor: Cursor, login: str, *, names: Localized, unit_id: UUID, language: str, calendar: str, left: bool
) -> UUID:
    """Create an agent, without a password, or give the one with this login these names and this unit; returns their id.

    Names in other languages stay, and so do the agent's own choices. An agent who has left stays inactive.
    """
    session = session_of(cursor)
    agent = session.exec(select(Agent).where(Agent.login == login)).one_or_none()
    if agent is None:
        agent = Agent(
            login=login, names={}, password_hash=NO_PASSWORD, unit_id=unit_id, language=language, calendar=calendar
        )
        session.add(agent)
    agent.names = {**agent.names, **names}
    agent.unit_id = unit_id
    agent.active = agent.active and not left
    session.flush()
    return agent.id


def permit(cursor: Cursor, agent_id: UUID, rights: Iterable[tuple[Permission, UUID | None]]) -> None:
    """Give an agent these permissions, each for one unit or (None) everywhere, in place of the earlier ones.

    Permissions that only another version knows stay.
    """
    session = session_of(cursor)
    session.exec(delete(Grant).where(col(Grant.agent_id) == agent_id, col(Grant.permission).in_(PERMISSIONS)))
    session.add_all([Grant(agent_id=agent_id, permission=right.value, unit_id=unit_id) for right, unit_id in rights])
    session.flush()


def set_password_hash(cursor: Cursor, agent_id: UUID, password_hash: str) -> None:
    """Store a new password's hash."""
    session = session_of(cursor)
    agent = session.get_one(Agent, agent_id)
    agent.password_hash = password_hash
    session.flush()


def set_active(cursor: Cursor, agent_id: UUID, *, active: bool) -> None:
    """Stop an agent who leaves from signing in, or allow it again to one who comes back."""
    session = session_of(cursor)
    agent = session.get_one(Agent, agent_id)
    agent.active = active
    session.flush()


def set_preferences(cursor: Cursor, agent_id: UUID, *, language: str, calendar: str, theme: str) -> None:
    """Store how the agent wants their pages written; the caller has checked that there is such a language."""
    session = session_of(cursor)
    agent = session.get_one(Agent, agent_id)
    agent.language, agent.calendar, agent.theme = language, calendar, theme
    session.flush()


def can_sign_in(cursor: Cursor) -> set[str]:
    """The logins of the agents who have not left and have a password."""
    ready = select(Agent.login).where(Agent.active, Agent.password_hash != NO_PASSWORD)
    return set(session_of(cursor).exec(ready))


def holders_everywhere(cursor: Cursor, permission: Permission) -> set[str]:
    """The logins of the agents who have not left and have the permission everywhere."""
    holders = select(Agent.login).join(Grant, col(Grant.agent_id) == Agent.id)
    everywhere = holders.where(Agent.active, Grant.permission == permission, col(Grant.unit_id).is_(None))
    return set(session_of(cursor).exec(everywhere))
