"""Child processes that never outlive their parent, even when it is killed with SIGKILL. Linux only.

The kernel sends a child's death signal when the *thread* that started it ends, so all children are started by one
thread that lives as long as the process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

_PR_SET_PDEATHSIG = 1
_ROTATE_AT = 10_000_000  # bytes; one older log is kept beside the current one
_libc = ctypes.CDLL(None, use_errno=True)
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="child-starter")


class SystemAccount(NamedTuple):
    """A user and group by number; they need no entry in the machine's user database."""

    uid: int
    gid: int


def spawn(
    argv: Sequence[str],
    *,
    output: int | IO[bytes],
    on_parent_death: signal.Signals,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    account: SystemAccount | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    errors: int | IO[bytes] = subprocess.STDOUT,
    inherit: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own; standard output and error both go to `output`, unless `errors` is given for
    the latter. May be called from any thread.

    A terminal's Ctrl-C does not reach the session: the caller stops the child. `on_parent_death` is the signal the
    child gets if we die. `account` is the account it runs as (needs root), `inherit` are our open files that it gets
    too, by number. Raises OSError if the program cannot be run.
    """
    parent = os.getpid()

    def tie() -> None:
        # Between fork and exec, after the change of user, which would undo it. No allocation beyond these two calls.
        _libc.prctl(_PR_SET_PDEATHSIG, int(on_parent_death))
        if os.getppid() != parent:
            os._exit(1)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=output,
            stderr=errors,
            cwd=cwd,
            env=env,
            start_new_session=True,
            pass_fds=inherit,
            preexec_fn=tie,  # noqa: PLW1509 - `tie` takes no lock another thread could hold
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    return _starter.submit(start).result()


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to, readable by its owner only; a log that has grown large is renamed to `.1` first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _ROTATE_AT:
        path.replace(path.with_name(path.name + ".1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)
