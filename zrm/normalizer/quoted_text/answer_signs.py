"""Whether a mail can repeat one of ours at all, and which addresses in it are ours.

A first contact answers nothing, so what it quotes is meant for us to read. A forwarded mail is shown whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from zrm.contract.inbound import Inbound
from zrm.kit.mail_addresses import comparable, without_detail
from zrm.kit.text import fold
from zrm.normalizer.quoted_text.attribution import addresses_in
from zrm.normalizer.quoted_text.vocabulary import FORWARD_PREFIXES, REPLY_PREFIXES

# "Re: ", "Re[2]: ", "AW : ", "[EXTERNAL] Re: ", "回复："
_PREFIX: Final = re.compile(r"\s*(?:\[[^\[\]]{0,60}\]\s*)?([^\W\d_][^:：\[(]{0,20}?)\s*(?:[\[(]\d{1,4}[\])])?\s*[:：]")
_RECIPIENTS: Final = frozenset({"to", "cc", "delivered-to", "x-original-to", "envelope-to"})
# "VS:" means an answer in Finnish and a forward in Danish and Norwegian; the words of the mail below tell which.
_AMBIGUOUS: Final = "vs"
_FINNISH: Final = ("lähettäjä:", "kirjoitti", "vastaanottaja:")


def answers(inbound: Inbound, text: str) -> bool:
    """Whether a mail may answer one of ours: by its references, our mark in it, or the prefix of its subject.

    The outermost prefix decides: "Fwd: Re: lamp" is a forward, whatever it refers to.
    """
    prefix = _prefix(inbound.title)
    if prefix in FORWARD_PREFIXES and not (prefix == _AMBIGUOUS and any(word in fold(text) for word in _FINNISH)):
        return False
    return prefix in REPLY_PREFIXES or prefix == _AMBIGUOUS or bool(inbound.thread.references or inbound.thread.tokens)


def our_addresses(inbound: Inbound, own: Collection[str]) -> frozenset[str]:
    """The addresses whose mails an answer repeats: our `own` if it was sent to one of them, else those it was sent to:
    a mail may come by an address of ours that we do not know as such.
    """
    sent_to = frozenset(
        without_detail(comparable(address))
        for name, value in inbound.headers
        if name.lower() in _RECIPIENTS
        for address in addresses_in(value)
    )
    return frozenset(own) if sent_to & frozenset(own) else sent_to


def _prefix(subject: str) -> str:
    match = _PREFIX.match(subject[:120])
    return fold(match[1]) if match else ""
