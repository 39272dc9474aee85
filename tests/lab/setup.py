"""Provides the peers on this machine: `python -m tests.lab.setup [peer …]`.

Fast if everything is there. A peer that cannot be provided is recorded with its reason in `var/lab/missing.json` and named
here; the exit status is still 0, because the other tests should run. The test run then lists what it skipped and does not
count as a pass.
"""

import sys
import time

from tests.lab import debian, peers


def say(sentence: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def main(wanted: list[str]) -> int:
    """Provide the wanted peers, all if none is named."""
    unknown = [peer for peer in wanted if peer not in peers.PEERS]
    if unknown:
        say(f"lab: no peer is called {', '.join(unknown)}; there are {', '.join(peers.PEERS)}")
        return 2
    missing: dict[str, str] = {}
    asked = wanted or list(peers.PEERS)
    for peer in asked:
        if peers.present(peer):
            continue
        say(f"lab: bringing {peer} …")
        begun = time.monotonic()
        try:
            peers.provide(peer)
        except debian.Unavailable as reason:
            missing[peer] = str(reason)
            say(f"lab: {peer} cannot be had: {reason}")
        else:
            say(f"lab: {peer} is there ({time.monotonic() - begun:.1f} s)")
    peers.write_missing(asked, missing)
    if not missing:
        say("lab: all peers are there")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
