"""Runs scenarios at a chosen rate, retries as the real senders do, and records what was acknowledged.

One thread makes the scenarios (so that a seed gives the same citizens), many run them. After a temporary refusal a
scenario is queued again with a growing delay, for as long as `patience` lasts.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from zrm.errors import ZrmError
from zrm.installation import LoadedConfig
from zrm.languages import Language
from zrm.simulate import corpus
from zrm.simulate.endpoints import KINDS, new_run, open_doors, web_client
from zrm.simulate.scenario import Endpoint, Left, NotYet, Refused, Scenario, TryAgain

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 3.0
_LOOK_AGAIN: Final = 0.1


@dataclass(frozen=True, slots=True)
class Happening:
    """The result of one try: `outcome` is acknowledged, again, left, refused or given_up; `words` the reason."""

    channel: str
    outcome: str
    words: str = ""


@dataclass(slots=True)
class Tally:
    """What the senders know. `acknowledged` holds references by channel: tracking codes or external ids.

    `at` is when each was acknowledged (monotonic seconds) and `seconds` how long its sender waited. `left` counts
    conversations that broke while the hub had the contact: it may be stored or not.
    """

    acknowledged: dict[str, set[str]] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    tried_again: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    """How often each refusal was received, as "channel: words"."""


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    channel: str = field(compare=False)
    scenario: Scenario = field(compare=False)
    until: float = field(compare=False)
    pause: float = field(default=_FIRST_PAUSE, compare=False)


class Simulator:
    """Traffic for `doors` (channel kinds) of the hub that `plan` describes.

    `rate` is scenarios a second over all doors, for `seconds`, or until `stop`. Use `run`, or `start` and later
    `finish` (or a `with` block) to act on the hub meanwhile. May be read from any thread.
    """

    def __init__(
        self,
        plan: LoadedConfig,
        doors: Sequence[str] = KINDS,
        *,
        rate: float = 5.0,
        seconds: float = 60.0,
        seed: int = 1,
        languages: Sequence[Language] = ("fa", "en"),
        threads: int = 24,
        patience: float = 120.0,
        told: Callable[[Happening], None] | None = None,
    ) -> None:
        if rate <= 0 or not doors or not languages:
            raise ZrmError("a simulation needs a rate above 0, a door and a language")
        self.plan = plan
        self.kinds = tuple(doors)
        self.rate, self.seconds = rate, seconds
        self.run_name = new_run()
        self.tally = Tally(acknowledged={kind: set() for kind in doors}, seconds={kind: [] for kind in doors})
        self._chance = random.Random(seed)
        self._languages = tuple(languages)
        self._patience = patience
        self.told: Callable[[Happening], None] = told or (lambda _: None)
        self._web = web_client(plan)
        self.doors: list[Endpoint] = open_doors(plan, doors, self._web, self.run_name)
        self._due: list[_Due] = []
        self._under_way = 0
        self._making = False
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._deliver, name=f"sender-{number}", daemon=True) for number in range(threads)
        ]
        self._maker = threading.Thread(target=self._make, name="maker", daemon=True)

    # ------------------------------------------------------------ for the caller

    @property
    def total(self) -> int:
        """How many scenarios a whole run makes."""
        return max(1, round(self.rate * self.seconds))

    def start(self) -> Self:
        """Begin sending."""
        self._making = True
        for thread in (*self._threads, self._maker):
            thread.start()
        return self

    def stop(self) -> None:
        """Make no new scenarios; those in progress continue."""
        self._stop.set()

    def finish(self, *, stop: bool = False) -> Tally:
        """Wait until every scenario is acknowledged, refused, left or given up; `stop` makes no new ones."""
        if stop:
            self.stop()
        self._maker.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._making and not self._due and not self._under_way)
        for thread in self._threads:
            thread.join()
        for door in self.doors:
            door.close()
        self._web.close()
        return self.tally

    def run(self) -> Tally:
        """A whole run."""
        return self.start().finish()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._making or any(thread.is_alive() for thread in self._threads):
            self.finish(stop=True)

    def acknowledged(self, channel: str = "") -> int:
        """How many were acknowledged so far, by one channel or by all."""
        with self._changed:
            return sum(len(found) for kind, found in self.tally.acknowledged.items() if channel in ("", kind))

    # ------------------------------------------------------------ the threads

    def _make(self) -> None:
        """Make scenarios at a steady rate; making one may not delay the sending of those before."""
        began = time.monotonic()
        turns = itertools.cycle(self.doors)
        for number in range(self.total):
            due_at = began + number / self.rate
            door = next(turns)
            citizen = corpus.citizen(self._chance, self._languages, number, self.run_name)
            scenario = door.scenario(citizen, self._chance)
            if self._stop.wait(max(0.0, due_at - time.monotonic())):
                break
            with self._changed:
                self.tally.sent[door.kind] += 1
                now = time.monotonic()
                heapq.heappush(self._due, _Due(now, number, door.kind, scenario, now + self._patience))
                self._changed.notify()
        with self._changed:
            self._making = False
            self._changed.notify_all()

    def _deliver(self) -> None:
        while (due := self._next()) is not None:
            try:
                done = self._try(due)
            except Exception as error:  # noqa: BLE001  # a sender's own fault must show in the tally, not end the thread
                done = self._settled(due, "refused", f"{type(error).__name__}: {error}")
            with self._changed:
                self._under_way -= 1
                if not done:
                    heapq.heappush(self._due, due)
                self._changed.notify_all()

    def _next(self) -> _Due | None:
        """The next scenario that is due; None when there will be none."""
        with self._changed:
            while True:
                if self._due and self._due[0].at <= time.monotonic():
                    self._under_way += 1
                    return heapq.heappop(self._due)
                if not self._due and not self._making and not self._under_way:
                    return None
                self._changed.wait(max(0.0, self._due[0].at - time.monotonic()) if self._due else None)

    def _try(self, due: _Due) -> bool:
        """Run one try; False if the scenario is to be retried."""
        try:
            answer = due.scenario.go()
        except NotYet as waiting:
            return self._again(due, str(waiting), _LOOK_AGAIN, counted=False)
        except TryAgain as refusal:
            pause, due.pause = due.pause, min(2 * due.pause, _LONGEST_PAUSE)
            return self._again(due, str(refusal), pause, counted=True)
        except Left as left:
            return self._settled(due, "left", str(left))
        except Refused as refused:
            return self._settled(due, "refused", str(refused))
        with self._changed:
            self.tally.acknowledged[due.channel].add(answer.reference)
            self.tally.at[answer.reference] = time.monotonic()
            self.tally.seconds[due.channel].append(answer.seconds)
        self.told(Happening(due.channel, "acknowledged"))
        return True

    def _again(self, due: _Due, words: str, pause: float, *, counted: bool) -> bool:
        if time.monotonic() + pause > due.until:
            return self._settled(due, "given_up", words)
        due.at = time.monotonic() + pause
        if counted:
            with self._changed:
                self.tally.tried_again[due.channel] += 1
                self.tally.words[f"{due.channel}: {words}"] += 1
            self.told(Happening(due.channel, "again", words))
        return False

    def _settled(self, due: _Due, outcome: str, words: str) -> bool:
        counts = {"left": self.tally.left, "refused": self.tally.refused, "given_up": self.tally.given_up}
        with self._changed:
            counts[outcome][due.channel] += 1
            self.tally.words[f"{due.channel}: {words}"] += 1
        self.told(Happening(due.channel, outcome, words))
        return True


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie; 0 for none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
