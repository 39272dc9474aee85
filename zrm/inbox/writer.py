"""Writes contacts into the store from one event loop: those that gather while a commit is under way share the next one.

At rest a contact waits for no other; under load a hundred share one disk sync. The writer runs on the loop of the doors
it serves: a thread of its own competed with them for the interpreter and took a third of their throughput.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg

from zrm.contract.inbound import Receipt
from zrm.errors import StoreUnavailable
from zrm.inbox import receipts
from zrm.inbox.receipts import ReceiptKey, Waiting
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import AsyncConnection, Database

_BATCH = 256
_RECONNECT_PAUSE = 0.2
_NO_ROOM = "53"  # SQLSTATE classes: disk full, or no memory or connections left
_log = log.get(__name__)

_CommitOutcome = Receipt | StoreUnavailable


def refusal(database: Database) -> str | None:
    """Why PostgreSQL stores no contact now, as error code and name; None when it does. A trial contact is written and
    rolled back.

    Errors: psycopg.OperationalError when it does not answer.
    """
    try:
        with database.cursor() as cursor, cursor.connection.transaction(force_rollback=True):
            cursor.execute("SET LOCAL synchronous_commit = off")  # nothing has to reach the disk any more
            kept = receipts.trial(cursor)
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

    async def _settle(self, batch: list[Waiting]) -> Sequence[_CommitOutcome]:
        """Commit the batch; if that fails, commit each contact alone, so that one that PostgreSQL refuses does not
        affect others.
        """
        try:
            return await self._commit(batch)
        except Exception as error:  # noqa: BLE001  # the writer survives every error; waiting callers are told
            self._give_up(error)
            return await self._one_by_one(batch)

    async def _one_by_one(self, batch: list[Waiting]) -> list[_CommitOutcome]:
        """Try each once more alone. That is safe: the key makes it a repetition if a commit's answer was lost.

        If the store itself is away, all are told at once.
        """
        outcomes: list[_CommitOutcome] = []
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
        first: dict[tuple[ReceiptKey, str], Waiting] = {}
        same = [first.setdefault((waiting.key, waiting.content), waiting) for waiting in batch]
        async with self._connection.cursor() as cursor:
            settled = await receipts.take(cursor, list(first.values()), received_at)
        return [
            Receipt(kept.contact_id, kept.code, kept.received_at, repeated=kept.contact_id != waiting.id)
            for waiting, one in zip(batch, same, strict=True)
            for kept in [settled[one.id]]
        ]


def _tell(waiting: Waiting, outcome: _CommitOutcome) -> None:
    """Callers that have left are not told; the contact is kept."""
    if waiting.answer.done():
        return
    if isinstance(outcome, Receipt):
        waiting.answer.set_result(outcome)
    else:
        waiting.answer.set_exception(outcome)
