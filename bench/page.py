"""Writes docs/benchmarks.md from the figures."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figure, Result

_WORDS = {True: "met", False: "**not met**", None: "–"}


def page(results: Sequence[Result], *, load_before: float, quick: bool) -> str:
    """The page's text."""
    parts = [
        "# Benchmarks\n",
        "Written by `make bench`; do not edit. Where there is a control it was measured in the same run, by turns, on the "
        "same server settings, and the ratio is what counts: absolute figures are this machine's.\n",
        f"{machine()}, {datetime.now(UTC):%Y-%m-%d}. Load average before the run: {load_before:.1f}"
        + (
            ", so other work was going on meanwhile and times are worse than they need be.\n"
            if load_before > 0.7
            else ".\n"
        ),
    ]
    if quick:
        parts.append("This was a quick run to see that everything works; its figures mean nothing.\n")
    parts += map(_section, results)
    return "\n".join(parts)


def put(text: str, result: Result, *, load_before: float) -> str:
    """The page's text with one section replaced by a new measurement, or appended."""
    when = f"Measured by itself on {datetime.now(UTC):%Y-%m-%d}, load average before {load_before:.1f}."
    section = _section(replace(result, method=f"{result.method} {when}"))
    before, found, rest = text.partition(f"## {result.title}\n")
    if not found:
        return f"{text.rstrip()}\n\n{section}"
    _, following, rest = rest.partition("\n## ")
    return f"{before}{section}{following}{rest}"


def _section(result: Result) -> str:
    parts = [f"## {result.title}\n\n{result.method}\n"]
    if result.figures:
        parts.append(_table(result.figures))
    return "\n".join([*parts, *(f"{note}\n" for note in result.notes)])


def kept(path: Path, title: str) -> Result:
    """A section of the page unchanged: its input was not given this time."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    section = text.partition(f"## {title}\n\n")[2].partition("\n## ")[0].strip("\n")
    return Result(title, section or "Not measured.")


def _table(figures: Sequence[Figure]) -> str:
    lines = ["| figure | measured | control | ratio | target | |", "|---|---:|---:|---:|---:|---|"]
    lines += [
        f"| {one.name} | {one.value} | {one.control} | {one.ratio} | {one.target} | {_WORDS[one.met]} |"
        for one in figures
    ]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Processor, cores, memory and the Python that measured."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory:.0f} GB, Python {platform.python_version()}"
