"""Templates: texts that a unit writes once and uses often, each in both languages. A retired one is kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, col, or_, select

from zrm.kit.clock import now
from zrm.kit.db import Cursor, session_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, in_some_language, one_of
from zrm.localized import Localized, in_language

KINDS: Final = ("answer", "greeting", "signature", "acknowledgement")
"""An answer's text, the greeting and signature around every answer of a unit, the acknowledgement."""

LONGEST_NAME: Final = 120
LONGEST_TEXT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Wording:
    """A template's content, in both languages, and its unit (None: all units)."""

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


class Template(Table, table=True):
    """A template of one unit, or (`unit_id` None) of all, as it is now; `version` grows with every change."""

    __tablename__ = "templates"
    __table_args__ = (
        one_of("kind", KINDS),
        in_some_language("names"),
        in_some_language("texts"),
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

    @property
    def wording(self) -> Wording:
        """Its content, and its unit."""
        return Wording(self.unit_id, self.kind, self.names, self.texts)


_IN_USE: Final = col(Template.retired_at).is_(None)
_ORDER: Final = (col(Template.kind), col(Template.unit_id).nulls_first(), text("names ->> 'en'"), col(Template.id))


def usable(cursor: Cursor, unit_id: UUID) -> list[Template]:
    """The templates for a unit's cases: its own and those of all units."""
    theirs = or_(col(Template.unit_id) == unit_id, col(Template.unit_id).is_(None))
    return list(session_of(cursor).exec(select(Template).where(_IN_USE, theirs).order_by(*_ORDER)))


def of_units(cursor: Cursor, units: Collection[UUID] | None) -> list[Template]:
    """The templates that belong to these units; None: all of them, those of all units included."""
    wanted = select(Template).where(_IN_USE).order_by(*_ORDER)
    return list(session_of(cursor).exec(wanted if units is None else wanted.where(col(Template.unit_id).in_(units))))


def acknowledgements(cursor: Cursor) -> dict[UUID | None, Localized]:
    """The acknowledgements by unit (None: all units'); of several the newest. Filing reads them for each batch, so by
    SQL.
    """
    cursor.execute(
        "SELECT unit_id, texts FROM templates WHERE kind = 'acknowledgement' AND retired_at IS NULL ORDER BY changed_at, id"
    )
    return dict(cursor.fetchall())


def get(cursor: Cursor, template_id: UUID) -> Template | None:
    """One template that is in use."""
    return session_of(cursor).exec(select(Template).where(_IN_USE, Template.id == template_id)).first()


def add(cursor: Cursor, wording: Wording, agent_id: UUID | None) -> UUID:
    """Store a new template; returns its id."""
    session = session_of(cursor)
    template = Template(
        unit_id=wording.unit_id,
        kind=wording.kind,
        names=dict(wording.names),
        texts=dict(wording.texts),
        changed_by=agent_id,
        changed_at=now(),
    )
    session.add(template)
    session.flush()
    return template.id


def change(cursor: Cursor, template_id: UUID, version: int, wording: Wording, agent_id: UUID) -> bool:
    """Change a template's texts; False if it was changed or retired since `version`. Texts in other languages stay."""
    session, template = session_of(cursor), _held(cursor, template_id, version)
    if template is None:
        return False
    template.unit_id, template.kind = wording.unit_id, wording.kind
    template.names, template.texts = {**template.names, **wording.names}, {**template.texts, **wording.texts}
    template.version += 1
    template.changed_by, template.changed_at = agent_id, now()
    session.flush()
    return True


def retire(cursor: Cursor, template_id: UUID, version: int, agent_id: UUID) -> bool:
    """Take a template out of use; False as with `change`."""
    session, template = session_of(cursor), _held(cursor, template_id, version)
    if template is None:
        return False
    template.retired_at = template.changed_at = now()
    template.changed_by = agent_id
    session.flush()
    return True


def _held(cursor: Cursor, template_id: UUID, version: int) -> Template | None:
    """The template as it is now, locked until the commit, if it still has this version."""
    wanted = select(Template).where(_IN_USE, Template.id == template_id, Template.version == version)
    fresh = wanted.with_for_update().execution_options(populate_existing=True)
    return session_of(cursor).exec(fresh).first()
