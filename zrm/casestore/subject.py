"""The subject tree: what a case is about, and which unit answers for it."""

from __future__ import annotations

from uuid import UUID

from sqlmodel import Field

from zrm.kit.ids import new_id
from zrm.kit.tables import Table

NATURES = ("complaint", "request", "suggestion", "criticism", "report")
"""What kind of matter a case is; the seed's five."""


class SubjectNode(Table, table=True):
    """One subject, named in both languages; `unit_id` is where a new case of it goes."""

    __tablename__ = "subjects"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(unique=True)
    name_fa: str
    name_en: str
    parent_id: UUID | None = Field(default=None, foreign_key="subjects.id")
    unit_id: UUID | None = Field(default=None, foreign_key="units.id")
