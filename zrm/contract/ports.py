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
from zrm.contract.tracking import Tracking
from zrm.localized import Localized


@dataclass(frozen=True, slots=True)
class Nature:
    """A kind of matter, for the citizen's choice."""

    key: str
    names: Localized


@dataclass(frozen=True, slots=True)
class Subject:
    """A node of the subject tree, for the citizen's choice."""

    key: str
    names: Localized
    parent_key: str = ""


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """What a channel that is open here keeps: whether who comes by it is told the tracking code there, and the kind of
    address it can write an answer to (None: it cannot).
    """

    kind: str
    tells_code: bool
    reaches: AddressKind | None


class ReceptionPort(Protocol):
    """Take contacts in, and count or record those who bring too many or bad ones."""

    def admit(self, door: str, peer: str, *, size: int = 0) -> None:
        """Count a post of `size` bytes at a door that anybody can reach, before anything of it is kept. Asks nobody.

        Never at the door of who cannot or will not send it again (a gateway). Errors: OverQuota, which says when to come
        again.
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

    def refuse(self, channel: str, account: str, reason: str, peer: str) -> None:
        """Record an anomalous attempt (bad signature, wrong secret). `peer` is kept only as a keyed hash."""


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
        """Make a file durable before the contact that carries it; without one it is removed after a day.
        Errors: StoreUnavailable, StoreFull.
        """

    def still_stored(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Those of earlier `store`s that are still there, each for another day; asked before a contact carries them.
        Errors: StoreUnavailable.
        """


class TrackingPort(Protocol):
    """Show a case to whoever holds its tracking code, and let them prove that it is theirs."""

    def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
        """State of the case behind a code. `peer` (address, caller) is rate-limited.
        Errors: NotFound (also for wrong check digits), TooManyTries.
        """

    def public_file(self, code: str, file_id: UUID) -> tuple[StoredFile, Path]:
        """A file of the public conversation behind a code whose holder has proven themselves, and where its bytes lie.
        Errors: NotFound, also for one that is withheld.
        """

    def prove_by_phone(self, code: str, last_digits: str, peer: str) -> bool:
        """Whether the last four digits are those of a phone of the case's person. Errors: NotFound, TooManyTries."""

    def prove_by_email(self, code: str, peer: str) -> None:
        """Send a one-time link to the case's e-mail address, if it has one; says nothing either way.
        Errors: NotFound, TooManyTries.
        """

    def redeem(self, token: str) -> str:
        """The tracking code behind a one-time link's token. Errors: NotFound (unknown, used or too old)."""


class SelfServicePort(Protocol):
    """What citizens choose and do by themselves: pick a nature and a subject, rate a case, ask for codes, stop our messages."""

    def natures(self) -> list[Nature]:
        """The kinds of matter to choose from, in order."""

    def subjects(self) -> list[Subject]:
        """The subject tree's choices, parents before children."""

    def doors(self) -> Sequence[OpenDoor]:
        """The channels that are open, so that no page promises what none of them keeps. Asks nobody."""

    def code_goes_to(self, addresses: Iterable[tuple[AddressKind, str]]) -> str:
        """Which of these typed addresses the code is also sent to; empty if to none. Asks nobody, so it cannot know of
        those who want no messages or have had too many.
        """

    def rate(self, code: str, score: int, channel: str, peer: str) -> bool:
        """Record how content the citizen was, 1 to 5, with a closed case; False if it is not closed, or has been
        rated since it was.
        Errors: NotFound, TooManyTries.
        """

    def count_asking_for_codes(self, peer: str) -> None:
        """Count a request for lost codes, after which somebody may be written to. Errors: TooManyTries."""

    def opt(self, channel: str, account: str, address: str, *, out: bool, at: datetime | None = None) -> None:
        """Remember that a citizen wants no messages (or wants them again) at their address on a channel.

        The newest word counts. `at` is when they said it, as far as the channel knows: the same word brought again
        later then changes nothing.
        """

    def opted_out(self, channel: str, address: str) -> bool:
        """Whether the citizen asked us not to write there."""


class CheckpointsPort(Protocol):
    """What a door has to remember: how far it has read a source, and the state of each dialogue for a while."""

    def load(self, channel: str, key: str) -> JSON:
        """How far a door has read a source that remembers nothing for it (a mailbox), None if it never did.
        Errors: StoreUnavailable.
        """

    def save(self, channel: str, key: str, position: JSON) -> None:
        """Keep that for ever; only after everything up to there has its receipt. Errors: StoreUnavailable."""

    def load_state(self, channel: str, key: str) -> JSON:
        """The state of a dialogue, None if there is none or it has expired."""

    def save_state(self, channel: str, key: str, state: JSON, *, seconds: float) -> None:
        """Keep a dialogue's state for so many seconds; None forgets it."""

    def update_state(self, channel: str, key: str, change: Callable[[JSON], tuple[JSON, float]]) -> None:
        """Rewrite a dialogue's state in one durable step that nobody can come between: `change` is given the state (None
        if there is none or it has expired) and answers the new one and its seconds. It must be quick and ask nobody.
        """

    def expiring_states(self, channel: str, *, within: float) -> list[JSON]:
        """The states that expire in so many seconds, the first to expire first, at most a hundred."""


class FrontDesk(Protocol):
    """The citizen's side of the installation as a channel is handed it: its five ports."""

    @property
    def reception(self) -> ReceptionPort:
        """Where contacts are taken in."""
        ...

    @property
    def files(self) -> FilesPort:
        """Where files are kept."""
        ...

    @property
    def tracking(self) -> TrackingPort:
        """Where the holder of a code looks."""
        ...

    @property
    def self_service(self) -> SelfServicePort:
        """Where citizens choose and act."""
        ...

    @property
    def checkpoints(self) -> CheckpointsPort:
        """What doors remember."""
        ...
