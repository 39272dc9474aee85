"""Limits on tries to sign in, three of them; only the first has an exception.

* Misses of one **login over all peers** (50 an hour): a crowd of machines guesses no faster than one. A browser the
  agent has signed in with before is exempt, so strangers' guesses do not lock agents out of their own desk; from
  elsewhere a passkey or the identity provider still works, and `zrm agent unlock` ends the lock.
* Tries of one **login from one peer**, misses of one **peer over all logins**. An IPv6 network is one peer.
* A **known browser** has tries of its own, so a thief of its cookie gains little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fastapi import Request

from zrm.agent_api.context import DeskContext
from zrm.kit import throttle
from zrm.kit.peers import peer_of
from zrm.security.browsers import Marks
from zrm.security.keyed import keyed_hash

BROWSER_COOKIE: Final = ("zrm_browser", "/desk")
_PEERS_SHARE: Final = 3
"""A peer may make this many times the tries of one login over all logins together."""


@dataclass(frozen=True)
class Bounds:
    """The limits for one login (or, at the second step, one agent) from one browser at one peer."""

    context: DeskContext
    who: str
    peer: str
    marks: Marks
    known: bool

    @classmethod
    def of(cls, context: DeskContext, request: Request, who: str, agent_id: UUID | None) -> Bounds:
        """`who` is the login as typed; `agent_id` the agent's, if there is one with that login."""
        marks = marks_of(context, request)
        known = agent_id is not None and marks.knows(context.secret, agent_id)
        return cls(context, who.casefold(), peer(request), marks, known)

    def count_try(self) -> None:
        """Count one try before anything is checked. Errors: TooManyTries."""
        rates, database = self.context.settings.rates, self.context.database
        if not self.known:
            self.look_at_peer()
            throttle.look(
                database,
                login_key(self.context.secret, self.who),
                tries=rates.sign_in_login_tries,
                window=rates.sign_in_login_window,
            )
        throttle.count_try(database, self._own_key, tries=rates.sign_in_tries, window=rates.sign_in_window)

    def look_at_peer(self) -> None:
        """Check the peer without counting. Errors: TooManyTries if it has missed too often, with whatever login."""
        rates = self.context.settings.rates
        throttle.look(self.context.database, self._peer_key, tries=self._peers_tries, window=rates.sign_in_window)

    def count_peers_miss(self) -> None:
        """A miss of the peer. Only misses count: a whole town hall may share one address and sign in at eight."""
        throttle.count(self.context.database, self._peer_key, window=self.context.settings.rates.sign_in_window)

    def count_miss(self) -> None:
        """Record a miss."""
        if self.known:
            return
        self.count_peers_miss()
        rates, database = self.context.settings.rates, self.context.database
        throttle.count(database, login_key(self.context.secret, self.who), window=rates.sign_in_login_window)

    def forgive(self) -> None:
        """Record a success: this login from here may try again; strangers' guesses stay counted."""
        throttle.forgive(self.context.database, self._own_key)

    @property
    def _own_key(self) -> str:
        """In a known browser the login counts by itself; else the login from this peer."""
        place = f"browser\0{self.marks.number}" if self.known else self.peer
        counted = f"{self.who}\0{place}"
        return f"sign-in:{keyed_hash(self.context.secret, 'sign-in', counted)}"

    @property
    def _peer_key(self) -> str:
        return f"sign-in-peer:{keyed_hash(self.context.secret, 'sign-in peer', self.peer)}"

    @property
    def _peers_tries(self) -> int:
        return self.context.settings.rates.sign_in_tries * _PEERS_SHARE


def login_key(secret: bytes, login: str) -> str:
    """The key under which the misses of a login are counted over all peers."""
    return f"sign-in-login:{keyed_hash(secret, 'sign-in login', login.casefold())}"


def marks_of(context: DeskContext, request: Request) -> Marks:
    """What the browser's cookie says of the agents who have signed in with it."""
    return Marks.read(request.cookies.get(context.cookie(*BROWSER_COOKIE).name, ""))


def peer(request: Request) -> str:
    """The peer a request counts for."""
    return peer_of(request.client.host if request.client else "")
