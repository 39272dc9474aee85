"""Whether a mail can repeat one of ours at all, and which addresses in it are ours.

A first contact answers nothing, so whatever it quotes is what its writer shows us. A mail that is passed on is shown whole.
"""

from __future__ import annotations

import re
from typing import Final

from zrm.contract import Inbound
from zrm.kit.text import fold
from zrm.normalizer.quoted_text.attribution import addresses_in
from zrm.normalizer.quoted_text.vocabulary import FORWARD_PREFIXES, REPLY_PREFIXES

# "Re: ", "Re[2]: ", "AW : ", "[EXTERNAL] Re: ", "回复："
_PREFIX: Final = re.compile(r"\s*(?:\[[^\[\]]{0,60}\]\s*)?([^\W\d_][^:：\[(]{0,20}?)\s*(?:[\[(]\d{1,4}[\])])?\s*[:：]")
_RECIPIENTS: Final = frozenset({"to", "cc", "delivered-to", "x-original-to"})
# "VS:" is an answer in Finnish and passes on in Danish and Norwegian; the words of the mail below tell.
_AMBIGUOUS: Final = "vs"
_FINNISH: Final = ("lähettäjä:", "kirjoitti", "vastaanottaja:")


def answers(inbound: Inbound, text: str) -> bool:
    """Whether a mail may answer one of ours: by its references, our mark in it, or the prefix of its subject.

    The outermost prefix decides: "Fwd: Re: lamp" is passed on, whatever it refers to.
    """
    prefix = _prefix(inbound.title)
    if prefix in FORWARD_PREFIXES and not (prefix == _AMBIGUOUS and any(word in fold(text) for word in _FINNISH)):
        return False
    return prefix in REPLY_PREFIXES or prefix == _AMBIGUOUS or bool(inbound.thread.references or inbound.thread.tokens)


def our_addresses(inbound: Inbound) -> frozenset[str]:
    """The addresses whose mails an answer repeats: our own as the channel knows them, else those it was sent to."""
    written = inbound.own_addresses or frozenset(
        address for name, value in inbound.headers if name.lower() in _RECIPIENTS for address in addresses_in(value)
    )
    return frozenset(
        f"{local.partition('+')[0]}@{domain}" for local, _, domain in (one.partition("@") for one in written)
    )


def _prefix(subject: str) -> str:
    match = _PREFIX.match(subject[:120])
    return fold(match[1]) if match else ""
