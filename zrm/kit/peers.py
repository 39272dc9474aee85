"""The peer of a request, for counting: one name for an address and all others that its owner can use for free.

The owner of one IPv6 address has at least its /64, so limits by single addresses would have no effect. An IPv4 address
that a translator wrote into an IPv6 one is that IPv4 address: all the citizens of a network share one translator.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_TRANSLATED: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_PREFIX: Final = 64


def peer_of(address: str) -> str:
    """`192.0.2.7` as it is, `2001:db8::7` as `2001:db8::/64`, text that is no address (a caller, a test) as it is."""
    found = ip_of(address)
    if found is None:
        return address
    return str(found if isinstance(found, IPv4Address) else IPv6Network((found, _PREFIX), strict=False))


def ip_of(address: str) -> IPv4Address | IPv6Address | None:
    """The address, as the IPv4 one that a translator wrote into it, if any; None if it is no address."""
    try:
        found = ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    return found if isinstance(found, IPv4Address) else _ipv4_in(found) or found


def is_loopback(address: str) -> bool:
    """Whether the address is this machine's own."""
    try:
        found = ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and (inner := found.ipv4_mapped) is not None:
        return inner.is_loopback
    return found.is_loopback


def _ipv4_in(address: IPv6Address) -> IPv4Address | None:
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
