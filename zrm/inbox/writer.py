"""The way into the store from one event loop: whatever gathers while a commit is under way shares the next one.

At rest a contact waits for nobody, under load a hundred share one sync of the disk. The writer lives on the loop of the
doors it serves: a thread of its own wanted the interpreter exactly when the doors did, and took a third of their pace.
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
from zrm.inbox import code, raw_contacts
from zrm.inbox.content import say_the_same
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import AsyncConnection, AsyncCursor, Database, array_text
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_id
from zrm.kit.tables import Table

_BATCH = 256
_RECONNECT_PAUSE = 0.2
_NO_ROOM = "53"  # the class of SQLSTATE for a full disk, or no memory or connection left
_encode = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` with options makes an encoder a call: 3 µs of 5
_log = log.get(__name__)

# One statement, so one journey and one commit for the whole batch. Sorted, so that two processes with the same keys
# take their locks in the same order. The code comes first: what finds its code in use is not taken, and tries another.
_TAKE: Final = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                         %s::bytea[], %s::text[], %s::bigint[], %s::jsonb[], %s::jsonb[], %s::text[], %s::text[])
        AS g (id, channel, account, external_id, code, kind, media_type, body, body_key, size, envelope, files, trace,
              content)
), coded AS (
    INSERT INTO tracking_codes (code, contact_id)
    SELECT code, id FROM given g WHERE NOT EXISTS (
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
SELECT r.channel, r.account, r.external_id, r.contact_id, r.code, r.received_at, r.content, w.body
FROM receipts r JOIN unnest(%s::text[], %s::text[], %s::text[]) AS wanted (channel, account, external_id)
USING (channel, account, external_id)
LEFT JOIN raw_contacts w ON w.id = r.contact_id AND r.content IS NULL
"""

_Key = tuple[str, str, str]
_Outcome = Receipt | StoreUnavailable


class ReceiptRecord(Table, table=True):
    """Proof that a contact is durable, by what its sender calls it. `content` is the digest of what the contact says."""

    __tablename__ = "receipts"
    __table_args__ = (
        Index("receipts_contact", "contact_id", unique=True),
        # The ledger counts receipts by the hour; they come in order of time, so a few pages of BRIN are enough.
        Index("receipts_received", "received_at", postgresql_using="brin", postgresql_with={"pages_per_range": 16}),
    )

    channel: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)
    contact_id: UUID
    code: str = Field(sa_type=CHAR(12))
    received_at: datetime
    content: str | None = None


class TrackingCode(Table, table=True):
    """Where a code leads. One that leads to no contact was drawn for a contact that came twice at the same moment."""

    __tablename__ = "tracking_codes"

    code: str = Field(sa_type=CHAR(12), primary_key=True)
    contact_id: UUID


class Waiting:
    """A contact on its way into the store: its body is already where it belongs. `answer` is for who brought it."""

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
        """Another contact has this id: take one that holds the content too, so that it is the same every time."""
        channel, account, external_id = self.key
        self.key = (channel, account, f"{external_id}/{self.content}")
        self.contact = replace(self.contact, envelope={**self.contact.envelope, REPEATED_ID: True})
        self.id, self.code = new_id(), code.mint()  # the code it had may be written already, and leads to the id it had


@dataclass(frozen=True, slots=True)
class _Known:
    """A receipt that was given before. `content` None: by a version that did not keep it; then `body`, if in the row."""

    channel: str
    account: str
    external_id: str
    contact_id: UUID
    code: str
    received_at: datetime
    content: str | None
    body: bytes | None

    def is_of(self, waiting: Waiting) -> bool:
        """Whether it was given for the same contact."""
        if self.content is not None:
            return self.content == waiting.content
        return self.body is None or say_the_same(waiting.contact.media_type, self.body, waiting.contact.body)


def refusal(database: Database) -> str | None:
    """Why PostgreSQL keeps no contact now, as its code and name; None when it does. One is written as any other, and rolled back.

    Errors: psycopg.OperationalError when it does not answer.
    """
    probe = Waiting(RawContact("web", "probe", new_id().hex, b"", "text/plain"), "", None, 0, Future())
    try:
        with database.cursor() as cursor, cursor.connection.transaction(force_rollback=True):
            cursor.execute("SET LOCAL synchronous_commit = off")  # nothing is left that would have to reach the disk
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
        """Take this with the next commit; its answer is told then."""
        if self._closed:
            _tell(waiting, StoreUnavailable("shutting down"))
            return
        self._gathered.append(waiting)
        if self._work is None:
            # Not before the loop has heard everybody who speaks just now: they share the commit.
            self._work = asyncio.create_task(self._run(), name="inbox-writer")

    async def close(self) -> None:
        """Commit what waits, then stop."""
        self._closed = True
        if self._work is not None:
            await self._work
        self.drop()

    def drop(self) -> None:
        """Let go of the connection, at once; for a loop that has ended, too."""
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
        """Commit the batch; if that fails, one by one, so that a contact PostgreSQL refuses has no neighbours."""
        try:
            return await self._commit(batch)
        except Exception as error:  # noqa: BLE001  # the writer outlives every error; who waited is told
            self._give_up(error)
            return await self._one_by_one(batch)

    async def _one_by_one(self, batch: list[Waiting]) -> list[_Outcome]:
        """Each once more alone: safe, because the key makes a commit whose answer was lost a repeat of itself.

        When the store itself is away, nobody else waits to hear it: all are told at once.
        """
        outcomes: list[_Outcome] = []
        away = False
        for waiting in batch:
            if away:
                outcomes.append(StoreUnavailable("the store is away"))
                continue
            try:
                outcomes += await self._commit([waiting])
            except Exception as error:  # noqa: BLE001  # the writer outlives every error; who waited is told
                self._give_up(error)
                away = isinstance(error, psycopg.OperationalError)
                outcomes.append(StoreUnavailable("the store did not take the contact"))
        if away:
            await asyncio.sleep(0 if self._gathered else _RECONNECT_PAUSE)
        return outcomes

    def _give_up(self, error: Exception) -> None:
        """The writer outlives every error: whoever waited is told, and the next batch gets a new connection."""
        _log.error("store refused", error=type(error).__name__, state=getattr(error, "sqlstate", None) or "")
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
    """Who has which receipt now, by `Waiting.id`. Each statement commits by itself: who has one keeps it."""
    settled = await _named_before(cursor, fresh)
    fresh = [waiting for waiting in fresh if waiting.id not in settled]
    while fresh:
        await cursor.execute(_TAKE, [*_columns(fresh), received_at])
        taken = {row[0] for row in await cursor.fetchall()}
        settled |= {waiting.id: (waiting.id, waiting.code, received_at) for waiting in fresh if waiting.id in taken}
        fresh = [waiting for waiting in fresh if waiting.id not in taken]
        if fresh:
            known = await _known(cursor, [waiting.key for waiting in fresh])
            for waiting in fresh:
                if (found := known.get(waiting.key)) is None:
                    waiting.code = code.mint()  # the one it had is in use
                elif found.is_of(waiting):
                    settled[waiting.id] = (found.contact_id, found.code, found.received_at)
                else:
                    _log.warning("an id came again with another content", channel=waiting.key[0])
                    waiting.rename()
            fresh = [waiting for waiting in fresh if waiting.id not in settled]
    return settled


async def _known(cursor: AsyncCursor, keys: Sequence[_Key]) -> dict[_Key, _Known]:
    channels, accounts, externals = zip(*keys, strict=True)
    await cursor.execute(_KNOWN, [list(channels), list(accounts), list(externals)])
    known = class_row(_Known)(cursor)
    found = [known(row) for row in await cursor.fetchall()]
    return {(one.channel, one.account, one.external_id): one for one in found}


async def _named_before(cursor: AsyncCursor, batch: Sequence[Waiting]) -> dict[UUID, tuple[UUID, str, datetime]]:
    """Who has a receipt under the id that an earlier version gave; asked for few contacts, and written by none any more."""
    before = {
        waiting.id: (waiting.key[0], waiting.key[1], waiting.contact.earlier_id)
        for waiting in batch
        if waiting.contact.earlier_id
    }
    if not before:
        return {}
    found = await _known(cursor, list(before.values()))
    return {
        key: (known.contact_id, known.code, known.received_at)
        for key, earlier in before.items()
        if (known := found.get(earlier)) is not None
    }


def _tell(waiting: Waiting, outcome: _Outcome) -> None:
    """Whoever has left meanwhile is not told; the contact is kept."""
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
    """As `array_text`, of values that need no quotes or have them."""
    return "{" + ",".join(values) + "}"


def _file_row(file: StoredFile) -> JSON:
    return _json(
        {"key": file.key, "size": file.size, "name": file.name, "media_type": file.media_type, "role": file.role}
    )


def _storable(text: str) -> str:
    """The text without what PostgreSQL cannot hold (NUL, lone surrogates); distinct texts stay distinct."""
    if text.isascii() and "\x00" not in text:
        return text
    kept = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
    # Somebody may have written the same with a backslash; the digest is of what was really there.
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
