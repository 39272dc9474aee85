"""Units of the organisation, which own cases. The only file that writes them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, col, delete, select

from zrm.kit.db import Cursor, session_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, in_some_language
from zrm.localized import Localized


class Unit(Table, table=True):
    """A part of the organisation, named in both languages; `key` is its name in the organisation's file."""

    __tablename__ = "units"
    __table_args__ = (in_some_language("names"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(unique=True)
    names: dict[str, str] = Field(sa_type=JSONB)
    parent_id: UUID | None = Field(default=None, foreign_key="units.id")


def lock(cursor: Cursor) -> None:
    """Until the commit no other transaction writes units; reading goes on."""
    cursor.execute("LOCK TABLE units IN SHARE ROW EXCLUSIVE MODE")


def by_key(cursor: Cursor) -> dict[str, Unit]:
    """Every unit by its key, in the order they were made."""
    return {unit.key: unit for unit in session_of(cursor).exec(select(Unit).order_by(col(Unit.id)))}


def write(cursor: Cursor, wanted: Mapping[str, tuple[Localized, str | None]]) -> None:
    """Create or change units, by key: their names and their parent's key. Names in other languages stay."""
    session, units = session_of(cursor), by_key(cursor)
    for key, (names, _) in wanted.items():
        unit = units.get(key) or Unit(key=key, names={})
        unit.names = {**unit.names, **names}
        session.add(unit)
        units[key] = unit
    session.flush()  # all exist before one gets another as its parent
    for key, (_, parent) in wanted.items():
        unit = units[key]
        unit.parent_id = units[parent].id if parent is not None else None
    session.flush()


def remove(cursor: Cursor, key: str) -> None:
    """Remove a unit. Errors: sqlalchemy's IntegrityError if something belongs to it."""
    session_of(cursor).exec(delete(Unit).where(col(Unit.key) == key))
