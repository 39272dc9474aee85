"""`python -m bench [PART …]`: measure, print, and write docs/benchmarks.md. QUICK=1 only checks that every part runs.

Parts, in this order:

* t1: the HTTP doors against a route that does nothing;
* email: CPU of a mail over all processes, SMTP to filed case, against a bare aiosmtpd that commits a row;
* door: the SMTP door against a bare aiosmtpd that syncs;
* latency: from the door's answer to the row on an open desk;
* desk: list and case page on a big store;
* search: the page of results beside a list, on a big store;
* weight: the bytes of a first page load, and the width of a case's title;
* notices: the cost of notifying the agents of a unit of 52;
* smpp: segments a second for each core of the SMPP door;
* large: a 25 MB attachment: memory, and how long other senders wait;
* linear: quote folding and MIME by size (docs/bench-linear.svg);
* hostile: every reader of untrusted input, on generated repeats, by size (docs/bench-hostile.svg);
* folding: quote folding on other libraries' fixtures, if they are given (FIXTURES, LIBRARIES);
* bounces: how many mails of public bounce sets are recognised, if the sets are given (BOUNCES);
* flat: the cost of a contact as the store grows (docs/bench-flat.svg).

With named parts or QUICK=1 the page is printed, not written. With named parts and WRITE=1 their sections are replaced in
the page, each with its own date and load.
Sizes are given as SIZES="rounds=3 cases=20000 volumes=1000,10000"; `bench.figures.Sizes` lists them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench import (
    bounces,
    desk,
    email_cost,
    flat,
    folding,
    hostile,
    large,
    latency,
    linear,
    notifications,
    page,
    search,
    smpp,
    smtp_door,
    t1,
    weight,
)  # fmt: skip
from bench.figures import QUICK, SILENT, Result, Sizes
from tests.journeys.hub import CHECKOUT, Hub

DOCS = CHECKOUT / "docs"


class Stage:
    """Gives each measurement its own fresh hub; in a quick run, measurements that allow it share one."""

    def __init__(self, folder: Path, *, share: bool) -> None:
        self._folder = folder
        self._share = share
        self._hub: Hub | None = None
        self._count = 0

    def hub(self, *, fresh: bool = False) -> Hub:
        """A running hub; the previous one is stopped unless it is reused. `fresh`: with an empty store."""
        if self._hub is None or fresh or not self._share:
            self.close()
            self._count += 1
            self._hub = Hub(self._folder / str(self._count), settings=SILENT)
            self._hub.__enter__()
        return self._hub

    def close(self) -> None:
        """Stop the running hub, if there is one."""
        if self._hub is not None:
            hub, self._hub = self._hub, None
            hub.close()


PARTS: dict[str, Callable[[Stage, Sizes], Result]] = {
    "t1": lambda stage, sizes: t1.measure(stage.hub(), sizes),
    "email": lambda stage, sizes: email_cost.measure(stage.hub(), sizes),
    "door": lambda stage, sizes: smtp_door.measure(stage.hub(), sizes),
    "latency": lambda stage, sizes: latency.measure(stage.hub(), sizes),
    "desk": lambda stage, sizes: desk.measure(stage.hub(), sizes),
    "search": lambda stage, sizes: search.measure(stage.hub(), sizes),
    "weight": lambda stage, sizes: weight.measure(stage.hub(), sizes),
    "large": lambda stage, sizes: large.measure(stage.hub(), sizes),
    "linear": lambda _, sizes: linear.measure(sizes, DOCS),
    "hostile": lambda _, sizes: hostile.measure(sizes, DOCS),
    "folding": lambda _, __: folding.measure(os.environ, DOCS),
    "bounces": lambda _, __: bounces.measure(os.environ, DOCS),
    "notices": lambda _, sizes: notifications.measure(sizes),
    "smpp": lambda stage, sizes: smpp.measure(stage.hub(), sizes),
    "flat": lambda stage, sizes: flat.measure(stage.hub(fresh=True), sizes, DOCS),
}


def run(parts: list[str], sizes: Sizes) -> list[Result]:
    """The measurements, in this order."""
    results = []
    with (
        tempfile.TemporaryDirectory(prefix="zrm-bench-") as folder,
        closing(Stage(Path(folder), share=sizes.quick)) as stage,
    ):
        for part in parts:
            began = time.monotonic()
            results.append(PARTS[part](stage, sizes))
            print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return results


def sizes_from(environment: Mapping[str, str]) -> Sizes:
    """The sizes that QUICK and SIZES ask for. Errors: KeyError for an unknown size, ValueError for a value that is no number."""
    sizes = QUICK if environment.get("QUICK", "") not in ("", "0") else Sizes(quick=False)
    kinds: dict[str, Callable[[str], Any]] = {field.name: int for field in fields(Sizes)}
    kinds |= {"round_seconds": float, "contact_seconds": float}
    kinds["volumes"] = kinds["lengths"] = lambda value: tuple(map(int, value.split(",")))
    pairs = (pair.partition("=") for pair in environment.get("SIZES", "").split())
    return replace(sizes, **{name: kinds[name](value) for name, _, value in pairs})


def main() -> int:
    """0 if every target was met, else 1; a quick run only has to finish."""
    sizes = sizes_from(os.environ)
    quick = sizes.quick
    parts = sys.argv[1:] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        print(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    load_before = os.getloadavg()[0]
    results = run(parts, sizes)
    text = page.page(results, load_before=load_before, quick=quick)
    print(text)
    written = DOCS / "benchmarks.md"
    if not quick and len(parts) == len(PARTS):
        written.write_text(text, encoding="utf-8")
    elif not quick and os.environ.get("WRITE", "") not in ("", "0"):
        text = written.read_text(encoding="utf-8")
        for result in results:
            text = page.put(text, result, load_before=load_before)
        written.write_text(text, encoding="utf-8")
    return 0 if quick or all(one.met is not False for result in results for one in result.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
