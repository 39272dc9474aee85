"""Limits the messages to one domain: each message over the limit gets a later time of its own.

Counted per worker process. A message is postponed once: its time is kept for it, by its delivery's id.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from zrm.channels.email import reasons
from zrm.contract.errors import Throttled

_MOST_RESERVED: Final = 10_000
_EARLY: Final = 1.0  # seconds by which a message may come before its time


class DomainRateLimit:
    """`limits` in messages a minute by domain; "*" is for all others. Without an entry there is no limit."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = {domain.lower(): limit for domain, limit in limits.items()}
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._reserved: dict[UUID, float] = {}

    def admit(self, delivery: UUID, recipient: str, at: float) -> None:
        """Let a message go at the monotonic time `at`, or raise. Errors: Throttled, with the seconds to wait."""
        domain = recipient.rpartition("@")[2].lower()
        limit = self._limits.get(domain, self._limits.get("*", 0))
        if not limit:
            return
        interval = 60.0 / limit
        with self._lock:
            own = self._reserved.get(delivery)
            if own is None:
                own = max(self._next.get(domain, 0.0), at)
                self._next[domain] = own + interval
            if own <= at + _EARLY:
                self._reserved.pop(delivery, None)
                return
            if len(self._reserved) >= _MOST_RESERVED:
                self._reserved.clear()  # at worst they are asked to wait once more
            self._reserved[delivery] = own
        raise Throttled(
            reasons.DOMAIN_BUSY,
            retry_after=own - at,
        )
