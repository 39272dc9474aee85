"""When and how an agent signed in: shown to them, so that they notice a sign-in that was not theirs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Index, exists, text
from sqlmodel import Field, col, delete, select

from zrm.kit.clock import now
from zrm.kit.db import Cursor, session_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table
from zrm.security.browsers import Browser

KEPT: Final = timedelta(days=90)


class SignIn(Table, table=True):
    """One sign-in; `known`: with a browser the agent had signed in with before."""

    __tablename__ = "sign_ins"
    __table_args__ = (Index("sign_ins_agent", "agent_id", text("at DESC")),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    at: datetime
    how: str
    browser_name: str = Field(sa_column_kwargs={"name": "browser"})
    system: str
    known: bool

    @property
    def browser(self) -> Browser:
        """The browser and its system."""
        return Browser(self.browser_name, self.system)


class StoredSignIn(NamedTuple):
    """A stored sign-in, and whether the agent had signed in before at all."""

    id: UUID
    returning: bool


def record(cursor: Cursor, agent_id: UUID, *, how: str, browser: Browser, known: bool) -> StoredSignIn:
    """Store a sign-in for 90 days."""
    session, theirs = session_of(cursor), col(SignIn.agent_id) == agent_id
    session.exec(delete(SignIn).where(theirs, col(SignIn.at) < now() - KEPT))
    before = session.exec(select(exists().where(theirs))).one()
    signed_in = SignIn(
        agent_id=agent_id, at=now(), how=how, browser_name=browser.name, system=browser.system, known=known
    )
    session.add(signed_in)
    session.flush()
    return StoredSignIn(signed_in.id, before)


def latest(cursor: Cursor, agent_id: UUID, *, limit: int = 10) -> list[SignIn]:
    """The agent's sign-ins, newest first."""
    newest = select(SignIn).where(SignIn.agent_id == agent_id).order_by(col(SignIn.at).desc(), col(SignIn.id).desc())
    return list(session_of(cursor).exec(newest.limit(limit)))


def browsers(cursor: Cursor, agent_id: UUID, ids: Collection[UUID]) -> dict[UUID, Browser]:
    """The browsers of those of these sign-ins that are the agent's and still stored."""
    if not ids:
        return {}
    theirs = select(SignIn).where(SignIn.agent_id == agent_id, col(SignIn.id).in_(ids))
    return {one.id: one.browser for one in session_of(cursor).exec(theirs)}
