"""The ways an answer can go: out by the channel the citizen came by, or to another of the person's addresses.

Pure: facts in, ways out, the best one first. An answer is on the tracking page whatever the way, so `web` (the
tracking page alone) is always the last resort and needs no address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from zrm.contract import AddressKind

WEB: Final = "web"


@dataclass(frozen=True, slots=True)
class Sender:
    """One account of ours that can send: its channel, its own address or name, what kind of address it writes to.

    `max_text` in characters; None means no limit. `files`: whether it carries files.
    """

    channel: str
    account: str
    reaches: Literal["email", "phone", "telegram", "bale"]
    max_text: int | None = None
    files: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One way to answer: by our `account` of `channel` to `address` (empty for the tracking page alone).

    `barred`: the citizen asked us not to write there; `doubtful`: what was sent there last came back.
    """

    channel: str
    account: str
    address: str
    max_text: int | None = None
    files: bool = False
    barred: bool = False
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """How the citizen came last: channel, our account, their address as comparable value (possibly empty)."""

    channel: str
    account: str
    address: str


def ways(
    origin: Origin,
    addresses: Iterable[tuple[str, str]],
    senders: Sequence[Sender],
    *,
    preferred: str = "",
    barred: Collection[tuple[str, str]] = (),
    doubtful: Collection[str] = (),
) -> list[Way]:
    """Every way to answer: the channel the person prefers first, else the way the citizen came.

    `addresses` are the person's (kind, value) pairs, `barred` the (channel, address) pairs where they asked us not to
    write, `doubtful` the addresses from which mail came back. A doubtful way is a last choice, a barred one is none.
    """
    known = list(dict.fromkeys(addresses))
    if origin.address and all(origin.address != value for _, value in known):
        known.append((kind_of(origin.channel, origin.address).value, origin.address))
    found = [
        Way(
            sender.channel,
            sender.account,
            value,
            sender.max_text,
            sender.files,
            (sender.channel, value) in barred,
            value in doubtful,
        )
        for sender in senders
        for kind, value in known
        if sender.reaches == kind
    ]
    found.sort(key=lambda way: (way.barred, way.doubtful, way.channel != preferred, *_rank(way, origin)))
    page = Way(WEB, origin.account if origin.channel == WEB else WEB, "", files=True)
    usable = sum(not way.barred for way in found)
    return [page, *found] if preferred == WEB else [*found[:usable], page, *found[usable:]]


def kind_of(channel: str, address: str) -> AddressKind:
    """What kind of address a contact of this channel came from: a messenger's number is nobody's telephone."""
    if channel in (AddressKind.TELEGRAM, AddressKind.BALE):
        return AddressKind(channel)
    return AddressKind.EMAIL if "@" in address else AddressKind.PHONE


def _rank(way: Way, origin: Origin) -> tuple[bool, bool, bool, bool]:
    """Smaller is better: the same channel, the same address, our same account; else e-mail before a text."""
    return (
        way.channel != origin.channel,
        way.address != origin.address,
        way.account != origin.account,
        way.channel != "email",
    )
