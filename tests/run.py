"""What `make test` runs: two halves side by side, because half of them wait in real time (calls, faxes, healing).

Each half has servers of its own. The first half's output is shown as it comes, the second's when it has ended. The exit
status is 0 only if both passed, everything in both included: pytest's own, or the lab's 6 when a peer was missing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[1]
HOUSES: Final = ("tests/faults", "tests/journeys", "tests/lab", "tests/simulate", "tests/channels/voice_ivr")
"""The half that runs whole hubs and makes real calls."""


def main() -> int:
    """Run both halves; returns the exit status."""
    log = CHECKOUT / "var" / "log" / "tests-houses.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # a hub started here later writes there too
    pytest = [sys.executable, "-m", "pytest", "-q"]
    with log.open("wb") as output:
        houses = subprocess.Popen(
            [*pytest, "-o", "cache_dir=.pytest_cache/houses", *HOUSES],
            cwd=CHECKOUT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            rest = subprocess.run(
                [*pytest, "tests", *(f"--ignore={folder}" for folder in HOUSES)], cwd=CHECKOUT, check=False
            ).returncode
            statuses = [rest, houses.wait()]
        finally:
            houses.kill()
    print(f"\n--- {' and '.join(HOUSES)}", flush=True)  # noqa: T201  # this is a command
    sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
    return next((abs(status) for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main())
