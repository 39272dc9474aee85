"""Whether a contact costs the same in a small store and in a big one; the curve goes to docs/bench-flat.svg."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench import email_cost, stock
from bench.figures import Figure, Result, Sizes
from tests.journeys.hub import Hub

PLOT: Final = "bench-flat.svg"
_FLAT: Final = 1.25
"""The dearest volume may cost at most this many times the cheapest: more would be growth, less is noise."""


def measure(hub: Hub, sizes: Sizes, docs: Path) -> Result:
    """Fill up, send, fill up further. The hub must be a fresh one."""
    result = Result(
        "Cost of a contact as the store grows",
        f"CPU of all processes for {sizes.flat_messages} e-mails (new person and new case each, T1 and T2, connections "
        "reused), with so many contacts stored before.",
    )
    stored, points = 0, []
    email_cost.send(hub, email_cost.mails(hub, 100, reuse=True))
    for volume in sizes.volumes:
        stock.fill(hub.servers.database_url, 1 + stored, volume - stored)
        stored = volume
        email_cost.send(hub, email_cost.mails(hub, max(20, sizes.flat_messages // 10), reuse=True))
        total, _, _ = email_cost.cost(hub, email_cost.mails(hub, sizes.flat_messages, reuse=True))
        points.append((volume, 1000 * total / sizes.flat_messages))
    for volume, ms in points:
        result.figures.append(
            Figure(f"{volume:,} stored", f"{ms:.2f} ms", f"{points[0][1]:.2f} ms", f"{ms / points[0][1]:.2f} ×")
        )
    spread = max(ms for _, ms in points) / min(ms for _, ms in points)
    result.figures.append(Figure("dearest to cheapest", f"{spread:.2f} ×", target=f"≤ {_FLAT} ×", met=spread <= _FLAT))
    if not sizes.quick:
        _plot(points, docs / PLOT)
        result.notes.append(f"![CPU per contact by contacts stored]({PLOT})")
    return result


def _plot(points: list[tuple[int, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "zrm"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3))
    axes.plot([volume for volume, _ in points], [ms for _, ms in points], marker="o", color="#1f6f8b")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0, top=1.3 * max(ms for _, ms in points))
    axes.set_xlabel("contacts stored")
    axes.set_ylabel("CPU per contact, ms")
    axes.set_title("A contact costs the same, however many came before", fontsize=10)
    axes.grid(visible=True, alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
