"""How much the public doors accept, so that one sender cannot fill the store or the desk.

Counted are the posts and bytes of a peer, the posts that name an address as their sender's, and all posts at a door, in
windows that begin with their first post. Each process counts in memory and refuses by itself, so a post costs no query.
Counts that have reached a tenth of their limit are exchanged with the other processes through the store every second:
together they may accept more than the limit by a tenth for each process, plus one second's posts. While the store is
away each process counts alone.

A trusted peer is not counted: a carrier, our mail server or a proxy carries many senders.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Final, Literal, NamedTuple

import psycopg

from zrm import config
from zrm.errors import OverQuota
from zrm.kit import log, throttle
from zrm.kit.db import Database
from zrm.kit.outage import Outage
from zrm.kit.peers import ip_of, peer_of

_EVERY: Final = 1.0  # seconds between two exchanges with the store
_SHARED_FROM: Final = 10  # a count is exchanged when it has reached this part of its limit
_MOST_KEYS: Final = 100_000  # kept in memory; beyond that, those with the lowest counts are dropped
_MOST_RECORDS: Final = 60  # anomalous attempts of one peer that are recorded in a window
_KILOBYTE: Final = 1_000
_SAID_AGAIN: Final = 60.0  # seconds between two log lines about the same limit

_log = log.get(__name__)


class _Bound(NamedTuple):
    """`most` of what `purpose` names, for each `counted`."""

    purpose: str
    counted: str
    most: int
    named: Literal["peer", "phone", "email", "door"]


@dataclass(slots=True)
class _Count:
    """The count in one window: `known` to the store, of all processes, and `unshared` of ours. `ends` is monotonic time."""

    most: int
    ends: float
    unshared: int = 0
    known: int = 0


class QuotaCounter:
    """The quotas as one process counts them; from any thread. `close` writes the last counts to the store."""

    def __init__(
        self, database: Database, settings: config.Quotas, secret: bytes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._settings = settings
        self._secret = secret
        self._clock = clock
        self._trusted = [ip_network(peer) for peer in settings.trusted_peers]
        self._named = lru_cache(maxsize=4096)(self._name)
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], _Count] = {}
        self._refused: Counter[str] = Counter()  # not in the store yet
        self._said: dict[str, float] = {}
        self._outage = Outage("the store of the quotas")
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def admit(self, door: str, peer: str, *, size: int = 0) -> None:
        """Count one post of this many bytes. Errors: OverQuota; a refused post is not counted."""
        if (name := self._named(peer)) is None:
            return
        settings = self._settings
        bounds = {
            _Bound(f"{door}-peer", name, settings.peer_posts, "peer"): 1,
            _Bound(f"{door}-bytes", name, settings.peer_megabytes * _KILOBYTE, "peer"): -(-size // _KILOBYTE),
        }
        if settings.door_posts is not None:
            bounds[_Bound(f"{door}-door", "", settings.door_posts, "door")] = 1
        self._count(bounds)

    def admit_address(self, door: str, peer: str, kind: Literal["phone", "email"], address: str) -> None:
        """Count one post that names the address as its sender's. Errors: OverQuota."""
        if self._named(peer) is not None:
            self._count({_Bound(f"{door}-{kind}", address, self._settings.address_posts, kind): 1})

    def worth_recording(self, peer: str) -> bool:
        """Whether one more anomalous attempt of the peer should be recorded in the store."""
        try:
            self._count({_Bound("records-peer", peer_of(peer), _MOST_RECORDS, "peer"): 1})
        except OverQuota:
            return False
        return True

    def close(self) -> None:
        """Write the remaining counts to the store, if it answers."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _name(self, peer: str) -> str | None:
        """What the peer's posts count for; None for a peer that is not counted."""
        address = ip_of(peer)
        if not peer or (address is not None and any(address in network for network in self._trusted)):
            return None
        return peer_of(peer)

    def _count(self, bounds: Mapping[_Bound, int]) -> None:
        """Count the amounts, or none of them if a limit is reached already. Errors: OverQuota."""
        now = self._clock()
        with self._lock:
            counts = [(bound, amount, self._at(bound, now)) for bound, amount in bounds.items()]
            full = next(
                ((bound, count) for bound, _, count in counts if count.known + count.unshared >= count.most), None
            )
            if full is None:
                for _bound, amount, count in counts:
                    count.unshared += amount
            else:
                self._refused[full[0].purpose] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="quotas", daemon=True)
                self._thread.start()
        if full is not None:
            bound, count = full
            raise OverQuota(max(1, round(count.ends - now)), bound.named)

    def _at(self, bound: _Bound, now: float) -> _Count:
        key = (bound.purpose, bound.counted)
        count = self._counts.get(key)
        if count is None or count.ends <= now:
            if count is None and len(self._counts) >= _MOST_KEYS:
                self._forget(now)
            count = self._counts[key] = _Count(bound.most, now + self._settings.window)
        return count

    def _forget(self, now: float) -> None:
        """Make room: drop windows that have ended, and if that is not enough the half with the lowest counts."""
        lasting = {key: count for key, count in self._counts.items() if count.ends > now}
        if len(lasting) >= _MOST_KEYS:
            most = sorted(lasting.items(), key=lambda one: one[1].known + one[1].unshared, reverse=True)
            lasting = dict(most[: _MOST_KEYS // 2])
        self._counts = lasting

    # ------------------------------------------------------------ all processes together

    def _run(self) -> None:
        last = False
        while not last:
            last = self._closing.wait(_EVERY)
            try:
                self.share()
            except psycopg.Error as error:
                self._outage.begun(error)
            else:
                self._outage.over()

    def share(self) -> None:
        """Write the counts that matter to the store and read those of the other processes. Errors: psycopg.Error."""
        now = self._clock()
        with self._lock:
            self._counts = {key: count for key, count in self._counts.items() if count.ends > now}
            shared = {
                self._key(*key): (count, count.unshared)
                for key, count in self._counts.items()
                if count.unshared * _SHARED_FROM >= count.most
            }
            for count, amount in shared.values():
                count.known += amount
                count.unshared -= amount
            refused, self._refused = self._refused, Counter()
        if not shared and not refused:
            return
        try:
            with self._database.cursor() as cursor:
                amounts = {key: amount for key, (_, amount) in shared.items()}
                heard = throttle.add(cursor, amounts, window=self._settings.window) if amounts else {}
                if refused:
                    throttle.count_refused(cursor, refused)
        except BaseException:
            with self._lock:
                for count, amount in shared.values():
                    count.known -= amount
                    count.unshared += amount
                self._refused += refused
            raise
        with self._lock:
            for key, (total, seconds) in heard.items():
                count = shared[key][0]
                count.known, count.ends = total, now + seconds
        self._say(refused, now)

    def _say(self, refused: Mapping[str, int], now: float) -> None:
        """One log line a minute for each limit that refuses: an attack must not fill the log either."""
        for purpose, times in refused.items():
            if now - self._said.get(purpose, -_SAID_AGAIN) >= _SAID_AGAIN:
                self._said[purpose] = now
                _log.warning("over quota", bound=purpose, refused=times)

    def _key(self, purpose: str, counted: str) -> str:
        """A keyed hash, so that the store does not show who was counted."""
        digest = hmac.new(self._secret, f"{purpose}:{counted}".encode("utf-8", "replace"), hashlib.sha256)
        return f"{purpose}:{digest.hexdigest()}"
