"""T1: make contacts durable. Concurrent receipts on one event loop share a commit (`zrm.inbox.writer`).

A contact that came before gets the receipt it got then; a different contact under the same id gets its own. The outbox
row that starts T2 is in the same commit.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import uvloop

from zrm.contract.inbound import RawContact, Receipt
from zrm.errors import StoreUnavailable
from zrm.inbox.content import content_of
from zrm.inbox.receipts import Waiting
from zrm.inbox.writer import Writer
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database

INLINE_LIMIT = 64 * 1024
"""Bodies up to this many bytes are kept in the row, larger ones in the blob store: one sync instead of three."""

_LAST_COMMITS = 30.0  # seconds for which close waits for contacts under way
_log = log.get(__name__)


class Inbox:
    """The door record of one process: `take` on an event loop, `submit` from any thread, `close` at the end."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._lock = threading.Lock()
        self._closing = False
        self._writers: dict[asyncio.AbstractEventLoop, Writer] = {}
        self._own: asyncio.AbstractEventLoop | None = None  # for doors that have no loop
        self._thread: threading.Thread | None = None

    async def take(self, contact: RawContact) -> Receipt:
        """The receipt, once the contact is durable. Errors: StoreUnavailable, StoreFull.

        If the caller is cancelled meanwhile, the contact is kept all the same.
        """
        large = len(contact.body) > INLINE_LIMIT
        content, body_key, size = await asyncio.to_thread(self._put, contact) if large else self._put(contact)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Receipt] = loop.create_future()
        writer = self._writers.get(loop) or self._begin(loop)
        writer.gather(Waiting(contact, content, body_key, size, answer))
        return await answer

    def submit(self, contact: RawContact) -> Future[Receipt]:
        """The future resolves when the contact is durable. Errors (in the future): StoreUnavailable, StoreFull.

        A large body is written to the blob store by the calling thread before this returns.
        """
        answer: Future[Receipt] = Future()
        answer.set_running_or_notify_cancel()  # a sender who disconnects must not cancel the contact
        try:
            waiting = Waiting(contact, *self._put(contact), answer)
            with self._lock:
                self._refuse_if_closing()
                loop, writer = self._own_writer()
                loop.call_soon_threadsafe(writer.gather, waiting)
        except StoreUnavailable as error:
            answer.set_exception(error)
        return answer

    def close(self) -> None:
        """Commit what waits, then stop. Called from a thread without a loop, while the loops of the doors still run."""
        with self._lock:
            self._closing = True
        for loop, writer in list(self._writers.items()):
            if loop.is_running():
                try:
                    asyncio.run_coroutine_threadsafe(writer.close(), loop).result(_LAST_COMMITS)
                except TimeoutError:
                    _log.error("the last contacts were not committed in time; their senders have no receipt")
            else:
                writer.drop()
        if self._own is not None and self._thread is not None and self._thread.is_alive():
            self._own.call_soon_threadsafe(self._own.stop)
            self._thread.join()

    def _put(self, contact: RawContact) -> tuple[str, str | None, int]:
        """The digest of what the contact says, the key of a large body in the blob store, and the body's size in bytes."""
        if len(contact.body) > INLINE_LIMIT:
            return content_of(contact), *self._blobs.put(contact.body)
        return content_of(contact), None, len(contact.body)

    def _refuse_if_closing(self) -> None:
        if self._closing:
            raise StoreUnavailable("shutting down")

    def _begin(self, loop: asyncio.AbstractEventLoop) -> Writer:
        """A writer for this loop; writers of loops that have ended are dropped."""
        with self._lock:
            self._refuse_if_closing()
            for ended in [other for other in self._writers if other.is_closed()]:
                self._writers.pop(ended).drop()
            return self._writers.setdefault(loop, Writer(self._database))

    def _own_writer(self) -> tuple[asyncio.AbstractEventLoop, Writer]:
        """The loop for callers that have none, in a thread started by the first of them. Call with the lock held."""
        if self._own is None:
            self._own = uvloop.new_event_loop()
            self._writers[self._own] = Writer(self._database)
            runs = threading.Event()
            self._own.call_soon(runs.set)
            self._thread = threading.Thread(target=_run, args=[self._own], name="inbox", daemon=True)
            self._thread.start()
            runs.wait()  # `close` must not take it for one that has ended
        return self._own, self._writers[self._own]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
