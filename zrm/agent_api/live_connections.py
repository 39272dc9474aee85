"""Open desks and the events to send them. Lives in the event loop; knows nothing of databases or pages.

A desk that reads slowly costs at most `MOST_PENDING` waiting messages: beyond that they are dropped and it is told to
fetch its list again, which contains the same.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from zrm.casework.context import ActingAgent
from zrm.languages import Calendar, Language
from zrm.security.grants import Grants

MOST_PENDING: Final = 64
MOST_DESKS_OF_A_SESSION: Final = 20
HEARTBEAT: Final = b": \n\n"
Variant = tuple[Language, Calendar]


def event(name: str, data: object, number: str = "") -> bytes:
    """One server-sent event; `data` becomes JSON, which has no line breaks of its own."""
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


REFRESH: Final = event("refresh", {})
SIGNED_OUT: Final = event("signed-out", {})


@dataclass(eq=False)
class OpenDesk:
    """One open page of one agent."""

    agent_id: UUID
    session_hash: str
    grants: Grants
    variant: Variant
    last_counts: dict[str, int] = field(default_factory=dict)
    pending: deque[bytes] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    @property
    def actor(self) -> ActingAgent:
        """The agent, with what they are granted by now."""
        return ActingAgent(self.agent_id, self.grants)

    def push(self, message: bytes) -> None:
        """Queue a message for the desk; never waits."""
        if self.closed:
            return
        if len(self.pending) >= MOST_PENDING:
            self.pending.clear()
            self.last_counts = {}
            message = REFRESH
        self.pending.append(message)
        self.wake.set()

    def close(self, last: bytes = b"") -> None:
        """End the stream after `last`."""
        if last:
            self.push(last)
        self.closed = True
        self.wake.set()


class EventHub:
    """The open desks of this process, and the announced changes not yet sent to them."""

    def __init__(self) -> None:
        self.desks: set[OpenDesk] = set()
        self.stirred = asyncio.Event()
        self.count_again = asyncio.Event()
        self._changed: dict[str, dict[UUID, None]] = {}
        self._unit_changed: dict[UUID, float] = {}
        self._lost_track = 0.0
        self._boot = secrets.token_hex(4)
        self._number = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False

    def start(self) -> None:
        """Called in the loop that will serve the desks."""
        self._loop = asyncio.get_running_loop()

    async def stream(self, desk: OpenDesk, since: float, last_seen: str) -> AsyncIterator[bytes]:
        """The desk's stream until it closes. `since` is the wall-clock second its page was begun, `last_seen` the
        number of the last event it had before it was cut off; if it may have missed an event it is told to refresh.
        """
        self._make_room(desk)
        self.desks.add(desk)
        desk.closed = self._ended
        self.count_again.set()  # changes since its page was written are in none of its events
        try:
            yield b"retry: 1000\n\n"
            if self._missed(desk, since, last_seen):
                yield REFRESH
            while not (desk.closed and not desk.pending):
                await desk.wake.wait()
                desk.wake.clear()
                while desk.pending:
                    messages = b"".join(desk.pending)
                    desk.pending.clear()
                    yield messages
        finally:
            desk.closed = True
            self.desks.discard(desk)

    def note(self, kind: str, identifier: UUID) -> None:
        """A change was announced; it is sent together with others that gather meanwhile."""
        self._changed.setdefault(kind, {})[identifier] = None
        self.stirred.set()

    def take(self) -> dict[str, list[UUID]]:
        """The gathered changes, by kind; gathering starts again."""
        changed, self._changed = self._changed, {}
        self.stirred.clear()
        return {kind: list(ids) for kind, ids in changed.items()}

    def next_number(self) -> str:
        """The number of the next event: this start of the process, then a count."""
        self._number += 1
        return f"{self._boot}-{self._number}"

    def remember(self, units: Iterable[UUID]) -> None:
        """Cases of these units changed now; pages written before are out of date."""
        at = time.time()
        for unit_id in units:
            self._unit_changed[unit_id] = at

    def refresh_all(self) -> None:
        """Announcements may have been missed: every desk fetches again."""
        self._lost_track = time.time()
        self.tell_all(REFRESH)

    def tell_all(self, message: bytes, *, only_idle: bool = False) -> None:
        """Push to every desk, or only to those with no waiting messages."""
        for desk in list(self.desks):
            if not (only_idle and desk.pending):
                desk.push(message)

    def drop(self, session_hash: str) -> None:
        """The session has ended: its streams end at once. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._drop, {session_hash})

    def keep_only(self, alive: set[str]) -> None:
        """End the streams whose session is no longer alive."""
        self._drop({desk.session_hash for desk in self.desks} - alive)

    def close_all(self) -> None:
        """End every stream, also those opened from now on, so that the server can stop. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close_all)

    def _close_all(self) -> None:
        self._ended = True
        for desk in list(self.desks):
            desk.close()

    def _drop(self, hashes: set[str]) -> None:
        for desk in list(self.desks):
            if desk.session_hash in hashes:
                desk.close(SIGNED_OUT)

    def _make_room(self, newcomer: OpenDesk) -> None:
        mine = [desk for desk in self.desks if desk.session_hash == newcomer.session_hash]
        for desk in mine[: max(0, len(mine) + 1 - MOST_DESKS_OF_A_SESSION)]:
            desk.close()

    def _missed(self, desk: OpenDesk, since: float, last_seen: str) -> bool:
        if last_seen:
            boot, _, number = last_seen.partition("-")
            return boot != self._boot or number != str(self._number)
        return self._lost_track > since or any(
            at > since and desk.actor.sees(unit_id) for unit_id, at in self._unit_changed.items()
        )
