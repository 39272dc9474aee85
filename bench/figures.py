"""The result of a measurement: figures with their targets, and whether these are met."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `target` in words; `met` None where there is none."""

    name: str
    value: str
    control: str = "–"
    ratio: str = "–"
    target: str = "–"
    met: bool | None = None


@dataclass(slots=True)
class Result:
    """A measurement: its title, its method in a sentence or two, its figures, and remarks."""

    title: str
    method: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; `quick` only checks that everything runs, its figures mean nothing."""

    quick: bool
    rounds: int = 5
    round_seconds: float = 4.0
    mails: int = 2500
    segments: int = 6000
    contact_seconds: float = 40.0
    cases: int = 100_000
    desk_requests: int = 300
    volumes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    flat_messages: int = 1000
    attachment: int = 25_000_000
    attachments: int = 8
    repeats: int = 60
    lengths: tuple[int, ...] = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)


# No answers are sent while filing is measured: they are separate transactions with a separate cost.
SILENT: dict[str, list[str]] = {"acknowledge": []}

QUICK = Sizes(
    quick=True,
    rounds=1,
    round_seconds=0.5,
    mails=60,
    segments=100,
    contact_seconds=2.0,
    cases=2_000,
    desk_requests=5,
    volumes=(100, 1_000),
    flat_messages=40,
    attachment=1_000_000,
    attachments=1,
    repeats=1,
    lengths=(10_000, 30_000),
)


def median(values: Sequence[float]) -> float:
    """The median; 0 for none."""
    return statistics.median(values) if values else 0.0
