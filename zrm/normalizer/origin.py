"""Where a contact came from, and what of it proves anything: the one place that decides it. Pure.

A contact *came from* an address if its channel vouches for that: the number a network gave, the user a messenger knows,
the one address in a mail's From. Everything else is *claimed* ([ADR 4](../../docs/adr/0004-claimed-addresses.md)): we
can answer to it, but it opens no person's file and joins no case.

* Two addresses in From prove nothing, nor does one whose domain says that it did not send the mail, nor an address that
  stands only in Sender or in the envelope. The first of them is claimed.
* An address of our own belongs to no citizen. A mail from one of them, or from an address that no person writes from
  (no-reply, a web server's account), comes from a form or a relay: its citizen is the address in Reply-To, claimed (RFC
  5322 3.6.2).
* Otherwise Reply-To says where the answer should go, and nothing about the sender.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from zrm.contract.addresses import EMAIL, PHONE, AddressKind, Sender
from zrm.contract.inbound import Inbound
from zrm.kit.mail_addresses import comparable, without_detail
from zrm.kit.phones import e164
from zrm.kit.text import clean, fold

FORGED: Final = "dmarc_fail"
"""The label of a contact whose sender's own domain says that it did not send it."""
CLAIMED: Final = "claimed_address"
"""The label of a contact whose sender's address is only claimed."""
FROM_OURSELVES: Final = "own_address"
"""The label of a mail from one of our own addresses that names no other."""

_MOST_COPIED: Final = 50
_LONGEST: Final = 320
_IMPERSONAL: Final = re.compile(
    r"(?:.*[-_.+])?(?:(?:no|do[-_.]?not|don'?t|never)[-_.]?(?:reply|respond|answer)|no[-_.]?(?:responder|responda|rispondere)|"
    r"ne[-_.]?pas[-_.]?repondre|nicht[-_.]?antworten|keine[-_.]?antwort|yanitlama(?:yin)?)(?:[-_.+\d].*)?|"
    r"(?:www(?:[-_.]?(?:data|run))?|apache\d?|httpd|nginx|wordpress|php|nobody|root)(?:[-_.+\d].*)?"
)


@dataclass(frozen=True, slots=True)
class NormalizedAddress:
    """An address in comparable form."""

    kind: AddressKind
    value: str
    raw: str
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """`addresses` of the sender, those the contact came from before those that are claimed; `name` as the sender gives
    it.

    `reply_to` is where the answer should go, if elsewhere; `copied` are other addresses the message went to or is
    signed by. Both are comparable e-mail addresses, and none of ours. `labels` tell the desk what is not proven.
    """

    addresses: tuple[NormalizedAddress, ...] = ()
    name: str = ""
    reply_to: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()


def origin_of(inbound: Inbound, *, region: str, own: Collection[str] = ()) -> Origin:
    """Decide the origin. `own` are our addresses on every channel, `region` the country of phone numbers without a
    country code.
    """
    written = list(known(inbound.senders, region))
    others = [one for one in written if not _is_ours(one, own)]
    wanted = [one for one in known(inbound.reply_to, region) if not _is_ours(one, own) and one not in others]
    senders = inbound.senders
    if wanted and all(one.claimed or _is_ours(one, own) or is_impersonal(one) for one in written):
        others, wanted, senders = [replace(wanted[0], claimed=True)], wanted[1:], inbound.reply_to
        addresses, cosigners = others, []
    elif len(written) > 1 and all(one.kind == EMAIL and not one.claimed for one in written):
        addresses, cosigners = [replace(one, claimed=True) for one in others[:1]], others[1:]
    elif FORGED in inbound.labels:
        addresses, cosigners = [replace(one, claimed=True) for one in others], []
    else:
        addresses, cosigners = sorted(others, key=lambda one: one.claimed), []
    values = {one.value for one in addresses}
    reply_to = [one.value for one in wanted if one.value not in values]
    copied = [one.value for one in (*cosigners, *known(inbound.copied, region)) if not _is_ours(one, own)]
    labels = set()
    if any(one.claimed for one in addresses) and FORGED not in inbound.labels:
        labels.add(CLAIMED)
    if written and not others:
        labels.add(FROM_OURSELVES)
    return Origin(
        tuple(addresses),
        next((name for sender in senders if (name := " ".join(clean(sender.name).split()))), "")[:200],
        tuple(reply_to),
        tuple(value for value in dict.fromkeys(copied) if value not in {*values, *reply_to})[:_MOST_COPIED],
        frozenset(labels),
    )


def known(senders: Iterable[Sender], region: str) -> Iterable[NormalizedAddress]:
    """The addresses in comparable form, each once."""
    seen = set()
    for sender in senders:
        address = clean(sender.raw).strip()
        if sender.kind == PHONE:
            value = e164(address, region) or fold(address).replace(" ", "")
        elif sender.kind == EMAIL:
            value = comparable(address)
        else:
            value = address  # a provider's own id, which has one spelling
        if value and (sender.kind, value) not in seen:
            seen.add((sender.kind, value))
            yield NormalizedAddress(sender.kind, value[:_LONGEST], address[:_LONGEST], sender.claimed)


def is_impersonal(address: NormalizedAddress) -> bool:
    """Whether no person writes from this address: its name says so, or programs have it."""
    return address.kind == EMAIL and _IMPERSONAL.fullmatch(address.value.rpartition("@")[0]) is not None


def _is_ours(address: NormalizedAddress, own: Collection[str]) -> bool:
    return address.kind == EMAIL and (address.value in own or without_detail(address.value) in own)
