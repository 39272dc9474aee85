"""What a channel is. It imports this module, `zrm.contract`, `zrm.kit`, `zrm.ui` and `zrm.errors`, and gets a
`FrontDesk`; nothing else of the installation.

Each channel is a folder: `channel.py` (the class), `config.py` (its section of config.yaml), and its doors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import ClassVar, Protocol, runtime_checkable

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from zrm.contract.capabilities import Capabilities
from zrm.contract.files import Fetched
from zrm.contract.inbound import Parsed, RawContact, Report
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import FrontDesk


class ChannelConfig(BaseModel):
    """A channel's section of config.yaml; unknown keys are refused with their line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Whether the channel is there at all; its settings are kept.")


@dataclass(frozen=True, slots=True)
class Installation:
    """What every channel may know of the organisation: names by language, and defaults for text and numbers.

    `public_url` without a trailing slash; `region` an ISO country for phone numbers; `data_dir` a writable folder of
    this installation; `secret` the installation's key for signing forms (never shown).
    """

    name: dict[str, str]
    language: str
    timezone: str
    region: str
    public_url: str
    data_dir: str
    secret: str


class Channel(Protocol):
    """A way citizens reach us. `parse` is pure: no clock, network or database. `send` raises only SendError.

    Built as `SomeChannel(config, installation)` from its own section of config.yaml.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[ChannelConfig]]
    can: ClassVar[Capabilities]

    def parse(self, raw: RawContact) -> list[Parsed]:
        """What the contact says. Exactly one Inbound, SelfServiceCommand, MessagePart or Ignored, or Reports. Errors: Unparseable."""

    def send(self, reply: Reply) -> Sent:
        """Hand one reply to the provider. Errors: SendError and nothing else."""

    def accounts(self) -> list[str]:
        """Our own addresses this channel answers from, the default one first; empty if it cannot answer."""

    def redact(self) -> list[str]:
        """The secrets that must never reach a log."""

    def check(self) -> list[str]:
        """What is misconfigured or missing, a sentence each, for `zrm check`; empty if nothing is."""


@runtime_checkable
class HasRoutes(Protocol):
    """A channel with a door on the web server: webhooks, forms, hand-offs."""

    def routes(self, desk: FrontDesk) -> APIRouter:
        """The channel's own routes, with full paths."""


@runtime_checkable
class HasListener(Protocol):
    """A channel with a server or poller of its own; each runs in its own process (`zrm listen <kind>`)."""

    def listen(self, desk: FrontDesk, stop: Event) -> None:
        """Serve until `stop` is set; returns after finishing what is in progress."""


@runtime_checkable
class HasFiles(Protocol):
    """A channel whose contacts name files that are stored at the provider."""

    def fetch(self, account: str, address: str) -> Fetched:
        """The file at a `remote` address of a contact to `account`; in a worker. Errors: SendError, retryable or not."""


@runtime_checkable
class HasOwnAddresses(Protocol):
    """A channel on which a citizen could give an address of ours as their own."""

    def own_addresses(self) -> frozenset[str]:
        """Our addresses on this channel, comparable; a sender with one of them is no citizen."""


@runtime_checkable
class ReportsDeliveryStatus(Protocol):
    """A channel whose provider can be asked for a message's status when its report never came."""

    def delivery_status(self, account: str, provider_ref: str) -> Report | None:
        """What the provider knows; None if it does not know either. Errors: SendError, retryable or not."""

    def reports_on(self, account: str, provider_ref: str) -> bool:
        """Whether a report on the message can come at all; if not, a missing report is no problem."""


@runtime_checkable
class HasParts(Protocol):
    """A channel some of whose messages come in parts."""

    def join(self, parts: Sequence[RawContact | None]) -> list[Parsed]:
        """`parse` of the parts of one message in their order; None for one that never came. Pure. Errors: Unparseable."""
