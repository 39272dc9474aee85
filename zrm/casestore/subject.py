"""The subject tree: what a case is about, and which unit is responsible for it. The only file that writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, col, delete, select

from zrm.kit.clock import now
from zrm.kit.db import Cursor, session_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, in_some_language
from zrm.localized import Localized


class SubjectNode(Table, table=True):
    """One subject, named in both languages; `unit_id` gets its new cases, `position` is its order among its siblings. A
    retired one is no longer offered and stays with the cases that have it.
    """

    __tablename__ = "subjects"
    __table_args__ = (in_some_language("names"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    key: str = Field(unique=True)
    names: dict[str, str] = Field(sa_type=JSONB)
    parent_id: UUID | None = Field(default=None, foreign_key="subjects.id")
    unit_id: UUID | None = Field(default=None, foreign_key="units.id")
    position: int = 0
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WantedSubject:
    """The content of a subject; `parent` is a key."""

    names: Localized
    parent: str | None
    unit_id: UUID | None
    position: int
    retired: bool


def by_key(cursor: Cursor) -> dict[str, SubjectNode]:
    """Every subject by its key, in the order they were made."""
    return {node.key: node for node in session_of(cursor).exec(select(SubjectNode).order_by(col(SubjectNode.id)))}


def write(cursor: Cursor, wanted: Mapping[str, WantedSubject]) -> None:
    """Create or change subjects, by key. Names in other languages stay."""
    session, nodes = session_of(cursor), by_key(cursor)
    for key, subject in wanted.items():
        node = nodes.get(key) or SubjectNode(key=key, names={})
        node.names = {**node.names, **subject.names}
        node.unit_id, node.position = subject.unit_id, subject.position
        node.retired_at = (node.retired_at or now()) if subject.retired else None
        session.add(node)
        nodes[key] = node
    session.flush()  # all exist before one gets another as its parent
    for key, subject in wanted.items():
        node = nodes[key]
        node.parent_id = nodes[subject.parent].id if subject.parent is not None else None
    session.flush()


def remove(cursor: Cursor, key: str) -> None:
    """Remove a subject. Errors: sqlalchemy's IntegrityError if something belongs to it."""
    session_of(cursor).exec(delete(SubjectNode).where(col(SubjectNode.key) == key))
