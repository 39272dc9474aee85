"""Natures: what kind of matter a case is. The store begins with the five of the glossary; a case may have none. The only file
that writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, col, select

from zrm.kit.clock import now
from zrm.kit.db import Cursor, session_of
from zrm.kit.tables import Table, in_some_language
from zrm.localized import Localized


class NatureRecord(Table, table=True):
    """A nature; `position` is its order. A retired one is no longer offered and stays with the cases that have it."""

    __tablename__ = "natures"
    __table_args__ = (in_some_language("names"),)

    key: str = Field(primary_key=True)
    names: dict[str, str] = Field(sa_type=JSONB)
    position: int
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WantedNature:
    """The content of a nature."""

    names: Localized
    position: int
    retired: bool


def known(cursor: Cursor) -> list[NatureRecord]:
    """Every nature in order, the retired ones too."""
    return list(session_of(cursor).exec(select(NatureRecord).order_by(col(NatureRecord.position), NatureRecord.key)))


def in_use(cursor: Cursor) -> list[NatureRecord]:
    """The natures to choose from, in order."""
    return [nature for nature in known(cursor) if nature.retired_at is None]


def write(cursor: Cursor, wanted: Mapping[str, WantedNature]) -> None:
    """Create or change natures, by key. Names in other languages stay."""
    session, natures = session_of(cursor), {nature.key: nature for nature in known(cursor)}
    for key, content in wanted.items():
        nature = natures.get(key) or NatureRecord(key=key, names={}, position=0)
        nature.names = {**nature.names, **content.names}
        nature.position = content.position
        nature.retired_at = (nature.retired_at or now()) if content.retired else None
        session.add(nature)
    session.flush()
