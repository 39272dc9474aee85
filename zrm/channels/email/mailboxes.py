"""Which of our mailboxes an address means, and which reply token it carries.

`info+TOKEN@example.org` is the mailbox `info@example.org` with a token, `info+b=DELIVERY@example.org` the return
address of one delivery of ours. Our own addresses are compared in any spelling; a token is kept as written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from zrm.channels.email.config import EmailConfig
from zrm.kit.mail_addresses import comparable

_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RETURNED = re.compile(r"[bB]=([0-9a-fA-F]{32})")
_LONGEST_LOCAL = 64  # RFC 5321 4.5.3.1.1
_ROLES = ("postmaster", "abuse")


@dataclass(frozen=True, slots=True)
class MailboxMatch:
    """An accepted recipient: the account's key, and the text after the plus sign: a reply token or a delivery of
    ours.
    """

    account: str
    token: str = ""
    returned: UUID | None = None


class Mailboxes:
    """The configured addresses, ready to be looked up."""

    def __init__(self, config: EmailConfig) -> None:
        self._accounts: dict[str, str] = {}
        domains: set[str] = set()
        for key, box in config.mailboxes.items():
            for address in (box.address, *box.aliases):
                self._accounts[comparable(address)] = key
                domains.add(comparable(address).rpartition("@")[2])
        self._senders = frozenset(map(comparable, config.own_senders))
        fallback = config.postmaster or next(iter(config.mailboxes))
        self._fallback = fallback
        for role in _ROLES:
            for domain in domains:
                self._accounts.setdefault(f"{role}@{domain}", fallback)

    @property
    def own_addresses(self) -> frozenset[str]:
        """Every address of ours, including those that only send; comparable, without the text after a plus sign."""
        return frozenset(self._accounts) | self._senders

    def find(self, address: str) -> MailboxMatch | None:
        """The mailbox of a recipient; None if the address is not ours. A bare `postmaster` is ours (RFC 5321 4.5.1)."""
        lowered = comparable(address)
        account = self._accounts.get(lowered)
        if account is not None:
            return MailboxMatch(account)
        local, at, domain = address.rpartition("@")
        if not at:
            return MailboxMatch(self._fallback) if lowered in _ROLES else None
        base, plus, token = local.partition("+")
        account = self._accounts.get(comparable(f"{base}@{domain}"))
        if not plus or account is None:
            return None
        returned = _RETURNED.fullmatch(token)
        if returned is not None:
            return MailboxMatch(account, returned=UUID(returned.group(1)))
        return MailboxMatch(account, token) if _TOKEN.fullmatch(token) else None


def return_address(address: str, delivery: UUID) -> str:
    """The envelope sender of one delivery (VERP), so that a bounce names it; the plain address if it would be too
    long.
    """
    local, _, domain = address.rpartition("@")
    verp = f"{local}+b={delivery.hex}"
    return f"{verp}@{domain}" if len(verp) <= _LONGEST_LOCAL else address
