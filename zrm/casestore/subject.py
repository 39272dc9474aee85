"""The subject tree: what a case is about, and which unit answers for it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from zrm.kit.ids import new_id
from zrm.kit.tables import Table, both_languages


class SubjectNode(Table, table=True):
    """One subject, named in both languages; `unit_id` is where a new case of it goes."""

    __tablename__ = "subjects"
    __table_args__ = (both_languages("names"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(unique=True)
    names: dict[str, str] = Field(sa_type=JSONB)
    parent_id: UUID | None = Field(default=None, foreign_key="subjects.id")
    unit_id: UUID | None = Field(default=None, foreign_key="units.id")
