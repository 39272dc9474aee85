"""Writes contacts into the store from one event loop: those that gather while a commit is under way share the next one.

At rest a contact waits for no other; under load a hundred share one disk sync. The writer runs on the loop of the doors
it serves: a thread of its own competed with them for the interpreter and took a third of their throughput.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from sqlalchemy import CHAR, Index
from sqlmodel import Field

from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, REPEATED_ID, RawContact, Receipt
from zrm.errors import StoreUnavailable
from zrm.inbox import code, raw_contacts, tracking_codes
from zrm.inbox.content import content_of
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import AsyncConnection, AsyncCursor, Database, array_text
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table

_BATCH = 256
_RECONNECT_PAUSE = 0.2
_NO_ROOM = "53"  # SQLSTATE classes: disk full, or no memory or connections left
_encode = json.JSONEncoder(ensure_ascii=False).encode  # built once: `json.dumps` takes 3 µs of 5 for it
_log = log.get(__name__)

# One statement, so one round trip and one commit for the whole batch. Sorted, so that two processes with the same keys
# take their locks in the same order. The code comes first: a row whose code is in use is not stored and tries another.
_TAKE: Final = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                         %s::bytea[], %s::text[], %s::bigint[], %s::jsonb[], %s::jsonb[], %s::text[], %s::text[])
        AS g (id, channel, account, external_id, code, kind, media_type, body, body_key, size, envelope, files, trace,
              content)
), coded AS (
    {tracking_codes.insertion("given g")} WHERE NOT EXISTS (
        SELECT FROM receipts r WHERE (r.channel, r.account, r.external_id) = (g.channel, g.account, g.external_id))
    ORDER BY code ON CONFLICT DO NOTHING RETURNING contact_id
), fresh AS (
    INSERT INTO receipts (channel, account, external_id, contact_id, code, content, received_at)
    SELECT channel, account, external_id, id, code, content, %s::timestamptz FROM given JOIN coded ON contact_id = id
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
FROM receipts r JOIN unnest(%s::text[], %s::text[], %s::text[]) AS wanted (channel, account, external_id)
USING (channel, account, external_id)
"""

_Key = tuple[str, str, str]
_Outcome = Receipt | StoreUnavailable


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
        self.key: _Key = (contact.channel, _storable(contact.account), _storable(contact.external_id))

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


def refusal(database: Database) -> str | None:
    """Why PostgreSQL stores no contact now, as error code and name; None when it does. A trial contact is written and
    rolled back.

    Errors: psycopg.OperationalError when it does not answer.
    """
    contact = RawContact("web", "probe", new_id().hex, b"", "text/plain")
    probe = Waiting(contact, content_of(contact), None, 0, Future())
    try:
        with database.cursor() as cursor, cursor.connection.transaction(force_rollback=True):
            cursor.execute("SET LOCAL synchronous_commit = off")  # nothing has to reach the disk any more
            cursor.execute(_KNOWN, [[part] for part in probe.key])
            kept = cursor.execute(_TAKE, [*_columns([probe]), now()]).fetchall() == [(probe.id,)]
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError) and not (error.sqlstate or "").startswith(_NO_ROOM):
            raise
        return f"{error.sqlstate} {type(error.__cause__ or error).__name__}"
    return None if kept else "a trigger or a rule takes it away"


class Writer:
    """One loop's writer, with one connection. All of it runs on that loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: AsyncConnection | None = None
        self._gathered: list[Waiting] = []
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    def gather(self, waiting: Waiting) -> None:
        """Store this with the next commit; its answer resolves then."""
        if self._closed:
            _tell(waiting, StoreUnavailable("shutting down"))
            return
        self._gathered.append(waiting)
        if self._work is None:
            # Let every task that is ready submit its contact first: they share the commit.
            self._work = asyncio.create_task(self._run(), name="inbox-writer")

    async def close(self) -> None:
        """Commit what waits, then stop."""
        self._closed = True
        if self._work is not None:
            await self._work
        self.drop()

    def drop(self) -> None:
        """Drop the connection at once, also for a loop that has ended."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None

    async def _run(self) -> None:
        try:
            while self._gathered:
                batch, self._gathered = self._gathered[:_BATCH], self._gathered[_BATCH:]
                for waiting, outcome in zip(batch, await self._settle(batch), strict=True):
                    _tell(waiting, outcome)
        finally:
            self._work = None

    async def _settle(self, batch: list[Waiting]) -> Sequence[_Outcome]:
        """Commit the batch; if that fails, commit each contact alone, so that one that PostgreSQL refuses does not
        affect others.
        """
        try:
            return await self._commit(batch)
        except Exception as error:  # noqa: BLE001  # the writer survives every error; waiting callers are told
            self._give_up(error)
            return await self._one_by_one(batch)

    async def _one_by_one(self, batch: list[Waiting]) -> list[_Outcome]:
        """Try each once more alone. That is safe: the key makes it a repetition if a commit's answer was lost.

        If the store itself is away, all are told at once.
        """
        outcomes: list[_Outcome] = []
        away = False
        for waiting in batch:
            if away:
                outcomes.append(StoreUnavailable("the store is away"))
                continue
            try:
                outcomes += await self._commit([waiting])
            except Exception as error:  # noqa: BLE001  # the writer survives every error; waiting callers are told
                self._give_up(error)
                away = isinstance(error, psycopg.OperationalError)
                outcomes.append(StoreUnavailable("the store did not take the contact"))
        if away:
            await asyncio.sleep(0 if self._gathered else _RECONNECT_PAUSE)
        return outcomes

    def _give_up(self, error: Exception) -> None:
        """The writer survives every error: all waiting callers are told, and the next batch gets a new connection."""
        _log.error(
            "the store refused a commit", error=type(error).__name__, state=getattr(error, "sqlstate", None) or ""
        )
        self.drop()

    async def _commit(self, batch: list[Waiting]) -> list[Receipt]:
        if self._connection is None or self._connection.closed:
            self._connection = await self._database.connect_async()
        received_at = now()
        first: dict[tuple[_Key, str], Waiting] = {}
        same = [first.setdefault((waiting.key, waiting.content), waiting) for waiting in batch]
        async with self._connection.cursor() as cursor:
            settled = await _take(cursor, list(first.values()), received_at)
        return [
            Receipt(contact_id, issued, at, repeated=contact_id != waiting.id)
            for waiting, one in zip(batch, same, strict=True)
            for contact_id, issued, at in [settled[one.id]]
        ]


async def _take(
    cursor: AsyncCursor, fresh: Sequence[Waiting], received_at: datetime
) -> dict[UUID, tuple[UUID, str, datetime]]:
    """The receipts now stored for each, by `Waiting.id`. Each statement commits by itself, so a stored receipt is
    final.
    """
    settled: dict[UUID, tuple[UUID, str, datetime]] = {}
    while fresh:
        await cursor.execute(_TAKE, [*_columns(fresh), received_at])
        stored = {row[0] for row in await cursor.fetchall()}
        settled |= {waiting.id: (waiting.id, waiting.code, received_at) for waiting in fresh if waiting.id in stored}
        fresh = [waiting for waiting in fresh if waiting.id not in stored]
        if fresh:
            known = await _known(cursor, [waiting.key for waiting in fresh])
            for waiting in fresh:
                if (found := known.get(waiting.key)) is None:
                    waiting.code = code.mint()  # its code is in use
                elif found.is_of(waiting):
                    settled[waiting.id] = (found.contact_id, found.code, found.received_at)
                else:
                    _log.warning("a known id came with different content", channel=waiting.key[0])
                    waiting.rename()
            fresh = [waiting for waiting in fresh if waiting.id not in settled]
    return settled


async def _known(cursor: AsyncCursor, keys: Sequence[_Key]) -> dict[_Key, _Known]:
    channels, accounts, externals = zip(*keys, strict=True)
    await cursor.execute(_KNOWN, [list(channels), list(accounts), list(externals)])
    known = class_row(_Known)(cursor)
    found = [known(row) for row in await cursor.fetchall()]
    return {(one.channel, one.account, one.external_id): one for one in found}


def _tell(waiting: Waiting, outcome: _Outcome) -> None:
    """Callers that have left are not told; the contact is kept."""
    if waiting.answer.done():
        return
    if isinstance(outcome, Receipt):
        waiting.answer.set_result(outcome)
    else:
        waiting.answer.set_exception(outcome)


def _columns(batch: Sequence[Waiting]) -> list[str]:
    """The arrays of _TAKE, column by column."""
    contacts = [waiting.contact for waiting in batch]
    channels, accounts, externals = zip(*(waiting.key for waiting in batch), strict=True)
    return [
        _array(waiting.id.hex for waiting in batch),
        array_text(channels),
        array_text(accounts),
        array_text(externals),
        _array(waiting.code for waiting in batch),
        array_text(contact.kind for contact in contacts),
        array_text(contact.media_type for contact in contacts),
        _array("NULL" if waiting.body_key else f'"\\\\x{waiting.contact.body.hex()}"' for waiting in batch),
        _array(waiting.body_key or "NULL" for waiting in batch),
        _array(str(waiting.size) for waiting in batch),
        array_text(_encode(_json(dict(contact.envelope))) for contact in contacts),
        array_text(_encode([_file_row(file) for file in contact.files]) for contact in contacts),
        array_text(contact.trace for contact in contacts),
        _array(waiting.content for waiting in batch),
    ]


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
