"""Time over size of every reader of untrusted text, on hostile repeats, up to the largest input its door accepts.

For each place (`bench.hostile_places`) repeats are generated from the pieces of its grammar: one piece repeated, two or three
in turn, one followed by a run of another, or equal runs of two. Those that cost most for their size, and those whose cost
grows most with the size, are measured at doubling sizes. The exponent of the line through the logarithms shows the growth:
1 is linear, 2 quadratic. The curves are written to docs/bench-hostile.svg.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

from bench.figures import Figure, Result, Sizes
from bench.hostile_places import Place, places
from bench.linear import exponent
from zrm.normalizer.bounded_interpretation import SECONDS

PLOT: Final = "bench-hostile.svg"
TARGET: Final = 1.2
_SMALL: Final = 6_000
_LARGE: Final = 24_000  # some readers ignore anything smaller
_PART: Final = 1_500_000
_FITTED: Final = 4  # sizes in a row
_TELLS: Final = 0.002  # seconds; shorter times are too imprecise to show growth
_ENOUGH: Final = 3.0  # seconds; shorter runs are repeated three times, and the best counts
_HARMLESS: Final = 0.1  # seconds at the largest size, whatever the growth


@dataclass(frozen=True, slots=True)
class Repeat:
    """A prefix, then repeated pieces, then as many others. A `№` in them is replaced by a counter."""

    begin: str
    again: str
    behind: str = ""

    def of(self, size: int) -> str:
        """This many bytes of it, or a few more."""
        each = len((self.again + self.behind).encode("utf-8", "surrogateescape"))
        times = max(1, (size - len(self.begin)) // each)
        return self.begin.replace("№", "0") + _counted(self.again, times) + _counted(self.behind, times)

    @property
    def name(self) -> str:
        """As text for the table."""
        parts = [repr(part) for part in (self.begin, self.again, self.behind) if part]
        parts[bool(self.begin) :] = [f"{part} × n" for part in parts[bool(self.begin) :]]
        return " + ".join(parts)


def _counted(piece: str, times: int) -> str:
    return "".join(piece.replace("№", str(number)) for number in range(times)) if "№" in piece else piece * times


@dataclass(frozen=True, slots=True)
class Curve:
    """CPU seconds by size."""

    place: Place
    repeat: Repeat
    points: tuple[tuple[int, float], ...]

    @property
    def slope(self) -> float:
        """The largest exponent over this many consecutive sizes: beyond a reader's limit the line becomes flat."""
        if self.points[-1][1] < _HARMLESS:
            return 0.0
        told = [point for point in self.points if point[1] >= _TELLS]
        windows = [told[at : at + _FITTED] for at in range(max(1, len(told) - _FITTED + 1))]
        return max((exponent(window) for window in windows if len(window) > 1), default=0.0)


def repeats(pieces: tuple[str, ...], most: int) -> list[Repeat]:
    """Each piece by itself (in a quick run only some), and this many other repeats; the same in every run."""
    alone = [Repeat("", piece) for piece in pieces[: 5 * most]]
    two = list(itertools.permutations(pieces, 2))
    others = [
        *(Repeat("", one + other) for one, other in two),
        *(Repeat(one, other) for one, other in two),
        *(Repeat("", one, other) for one, other in two),
    ]
    chance = random.Random(7)
    some = chance.sample(others, min(len(others), 4 * most // 5))
    three = [Repeat("", "".join(chance.choices(pieces, k=3))) for _ in range(-(-most // 5))]
    return [*alone, *some, *three]


def measure(sizes: Sizes, docs: Path) -> Result:
    """In this process; no hub is needed."""
    with tempfile.TemporaryDirectory(prefix="zrm-hostile-") as folder:
        found = [(place, _worst(place, sizes)) for place in places(Path(folder))]
        curves = [_curves(place, dearest, others, sizes) for place, (dearest, *others) in found]
    steepest = [max(each, key=lambda one: one.slope) for each in curves]
    dearest = [max(each, key=lambda one: one.points[-1][1] / one.points[-1][0]) for each in curves]
    result = Result(
        "Time over size, on hostile repeats",
        f"Everything that reads what strangers send, {len(curves)} places, each given {sizes.repeats} repeats of pieces of its "
        f"grammar, made by chance, of {_SMALL:,} and {_LARGE:,} bytes. The one that cost most and the one that grew most are "
        f"measured at doubling sizes: the one up to the most the place lets in or until it takes {SECONDS:g} s of the processor, "
        f"after which no contact is read on, the other up to {_PART:,} bytes at most. "
        "The exponent is the largest of the line through the logarithms of any four sizes in a "
        f"row that take {1000 * _TELLS:g} ms or more: 1 is linear, 2 quadratic; – where the most takes less than {_HARMLESS:g} s.",
    )
    for curve in sorted(steepest, key=lambda one: -one.slope)[:3]:
        result.figures.append(
            Figure(
                f"exponent, {curve.place.name}", f"{curve.slope:.2f}", target=f"≤ {TARGET}", met=curve.slope <= TARGET
            )
        )
    result.notes.append(
        "\n".join(
            [
                "| read | most it takes | exponent | ns a byte | at | dearest repeat |",
                "|---|---:|---:|---:|---:|---|",
                *(_line(one, other) for one, other in zip(steepest, dearest, strict=True)),
            ]
        )
    )
    if not sizes.quick:
        _plot(dearest, docs / PLOT)
        result.notes.append(f"![Processor time by size]({PLOT})")
    return result


def _line(steepest: Curve, dearest: Curve) -> str:
    size, seconds = dearest.points[-1]
    name = dearest.repeat.name.replace("|", "\\|").replace("`", "'")
    slope = f"{steepest.slope:.2f}" if steepest.slope else "–"
    return f"| {dearest.place.name} | {dearest.place.limit:,} | {slope} | {1e9 * seconds / size:,.0f} | {size:,} | `{name}` |"


def _worst(place: Place, sizes: Sizes) -> list[Repeat]:
    """The repeats with the highest cost for their size and with the fastest growing cost."""
    small, large = min(_SMALL, place.limit // 4), min(_LARGE, place.limit)
    place.read(place.pieces[0] * 10)  # warm up what is built at first use
    found: list[tuple[float, float, Repeat]] = []
    for repeat in repeats(place.pieces, sizes.repeats):
        begun = _seconds(place, repeat.of(small))
        done = _seconds(place, repeat.of(large))
        found.append((done, done / max(begun, _TELLS / 10) if done > _TELLS else 0.0, repeat))
    return list(dict.fromkeys(max(found, key=itemgetter(by))[2] for by in (0, 1)))


def _curves(place: Place, dearest: Repeat, others: list[Repeat], sizes: Sizes) -> list[Curve]:
    """The most expensive repeat at all sizes; the others at some of them."""
    part = min(place.limit, _PART)
    return [
        _curve(place, dearest, place.limit, sizes),
        *(_curve(place, other, part, sizes) for other in others),
    ]


def _curve(place: Place, repeat: Repeat, limit: int, sizes: Sizes) -> Curve:
    points = []
    for size in _doubling(limit, sizes):
        text = repeat.of(size)
        taken = _seconds(place, text)
        for _ in range(2 if taken < _ENOUGH else 0):
            taken = min(taken, _seconds(place, text))
        points.append((size, max(taken, 1e-6)))
        if taken > SECONDS:
            break
    return Curve(place, repeat, tuple(points))


def _doubling(limit: int, sizes: Sizes) -> Iterator[int]:
    limit = min(limit, _LARGE) if sizes.quick else limit
    steps = max(2, (limit // _SMALL).bit_length())
    return (limit >> step for step in range(steps - 1, -1, -1))


def _seconds(place: Place, text: str) -> float:
    begun = time.process_time()
    place.read(text)
    return time.process_time() - begun


def _plot(curves: list[Curve], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "zrm"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.6))
    for curve in curves:
        colour = (
            "tab:blue"
            if curve.place.contact
            else "tab:green"
            if not curve.place.name.startswith("door")
            else "tab:orange"
        )
        told = [point for point in curve.points if point[1] >= _TELLS / 10]
        axes.plot([size for size, _ in told], [seconds for _, seconds in told], color=colour, linewidth=0.8, alpha=0.7)
    for name, colour in (("contacts", "tab:blue"), ("functions on texts", "tab:green"), ("doors", "tab:orange")):
        axes.plot([], [], color=colour, label=name)
    ends = (10_000, 10_000_000)
    for power, style in ((1, ":"), (2, "--")):
        axes.plot(
            ends,
            [0.003 * (end / ends[0]) ** power for end in ends],
            "k" + style,
            linewidth=1,
            label=f"size to the power of {power}",
        )
    axes.set(xscale="log", yscale="log", xlabel="bytes", ylabel="seconds of the processor", ylim=(2e-4, 30))
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=7, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
