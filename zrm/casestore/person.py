"""Persons and their addresses. No field can mark one person as more important than another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, col, or_, select, update

from zrm.errors import NotFound
from zrm.kit.db import Cursor, insert_records, records, session_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table


class Person(Table, table=True):
    """A citizen (or any other sender); `name` as they gave it, possibly empty.

    `language` is the one they first wrote in; `preferred_language` and `preferred_channel` are how they asked to be
    answered, empty meaning as they write. `canonical_id` is the person that this one is known to be the same as: cases,
    contacts and addresses stay where they are, and lists of a person's things read all of them by `same_person` (SQL).
    """

    __tablename__ = "persons"
    __table_args__ = (
        CheckConstraint("canonical_id <> id"),
        Index("persons_canonical", "canonical_id", postgresql_where=text("canonical_id IS NOT NULL")),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str
    language: str = ""
    preferred_language: str = ""
    preferred_channel: str = ""
    created_at: datetime
    canonical_id: UUID | None = Field(default=None, foreign_key="persons.id")


class Address(Table, table=True):
    """A way to reach a person. `value` is comparable (E.164, lower-cased e-mail), `raw` as it first came.

    `claimed`: it was typed into a form and no contact has come from it yet, so it proves nothing. `doubtful_at` is when
    a message to it came back because there is no such address; a contact from it ends the doubt.
    """

    __tablename__ = "addresses"
    __table_args__ = (
        CheckConstraint("kind <> ''"),  # the channels declare the kinds
        Index("addresses_of_person", "person_id", "kind", "value", unique=True),
        Index("addresses_value", "kind", "value", "created_at"),
        Index("addresses_search", "value", postgresql_using="gin", postgresql_ops={"value": "gin_trgm_ops"}),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    person_id: UUID = Field(foreign_key="persons.id")
    kind: str
    value: str
    raw: str
    claimed: bool
    created_at: datetime
    doubtful_at: datetime | None = None


class NewPerson(NamedTuple):
    """A person as filing first stores them; the fields are the columns."""

    id: UUID
    name: str
    language: str
    created_at: datetime


class NewAddress(NamedTuple):
    """An address as filing adds it to a person; the fields are the columns."""

    id: UUID
    person_id: UUID
    kind: str
    value: str
    raw: str
    claimed: bool
    created_at: datetime


def add_persons(cursor: Cursor, persons: Sequence[NewPerson]) -> None:
    """Write new persons."""
    insert_records(cursor, "persons", persons)


def add_addresses(cursor: Cursor, addresses: Sequence[NewAddress]) -> None:
    """Write new addresses."""
    insert_records(cursor, "addresses", addresses)


def prove_address(cursor: Cursor, person_id: UUID, kind: str, value: str) -> None:
    """Mark the address as the person's own: a contact came from it, so it is no longer claimed."""
    cursor.execute(
        "UPDATE addresses SET claimed = false WHERE person_id = %s AND kind = %s AND value = %s",
        [person_id, kind, value],
    )


def end_doubt(cursor: Cursor, kind: str, value: str) -> None:
    """End the doubt about the address: a contact came from it."""
    cursor.execute("UPDATE addresses SET doubtful_at = NULL WHERE kind = %s AND value = %s", [kind, value])


def opt(cursor: Cursor, channel: str, account: str, address: str, *, out: bool, at: datetime) -> None:
    """Record whether the citizen allows messages to an address; a repetition of the same moment is kept once."""
    cursor.execute(
        "INSERT INTO opt_outs (id, channel, account, address, out, at) "
        "SELECT %(id)s, %(channel)s, %(account)s, %(address)s, %(out)s, %(at)s WHERE NOT EXISTS ("
        "SELECT FROM opt_outs WHERE channel = %(channel)s AND address = %(address)s AND out = %(out)s AND at = %(at)s)",
        {"id": new_id(), "channel": channel, "account": account, "address": address, "out": out, "at": at},
    )


class OptOut(Table, table=True):
    """A citizen's statement that we must not write to this address on this channel (`out`), or may again; the newest
    counts.
    """

    __tablename__ = "opt_outs"
    __table_args__ = (Index("opt_outs_address", "channel", "address", text("at DESC")),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    channel: str
    account: str
    address: str
    out: bool
    at: datetime


class ProvenOwner(NamedTuple):
    """The one person who wrote from an address; `doubtful`: our messages to it come back."""

    person_id: UUID
    doubtful: bool


def proven_owner(cursor: Cursor, kind: str, value: str) -> ProvenOwner | None:
    """The one person who wrote from this address; None if none, or several, did."""
    cursor.execute(
        "SELECT person_id, doubtful_at IS NOT NULL AS doubtful FROM addresses WHERE kind = %s AND value = %s AND NOT claimed",
        [kind, value],
    )
    found = records(cursor, ProvenOwner)
    return found[0] if len(found) == 1 else None


def opted_out(cursor: Cursor, channel: str, address: str) -> bool:
    """Whether the citizen asked us not to write to this address on this channel; their newest statement counts."""
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
    return {(channel, address) for channel, address in cursor}


def link(cursor: Cursor, person_id: UUID, canonical_id: UUID) -> None:
    """Treat both, and all persons linked to either, as one person from now on; no row of theirs changes.

    No action calls this yet: it is for the coming page of persons. Errors: NotFound if there is no such person.
    """
    session = session_of(cursor)
    ids = sorted({person_id, canonical_id})
    found = {one.id: one for one in session.exec(select(Person).where(col(Person.id).in_(ids)).with_for_update())}
    if len(found) != len(ids):
        raise NotFound("no such person")
    gone, root = (found[one].canonical_id or one for one in (person_id, canonical_id))
    if gone == root:
        return
    linked = or_(col(Person.id) == gone, col(Person.canonical_id) == gone)
    session.exec(update(Person).where(linked).values(canonical_id=root))


def unlink(cursor: Cursor, person_id: UUID) -> None:
    """Remove the person's link to their canonical person. Persons linked to this one stay linked: each has a link of its
    own. No action calls this yet, as `link`.
    """
    session = session_of(cursor)
    session.exec(update(Person).where(col(Person.id) == person_id).values(canonical_id=None))


def set_preferences(cursor: Cursor, person_id: UUID, *, language: str, channel: str) -> None:
    """Store how the person wants to be answered; empty means as they write."""
    cursor.execute(
        "UPDATE persons SET preferred_language = %s, preferred_channel = %s WHERE id = %s",
        [language, channel, person_id],
    )


def mark_undeliverable(cursor: Cursor, kind: str, value: str) -> None:
    """Mark an address, of whichever person, as doubtful: our message came back because there is no such address."""
    cursor.execute(
        "UPDATE addresses SET doubtful_at = now() WHERE kind = %s AND value = %s AND doubtful_at IS NULL",
        [kind, value],
    )
