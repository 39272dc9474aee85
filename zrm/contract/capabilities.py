"""What each channel can do and how it is shown: every other room asks here and names no channel itself.

`zrm.channels.registry` registers each channel's capabilities when it is imported, as every process does at its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from zrm.contract.addresses import EMAIL, PHONE, AddressKind
from zrm.contract.inbound import Inbound, Wish


class Sentence(NamedTuple):
    """A sentence's msgid; of a counted one the msgids for one and for many."""

    one: str
    many: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """How a channel is shown, whom it reaches, and what it can do for an answer."""

    names: Mapping[str, str]
    """What the channel is called, in each language of the pages."""
    icon: str
    """Tabler's name of its icon, listed in zrm/ui/static/src/icons.txt."""
    address_kind: AddressKind = ""
    """The kind of address its contacts come from; empty where citizens type it."""
    reply: bool = False
    """Whether an answer can go out by it: to an address of `address_kind`, or without one, where the citizen reads it on a
    page of ours."""
    attachments: bool = False
    """Whether an answer can carry files."""
    reports: bool = False
    """Whether the provider reports on deliveries."""
    bounces: bool = False
    """Whether a message can come back after it was reported as delivered, as a mail can."""
    max_text: int = 0
    """Characters of an answer; 0 for no limit."""
    segments: bool = False
    """Whether a text is sent, and paid for, in segments of the GSM alphabet."""
    subject_line: bool = False
    """Whether a message has a subject line."""
    message_ids: bool = False
    """Whether a message carries a Message-ID of ours, which an answer to it names."""
    tells_code: bool = False
    """Whether the door itself tells the tracking code while the citizen is there."""
    acknowledges: bool = False
    """Whether the first contact of a case can be answered with its tracking code; `acknowledge` of config.yaml chooses."""
    asks_rating: bool = False
    """Whether the closing of a case is told there with the question how content the citizen is: one digit is easily sent."""
    taken_down: bool = False
    """Whether agents take its contacts down at the desk. It has no door and needs no settings, so it is always there."""
    command: Callable[[Inbound, str], Wish | None] | None = None
    """Reads a citizen's command in a contact and its text without quotations and signature, where `parse` cannot: only the
    normalizer knows what of a mail is new. Pure."""
    sentences: tuple[Sentence, ...] = ()
    """What the channel itself writes for a contact without words, shown to an agent in their own language."""

    def name(self, language: str) -> str:
        """What the channel is called in a language."""
        return self.names[language]


class _AnyLanguage(Mapping[str, str]):
    """One text whatever the language."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __getitem__(self, language: str) -> str:
        return self._text

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_registered: Final[dict[str, Capabilities]] = {}


def register(kind: str, capabilities: Capabilities) -> None:
    """Make a channel known; a later registration of the same kind replaces the earlier one."""
    _registered[kind] = capabilities


def unregister(kind: str) -> None:
    """Forget a channel."""
    del _registered[kind]


def registered() -> Mapping[str, Capabilities]:
    """Every channel's capabilities by its kind. Errors: RuntimeError if `zrm.channels.registry` was not imported."""
    if not _registered:
        raise RuntimeError("no channel is registered: import zrm.channels.registry first")
    return _registered


def of_channel(kind: str) -> Capabilities:
    """A channel's capabilities. One that is not there any more can do nothing, and is shown by its kind."""
    return registered().get(kind) or Capabilities(names=_AnyLanguage(kind), icon="circle-dot")


def acknowledging() -> list[str]:
    """The channels that can acknowledge a contact."""
    return [kind for kind, can in registered().items() if can.acknowledges]


def kind_of_address(channel: str, address: str) -> AddressKind:
    """The kind of an address that a contact of this channel came from: a messenger's number is nobody's telephone."""
    return of_channel(channel).address_kind or (EMAIL if "@" in address else PHONE)
