"""Natures: what kind of matter a case is. The store begins with the five of the glossary; a case may have none."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, col, select

from zrm.kit.db import Cursor, session_of
from zrm.kit.tables import Table, in_some_language


class NatureRecord(Table, table=True):
    """A nature; `position` is its order. A retired one is no longer offered and stays with the cases that have it."""

    __tablename__ = "natures"
    __table_args__ = (in_some_language("names"),)

    key: str = Field(primary_key=True)
    names: dict[str, str] = Field(sa_type=JSONB)
    position: int
    retired_at: datetime | None = None


def known(cursor: Cursor) -> list[NatureRecord]:
    """Every nature in order, the retired ones too."""
    return list(session_of(cursor).exec(select(NatureRecord).order_by(col(NatureRecord.position), NatureRecord.key)))


def in_use(cursor: Cursor) -> list[NatureRecord]:
    """The natures to choose from, in order."""
    return [nature for nature in known(cursor) if nature.retired_at is None]
