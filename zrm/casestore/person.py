"""Persons and their addresses. Nothing here can mark one person as more important than another."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from zrm.kit.db import Cursor
from zrm.kit.ids import new_id


class Person(SQLModel, table=True):
    """A citizen (or anyone who wrote to us); `name` as they gave it, possibly empty.

    `language` is the one they wrote first; `preferred_language` and `preferred_channel` are how they asked to be
    answered, empty meaning as they write.
    """

    __tablename__ = "persons"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str
    language: str = ""
    preferred_language: str = ""
    preferred_channel: str = ""
    created_at: datetime


class Address(SQLModel, table=True):
    """A way to reach a person. `value` is comparable (E.164, lower-cased e-mail), `raw` as it first came.

    `claimed` is one that was typed into a form: nothing has come from it yet, so it proves nothing. `doubtful_at` is
    when a message to it came back because there is no such address; whatever comes from it ends the doubt.
    """

    __tablename__ = "addresses"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    person_id: UUID
    kind: str
    value: str
    raw: str
    claimed: bool
    created_at: datetime
    doubtful_at: datetime | None = None


def proven_owner(cursor: Cursor, kind: str, value: str) -> tuple[UUID, bool] | None:
    """The one person from whom something came from this address, and whether it is doubtful since; None if nobody, or
    several persons, wrote from it.
    """
    cursor.execute(
        "SELECT person_id, doubtful_at IS NOT NULL FROM addresses WHERE kind = %s AND value = %s AND NOT claimed",
        [kind, value],
    )
    found = cursor.fetchall()
    return found[0] if len(found) == 1 else None


def opted_out(cursor: Cursor, channel: str, address: str) -> bool:
    """Whether the citizen asked us not to write to this address on this channel; their newest word counts."""
    cursor.execute(
        "SELECT out FROM opt_outs WHERE channel = %s AND address = %s ORDER BY at DESC, id DESC LIMIT 1",
        [channel, address],
    )
    row = cursor.fetchone()
    return bool(row and row[0])


def opted_out_of(cursor: Cursor, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (channel, address) pairs where the citizen asked us not to write."""
    cursor.execute(
        "SELECT w.channel, w.address FROM unnest(%s::text[], %s::text[]) AS w (channel, address)"
        " CROSS JOIN LATERAL (SELECT o.out FROM opt_outs o WHERE o.channel = w.channel AND o.address = w.address"
        " ORDER BY o.at DESC, o.id DESC LIMIT 1) AS word WHERE word.out",
        [[channel for channel, _ in pairs], [address for _, address in pairs]],
    )
    return {(row[0], row[1]) for row in cursor}


def set_preferences(cursor: Cursor, person_id: UUID, *, language: str, channel: str) -> None:
    """Keep how the person wants to be answered; empty means as they write."""
    cursor.execute(
        "UPDATE persons SET preferred_language = %s, preferred_channel = %s WHERE id = %s",
        [language, channel, person_id],
    )


def mark_undeliverable(cursor: Cursor, value: str) -> None:
    """Mark an address, whoever's it is: what we sent there came back, because nobody has it."""
    cursor.execute(
        "UPDATE addresses SET doubtful_at = now() WHERE kind IN ('email', 'phone') AND value = %s AND doubtful_at IS NULL",
        [value],
    )
