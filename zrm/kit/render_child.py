"""One renderer in a process of its own: `python -m zrm.kit.render_child <module> <function>`, bytes in, files out.

It imports nothing heavy but the renderer, so it costs a tenth of a copy of the worker. Exit status 0 with the result on
standard output (each file after its length in eight bytes), 1 with the reason.

`in_child` is the other side: it starts that process and reads its output.
"""

from __future__ import annotations

import importlib
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from zrm.contract.reasons import Reason, declare

MEMORY = 2 << 30
SECONDS = 40
_LENGTH = 8  # bytes

TOO_LONG: Final = declare("rendering.too_long", "took longer than %(number)s s")
NOTHING: Final = declare("rendering.nothing", "nothing was drawn")
DIED: Final = declare("rendering.died", "the renderer crashed")
FAILED: Final = declare("rendering.failed", "the renderer failed")

Renderer = Callable[[bytes], Iterable[bytes]]
"""A function of a module, found by its name in the child: a file's bytes to files that people can view."""


def main() -> int:
    """Read, render within the limits, write."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module, function = sys.argv[1:]
    renderer = getattr(importlib.import_module(module), function)
    try:
        # All of them before the first is written, so that the output is either the whole result or the reason.
        files: list[bytes] = list(renderer(sys.stdin.buffer.read()))
    except Exception as error:  # noqa: BLE001  # told to the parent, which records it
        sys.stdout.write(f"{type(error).__name__}: {error}"[:300])
        return 1
    for file in files:
        sys.stdout.buffer.write(len(file).to_bytes(_LENGTH, "big"))
        sys.stdout.buffer.write(file)
    return 0


def files_in(output: bytes) -> Iterator[bytes]:
    """The files in a child's output. Errors: ValueError if it does not end with a file's end."""
    at = 0
    while at < len(output):
        begin = at + _LENGTH
        at = begin + int.from_bytes(output[at:begin], "big")
        if at > len(output):
            raise ValueError("the output is cut off")
        yield output[begin:at]


def in_child(renderer: Renderer, data: bytes, seconds: float = SECONDS) -> list[bytes] | Reason:
    """The result, or the reason why there is none. The child ends after `seconds` of clock time."""
    from zrm.kit import log  # which the child does not need

    argv = [sys.executable, "-m", __spec__.name, renderer.__module__, renderer.__qualname__]
    try:
        # A decoder's standard error is under the hostile file's control, and is discarded.
        child = subprocess.run(
            argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return TOO_LONG(number=f"{seconds:g}")
    if child.returncode == 0:
        return list(files_in(child.stdout)) or NOTHING
    if child.returncode == 1 and child.stdout:
        return FAILED(words=log.redact(child.stdout.decode("utf-8", "replace")))
    return DIED


if __name__ == "__main__":
    sys.exit(main())
