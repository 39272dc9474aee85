"""Receiving: every contact goes through T1 and into the doors' book; posts are counted and anomalous attempts recorded."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Literal

from zrm.contract.inbound import RawContact, Receipt
from zrm.contract.reasons import Reason
from zrm.frontdesk.doors_book import DoorsBook
from zrm.frontdesk.quotas import QuotaCounter
from zrm.frontdesk.store import DeskStore
from zrm.inbox import door_records
from zrm.inbox.receive import Inbox
from zrm.kit.peers import peer_of


class ReceptionDesk:
    """The front desk's `ReceptionPort`. Without `book` the conservation law knows only the receipts; without `quotas`
    every post is accepted.
    """

    def __init__(
        self, store: DeskStore, inbox: Inbox, book: DoorsBook | None = None, quotas: QuotaCounter | None = None
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._book = book
        self._quotas = quotas

    def admit(self, door: str, peer: str, *, size: int = 0) -> None:
        """Count one post at a door. Errors: OverQuota."""
        if self._quotas is not None:
            self._quotas.admit(door, peer, size=size)

    def admit_address(self, door: str, peer: str, kind: Literal["phone", "email"], address: str) -> None:
        """Count one post that names the address as its sender's. Errors: OverQuota."""
        if self._quotas is not None:
            self._quotas.admit_address(door, peer, kind, address)

    def submit(self, contact: RawContact) -> Future[Receipt]:
        """T1; see `zrm.inbox.receive`."""
        kept = self._inbox.submit(contact)
        if self._book is None:
            return kept
        answer: Future[Receipt] = Future()
        answer.set_running_or_notify_cancel()

        def noted(kept: Future[Receipt]) -> None:
            if (error := kept.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(self._noted(contact, kept.result()))

        kept.add_done_callback(noted)
        return answer

    async def receive_async(self, contact: RawContact) -> Receipt:
        """T1 on an event loop. Errors: StoreUnavailable, StoreFull."""
        return self._noted(contact, await self._inbox.take(contact))

    def receive(self, contact: RawContact) -> Receipt:
        """T1, waiting for the commit. Errors: StoreUnavailable, StoreFull."""
        return self._noted(contact, self._inbox.submit(contact).result())

    def refuse(self, channel: str, account: str, reason: Reason, peer: str) -> None:
        """Record an anomalous attempt; only the first few of one peer in a while."""
        if self._quotas is not None and not self._quotas.worth_recording(peer):
            return
        with self._store.cursor() as cursor:
            door_records.refuse(cursor, channel, account, reason, self._store.keyed_hash("refuse", peer_of(peer)))

    def _noted(self, contact: RawContact, receipt: Receipt) -> Receipt:
        """The receipt, once it is in the doors' book."""
        if self._book is not None:
            self._book.note(contact, receipt)
        return receipt
