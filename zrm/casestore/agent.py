"""Agents: the people at the desk, and what each may do."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from zrm.kit.ids import new_id
from zrm.kit.tables import Table, both_languages, one_of

NO_PASSWORD: Final = "!"  # noqa: S105  # what stands for none
"""In place of a password's hash: no hash reads so, and no password is right."""


class Agent(Table, table=True):
    """A person at the desk, with the language, calendar and theme they chose."""

    __tablename__ = "agents"
    __table_args__ = (
        both_languages("names"),
        one_of("language", ["fa", "en"]),
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
    """What an agent may be allowed; there are no role names in the code."""

    VIEW_CASES = "case.view"
    WORK_CASES = "case.work"  # claim, reply, note, close, reopen
    ASSIGN_CASES = "case.assign"
    VIEW_ADDRESSES = "person.addresses"
    HANDLE_QUARANTINE = "quarantine.handle"
    HANDLE_DELIVERIES = "delivery.handle"
    VIEW_LEDGER = "ledger.view"
    MANAGE_TEMPLATES = "template.manage"
    TAKE_CONTACTS = "contact.take"  # take down calls, visits and letters


ONLY_EVERYWHERE: Final = frozenset({Permission.HANDLE_QUARANTINE, Permission.VIEW_LEDGER})
"""Permissions that cannot be given for one unit: a held contact and an hour of the ledger belong to none.

The database refuses such a row too (constraint `permissions_only_everywhere`).
"""


class Grant(Table, table=True):
    """A permission for one unit, or everywhere when `unit_id` is None."""

    __tablename__ = "permissions"
    __table_args__ = (
        UniqueConstraint("agent_id", "permission", "unit_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(
            "unit_id IS NULL OR permission NOT IN ('quarantine.handle', 'ledger.view')",
            name="permissions_only_everywhere",
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    permission: str
    unit_id: UUID | None = Field(default=None, foreign_key="units.id")
