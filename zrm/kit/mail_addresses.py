"""E-mail addresses in one form each, and domains as servers know them.

A domain with letters beyond ASCII has two spellings, one for people (`نمونه.ایران`) and one for servers (`xn--…`): both
mean one mailbox. Addresses are compared, kept and shown in the first, and written to in the second.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from uuid import UUID

import idna

LONGEST_ADDRESS: Final = 254
"""Characters, RFC 5321."""
_LONGEST_DOMAIN: Final = 253
_EMAIL: Final = re.compile(r"[^\s@<>\"(),:;\[\]\\]{1,64}@[^\s@<>\"(),:;\[\]\\.]+(?:\.[^\s@<>\"(),:;\[\]\\.]+)+")
_NEEDS_NO_QUOTES: Final = re.compile(r"[^\s\"\\(),:;<>@\[\]]+")
_DOTS: Final = re.compile("[\u3002\uff0e\uff61]")


def comparable(address: str) -> str:
    """The one form of all spellings of an e-mail address: case, normal form, trailing dot and the domain's two
    alphabets.

    Text that is no address comes back folded. Quotes around a local part that needs none are removed.
    """
    local, at, domain = address.strip().rpartition("@")
    local = unicodedata.normalize("NFC", local.casefold())
    if not at:
        return unicodedata.normalize("NFC", domain.casefold())
    if len(local) > 2 and local[0] == local[-1] == '"' and _NEEDS_NO_QUOTES.fullmatch(local[1:-1]) is not None:
        local = local[1:-1]
    return f"{local}@{_readable(domain)}"


def without_detail(address: str) -> str:
    """The mailbox behind an address with a plus sign (`info+token@…` is `info@…`)."""
    local, at, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


def own_message_id(identifier: UUID, domain: str) -> str:
    """The Message-ID of a mail of ours, by the id of its delivery or message."""
    return f"<{identifier}@{domain}>"


def is_email(text: str) -> bool:
    """Whether this looks like one e-mail address (also with non-ASCII letters); only a delivery proves it."""
    return len(text) <= LONGEST_ADDRESS and _EMAIL.fullmatch(text) is not None


def server_domain(domain: str) -> str:
    """A domain as servers know it, in ASCII. Errors: ValueError if it is none."""
    if domain.isascii():
        return domain
    if len(domain) > _LONGEST_DOMAIN:
        raise ValueError("not a domain")
    try:
        return idna.encode(_DOTS.sub(".", domain), uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError("not a domain") from error


def _readable(domain: str) -> str:
    domain = _DOTS.sub(".", domain).rstrip(".")
    folded = domain.casefold()
    if (domain.isascii() and "xn--" not in folded) or len(domain) > _LONGEST_DOMAIN:
        return folded
    try:
        return idna.decode(idna.encode(domain, uts46=True))
    except (idna.IDNAError, ValueError):
        return unicodedata.normalize("NFC", folded)  # not a valid server name: compared as it is written
