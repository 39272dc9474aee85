"""Notifications: what an agent should know, kept until read; being offline loses none."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from zrm.kit.ids import new_id
from zrm.kit.tables import Table


class Notification(Table, table=True):
    """One notice to one agent about one source (contact, event or delivery); the pair is unique, so jobs may repeat."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("agent_id", "source_id"),
        Index("notifications_agent", "agent_id", text("at DESC")),
        Index("notifications_unread", "agent_id", text("at DESC"), postgresql_where=text("read_at IS NULL")),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    case_id: UUID | None = Field(default=None, foreign_key="cases.id")
    source_id: UUID
    kind: str
    at: datetime
    read_at: datetime | None = None
