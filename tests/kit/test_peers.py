"""One owner of addresses is counted as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.kit.peers import is_loopback, peer_of


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("64:ff9b::c000:207", "192.0.2.7"),
        ("::1", "::/64"),
        ("+989121234567", "+989121234567"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_a_peer_has_one_name(address: str, peer: str) -> None:
    assert peer_of(address) == peer


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_addresses_of_one_network_are_one_peer(address: object, host: int) -> None:
    network = int(address) & ~(2**64 - 1)  # type: ignore[call-overload]  # an IPv6 address is a number
    if network == 0x64FF9B << 96 or not network:
        return  # translated IPv4 addresses are told apart
    first, other = (type(address)(network | part) for part in (0, host))  # type: ignore[call-arg]  # from a number
    assert peer_of(str(first)) == peer_of(str(other))


@given(st.text(max_size=60))
def test_whatever_stands_for_an_address_is_answered(address: str) -> None:
    assert isinstance(peer_of(address), str)
    is_loopback(address)


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("0.0.0.0", False),
        ("", False),
        ("localhost.evil.example", False),
    ],
)
def test_this_machine(address: str, here: bool) -> None:
    assert is_loopback(address) is here
