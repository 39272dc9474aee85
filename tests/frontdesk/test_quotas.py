"""Quotas count in each process and for all of them together, and an attacker gains nothing by having many addresses."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from tests.casework.installation import one
from zrm import config
from zrm.errors import OverQuota
from zrm.frontdesk.quotas import QuotaCounter
from zrm.kit.db import Database

PEER = "192.0.2.7"
FEW = config.Quotas(peer_posts=20, address_posts=3, door_posts=50, peer_megabytes=2, trusted_peers=["10.0.0.0/8"])
Node = Callable[..., QuotaCounter]


@pytest.fixture
def node(database: Database) -> Node:
    """One more process of the installation; its thread stays out of it, so that the test says when it looks."""

    def begin(
        settings: config.Quotas = FEW, store: Database = database, at: Callable[[], float] = lambda: 0
    ) -> QuotaCounter:
        quotas = QuotaCounter(store, settings, b"key", clock=at)
        quotas._thread = threading.current_thread()
        return quotas

    return begin


def admitted(quotas: QuotaCounter, peer: str = PEER, *, door: str = "form", times: int = 1000) -> int:
    """How many posts of a peer are taken until one is refused."""
    for number in range(times):
        try:
            quotas.admit(door, peer)
        except OverQuota:
            return number
    return times


def test_a_peer_is_refused_with_the_time_to_wait_and_the_next_window_is_free(node: Node) -> None:
    clock = [0.0]
    quotas = node(at=lambda: clock[0])
    assert admitted(quotas) == FEW.peer_posts
    clock[0] = 100.0
    with pytest.raises(OverQuota) as refused:
        quotas.admit("form", PEER)
    assert (refused.value.bound, refused.value.retry_after) == ("peer", 500)
    assert admitted(quotas, "192.0.2.8") == FEW.peer_posts, "nobody pays for a neighbour"
    clock[0] = 600.0
    assert admitted(quotas) == FEW.peer_posts


def test_an_ipv6_network_is_one_peer(node: Node) -> None:
    quotas = node()
    assert admitted(quotas, "2001:db8::1") == FEW.peer_posts
    assert admitted(quotas, "2001:db8::ffff:2") == 0
    assert admitted(quotas, "2001:db8:0:1::1", times=5) == 5


def test_bytes_count_and_the_first_always_fits(node: Node) -> None:
    quotas = node()
    quotas.admit("form", PEER, size=50_000_000)
    with pytest.raises(OverQuota):
        quotas.admit("form", PEER, size=1)
    quotas.admit("smtp", PEER, size=1)


def test_a_door_has_a_bound_for_everybody_and_a_refused_peer_does_not_fill_it(node: Node) -> None:
    quotas = node()
    assert admitted(quotas) == FEW.peer_posts
    assert [admitted(quotas, times=100) for _ in range(3)] == [0, 0, 0]
    assert admitted(quotas, "192.0.2.8") == FEW.peer_posts
    assert admitted(quotas, "192.0.2.9") == FEW.door_posts - 2 * FEW.peer_posts  # type: ignore[operator]  # given above
    with pytest.raises(OverQuota) as refused:
        quotas.admit("form", "192.0.2.10")
    assert refused.value.bound == "door"
    quotas.admit("smtp", "192.0.2.10")
    boundless = node(FEW.model_copy(update={"door_posts": None}))
    assert sum(admitted(boundless, f"192.0.2.{host}") for host in range(1, 11)) == 10 * FEW.peer_posts


def test_an_address_counts_over_all_peers(node: Node) -> None:
    quotas = node()
    for host in range(FEW.address_posts):
        quotas.admit_address("form", f"192.0.2.{host}", "phone", "+989121234567")
    with pytest.raises(OverQuota) as refused:
        quotas.admit_address("form", "198.51.100.7", "phone", "+989121234567")
    assert refused.value.bound == "phone"
    quotas.admit_address("form", "198.51.100.7", "phone", "+989121234568")


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", ""])
def test_who_stands_for_many_is_not_counted(node: Node, peer: str) -> None:
    quotas = node()
    assert admitted(quotas, peer) == 1000
    for _ in range(100):
        quotas.admit_address("form", peer, "email", "city@example.org")
    assert admitted(quotas, times=5) == 5, "nor do they fill the door"


def test_by_default_this_machine_stands_for_many(node: Node) -> None:
    quotas = node(config.Quotas(peer_posts=1))
    for here in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert admitted(quotas, here, times=5) == 5


def test_processes_count_together(node: Node, database: Database) -> None:
    first, second = node(), node()
    assert admitted(first, times=12) == 12
    first.share()
    assert admitted(second, times=2) == 2
    second.share()
    assert admitted(second) == FEW.peer_posts - 12 - 2
    second.share()
    first.admit("form", "192.0.2.8")
    first.share()
    with database.cursor() as cursor:
        cursor.execute("SELECT purpose, times FROM refused_tries")
        assert cursor.fetchall() == [("form-peer", 1)]
        cursor.execute("SELECT key FROM throttles")
        keys = [key for (key,) in cursor]
        assert {key.partition(":")[0] for key in keys} == {"form-peer", "form-door"}
        assert not [key for key in keys if "192" in key], "nobody reads from it who was counted"


def test_what_is_shared_ends_with_its_window(node: Node, database: Database) -> None:
    first = node()
    assert admitted(first) == FEW.peer_posts
    first.share()
    with database.cursor() as cursor:
        cursor.execute("UPDATE throttles SET window_started = now() - interval '590 seconds'")
    second = node()
    assert admitted(second, times=2) == 2
    second.share()
    with pytest.raises(OverQuota) as refused:
        second.admit("form", PEER)
    assert 9 <= refused.value.retry_after <= 10
    with database.cursor() as cursor:
        cursor.execute("UPDATE throttles SET window_started = now() - interval '601 seconds'")
    third = node()
    assert admitted(third, times=2) == 2
    third.share()
    assert admitted(third) == FEW.peer_posts - 2


def test_while_the_store_is_away_each_counts_alone_and_tells_later(node: Node, database: Database) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    quotas = node(store=away)
    assert admitted(quotas) == FEW.peer_posts
    with pytest.raises(psycopg.OperationalError):
        quotas.share()
    assert admitted(quotas, times=3) == 0
    quotas._database = database
    quotas.share()
    other = node()
    assert admitted(other, times=2) == 2
    other.share()
    assert admitted(other) == 0
    with database.cursor() as cursor:
        assert one(cursor, "SELECT times FROM refused_tries WHERE purpose = 'form-peer'") == 2


def test_what_came_once_is_nobody_elses_business(node: Node, database: Database) -> None:
    """A crowd of machines fills neither the store nor the memory of a process with its addresses."""
    quotas = node(config.Quotas(door_posts=None))
    for number in range(200):
        quotas.admit("form", f"198.51.{number // 100}.{number % 100}")
    quotas.share()
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM throttles") == 0


def test_memory_is_bounded_and_who_counted_most_is_remembered(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zrm.frontdesk.quotas._MOST_KEYS", 100)
    quotas = node(FEW.model_copy(update={"door_posts": None}))
    assert admitted(quotas) == FEW.peer_posts
    for number in range(1000):
        quotas.admit("form", f"198.51.{number // 100}.{number % 100}")
    assert len(quotas._counts) <= 100
    assert admitted(quotas) == 0


def test_closing_tells_the_rest(database: Database) -> None:
    quotas = QuotaCounter(database, FEW, b"key")
    assert admitted(quotas) == FEW.peer_posts
    quotas.close()
    with database.cursor() as cursor:
        assert one(cursor, "SELECT times FROM refused_tries") == 1
        assert one(cursor, "SELECT tries FROM throttles WHERE key LIKE 'form-peer:%%'") == FEW.peer_posts


def test_anomalous_attempts_of_one_peer_are_written_down_up_to_a_bound(node: Node) -> None:
    quotas = node()
    assert [quotas.worth_recording("10.0.0.9") for _ in range(61)] == [True] * 60 + [False]
    assert quotas.worth_recording("10.0.0.10")
