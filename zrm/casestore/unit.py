"""Units of the organisation: who can own a case."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from zrm.kit.ids import new_id
from zrm.kit.tables import Table, both_languages


class Unit(Table, table=True):
    """A part of the organisation, named in both languages; `key` is its name in config.yaml."""

    __tablename__ = "units"
    __table_args__ = (both_languages("names"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(unique=True)
    names: dict[str, str] = Field(sa_type=JSONB)
    parent_id: UUID | None = Field(default=None, foreign_key="units.id")
