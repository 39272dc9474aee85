"""Units of the organisation: who can own a case."""

from __future__ import annotations

from uuid import UUID

from sqlmodel import Field

from zrm.kit.ids import new_id
from zrm.kit.tables import Table


class Unit(Table, table=True):
    """A part of the organisation, named in both languages; `key` is its name in config.yaml."""

    __tablename__ = "units"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(unique=True)
    name_fa: str
    name_en: str
    parent_id: UUID | None = Field(default=None, foreign_key="units.id")
