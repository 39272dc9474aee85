"""The command `zrm`. Ctrl-C while its libraries are still being read ends it without a word: nothing runs yet."""

from __future__ import annotations

import signal


def main() -> None:
    """Read the command line's rooms, which takes seconds on a small machine, and run it."""
    asked_for = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where our parent ignores it
    if asked_for:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from zrm.cli import main as run

    if asked_for:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
