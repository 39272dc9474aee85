"""The time from the door's 250 or 200 to the row on an agent's open screen, while contacts keep arriving."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from uuid import UUID

from bench.figures import Figure, Result, Sizes
from tests.journeys.hub import Hub
from zrm.demonstration import DEMO_AGENTS
from zrm.installation import load_config
from zrm.simulate.reconciliation import cases_of, wait_until_quiet
from zrm.simulate.simulator import Simulator, percentile
from zrm.simulate.watch import DeskWatch

RATE = 50.0
_DOORS = ("email", "sms", "web")
_LAST_ROWS = 2.0  # seconds; filed is not yet seen


def measure(hub: Hub, sizes: Sizes) -> Result:
    """The desk is watched by a separate process, so that the senders do not delay its clock."""
    result = Result(
        "From the answer at the door to the row on an open desk",
        f"{RATE:.0f} contacts/s for {sizes.contact_seconds:g} s by e-mail, SMS webhook and form; the desk's live stream is "
        "read as a browser reads it; each new case counts once. A row that is there before the sender has read the "
        "answer counts as 0.",
    )
    agent = DEMO_AGENTS[0]
    words = [sys.executable, "-m", "bench.latency", hub.web, agent.login, agent.password]
    watch = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if watch.stdout is None or watch.stdout.readline() != "open\n":
            raise OSError("the desk could not be watched")
        simulator = Simulator(load_config(hub.config), _DOORS, rate=RATE, seconds=sizes.contact_seconds, seed=3)
        tally = simulator.run()
        wait_until_quiet(hub.database(), 120)
        time.sleep(_LAST_ROWS)
    finally:
        told, _ = watch.communicate()
    seen = json.loads(told)
    rows = {UUID(case): at for case, at in seen["rows"].items()}
    with hub.database().cursor() as cursor:
        opened = cases_of(cursor, {reference for found in tally.acknowledged.values() for reference in found})
    delays = [max(0.0, rows[case] - tally.at[reference]) for reference, case in opened.items() if case in rows]
    for name, share, target in (("p50", 0.5, 60.0), ("p99", 0.99, 300.0)):
        ms = 1000 * percentile(delays, share)
        result.figures.append(
            Figure(name, f"{ms:.0f} ms", target=f"< {target:.0f} ms", met=bool(delays) and ms < target)
        )
    result.figures.append(Figure("rows seen of cases opened", f"{len(delays)} of {len(opened)}"))
    for channel, seconds in tally.seconds.items():
        result.figures.append(
            Figure(f"{channel}: door to answer, p50 / p99",
                   f"{1000 * percentile(seconds, 0.5):.0f} / {1000 * percentile(seconds, 0.99):.0f} ms")
        )  # fmt: skip
    if seen["refreshes"]:
        result.notes.append(f"The desk was told {seen['refreshes']} times to fetch its whole list again.")
    return result


if __name__ == "__main__":
    with DeskWatch(*sys.argv[1:4]) as _watch:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        sys.stdin.read()
    _seen = {"rows": {str(case): at for case, at in _watch.rows.items()}, "refreshes": _watch.refreshes}
    sys.stdout.write(json.dumps(_seen))
