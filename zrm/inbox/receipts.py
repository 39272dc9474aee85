"""Receipts, and T1's one statement: it stores a receipt, its raw contact, its tracking code and its task together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import CHAR, Index
from sqlmodel import Field

from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, REPEATED_ID, RawContact, Receipt
from zrm.inbox import code, raw_contacts, tracking_codes
from zrm.inbox.content import content_of
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import AsyncCursor, Cursor, array_text
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table

_encode = json.JSONEncoder(ensure_ascii=False).encode  # built once: `json.dumps` takes 3 µs of 5 for it
_log = log.get(__name__)
ReceiptKey = tuple[str, str, str]

_GIVEN: Final = {
    "id": "uuid", "channel": "text", "account": "text", "external_id": "text", "code": "text", "kind": "text",
    "media_type": "text", "body": "bytea", "body_key": "text", "size": "bigint", "envelope": "jsonb", "files": "jsonb",
    "trace": "text", "content": "text",
}  # fmt: skip
"""The columns of T1's arrays, and the types of their elements."""

# One statement, so one round trip and one commit for the whole batch. Sorted, so that two processes with the same keys
# take their locks in the same order. The code comes first: a row whose code is in use is not stored and tries another.
_TAKE: Final = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest({", ".join(f"%({name})s::{kind}[]" for name, kind in _GIVEN.items())}) AS g ({", ".join(_GIVEN)})
), coded AS (
    {tracking_codes.insertion("given g")} WHERE NOT EXISTS (
        SELECT FROM receipts r WHERE (r.channel, r.account, r.external_id) = (g.channel, g.account, g.external_id))
    ORDER BY code ON CONFLICT DO NOTHING RETURNING contact_id
), fresh AS (
    INSERT INTO receipts (channel, account, external_id, contact_id, code, content, received_at)
    SELECT channel, account, external_id, id, code, content, %(received_at)s::timestamptz FROM given JOIN coded ON contact_id = id
    ORDER BY channel, account, external_id
    ON CONFLICT DO NOTHING RETURNING contact_id, received_at
), kept AS (
    {raw_contacts.insertion("given JOIN fresh ON contact_id = id")}
), called AS (
    {outbox.insertion(Topic.FILE, "given JOIN fresh ON contact_id = id")}
)
SELECT contact_id FROM fresh
""".encode()  # noqa: S608  # constants
_KNOWN = """
SELECT r.channel, r.account, r.external_id, r.contact_id, r.code, r.received_at, r.content
FROM receipts r JOIN unnest(%(channels)s::text[], %(accounts)s::text[], %(external_ids)s::text[]) AS wanted (channel, account, external_id)
USING (channel, account, external_id)
"""


class ReceiptRecord(Table, table=True):
    """Proof that a contact is durable, under its sender's id for it. `content` is the digest of what the contact says."""

    __tablename__ = "receipts"
    __table_args__ = (
        Index("receipts_contact", "contact_id", unique=True),
        # The ledger counts receipts by the hour; they are inserted in order of time, so a small BRIN index is enough.
        Index("receipts_received", "received_at", postgresql_using="brin", postgresql_with={"pages_per_range": 16}),
    )

    channel: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)
    contact_id: UUID
    code: str = Field(sa_type=CHAR(12))
    received_at: datetime
    content: str


class Waiting:
    """A contact on its way into the store, its body already in place. `answer` resolves for the caller."""

    __slots__ = ("answer", "body_key", "code", "contact", "content", "id", "key", "size")

    def __init__(
        self,
        contact: RawContact,
        content: str,
        body_key: str | None,
        size: int,
        answer: Future[Receipt] | asyncio.Future[Receipt],
    ) -> None:
        self.contact = contact
        self.content = content
        self.body_key = body_key
        self.size = size
        self.answer = answer
        self.id: UUID = new_id()
        self.code = code.mint()
        self.key: ReceiptKey = (contact.channel, _storable(contact.account), _storable(contact.external_id))

    def rename(self) -> None:
        """A different contact has this id: use an id that includes the content, so that a repetition gets the same one."""
        channel, account, external_id = self.key
        self.key = (channel, account, f"{external_id}/{self.content}")
        self.contact = replace(self.contact, envelope={**self.contact.envelope, REPEATED_ID: True})
        self.id, self.code = new_id(), code.mint()  # its code may be stored already, and leads to the id it had


@dataclass(frozen=True, slots=True)
class _Known:
    """A receipt given earlier."""

    channel: str
    account: str
    external_id: str
    contact_id: UUID
    code: str
    received_at: datetime
    content: str

    def is_of(self, waiting: Waiting) -> bool:
        """Whether it was given for the same contact."""
        return self.content == waiting.content


class Settlement(NamedTuple):
    """The receipt that is stored for a contact."""

    contact_id: UUID
    code: str
    received_at: datetime


async def take(cursor: AsyncCursor, fresh: Sequence[Waiting], received_at: datetime) -> dict[UUID, Settlement]:
    """The receipts now stored for each, by `Waiting.id`. Each statement commits by itself, so a stored receipt is
    final.
    """
    settled: dict[UUID, Settlement] = {}
    while fresh:
        await cursor.execute(_TAKE, _arrays(fresh, received_at))
        stored = {row[0] for row in await cursor.fetchall()}
        settled |= {one.id: Settlement(one.id, one.code, received_at) for one in fresh if one.id in stored}
        fresh = [waiting for waiting in fresh if waiting.id not in stored]
        if fresh:
            known = await _known(cursor, [waiting.key for waiting in fresh])
            for waiting in fresh:
                if (found := known.get(waiting.key)) is None:
                    waiting.code = code.mint()  # its code is in use
                elif found.is_of(waiting):
                    settled[waiting.id] = Settlement(found.contact_id, found.code, found.received_at)
                else:
                    _log.warning("a known id came with different content", channel=waiting.key[0])
                    waiting.rename()
            fresh = [waiting for waiting in fresh if waiting.id not in settled]
    return settled


async def _known(cursor: AsyncCursor, keys: Sequence[ReceiptKey]) -> dict[ReceiptKey, _Known]:
    await cursor.execute(_KNOWN, _keys(keys))
    known = class_row(_Known)(cursor)
    found = [known(row) for row in await cursor.fetchall()]
    return {(one.channel, one.account, one.external_id): one for one in found}


def _keys(keys: Sequence[ReceiptKey]) -> dict[str, list[str]]:
    """The parameters of _KNOWN."""
    channels, accounts, externals = zip(*keys, strict=True)
    return {"channels": list(channels), "accounts": list(accounts), "external_ids": list(externals)}


def trial(cursor: Cursor) -> bool:
    """Store a trial contact, which the caller rolls back; whether PostgreSQL has stored it."""
    contact = RawContact("web", "probe", new_id().hex, b"", "text/plain")
    probe = Waiting(contact, content_of(contact), None, 0, Future())
    cursor.execute(_KNOWN, _keys([probe.key]))
    return cursor.execute(_TAKE, _arrays([probe], now())).fetchall() == [(probe.id,)]


def _arrays(batch: Sequence[Waiting], received_at: datetime) -> dict[str, object]:
    """The parameters of _TAKE: an array for each column, by its name."""
    contacts = [waiting.contact for waiting in batch]
    channels, accounts, externals = zip(*(waiting.key for waiting in batch), strict=True)
    return {
        "id": _array(waiting.id.hex for waiting in batch),
        "channel": array_text(channels),
        "account": array_text(accounts),
        "external_id": array_text(externals),
        "code": _array(waiting.code for waiting in batch),
        "kind": array_text(contact.kind for contact in contacts),
        "media_type": array_text(contact.media_type for contact in contacts),
        "body": _array("NULL" if waiting.body_key else f'"\\\\x{waiting.contact.body.hex()}"' for waiting in batch),
        "body_key": _array(waiting.body_key or "NULL" for waiting in batch),
        "size": _array(str(waiting.size) for waiting in batch),
        "envelope": array_text(_encode(_json(dict(contact.envelope))) for contact in contacts),
        "files": array_text(_encode([_file_row(file) for file in contact.files]) for contact in contacts),
        "trace": array_text(contact.trace for contact in contacts),
        "content": _array(waiting.content for waiting in batch),
        "received_at": received_at,
    }


def _array(values: Iterable[str]) -> str:
    """As `array_text`, for values that need no quotes or have them."""
    return "{" + ",".join(values) + "}"


def _file_row(file: StoredFile) -> JSON:
    return _json(
        {"key": file.key, "size": file.size, "name": file.name, "media_type": file.media_type, "role": file.role}
    )


def _storable(text: str) -> str:
    """The text without characters that PostgreSQL cannot store (NUL, lone surrogates); distinct texts stay distinct."""
    if text.isascii() and "\x00" not in text:
        return text
    kept = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
    # A text may contain the same escape by itself; the digest is of the original.
    return kept if kept == text else f"{kept} ({digest_of(text)})"


def _json(value: JSON) -> JSON:
    """The value with every text in it storable."""
    match value:
        case str():
            return _storable(value)
        case list():
            return [_json(item) for item in value]
        case dict():
            return {_storable(key): _json(item) for key, item in value.items()}
    return value
