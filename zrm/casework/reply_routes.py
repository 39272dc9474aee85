"""The ways an answer can go: out by the channel the citizen came by, or to another of the person's addresses.

Pure: facts in, ways out, the best one first. An answer is on the tracking page whatever the way, so `web` (the
tracking page alone) is always the last resort and needs no address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from zrm.contract.addresses import EMAIL, PHONE, AddressKind
from zrm.contract.capabilities import kind_of_address
from zrm.kit.mail_addresses import without_detail
from zrm.kit.phones import is_mobile

WEB: Final = "web"


@dataclass(frozen=True, slots=True)
class SendingAccount:
    """One account of ours that can send: its channel, its own address or name, what kind of address it writes to.

    `max_text` in characters; None means no limit. `files`: whether it carries files.
    """

    channel: str
    account: str
    reaches: AddressKind
    max_text: int | None = None
    files: bool = False


@dataclass(frozen=True, slots=True)
class ReplyRoute:
    """One way to answer: by our `account` of `channel` to `address` (empty for the tracking page alone).

    `barred`: the citizen asked us not to write there; `doubtful`: what was sent there last came back; `claimed`: nothing
    has come from there, so it may be somebody else's; `asked_for`: the last mail wants its answer there (Reply-To);
    `copied`: it is no address of the citizen's, a mail of theirs went there too.
    """

    channel: str
    account: str
    address: str
    max_text: int | None = None
    files: bool = False
    barred: bool = False
    doubtful: bool = False
    claimed: bool = False
    asked_for: bool = False
    copied: bool = False


@dataclass(frozen=True, slots=True)
class RouteOrigin:
    """How the citizen came last: channel, our account, their address as comparable value (possibly empty).

    `reply_to` is where they want the answer, if elsewhere, and `copied` whom else their mails went to. `follow`: an
    answer may go to `reply_to` unless somebody says otherwise. Elsewhere only an address from which the same person has
    written is chosen, any other is offered: whoever writes under a citizen's name could have what belongs to that citizen
    sent to themselves.
    """

    channel: str
    account: str
    address: str
    reply_to: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    follow: bool = False


def reply_routes(
    origin: RouteOrigin,
    addresses: Iterable[tuple[str, str]],
    senders: Sequence[SendingAccount],
    *,
    preferred: str = "",
    barred: Collection[tuple[str, str]] = (),
    doubtful: Collection[str] = (),
    claimed: Collection[str] = (),
    own: Collection[str] = (),
) -> list[ReplyRoute]:
    """Every way to answer: the channel the person prefers first, else the way the citizen came.

    `addresses` are the person's (kind, value) pairs, `barred` the (channel, address) pairs where they asked us not to
    write, `doubtful` the addresses from which mail came back, `claimed` those nothing has come from, `own` our own. A
    doubtful way is a last choice; those who were copied come after the page, and a barred one is none.
    """
    theirs = dict.fromkeys(addresses)
    proven = {value for _, value in theirs if value not in claimed}
    if origin.address and all(origin.address != value for _, value in theirs):
        theirs[kind_of_address(origin.channel, origin.address), origin.address] = None
    theirs.update(dict.fromkeys((EMAIL, value) for value in origin.reply_to))
    others = [(EMAIL, value) for value in origin.copied]
    known = [pair for pair in dict.fromkeys([*theirs, *others]) if without_detail(pair[1]) not in own]
    found = [
        ReplyRoute(
            sender.channel,
            sender.account,
            value,
            sender.max_text,
            sender.files,
            (sender.channel, value) in barred,
            value in doubtful,
            value in claimed,
            value in origin.reply_to,
            (kind, value) not in theirs,
        )
        for sender in senders
        for kind, value in known
        if sender.reaches == kind
    ]
    found.sort(
        key=lambda way: (way.barred, way.copied, way.doubtful, way.channel != preferred, *_rank(way, origin, proven))
    )
    page = ReplyRoute(WEB, origin.account if origin.channel == WEB else WEB, "", files=True)
    usable = sum(not (way.barred or way.copied) for way in found)
    return [page, *found] if preferred == WEB else [*found[:usable], page, *found[usable:]]


def automatic_route(
    addresses: Iterable[tuple[str, str]], senders: Sequence[SendingAccount], region: str
) -> ReplyRoute | None:
    """Where the installation itself writes to somebody who came by no channel that it could answer on, e-mail before a text.

    `addresses` are (kind, value) pairs that anybody may have typed, so a text goes only to a mobile number of our own
    `region` (ISO country): calls and texts to some other numbers are somebody's income.
    """
    known = list(addresses)
    for wanted in (EMAIL, PHONE):
        for sender in senders:
            for kind, value in known if sender.reaches == wanted else ():
                if kind == wanted and (kind == EMAIL or is_mobile(value, region)):
                    return ReplyRoute(
                        sender.channel, sender.account, value, sender.max_text, sender.files, claimed=True
                    )
    return None


def _rank(way: ReplyRoute, origin: RouteOrigin, proven: Collection[str]) -> tuple[bool, ...]:
    """Smaller is better: the same channel, the address wanted, the same address, our same account; else an address that
    is proven, and e-mail before a text.
    """
    return (
        way.channel != origin.channel,
        not (way.asked_for and (origin.follow or way.address in proven)),
        way.address != origin.address,
        not way.asked_for,
        way.account != origin.account,
        way.claimed,
        kind_of_address(way.channel, way.address) != EMAIL,
    )
