"""The errors that one room raises and another handles. Those of a channel (SendError, Unparseable) are in `zrm.contract.errors`.

The class is the meaning, the docstring says what to do.

ZrmError
├── ConfigError            the operator's file is wrong: file, line, what was expected
├── StoreUnavailable       nothing was kept: tell the sender to come again
│   └── StoreFull          as above, for want of room
├── TooLarge               the sender's message is over the door's limit: refuse it, nothing was kept
├── NotFound               no such thing, or not for you (the two look the same on purpose)
├── Forbidden              signed in, but without the permission
├── Conflict               another change came first: reload and look again
├── NotAllowed             this action cannot be taken now: show how things are and let the person decide
├── InputRefused           an entry cannot be used: say which and why, keep what was typed
└── TooManyTries           wait `retry_after` seconds
    └── OverQuota          as above: more has come than a door takes in at once; nothing was kept
"""

from __future__ import annotations

from typing import Literal


class ZrmError(Exception):
    """Base of all ZRM's own errors."""


class ConfigError(ZrmError):
    """The configuration cannot be used. The message names file, line and what was expected; correct the file."""


class StoreUnavailable(ZrmError):
    """Nothing was made durable; the sender keeps the message and is told to come again."""


class StoreFull(StoreUnavailable):
    """No space on the device; as `StoreUnavailable`, and an operator must make space."""


class TooLarge(ZrmError):
    """The message is over the door's stated limit of `limit` bytes; nothing was kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"over the limit of {limit} bytes")
        self.limit = limit


class NotFound(ZrmError):
    """No such thing, or the caller may not see it; the two answers are alike on purpose."""


class Forbidden(ZrmError):
    """The agent is signed in but lacks the permission named in the message."""


class Conflict(ZrmError):
    """The record changed since the caller read it; show the present state and let the person decide."""


class NotAllowed(ZrmError):
    """The action cannot be taken now, whoever asks: the case's status has no such step, the citizen wants no messages, it
    is too late. Nothing was done.
    """


class InputRefused(ZrmError):
    """An entry cannot be used. Nothing was done; correct it and send it again."""


class TooManyTries(ZrmError):
    """Too many attempts; come again after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


class OverQuota(TooManyTries):
    """A door accepts no more for now: `bound` says whether the limit is per peer, per address named, or for the whole
    door.
    """

    def __init__(self, retry_after: int, bound: Literal["peer", "phone", "email", "door"]) -> None:
        super().__init__(retry_after)
        self.bound = bound
