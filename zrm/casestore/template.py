"""Templates: texts that a unit writes once and uses often, each in both languages. One that is retired is kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from zrm.kit.db import Cursor
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, both_languages, one_of
from zrm.localized import Localized, in_language

KINDS: Final = ("answer", "greeting", "signature", "acknowledgement")
"""An answer's text, what stands before and after every answer of a unit, the machine's first word with the code."""

LONGEST_NAME: Final = 120
LONGEST_TEXT: Final = 10_000


class TemplateRecord(Table, table=True):
    """A template of one unit, or (`unit_id` None) of all."""

    __tablename__ = "templates"
    __table_args__ = (
        one_of("kind", KINDS),
        both_languages("names"),
        both_languages("texts"),
        Index("templates_unit", "unit_id", postgresql_where=text("retired_at IS NULL")),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    unit_id: UUID | None = Field(default=None, foreign_key="units.id")
    kind: str
    names: dict[str, str] = Field(sa_type=JSONB)
    texts: dict[str, str] = Field(sa_type=JSONB)
    version: int = 1
    changed_by: UUID | None = Field(default=None, foreign_key="agents.id")
    changed_at: datetime
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """What a template says, in both languages, and whose it is (None: every unit's)."""

    unit_id: UUID | None
    kind: str
    names: Localized
    texts: Localized

    def name(self, language: str) -> str:
        """Its name for an agent."""
        return in_language(self.names, language)

    def text(self, language: str) -> str:
        """Its text for a citizen."""
        return in_language(self.texts, language)


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it stands; `version` grows with every change."""

    id: UUID
    version: int
    wording: Wording


_SELECT = "SELECT id, version, unit_id, kind, names, texts FROM templates WHERE retired_at IS NULL"
_ORDER = " ORDER BY kind, unit_id NULLS FIRST, names ->> 'en', id"


def usable(cursor: Cursor, unit_id: UUID) -> list[Template]:
    """The templates a unit's cases are answered with: its own and every unit's."""
    cursor.execute((_SELECT + " AND (unit_id = %s OR unit_id IS NULL)" + _ORDER).encode(), [unit_id])
    return [_row(row) for row in cursor]


def of_units(cursor: Cursor, units: Collection[UUID] | None) -> list[Template]:
    """The templates that belong to these units; None: all, those of every unit included."""
    condition = "" if units is None else " AND unit_id = ANY(%s)"
    cursor.execute((_SELECT + condition + _ORDER).encode(), None if units is None else [list(units)])
    return [_row(row) for row in cursor]


def acknowledgements(cursor: Cursor) -> dict[UUID | None, Localized]:
    """The first words by unit (None: every unit's); of several the newest."""
    cursor.execute(
        "SELECT unit_id, texts FROM templates WHERE kind = 'acknowledgement' AND retired_at IS NULL ORDER BY changed_at, id"
    )
    return {row[0]: row[1] for row in cursor}


def get(cursor: Cursor, template_id: UUID) -> Template | None:
    """One template that is in use."""
    cursor.execute((_SELECT + " AND id = %s").encode(), [template_id])
    row = cursor.fetchone()
    return _row(row) if row else None


def add(cursor: Cursor, wording: Wording, agent_id: UUID | None) -> UUID:
    """Keep a new template; returns its id."""
    template_id = new_id()
    cursor.execute(
        "INSERT INTO templates (id, unit_id, kind, names, texts, changed_by, changed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, now())",
        [template_id, wording.unit_id, wording.kind, Jsonb(wording.names), Jsonb(wording.texts), agent_id],
    )
    return template_id


def change(cursor: Cursor, template_id: UUID, version: int, wording: Wording, agent_id: UUID) -> bool:
    """Give a template new words; False if somebody changed or retired it since `version`."""
    cursor.execute(
        "UPDATE templates SET unit_id = %s, kind = %s, names = %s, texts = %s,"
        " version = version + 1, changed_by = %s, changed_at = now()"
        " WHERE id = %s AND version = %s AND retired_at IS NULL RETURNING id",
        [
            wording.unit_id, wording.kind, Jsonb(wording.names), Jsonb(wording.texts), agent_id, template_id, version,
        ],
    )  # fmt: skip
    return cursor.fetchone() is not None


def retire(cursor: Cursor, template_id: UUID, version: int, agent_id: UUID) -> bool:
    """Take a template out of use; False as with `change`."""
    cursor.execute(
        "UPDATE templates SET retired_at = now(), changed_by = %s, changed_at = now()"
        " WHERE id = %s AND version = %s AND retired_at IS NULL RETURNING id",
        [agent_id, template_id, version],
    )
    return cursor.fetchone() is not None


def _row(row: tuple[object, ...]) -> Template:
    identifier, version, *wording = row
    return Template(identifier, version, Wording(*wording))  # type: ignore[arg-type]  # the columns have these types
