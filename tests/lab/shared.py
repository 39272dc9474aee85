"""An expensive resource that tests use one after another, replaced after a test that failed.

A failed test may leave unexpected contacts in the store, a frozen role or a fault in the database: later tests would fail too
and hide the cause. So a failed test is the last user; the next test gets a fresh one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack
from typing import Generic, Self, TypeVar

import pytest

FAILED = pytest.StashKey[bool]()
"""Set by the lab's plugin at a test with a failed phase."""

Thing = TypeVar("Thing")


class Shared(Generic[Thing]):
    """Lends what `opening` opens to one test after another. A context manager, for a fixture of a wider scope.

    `renew` resets it after each use; if it returns False, the next test gets a fresh one.
    """

    def __init__(
        self, opening: Callable[[], AbstractContextManager[Thing]], renew: Callable[[Thing], bool] = lambda _: True
    ) -> None:
        self._opening = opening
        self._renew = renew
        self._open = ExitStack()
        self._things: list[Thing] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def lend(self, test: pytest.Item) -> Generator[Thing, None, None]:
        """For `yield from` in a fixture of the test: the open resource, or a fresh one after a failure."""
        if not self._things:
            self._things.append(self._open.enter_context(self._opening()))
        yield self._things[0]
        if test.stash.get(FAILED, False) or not self._renew(self._things[0]):
            self._close()

    def _close(self) -> None:
        self._things.clear()
        self._open.close()
