"""Something costly that many tests use one after the other, and that no test inherits from one that failed.

A failed test may leave a store with contacts nobody counted, a role frozen, a fault in the database: tests after it would
fail with it, and hide what broke. So whoever fails is the last user; the next test gets a fresh one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack
from typing import Generic, Self, TypeVar

import pytest

FAILED = pytest.StashKey[bool]()
"""Set at a test of which any part failed, by the lab's plugin."""

Thing = TypeVar("Thing")


class Shared(Generic[Thing]):
    """Lends what `opening` opens, from one test to the next. A context manager, for a fixture of a wider scope.

    `renew` makes it after each use as it was; where it says that it could not, the next test gets a fresh one too.
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
        """For `yield from` in a fixture of the test: the open one, or a fresh one after a failure."""
        if not self._things:
            self._things.append(self._open.enter_context(self._opening()))
        yield self._things[0]
        if test.stash.get(FAILED, False) or not self._renew(self._things[0]):
            self._close()

    def _close(self) -> None:
        self._things.clear()
        self._open.close()
