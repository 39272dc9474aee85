"""A front desk that keeps what it is handed in lists, and can be told to fail."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import BinaryIO

from tests.channels.desk import UnaskedDesk
from zrm.contract.files import StoredFile
from zrm.contract.inbound import RawContact, Receipt
from zrm.contract.ports import Nature, Subject
from zrm.contract.reasons import Reason
from zrm.contract.tracking import Tracking
from zrm.errors import NotFound, StoreFull, TooManyTries
from zrm.kit.ids import new_id

CODE = "572943816355"
OPENED = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class ListDesk(UnaskedDesk):
    """Receives idempotently; `full` refuses everything; `cases` answer `track`; `tries` counts a peer's tries."""

    def __init__(self) -> None:
        self.received: list[RawContact] = []
        self.recordings: dict[str, bytes] = {}
        self.refusals: list[tuple[str, str]] = []
        self.cases: dict[str, Tracking] = {}
        self.peers: list[str] = []
        self.full = False
        self.tries_allowed = 20
        self._lock = threading.Lock()

    def receive(self, contact: RawContact) -> Receipt:
        if self.full:
            raise StoreFull("no room")
        with self._lock:
            repeated = any(contact.external_id == known.external_id for known in self.received)
            if not repeated:
                self.received.append(contact)
        return Receipt(new_id(), CODE, OPENED, repeated)

    def store(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        role: str = "attachment",
    ) -> StoredFile:
        if self.full:
            raise StoreFull("no room")
        content = data if isinstance(data, bytes) else data.read()
        with self._lock:
            key = f"{len(self.recordings):064x}"
            self.recordings[key] = content
        return StoredFile(key, len(content), name, media_type, role)

    def refuse(self, channel: str, account: str, reason: Reason, peer: str) -> None:
        self.refusals.append((reason.code, peer))

    def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
        self.peers.append(peer)
        if len(self.peers) > self.tries_allowed:
            raise TooManyTries(900)
        try:
            return self.cases[code]
        except KeyError:
            raise NotFound("no such case") from None

    def prove_by_phone(self, code: str, last_digits: str, peer: str) -> bool:
        raise NotFound("no such case")

    def prove_by_email(self, code: str, peer: str) -> None:
        raise NotFound("no such case")

    def redeem(self, token: str) -> str:
        raise NotFound("no such token")

    def natures(self) -> list[Nature]:
        return []

    def subjects(self) -> list[Subject]:
        return []
