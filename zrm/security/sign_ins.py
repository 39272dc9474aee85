"""When and how an agent signed in: shown to them, so that they notice one that was not theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from zrm.kit.db import Cursor, records
from zrm.kit.ids import new_id
from zrm.kit.tables import Table
from zrm.security.browsers import Browser


class SignInRecord(Table, table=True):
    """One sign-in as it is kept."""

    __tablename__ = "sign_ins"
    __table_args__ = (Index("sign_ins_agent", "agent_id", text("at DESC")),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    at: datetime
    how: str
    browser: str
    system: str
    known: bool


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in; `known`: with a browser the agent had signed in with before."""

    at: datetime
    how: str
    browser: Browser
    known: bool


def record(cursor: Cursor, agent_id: UUID, *, how: str, browser: Browser, known: bool) -> bool:
    """Keep a sign-in for 90 days; whether the agent had signed in before at all."""
    cursor.execute("DELETE FROM sign_ins WHERE agent_id = %s AND at < now() - interval '90 days'", [agent_id])
    cursor.execute("SELECT EXISTS (SELECT FROM sign_ins WHERE agent_id = %s)", [agent_id])
    (before,) = cursor.fetchone() or (False,)
    cursor.execute(
        "INSERT INTO sign_ins (id, agent_id, at, how, browser, system, known) VALUES (%s, %s, now(), %s, %s, %s, %s)",
        [new_id(), agent_id, how, browser.name, browser.system, known],
    )
    return bool(before)


def latest(cursor: Cursor, agent_id: UUID, *, limit: int = 10) -> list[SignIn]:
    """The agent's sign-ins, newest first."""
    cursor.execute(
        "SELECT at, how, browser, system, known FROM sign_ins WHERE agent_id = %s ORDER BY at DESC, id DESC LIMIT %s",
        [agent_id, limit],
    )
    return [SignIn(browser=Browser(row.pop("browser"), row.pop("system")), **row) for row in records(cursor, dict)]
