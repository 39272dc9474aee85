"""Which agent an identity provider's account belongs to: linked once, by the login that a claim names, and then for
good.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from zrm.kit import log
from zrm.kit.db import Cursor, record
from zrm.kit.tables import Table

_log = log.get(__name__)


class ProviderAccount(Table, table=True):
    """An account of an identity provider (its issuer and subject) and its agent."""

    __tablename__ = "provider_accounts"
    __table_args__ = (UniqueConstraint("agent_id", "issuer"),)

    issuer: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    linked_at: datetime


class _LinkedAgent(NamedTuple):
    """The agent linked to an account of the provider; `active`: they have not left."""

    id: UUID
    active: bool


def agent_of(cursor: Cursor, issuer: str, subject: str, login: str) -> UUID | None:
    """The active agent linked to that account of the provider; linked now if `login` is theirs and they have no account
    yet.

    None if there is no such agent, or another account of the provider is linked to them already.
    """
    cursor.execute(
        "SELECT a.id, a.active FROM provider_accounts p JOIN agents a ON a.id = p.agent_id"
        " WHERE p.issuer = %s AND p.subject = %s",
        [issuer, subject],
    )
    if (linked := record(cursor, _LinkedAgent)) is not None:
        return linked.id if linked.active else None
    cursor.execute(
        "INSERT INTO provider_accounts (issuer, subject, agent_id, linked_at)"
        " SELECT %s, %s, id, now() FROM agents WHERE login = %s AND active ON CONFLICT DO NOTHING RETURNING agent_id",
        [issuer, subject, login.strip().lower()],
    )
    row = cursor.fetchone()
    if row is not None:
        _log.info("account of the identity provider linked", agent=str(row[0]))
    return row[0] if row else None


def is_linked(cursor: Cursor, agent_id: UUID, issuer: str) -> bool:
    """Whether an account of the provider is linked to the agent."""
    cursor.execute("SELECT 1 FROM provider_accounts WHERE agent_id = %s AND issuer = %s", [agent_id, issuer])
    return cursor.fetchone() is not None


def unlink(cursor: Cursor, agent_id: UUID) -> bool:
    """Remove the links from accounts of providers to the agent; returns whether there were any."""
    cursor.execute("DELETE FROM provider_accounts WHERE agent_id = %s RETURNING 1", [agent_id])
    return cursor.fetchone() is not None
