"""Whether a contact costs the same in a small and in a large store; the curve is written to docs/bench-flat.svg.

A second hub, which stays small, is the control. Both are measured in turn, so that the load of the machine and the state
of the caches are the same for both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench import email_cost, stock
from bench.figures import SILENT, Figure, Result, Sizes, median
from tests.journeys.hub import Hub

PLOT: Final = "bench-flat.svg"
_WARM_UP: Final = 3
"""Unmeasured rounds before the first: code, plans and caches are warm after some 500 mails."""
_FLAT: Final = 1.25
"""The most expensive volume may cost at most this many times the cheapest: more is growth, less is noise."""

_Point = tuple[int, float, float, float]
"""Contacts stored; ms in the large and in the small store; their ratio. Medians over the rounds."""


def measure(hub: Hub, sizes: Sizes, docs: Path) -> Result:
    """Fill the store, send to both hubs in turn, fill it further. The hub must be fresh."""
    each = max(1, sizes.flat_messages // sizes.rounds)
    result = Result(
        "Cost of a contact as the store grows",
        f"CPU of all processes per e-mail (new person and new case each, T1 and T2, connections reused), with so many "
        f"contacts stored before; medians of {sizes.rounds} rounds of {each} mails. The control is a second hub that "
        f"began with {sizes.volumes[0]:,} and is measured by turns with the first.",
    )
    with Hub(hub.folder.parent / "small", settings=SILENT) as small:
        stock.fill(small.servers.database_url, 1, sizes.volumes[0])
        for _ in range(_WARM_UP):
            for one in (hub, small):
                email_cost.send(one, email_cost.mails(one, each, reuse=True))
        stored = 0
        points: list[_Point] = []
        for volume in sizes.volumes:
            stock.fill(hub.servers.database_url, 1 + stored, volume - stored)
            stored = volume
            points.append(_point(hub, small, volume, sizes.rounds, each))
    for volume, ms, bare, ratio in points:
        result.figures.append(Figure(f"{volume:,} stored", f"{ms:.2f} ms", f"{bare:.2f} ms", f"{ratio:.2f} ×"))
    ratios = [ratio for *_, ratio in points]
    spread = max(ratios) / min(ratios)
    result.figures.append(Figure("dearest to cheapest", f"{spread:.2f} ×", target=f"≤ {_FLAT} ×", met=spread <= _FLAT))
    if not sizes.quick:
        _plot(points, docs / PLOT)
        result.notes.append(f"![CPU per contact by contacts stored]({PLOT})")
    return result


def _point(hub: Hub, small: Hub, volume: int, rounds: int, each: int) -> _Point:
    for one in (hub, small):  # warm the caches again after the filling
        email_cost.send(one, email_cost.mails(one, each, reuse=True))
    pairs = []
    for turn in range(rounds):
        order = (hub, small) if turn % 2 == 0 else (small, hub)
        spent = {one: email_cost.cost(one, email_cost.mails(one, each, reuse=True))[0] for one in order}
        pairs.append((1000 * spent[hub] / each, 1000 * spent[small] / each))
    return (
        volume,
        median([filled for filled, _ in pairs]),
        median([bare for _, bare in pairs]),
        median([filled / bare for filled, bare in pairs]),
    )


def _plot(points: list[_Point], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "zrm"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3))
    volumes = [volume for volume, *_ in points]
    axes.plot(volumes, [ms for _, ms, _, _ in points], marker="o", color="#1f6f8b", label="store filled up")
    axes.plot(volumes, [bare for _, _, bare, _ in points], ":", color="#8b8b8b", label="small store, by turns")
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0, top=1.3 * max(max(ms, bare) for _, ms, bare, _ in points))
    axes.set_xlabel("contacts stored")
    axes.set_ylabel("CPU per contact, ms")
    axes.set_title("A contact costs the same, however many came before", fontsize=10)
    axes.grid(visible=True, alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
