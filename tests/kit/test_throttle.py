"""Throttles count for every process together."""

from __future__ import annotations

import pytest

from zrm.errors import TooManyTries
from zrm.kit import throttle
from zrm.kit.db import Database


def test_tries_are_counted_per_key_and_forgiven(database: Database) -> None:
    for _ in range(2):
        throttle.count_try(database, "a", tries=2, window=60)
    with pytest.raises(TooManyTries) as refused:
        throttle.count_try(database, "a", tries=2, window=60)
    assert 1 <= refused.value.retry_after <= 60
    throttle.count_try(database, "b", tries=2, window=60)
    throttle.forgive(database, "a")
    throttle.count_try(database, "a", tries=2, window=60)


def test_a_window_ends(database: Database) -> None:
    for _ in range(3):
        throttle.count_try(database, "a", tries=3, window=60)
    with database.cursor() as cursor:
        cursor.execute("UPDATE throttles SET window_started = now() - interval '2 minutes'")
    throttle.count_try(database, "a", tries=3, window=60)
    with database.cursor() as cursor:
        cursor.execute("UPDATE throttles SET window_started = now() - interval '2 days'")
    throttle.sweep(database)
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM throttles")
        assert cursor.fetchone() == (0,)
