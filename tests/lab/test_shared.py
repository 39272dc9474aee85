"""Tests that share a resource survive each other's failure."""

from __future__ import annotations

from pathlib import Path

from tests.lab.test_plugin import run_pytest

TESTS = """
import itertools
from contextlib import contextmanager
import pytest
from tests.lab.shared import Shared

numbers = itertools.count(1)
closed = []

@contextmanager
def opening():
    number = next(numbers)
    yield number
    closed.append(number)

@pytest.fixture(scope="module")
def shared():
    with Shared(opening) as shared:
        yield shared

@pytest.fixture
def thing(shared, request):
    yield from shared.lend(request.node)

@pytest.fixture
def broken(thing):
    raise RuntimeError("in set-up")

def test_first(thing):
    assert thing == 1

def test_fails(thing):
    assert thing != 1

def test_gets_a_fresh_one(thing):
    assert (thing, closed) == (2, [1])

def test_same_again(thing):
    assert thing == 2

def test_fails_in_its_set_up(broken):
    pass

def test_gets_another(thing):
    assert (thing, closed) == (3, [1, 2])
"""


def test_after_a_failure_the_next_test_gets_a_fresh_one(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, tests=TESTS)
    assert "1 failed, 4 passed, 1 error" in done.stdout, done.stdout + done.stderr
