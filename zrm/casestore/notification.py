"""Notifications: what an agent should know, kept until read; being offline loses none."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from zrm.kit.ids import new_id


class Notification(SQLModel, table=True):
    """One notice to one agent about one source (contact, event or delivery); the pair is unique, so jobs may repeat."""

    __tablename__ = "notifications"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    agent_id: UUID
    case_id: UUID | None = None
    source_id: UUID
    kind: str
    at: datetime
    read_at: datetime | None = None
