"""Ids: ordered by time, also when the clock is not."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests.lab.ids import time_of
from zrm.kit import ids


def test_ids_are_version_seven_and_carry_their_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    identifier = ids.new_id()
    assert identifier.version == 7
    assert identifier.variant == "specified in RFC 4122"
    assert before <= time_of(identifier) <= datetime.now(UTC) + timedelta(seconds=5)


def test_ids_grow_and_differ_across_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: [ids.new_id() for _ in range(5000)], range(8)))
    everything = [identifier for batch in batches for identifier in batch]
    assert len(set(everything)) == len(everything)
    assert all(batch == sorted(batch) for batch in batches)


def test_a_clock_that_steps_back_does_not_turn_the_order_around(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time_ns
    earlier = [ids.new_id() for _ in range(3)]
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600_000_000_000)
    later = [ids.new_id() for _ in range(3)]
    assert earlier + later == sorted(earlier + later)


def test_a_worn_out_counter_borrows_the_next_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_COUNTER_BITS", 3)
    monkeypatch.setattr(ids, "_COUNTER_FRESH", 3)
    made = [ids.new_id() for _ in range(100)]
    assert made == sorted(set(made))


def test_a_child_process_draws_other_numbers_than_its_parent() -> None:
    ids.random_bytes(8)  # there is a pool to inherit
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, ids.random_bytes(16))
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as drawn:
        assert drawn.read() != ids.random_bytes(16)
