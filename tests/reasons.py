"""Reasons for tests: some words as a reason of nobody's, and a kept reason as it reads in English."""

from __future__ import annotations

from typing import Any, Final

from zrm.contract.errors import RECEIVER_SAYS
from zrm.contract.reasons import Reason, declare, stored

_WHY: Final = declare("test.why", "%(words)s")


def why(words: str) -> Reason:
    """A reason that says just this."""
    return _WHY(words=words)


def says(words: str) -> Reason:
    """What a provider said."""
    return RECEIVER_SAYS(words=words)


def told(code: object, params: Any) -> str:
    """A kept reason in English; empty if none was kept."""
    return str(stored(str(code), params) or "")
