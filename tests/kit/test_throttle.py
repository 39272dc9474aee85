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


def test_nobody_stays_locked_out_beyond_the_window(database: Database) -> None:
    """The daily sweep is not what frees."""
    for _ in range(2):
        throttle.count_try(database, "a", tries=2, window=60)
    with pytest.raises(TooManyTries):
        throttle.look(database, "a", tries=2, window=60)
    with database.cursor() as cursor:
        cursor.execute("UPDATE throttles SET window_started = now() - interval '61 seconds'")
    throttle.look(database, "a", tries=2, window=60)
    for _ in range(2):
        throttle.count_try(database, "a", tries=2, window=60)
    with pytest.raises(TooManyTries) as refused:
        throttle.count_try(database, "a", tries=2, window=60)
    assert refused.value.retry_after > 50, "a window of its own has begun"


def test_what_is_forgiven_is_forgotten_and_nothing_else(database: Database) -> None:
    for key in ("a", "b"):
        throttle.count(database, key, window=60)
    throttle.forgive(database, "a")
    throttle.look(database, "a", tries=1, window=60)
    with pytest.raises(TooManyTries):
        throttle.look(database, "b", tries=1, window=60)


def test_a_miss_is_counted_and_refuses_nothing_itself(database: Database) -> None:
    for _ in range(5):
        throttle.count(database, "a", window=60)
    with pytest.raises(TooManyTries):
        throttle.look(database, "a", tries=5, window=60)
    throttle.look(database, "a", tries=6, window=60)


def test_refusals_are_counted_by_what_the_bound_is_of(database: Database) -> None:
    for _ in range(3):
        throttle.count(database, "prove:a", window=60)
    for _ in range(2):
        with pytest.raises(TooManyTries):
            throttle.look(database, "prove:a", tries=3, window=60)
    with pytest.raises(TooManyTries):
        throttle.count_try(database, "prove:a", tries=3, window=60)
    throttle.count_try(database, "link:a", tries=1, window=60)
    with pytest.raises(TooManyTries):
        throttle.count_try(database, "link:a", tries=1, window=60)
    with database.cursor() as cursor:
        cursor.execute("SELECT purpose, times FROM refused_tries ORDER BY purpose")
        assert cursor.fetchall() == [("link", 1), ("prove", 3)]


def test_a_try_that_was_right_is_taken_back_alone_and_only_once_counted(database: Database) -> None:
    for key in ("a", "b"):
        throttle.count(database, key, window=60)
    for _ in range(2):
        throttle.give_back(database, "a")
    throttle.count(database, "a", window=60)
    throttle.look(database, "a", tries=2, window=60)
    for key in ("a", "b"):
        with pytest.raises(TooManyTries):
            throttle.look(database, key, tries=1, window=60)


def test_at_the_end_of_a_window_one_waits_a_second(database: Database) -> None:
    throttle.count(database, "a", window=60)
    with database.cursor() as cursor:
        cursor.execute("UPDATE throttles SET window_started = now() - interval '59.5 seconds'")
    for refused in (throttle.look, throttle.count_try):
        with pytest.raises(TooManyTries) as told:
            refused(database, "a", tries=1, window=60)
        assert told.value.retry_after == 1


def test_the_sweep_leaves_what_still_counts(database: Database) -> None:
    throttle.count(database, "a", window=60)
    throttle.sweep(database)
    with pytest.raises(TooManyTries):
        throttle.look(database, "a", tries=1, window=60)
