"""The five ports of the front desk, through which a channel reaches the installation; a door takes only those it uses.

All methods may be called from any thread, and they block (`ReceptionPort.receive_async` excepted).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, Protocol
from uuid import UUID

from zrm.contract.addresses import AddressKind
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, RawContact, Receipt
from zrm.contract.reasons import Reason
from zrm.contract.tracking import Tracking
from zrm.localized import Localized


@dataclass(frozen=True, slots=True)
class Nature:
    """A nature that the citizen can choose."""

    key: str
    names: Localized


@dataclass(frozen=True, slots=True)
class Subject:
    """A node of the subject tree that the citizen can choose."""

    key: str
    names: Localized
    parent_key: str = ""


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """What an open channel keeps of the promises to citizens: whether it tells the tracking code, and the kind of
    address to which it can send an answer (None: it cannot).
    """

    kind: str
    tells_code: bool
    reaches: AddressKind | None


class ReceptionPort(Protocol):
    """Accept contacts, and count or record peers that send too many or bad ones."""

    def admit(self, door: str, peer: str, *, size: int = 0) -> None:
        """Count a post of `size` bytes at a public door, before anything of it is kept. Reads no store.

        Not for a door whose sender cannot or will not send again (a gateway). Errors: OverQuota, with the seconds to
        wait.
        """

    def admit_address(self, door: str, peer: str, kind: Literal["phone", "email"], address: str) -> None:
        """The same for the address that a post names as its sender's, in one spelling. Errors: OverQuota."""

    def submit(self, contact: RawContact) -> Future[Receipt]:
        """T1: the future resolves once the contact is durable. Errors: StoreUnavailable, StoreFull."""

    async def receive_async(self, contact: RawContact) -> Receipt:
        """`submit` for a door on an event loop, much cheaper there. Errors: StoreUnavailable, StoreFull."""
        ...

    def receive(self, contact: RawContact) -> Receipt:
        """`submit` and wait. Errors: StoreUnavailable, StoreFull."""

    def refuse(self, channel: str, account: str, reason: Reason, peer: str) -> None:
        """Record an anomalous attempt, with one of the reasons of `contract.refusals`. `peer` is kept only as a keyed hash."""


class FilesPort(Protocol):
    """Keep files before the contact that carries them."""

    def store(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        role: str = "attachment",
    ) -> StoredFile:
        """Make a file durable before the contact that carries it; without such a contact it is removed after a day.
        Errors: StoreUnavailable, StoreFull.
        """

    def still_stored(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Those of earlier `store`s that still exist, each kept for another day; called before a contact carries them.
        Errors: StoreUnavailable.
        """


class TrackingPort(Protocol):
    """Show a case to the holder of its tracking code, and let them prove that it is theirs."""

    def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
        """State of the case behind a code. `peer` (address, caller) is rate-limited. Errors: NotFound (also for wrong
        check digits), TooManyTries.
        """

    def public_file(self, code: str, file_id: UUID) -> tuple[StoredFile, Path]:
        """A file of the public conversation, for a holder of the code who has proven themselves, and the path of its
        bytes. Errors: NotFound, also for a withheld file.
        """

    def prove_by_phone(self, code: str, last_digits: str, peer: str) -> bool:
        """Whether the last four digits are those of a phone of the case's person. Errors: NotFound, TooManyTries."""

    def prove_by_email(self, code: str, peer: str) -> None:
        """Send a one-time link to the case's e-mail address, if it has one; the caller does not learn which. Errors:
        NotFound, TooManyTries.
        """

    def redeem(self, token: str) -> str:
        """The tracking code behind a one-time link's token. Errors: NotFound (unknown, used or too old)."""


class SelfServicePort(Protocol):
    """What citizens choose and do themselves: pick a nature and a subject, rate a case, ask for codes, stop our
    messages.
    """

    def natures(self) -> list[Nature]:
        """The natures to choose from, in order."""

    def subjects(self) -> list[Subject]:
        """The subject tree's choices, parents before children."""

    def doors(self) -> Sequence[OpenDoor]:
        """The open channels, so that pages promise only what some channel keeps. Reads no store."""

    def code_goes_to(self, addresses: Iterable[tuple[AddressKind, str]]) -> str:
        """Which of these typed addresses also get the code; empty if none. Reads no store, so it does not know of
        addresses that want no messages or had too many.
        """

    def rate(self, code: str, score: int, channel: str, peer: str) -> bool:
        """Record the citizen's rating, 1 to 5, of a closed case; False if the case is not closed, or was rated since it
        was closed. Errors: NotFound, TooManyTries.
        """

    def count_asking_for_codes(self, peer: str) -> None:
        """Count a request for lost codes, after which a message may be sent. Errors: TooManyTries."""

    def opt(self, channel: str, account: str, address: str, *, out: bool, at: datetime | None = None) -> None:
        """Record that a citizen wants no messages (or wants them again) at their address on a channel.

        The newest statement counts. `at` is when they made it, as far as the channel knows: an older statement
        delivered later changes nothing.
        """

    def opted_out(self, channel: str, address: str) -> bool:
        """Whether the citizen asked us not to write to this address."""


class CheckpointsPort(Protocol):
    """What a door has to remember: how far it has read a source, and the state of each dialogue for a while."""

    def load(self, channel: str, key: str) -> JSON:
        """How far a door has read a source that keeps no such mark itself (a mailbox), None if it never did. Errors:
        StoreUnavailable.
        """

    def save(self, channel: str, key: str, position: JSON) -> None:
        """Keep the checkpoint for ever; only after everything up to it has its receipt. Errors: StoreUnavailable."""

    def load_state(self, channel: str, key: str) -> JSON:
        """The state of a dialogue, None if there is none or it has expired."""

    def save_state(self, channel: str, key: str, state: JSON, *, seconds: float) -> None:
        """Keep a dialogue's state for this many seconds; None removes it."""

    def update_state(self, channel: str, key: str, change: Callable[[JSON], tuple[JSON, float]]) -> None:
        """Rewrite a dialogue's state in one durable, locked step: `change` gets the state (None if there is none or it
        has expired) and returns the new one and its seconds. It must be quick and read no store.
        """

    def expiring_states(self, channel: str, *, within: float) -> list[JSON]:
        """The states that expire within this many seconds, the first to expire first, at most a hundred."""


class FrontDesk(Protocol):
    """The citizen's side of the installation, as a channel gets it: its five ports."""

    @property
    def reception(self) -> ReceptionPort:
        """Where contacts are accepted."""
        ...

    @property
    def files(self) -> FilesPort:
        """Where files are kept."""
        ...

    @property
    def tracking(self) -> TrackingPort:
        """Where the holder of a code sees the case."""
        ...

    @property
    def self_service(self) -> SelfServicePort:
        """Where citizens choose and act."""
        ...

    @property
    def checkpoints(self) -> CheckpointsPort:
        """What doors remember."""
        ...
