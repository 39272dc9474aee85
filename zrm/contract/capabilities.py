"""What each channel can do and how it is shown: the other rooms ask here and name no channel themselves.

`zrm.channels.registry` registers the capabilities when it is imported, which every process does at its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from zrm.contract.addresses import EMAIL, PHONE, AddressKind
from zrm.contract.inbound import Inbound, SelfServiceCommand
from zrm.localized import in_language


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """How a channel is shown, whom it reaches, and what its answers can carry."""

    names: Mapping[str, str]
    """What the channel is called, in each language of the pages."""
    in_sentence: Mapping[str, str]
    """How a sentence says that a message came or went by it, in each language: "by e-mail"."""
    icon: str
    """Tabler's name of its icon, listed in zrm/ui/static/src/icons.txt; ignored where the channel has a `drawing`."""
    drawing: str = ""
    """An icon of the channel's own: the data of an SVG path (attribute `d`) in a square of 24, drawn as an outline."""
    address_kind: AddressKind = ""
    """The kind of address its contacts come from; empty where citizens type it."""
    reply: bool = False
    """Whether an answer can go out by it: to an address of `address_kind`, or without one, to a page of ours that the
    citizen reads."""
    attachments: bool = False
    """Whether an answer can carry files."""
    reports: bool = False
    """Whether the provider reports on deliveries."""
    bounces: bool = False
    """Whether a message can come back after it was reported as delivered, as mail can."""
    max_text: int = 0
    """Characters of an answer; 0 for no limit."""
    segments: bool = False
    """Whether a text is sent, and paid for, in segments of the GSM alphabet."""
    subject_line: bool = False
    """Whether a message has a subject line."""
    message_ids: bool = False
    """Whether a message carries a Message-ID of ours, which an answer to it names."""
    tells_code: bool = False
    """Whether the door itself tells the citizen the tracking code."""
    acknowledges: bool = False
    """Whether the first contact of a case can be answered with its tracking code; `acknowledge` in config.yaml
    chooses."""
    asks_rating: bool = False
    """Whether the closing message asks the citizen for a rating: one digit is easily sent."""
    original_suffix: str = "bin"
    """The ending of the name under which a contact is saved as it was received, without a dot."""
    renderer: str = ""
    """The function that draws its files of the role `pages`, as `module:function`: a file's bytes to a PDF and then
    pictures of its pages. It runs in a child process."""
    taken_down: bool = False
    """Whether agents enter its contacts at the desk. Such a channel has no door and no settings, so it is always
    available."""
    command: Callable[[Inbound, str], SelfServiceCommand | None] | None = None
    """Reads a citizen's command from a contact and its text without quotations and signature, for channels whose
    `parse` cannot: only the normalizer knows which text of a mail is new. Pure."""

    @property
    def on_page(self) -> bool:
        """Whether its answers go nowhere and stand on a page of ours."""
        return self.reply and not self.address_kind

    def name(self, language: str) -> str:
        """The channel's name in a language."""
        return in_language(self.names, language)

    def sentence_part(self, language: str) -> str:
        """How a sentence says that a message came or went by it, in a language."""
        return in_language(self.in_sentence, language)


class _AnyLanguage(Mapping[str, str]):
    """The same text for every language."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __getitem__(self, language: str) -> str:
        return self._text

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_ADDRESS_ICONS: Final[dict[AddressKind, str]] = {EMAIL: "mail", PHONE: "phone"}
_registered: Final[dict[str, Capabilities]] = {}


def register(kind: str, capabilities: Capabilities) -> None:
    """Register a channel; a later registration of the same kind replaces the earlier one."""
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
    """A channel's capabilities. A channel that no longer exists can do nothing, and its kind is its label."""
    return registered().get(kind) or Capabilities(
        names=_AnyLanguage(kind), in_sentence=_AnyLanguage(f"({kind})"), icon="circle-dot"
    )


def acknowledging() -> list[str]:
    """The channels that can acknowledge a contact."""
    return [kind for kind, can in registered().items() if can.acknowledges]


def icon_of_address(kind: AddressKind) -> tuple[str, str]:
    """The icon and the drawing for an address: a kind that a channel names is shown as that channel is."""
    if known := _ADDRESS_ICONS.get(kind):
        return known, ""
    for can in registered().values():
        if can.address_kind == kind:
            return can.icon, can.drawing
    return "message", ""


def kind_of_address(channel: str, address: str) -> AddressKind:
    """The address kind of a contact of this channel: a messenger's user number is no telephone number."""
    return of_channel(channel).address_kind or (EMAIL if "@" in address else PHONE)
