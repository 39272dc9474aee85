"""What one citizen wants from one door, once, and how the door may answer.

An errand keeps everything that identifies it from its first try on: whoever sends it again sends the very same thing,
as mail servers, Twilio and fax machines do. That is what makes a retry harmless and a loss visible.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar, Protocol

from zrm.simulate.corpus import Citizen


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The door has taken it: `reference` is the tracking code it told us, else the external id by which it files it.

    `seconds` is what the sender waited for this answer.
    """

    reference: str
    seconds: float


class TryAgain(Exception):
    """A temporary refusal, or no answer at all. The sender keeps the errand and comes again."""


class NotYet(TryAgain):
    """Handed over, but not answered for yet; looking again is no new try."""


class Left(Exception):
    """The conversation broke after the hub had it in its hands: it may or may not be taken in, and nobody comes again."""


class Refused(Exception):
    """A refusal for good; the message is the door's own words."""


class Scenario(Protocol):
    """One contact on its way. `go` may be called again after TryAgain, by one thread at a time."""

    def go(self) -> Acknowledged:
        """Deliver it. Errors: TryAgain, Left, Refused."""


class Endpoint(Protocol):
    """Makes the errands of one channel. `errand` is called by one thread, errands go in many."""

    kind: ClassVar[str]

    def errand(self, citizen: Citizen, chance: random.Random) -> Scenario:
        """What this citizen brings to the door."""

    def close(self) -> None:
        """Let go of connections that were kept."""
