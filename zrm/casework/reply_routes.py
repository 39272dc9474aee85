"""The routes by which an answer can go: back by the channel of the contact, or to another of the person's addresses.

Pure: facts in, routes out, the best one first. An answer is on the tracking page whatever its route, so `web` (the
tracking page alone) is always the last choice and needs no address.
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
    """One account of ours that can send: its channel, its own address or name, and the kind of address it writes to.

    `max_text` in characters; None means no limit. `files`: whether it carries files.
    """

    channel: str
    account: str
    reaches: AddressKind
    max_text: int | None = None
    files: bool = False


@dataclass(frozen=True, slots=True)
class ReplyRoute:
    """One reply route: by our `account` of `channel` to `address` (empty for the tracking page alone).

    `barred`: the citizen asked us not to write there; `doubtful`: our last message there came back; `claimed`: nothing
    has come from there, so it may be a stranger's; `asked_for`: the last mail asks for its answer there (Reply-To);
    `copied`: it is not the citizen's address, but a mail of theirs went there too.
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
    """How the citizen wrote last: channel, our account, their address as comparable value (possibly empty).

    `reply_to` is where they want the answer, if elsewhere, and `copied` the other addresses their mails went to.
    `follow`: an answer may go to `reply_to` unless an agent chooses otherwise. Without it only an address from which
    the same person has written is preselected, any other is only offered: a stranger who writes under a citizen's name
    could otherwise have that citizen's answers sent to themselves.
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
    """Every reply route: the channel the person prefers first, else the one the citizen used.

    `addresses` are the person's (kind, value) pairs, `barred` the (channel, address) pairs where they asked us not to
    write, `doubtful` the addresses from which mail came back, `claimed` those nothing has come from, `own` our own. A
    doubtful route comes late; copied and barred ones come after the tracking page.
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
        key=lambda route: (
            route.barred,
            route.copied,
            route.doubtful,
            route.channel != preferred,
            *_rank(route, origin, proven),
        )
    )
    page = ReplyRoute(WEB, origin.account if origin.channel == WEB else WEB, "", files=True)
    usable = sum(not (route.barred or route.copied) for route in found)
    return [page, *found] if preferred == WEB else [*found[:usable], page, *found[usable:]]


def automatic_route(
    addresses: Iterable[tuple[str, str]], senders: Sequence[SendingAccount], region: str
) -> ReplyRoute | None:
    """The route for an automatic message to a citizen whose channel cannot be answered, e-mail before SMS.

    `addresses` are (kind, value) pairs that may have been typed by anybody, so an SMS goes only to a mobile number of
    our own `region` (ISO country): calls and texts to some foreign numbers earn money for their owners.
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


def _rank(route: ReplyRoute, origin: RouteOrigin, proven: Collection[str]) -> tuple[bool, ...]:
    """Smaller is better: the same channel, the address asked for, the same address, the same account of ours; else a
    proven address, and e-mail before SMS.
    """
    return (
        route.channel != origin.channel,
        not (route.asked_for and (origin.follow or route.address in proven)),
        route.address != origin.address,
        not route.asked_for,
        route.account != origin.account,
        route.claimed,
        kind_of_address(route.channel, route.address) != EMAIL,
    )
