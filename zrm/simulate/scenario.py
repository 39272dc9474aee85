"""What one citizen wants from one door, once, and the door's possible answers.

A scenario keeps everything that identifies it from its first try on: a retry sends exactly the same, as mail servers,
Twilio and fax machines do. That makes a retry harmless and a loss visible.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar, Protocol

from zrm.simulate.corpus import Citizen


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The door has taken it: `reference` is the tracking code it gave us, else the external id under which it files it.

    `seconds` is how long the sender waited for this answer.
    """

    reference: str
    seconds: float


class TryAgain(Exception):
    """A temporary refusal, or no answer. The sender keeps the scenario and tries again."""


class NotYet(TryAgain):
    """Handed over, but not acknowledged yet; looking again does not count as a try."""


class Left(Exception):
    """The conversation broke after the hub had the contact: it may be stored or not, and the sender does not try
    again.
    """


class Refused(Exception):
    """A permanent refusal; the message is the door's own text."""


class Scenario(Protocol):
    """One contact on its way. `go` may be called again after TryAgain, by one thread at a time."""

    def go(self) -> Acknowledged:
        """Deliver it. Errors: TryAgain, Left, Refused."""


class Endpoint(Protocol):
    """Makes the scenarios of one channel. `scenario` is called by one thread, scenarios run in many."""

    kind: ClassVar[str]

    def scenario(self, citizen: Citizen, chance: random.Random) -> Scenario:
        """What this citizen sends to the door."""

    def close(self) -> None:
        """Close the connections that were kept."""
