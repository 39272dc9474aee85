"""Finding cases by words, names, numbers and codes, newest first, and only what the agent may see.

Beside every contact stands a row with its search key (`zrm.casestore.search_words`) under a trigram index, and its
writer. A table of its own keeps the rows that lists and pages read narrow. `zrm.casestore.contact.add` writes both; our
own automatic messages have an empty key.

Numbers and addresses are personal: where the agent may not see them, they cannot be searched for either, or a few
guesses would reveal them. The text of a message can be searched by every agent who may read it.

Words that many cases have are slow to look up in the index and are found at once among the newest cases; for rare words
it is the other way round. So the newest cases are searched first, and the index only if they do not fill a page.

The queries force this plan: by its own estimate, where its statistics are old, PostgreSQL queries the trigram index
again for each of the newest cases (15 s in 100,000), or reads all contacts instead of the index.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from zrm.casestore.case_list import PageKey
from zrm.casestore.search_words import Query, Term
from zrm.contract.descriptions import Description
from zrm.kit.db import Cursor, insert_records, records
from zrm.kit.tables import Table

_NEWEST: Final = 500
"""Cases that are searched before the index is used."""
_MOST_OWNERS: Final = 1000
"""Citizens, the newest, whose address matches a term; typing more of it finds the others."""
_MOST_UNITS: Final = 20
"""Up to this many units, each unit's newest cases are read from its own index range."""
_SECONDS: Final = 5

_OWNERS: Final = """
SELECT same.id, found.value FROM (
    SELECT person_id, value FROM addresses WHERE value LIKE ANY(%(patterns)s) ORDER BY person_id DESC LIMIT %(most)s
) AS found CROSS JOIN LATERAL same_person(found.person_id) AS same
"""
_HEADS: Final = """
SELECT head.id, head.last_contact_at
FROM unnest(ARRAY['new', 'open', 'waiting', 'closed']) AS wanted (status){units}
CROSS JOIN LATERAL (
    SELECT c.id, c.last_contact_at FROM cases c WHERE c.status = wanted.status{conditions}
    ORDER BY c.last_contact_at DESC, c.id DESC LIMIT %(most)s
) AS head
ORDER BY head.last_contact_at DESC, head.id DESC LIMIT %(most)s
"""
# OFFSET 0 keeps conditions out of the subquery for a case's contacts.
_AMONG: Final = """
WITH found AS MATERIALIZED (
    SELECT c.id AS case_id, hit.contact_id, newest.n
    FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS newest (id, n)
    JOIN cases c ON c.id = newest.id
    CROSS JOIN LATERAL (
        SELECT t.contact_id FROM (SELECT * FROM contact_search WHERE case_id = c.id OFFSET 0) AS t
        WHERE {conditions} ORDER BY t.at DESC, t.contact_id DESC LIMIT 1
    ) AS hit
    ORDER BY newest.n LIMIT %(limit)s
)
SELECT f.case_id, f.contact_id, coalesce(left(x.text, 20000), '') AS text, coalesce(x.description, '[]') AS description
FROM found f LEFT JOIN contacts x ON x.id = f.contact_id
ORDER BY f.n
"""
_BY_INDEX: Final = """
WITH found AS MATERIALIZED (
    SELECT t.contact_id, t.at, t.case_id, c.last_contact_at FROM contact_search t JOIN cases c ON c.id = t.case_id
    WHERE {conditions}
), newest AS MATERIALIZED (
    SELECT DISTINCT ON (last_contact_at, case_id) case_id, last_contact_at, contact_id FROM found
    ORDER BY last_contact_at DESC, case_id DESC, at DESC, contact_id DESC LIMIT %(limit)s
)
SELECT n.case_id, n.contact_id, coalesce(left(x.text, 20000), '') AS text, coalesce(x.description, '[]') AS description
FROM newest n LEFT JOIN contacts x ON x.id = n.contact_id
ORDER BY n.last_contact_at DESC, n.case_id DESC
"""


class ContactSearch(Table, table=True):
    """The search row of one contact: its key, and its writer by person or, where several persons share an address, by
    that.
    """

    __tablename__ = "contact_search"
    __table_args__ = (
        Index("contact_search_case", "case_id", "at", "contact_id"),
        Index("contact_search_key", "key", postgresql_using="gin", postgresql_ops={"key": "gin_trgm_ops"}),
        # A sender who shares an address is no particular person, and known by the address alone.
        Index("contact_search_nobody", "address", postgresql_where=text("person_id IS NULL")),
        Index("contact_search_person", "person_id", postgresql_where=text("person_id IS NOT NULL")),
    )

    contact_id: UUID = Field(primary_key=True)
    case_id: UUID
    at: datetime
    person_id: UUID | None = None
    address: str
    key: str


class SearchEntry(NamedTuple):
    """A contact's search row as stored; the fields are the columns. `person_id` and `address` are its writer's."""

    contact_id: UUID
    case_id: UUID
    at: datetime
    person_id: UUID | None
    address: str
    key: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A case, and the newest of its contacts that contains all terms; `text` is that contact's, as far as it is
    searched, or empty if it was removed with its month.
    """

    case_id: UUID
    contact_id: UUID
    text: str
    description: Description


@dataclass(frozen=True, slots=True)
class Reach:
    """Units in which an agent finds cases, and those in which also by addresses; None is every unit."""

    units: Collection[UUID] | None
    by_address: Collection[UUID] | None


def index(cursor: Cursor, entries: Sequence[SearchEntry]) -> None:
    """Make new contacts searchable."""
    insert_records(cursor, "contact_search", entries)


def find(cursor: Cursor, query: Query, reach: Reach, *, limit: int, after: PageKey | None = None) -> list[Hit]:
    """Up to `limit` cases, newest first, beginning after a place. Errors: psycopg.errors.QueryCanceled after 5 s."""
    if not query.terms or (reach.units is not None and not reach.units):
        return []
    cursor.execute(f"SET LOCAL statement_timeout = '{_SECONDS}s'; SET LOCAL enable_seqscan = off".encode())
    search = _Search(cursor, query.terms, reach)
    newest = search.newest(after)
    hits = search.among([case for case, _ in newest], limit)
    if len(hits) < limit and len(newest) == _NEWEST:
        case_id, last_contact_at = newest[-1]
        hits += search.by_index(PageKey(last_contact_at, case_id), limit - len(hits))
    return hits


class _Search:
    """One query's conditions and values."""

    def __init__(self, cursor: Cursor, terms: Sequence[Term], reach: Reach) -> None:
        self._cursor = cursor
        self._values: dict[str, Any] = {}
        self._reach = reach
        self._conditions = [self._condition(number, term) for number, term in enumerate(terms)]
        if reach.units is not None:
            self._values["units"] = list(reach.units)
            self._conditions.append("c.unit_id = ANY(%(units)s)")
        if reach.by_address is not None:
            self._values["by_address"] = list(reach.by_address)

    def _condition(self, number: int, term: Term) -> str:
        """The condition on the row t of a contact in a case c for a term to be in it; built of constants only."""
        for part, needle in enumerate(term.needles):
            self._values[f"needle_{number}_{part}"] = f"%{needle}%"
        words = " OR ".join(f"t.key LIKE %(needle_{number}_{part})s" for part in range(len(term.needles)))
        owners = self._owners(term)
        if not owners:
            return f"({words})"
        self._values[f"owners_{number}"] = list({person for person, _ in owners})
        self._values[f"values_{number}"] = list({value for _, value in owners})
        writer = (
            f"(t.person_id = ANY(%(owners_{number})s) OR t.person_id IS NULL AND t.address = ANY(%(values_{number})s))"
        )
        if self._reach.by_address is None:
            return f"({words} OR {writer})"
        # Two conditions: the index serves the first, which is about the contact alone.
        return f"({words} OR {writer}) AND ({words} OR c.unit_id = ANY(%(by_address)s))"

    def _owners(self, term: Term) -> list[tuple[UUID, str]]:
        if not term.addresses or (self._reach.by_address is not None and not self._reach.by_address):
            return []
        self._execute(_OWNERS, {"patterns": list(term.addresses), "most": _MOST_OWNERS})
        return [(person, value) for person, value in self._cursor]

    def newest(self, after: PageKey | None) -> list[tuple[UUID, Any]]:
        """The newest cases within reach, as (id, last contact), after a place."""
        units, conditions = "", ""
        if self._reach.units is not None:
            if len(self._reach.units) <= _MOST_UNITS:
                units, conditions = (
                    " CROSS JOIN unnest(%(units)s) AS reached (unit_id)",
                    " AND c.unit_id = reached.unit_id",
                )
            else:
                conditions = " AND c.unit_id = ANY(%(units)s)"
        if after is not None:
            conditions += " AND (c.last_contact_at, c.id) < (%(at)s::timestamptz, %(id)s::uuid)"
        values = {"most": _NEWEST, "at": after and after.last_contact_at, "id": after and after.id}
        self._execute(_HEADS.format(units=units, conditions=conditions), self._values | values)
        return [(case, at) for case, at in self._cursor]

    def among(self, ids: list[UUID], limit: int) -> list[Hit]:
        """Those of these cases that match."""
        self._execute(
            _AMONG.format(conditions=" AND ".join(self._conditions)), self._values | {"ids": ids, "limit": limit}
        )
        return records(self._cursor, Hit)

    def by_index(self, after: PageKey, limit: int) -> list[Hit]:
        """The matches among all cases after a place."""
        place = "(c.last_contact_at, c.id) < (%(at)s::timestamptz, %(id)s::uuid)"
        self._execute(
            _BY_INDEX.format(conditions=" AND ".join([*self._conditions, place])),
            self._values | {"at": after.last_contact_at, "id": after.id, "limit": limit},
        )
        return records(self._cursor, Hit)

    def _execute(self, query: str, values: dict[str, Any]) -> None:
        # Planned for these very words: a plan for any words would be wrong for most.
        self._cursor.execute(query.encode(), values, prepare=False)


def forget(cursor: Cursor, contact_ids: Sequence[UUID]) -> None:
    """Remove contacts from the search."""
    cursor.execute("DELETE FROM contact_search WHERE contact_id = ANY(%s)", [list(contact_ids)])
