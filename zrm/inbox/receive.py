"""T1: make contacts durable. Concurrent receipts in one process share a commit.

One writer thread owns one connection and commits whatever has gathered while the commit before was under way: at rest
a contact waits for nobody, under load a hundred share one sync of the disk. A contact that came before gets the
receipt it got then. The outbox row that calls T2 is in the same commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from uuid import UUID

import psycopg

from zrm.contract import JSON, RawContact, Receipt, StoredFile
from zrm.errors import StoreUnavailable
from zrm.inbox import code
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Connection, Cursor, Database, array_text
from zrm.kit.ids import new_id

INLINE_LIMIT = 64 * 1024
"""Bodies up to this many bytes are kept in the row, larger ones in the blob store: one sync instead of three."""

_BATCH = 256
_RECONNECT_PAUSE = 0.2
_encode = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` with options makes an encoder a call: 3 µs of 5
_log = log.get(__name__)

# One statement, so one journey and one commit for the whole batch. Sorted, so that two processes with the same keys
# take their locks in the same order.
_TAKE = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                         %s::bytea[], %s::text[], %s::bigint[], %s::jsonb[], %s::jsonb[], %s::text[])
        AS g (id, channel, account, external_id, code, kind, media_type, body, body_key, size, envelope, files, trace)
), fresh AS (
    INSERT INTO receipts (channel, account, external_id, contact_id, code, received_at)
    SELECT channel, account, external_id, id, code, %s::timestamptz FROM given ORDER BY channel, account, external_id
    ON CONFLICT DO NOTHING RETURNING contact_id, received_at
), kept AS (
    INSERT INTO raw_contacts
        (id, channel, account, kind, media_type, body, body_key, size, envelope, files, trace, received_at)
    SELECT id, channel, account, kind, media_type, body, body_key, size, envelope, files, trace, received_at
    FROM given JOIN fresh ON contact_id = id
), called AS (
    INSERT INTO outbox (id, topic, ref, trace) SELECT uuidv7(), 'file', id, trace FROM given JOIN fresh ON contact_id = id
)
SELECT contact_id FROM fresh
"""
_KNOWN = """
SELECT channel, account, external_id, contact_id, code, received_at FROM receipts
JOIN unnest(%s::text[], %s::text[], %s::text[]) AS wanted (channel, account, external_id)
USING (channel, account, external_id)
"""


_Outcome = Receipt | StoreUnavailable
_Answers = list[tuple["asyncio.Future[Receipt]", _Outcome]]


class _Waiting:
    """A contact on its way into the store: its body is already where it belongs. `answer` is for who brought it."""

    __slots__ = ("answer", "body_key", "code", "contact", "id", "key", "size")

    def __init__(
        self, contact: RawContact, body_key: str | None, size: int, answer: Future[Receipt] | asyncio.Future[Receipt]
    ) -> None:
        self.contact = contact
        self.body_key = body_key
        self.size = size
        self.answer = answer
        self.id: UUID = new_id()
        self.code = code.mint()
        self.key = (contact.channel, _storable(contact.account), _storable(contact.external_id))


class Inbox:
    """The door record of one process. `submit` from any thread, `take` on an event loop; `close` lets what waits be
    committed first.
    """

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._gathered: list[_Waiting] = []
        self._wake = threading.Condition()
        self._closing = False
        self._connection: Connection | None = None
        self._writer = threading.Thread(target=self._run, name="inbox-writer", daemon=True)
        self._writer.start()

    def submit(self, contact: RawContact) -> Future[Receipt]:
        """The future resolves when the contact is durable. Errors (in the future): StoreUnavailable, StoreFull.

        A large body is written to the blob store by the calling thread before this returns.
        """
        answer: Future[Receipt] = Future()
        # A sender who leaves must not take the contact back: an answer to a cancelled future would end the writer.
        answer.set_running_or_notify_cancel()
        try:
            self._gather(_Waiting(contact, *self._put(contact), answer))
        except StoreUnavailable as error:
            answer.set_exception(error)
        return answer

    async def take(self, contact: RawContact) -> Receipt:
        """The receipt, once the contact is durable. Errors: StoreUnavailable, StoreFull.

        A caller who is cancelled meanwhile does not take the contact back.
        """
        large = len(contact.body) > INLINE_LIMIT
        body_key, size = await asyncio.to_thread(self._put, contact) if large else (None, len(contact.body))
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._gather(_Waiting(contact, body_key, size, answer))
        return await answer

    def _put(self, contact: RawContact) -> tuple[str | None, int]:
        if len(contact.body) > INLINE_LIMIT:
            return self._blobs.put(contact.body)
        return None, len(contact.body)

    def _gather(self, waiting: _Waiting) -> None:
        with self._wake:
            if self._closing:
                raise StoreUnavailable("shutting down")
            self._gathered.append(waiting)
            self._wake.notify()

    def close(self) -> None:
        """Commit what waits, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._writer.join(timeout=30)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._gathered and not self._closing:
                    self._wake.wait()
                if not self._gathered:
                    break
                batch, self._gathered = self._gathered[:_BATCH], self._gathered[_BATCH:]
            self._settle(batch)
        if self._connection is not None:
            self._connection.close()

    def _settle(self, batch: list[_Waiting]) -> None:
        """Commit the batch; if that fails, one by one, so that a contact PostgreSQL refuses has no neighbours."""
        try:
            outcomes: Sequence[_Outcome] = self._commit(batch)
        except Exception as error:  # noqa: BLE001  # the writer outlives every error; who waited is told
            self._drop_connection(error)
            outcomes = self._one_by_one(batch)
        # A loop is woken once for all its answers: a call each, with a future chained to a future, cost 10 µs a contact.
        by_loop: dict[asyncio.AbstractEventLoop, _Answers] = {}
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(waiting.answer, Future):
                _resolve(waiting.answer, outcome)
            else:
                by_loop.setdefault(waiting.answer.get_loop(), []).append((waiting.answer, outcome))
        for loop, answers in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_tell, answers)

    def _one_by_one(self, batch: list[_Waiting]) -> list[_Outcome]:
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
                outcomes += self._commit([waiting])
            except Exception as error:  # noqa: BLE001  # the writer outlives every error; who waited is told
                self._drop_connection(error)
                away = isinstance(error, psycopg.OperationalError)
                outcomes.append(StoreUnavailable("the store did not take the contact"))
        if away:
            time.sleep(0 if self._gathered else _RECONNECT_PAUSE)
        return outcomes

    def _drop_connection(self, error: Exception) -> None:
        """The writer outlives every error: whoever waited is told, and the next batch gets a new connection."""
        _log.error("store refused", error=type(error).__name__, state=getattr(error, "sqlstate", None) or "")
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, batch: list[_Waiting]) -> list[Receipt]:
        if self._connection is None or self._connection.closed:
            self._connection = self._database.connect(autocommit=True)
        received_at = now()
        first: dict[tuple[str, str, str], _Waiting] = {}
        for waiting in batch:
            first.setdefault(waiting.key, waiting)
        with self._connection.cursor() as cursor:
            settled = self._take(cursor, list(first.values()), received_at)
        return [
            Receipt(contact_id, issued, at, repeated=contact_id != waiting.id)
            for waiting in batch
            for contact_id, issued, at in [settled[waiting.key]]
        ]

    def _take(
        self, cursor: Cursor, fresh: Sequence[_Waiting], received_at: datetime
    ) -> dict[tuple[str, str, str], tuple[UUID, str, datetime]]:
        """Who has which receipt now, by key. Each statement commits by itself: who has one keeps it."""
        settled: dict[tuple[str, str, str], tuple[UUID, str, datetime]] = {}
        while fresh:
            cursor.execute(_TAKE, [*_columns(fresh), received_at])
            taken = {row[0] for row in cursor}
            settled.update(
                (waiting.key, (waiting.id, waiting.code, received_at)) for waiting in fresh if waiting.id in taken
            )
            fresh = [waiting for waiting in fresh if waiting.id not in taken]
            if fresh:
                channels, accounts, externals = zip(*(waiting.key for waiting in fresh), strict=True)
                cursor.execute(_KNOWN, [list(channels), list(accounts), list(externals)])
                for channel, account, external_id, contact_id, issued, at in cursor:
                    settled[channel, account, external_id] = (contact_id, issued, at)
                fresh = [waiting for waiting in fresh if waiting.key not in settled]
                for waiting in fresh:  # what is left met a code that is in use
                    waiting.code = code.mint()
        return settled


def _resolve(answer: Future[Receipt] | asyncio.Future[Receipt], outcome: _Outcome) -> None:
    if isinstance(outcome, Receipt):
        answer.set_result(outcome)
    else:
        answer.set_exception(outcome)


def _tell(answers: _Answers) -> None:
    """On the loop that waits. Whoever has left meanwhile is not told; the contact is kept."""
    for answer, outcome in answers:
        if not answer.done():
            _resolve(answer, outcome)


def _columns(batch: Sequence[_Waiting]) -> list[str]:
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
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


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
