"""The command `zrm`. Ctrl-C during the imports ends it without a traceback: nothing runs yet."""

from __future__ import annotations

import signal


def main() -> None:
    """Import the command line, which takes seconds on a small machine, and run it."""
    # false where the parent process ignores the signal
    asked_for = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if asked_for:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from zrm.cli import main as run

    if asked_for:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
