"""`python -m bench [PART …]`: measure, print, and write docs/benchmarks.md. QUICK=1 only sees whether it all runs.

Parts: t1, email, latency, desk, flat. With parts named, or with QUICK=1, nothing is written: the page is printed.
Sizes can be given as SIZES="rounds=3 cases=20000 volumes=1000,10000"; they are those of `bench.figures.Sizes`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench import desk, email_cost, flat, latency, page, t1
from bench.figures import QUICK, Result, Sizes
from tests.journeys.hub import CHECKOUT, Hub

DOCS = CHECKOUT / "docs"
# No answers are sent while filing is measured: they are another transaction, with another cost.
SILENT: dict[str, list[str]] = {"acknowledge": []}

PARTS: dict[str, Callable[[Hub, Sizes], Result]] = {
    "t1": t1.measure,
    "email": email_cost.measure,
    "latency": latency.measure,
    "desk": desk.measure,
    "flat": lambda hub, sizes: flat.measure(hub, sizes, DOCS),
}


def run(parts: list[str], sizes: Sizes) -> list[Result]:
    """The measurements, each on a fresh hub of its own."""
    results = []
    for part in parts:
        began = time.monotonic()
        with (
            tempfile.TemporaryDirectory(prefix="zrm-bench-") as folder,
            Hub(Path(folder) / "hub", settings=SILENT) as hub,
        ):
            results.append(PARTS[part](hub, sizes))
        print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return results


def sizes_from(environment: Mapping[str, str]) -> Sizes:
    """The sizes that QUICK and SIZES ask for. Errors: KeyError for a size there is not, ValueError for no number."""
    sizes = QUICK if environment.get("QUICK", "") not in ("", "0") else Sizes(quick=False)
    kinds: dict[str, Callable[[str], Any]] = {field.name: int for field in fields(Sizes)}
    kinds |= {"round_seconds": float, "contact_seconds": float}
    kinds["volumes"] = lambda value: tuple(int(volume) for volume in value.split(","))
    pairs = (pair.partition("=") for pair in environment.get("SIZES", "").split())
    return replace(sizes, **{name: kinds[name](value) for name, _, value in pairs})


def main() -> int:
    """0 when every target was met, 1 otherwise; a quick run only has to come to its end."""
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
    if not quick and len(parts) == len(PARTS):
        (DOCS / "benchmarks.md").write_text(text, encoding="utf-8")
    return 0 if quick or all(one.met is not False for result in results for one in result.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
