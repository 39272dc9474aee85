"""A front desk that no door has asked anything of yet: in-memory desks of the channels' tests answer what theirs asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn, Self
from uuid import UUID

from zrm.contract.addresses import AddressKind
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, RawContact, Receipt
from zrm.contract.ports import (
    CheckpointsPort,
    FilesPort,
    Nature,
    OpenDoor,
    ReceptionPort,
    SelfServicePort,
    Subject,
    TrackingPort,
)
from zrm.contract.reasons import Reason
from zrm.contract.tracking import Tracking


class UnaskedDesk(ReceptionPort, FilesPort, TrackingPort, SelfServicePort, CheckpointsPort):
    """A front desk that is its own five ports. Every question is an error; `submit` is `receive`, as a future."""

    @property
    def reception(self) -> Self:
        """This desk."""
        return self

    files = tracking = self_service = checkpoints = reception

    def admit(self, door: str, peer: str, *, size: int = 0) -> None:
        """Everybody is admitted."""

    def admit_address(self, door: str, peer: str, kind: Literal["phone", "email"], address: str) -> None:
        """Every address is."""

    def doors(self) -> Sequence[OpenDoor]:
        """None is open."""
        return ()

    def code_goes_to(self, addresses: Iterable[tuple[AddressKind, str]]) -> str:
        """Nowhere."""
        return ""

    def submit(self, contact: RawContact) -> Future[Receipt]:
        """`receive`, or its error."""
        future: Future[Receipt] = Future()
        try:
            future.set_result(self.receive(contact))
        except Exception as error:  # noqa: BLE001  # a future carries whatever it was
            future.set_exception(error)
        return future

    async def receive_async(self, contact: RawContact) -> Receipt:
        """`submit`, waited for without blocking the loop; who stops waiting takes nothing back."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(contact)))

    def receive(self, contact: RawContact) -> Receipt:
        """Not for these doors."""
        _never()

    def store(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        role: str = "attachment",
    ) -> StoredFile:
        """Not for these doors."""
        _never()

    def still_stored(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Not for these doors."""
        _never()

    def refuse(self, channel: str, account: str, reason: Reason, peer: str) -> None:
        """Not for these doors."""
        _never()

    def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
        """Not for these doors."""
        _never()

    def public_file(self, code: str, file_id: UUID) -> tuple[StoredFile, Path]:
        """Not for these doors."""
        _never()

    def prove_by_phone(self, code: str, last_digits: str, peer: str) -> bool:
        """Not for these doors."""
        _never()

    def prove_by_email(self, code: str, peer: str) -> None:
        """Not for these doors."""
        _never()

    def redeem(self, token: str) -> str:
        """Not for these doors."""
        _never()

    def natures(self) -> list[Nature]:
        """Not for these doors."""
        _never()

    def subjects(self) -> list[Subject]:
        """Not for these doors."""
        _never()

    def rate(self, code: str, score: int, channel: str, peer: str) -> bool:
        """Not for these doors."""
        _never()

    def count_asking_for_codes(self, peer: str) -> None:
        """Not for these doors."""
        _never()

    def opt(self, channel: str, account: str, address: str, *, out: bool, at: datetime | None = None) -> None:
        """Not for these doors."""
        _never()

    def opted_out(self, channel: str, address: str) -> bool:
        """Not for these doors."""
        _never()

    def load_state(self, channel: str, key: str) -> JSON:
        """Not for these doors."""
        _never()

    def save_state(self, channel: str, key: str, state: JSON, *, seconds: float) -> None:
        """Not for these doors."""
        _never()

    def update_state(self, channel: str, key: str, change: Callable[[JSON], tuple[JSON, float]]) -> None:
        """Not for these doors."""
        _never()

    def expiring_states(self, channel: str, *, within: float) -> list[JSON]:
        """Not for these doors."""
        _never()

    def load(self, channel: str, key: str) -> JSON:
        """Not for these doors."""
        _never()

    def save(self, channel: str, key: str, position: JSON) -> None:
        """Not for these doors."""
        _never()


def _never() -> NoReturn:
    raise AssertionError("this door has no business asking that")
