"""A front desk that keeps what the doors bring in a list, and can be out of order."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime
from typing import BinaryIO

from tests.channels.desk import UnaskedDesk
from zrm.contract.files import StoredFile
from zrm.contract.inbound import RawContact, Receipt
from zrm.contract.reasons import Reason
from zrm.kit.ids import new_id


class KeepingDesk(UnaskedDesk):
    """Obeys the contract of `FrontDesk` for doors: one receipt for one identity, for ever."""

    def __init__(self) -> None:
        self.contacts: list[RawContact] = []
        self.refusals: list[tuple[str, str, str]] = []
        self.broken: Exception | None = None
        self.arrived = threading.Condition()
        self._receipts: dict[tuple[str, str, str], Receipt] = {}

    def receive(self, contact: RawContact) -> Receipt:
        """T1."""
        if self.broken is not None:
            raise self.broken
        key = (contact.channel, contact.account, contact.external_id)
        with self.arrived:
            if known := self._receipts.get(key):
                return Receipt(known.contact_id, known.code, known.received_at, repeated=True)
            self._receipts[key] = receipt = Receipt(new_id(), "100000000009", datetime.now(UTC), repeated=False)
            self.contacts.append(contact)
            self.arrived.notify_all()
            return receipt

    def wait_for(self, count: int, seconds: float = 60) -> list[RawContact]:
        """The contacts, once there are so many."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.contacts) >= count, seconds), "nothing came"
            return list(self.contacts)

    def store(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        role: str = "attachment",
    ) -> StoredFile:
        """A file, by its digest."""
        content = data if isinstance(data, bytes) else data.read()
        return StoredFile(hashlib.sha256(content).hexdigest(), len(content), name, media_type, role)

    def refuse(self, channel: str, account: str, reason: Reason, peer: str) -> None:
        """Write it down."""
        self.refusals.append((channel, account, reason.code))
