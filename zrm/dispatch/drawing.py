"""One renderer in a process of its own: `python -m zrm.dispatch.drawing <module> <function>`, bytes in, files out.

Imports nothing but the renderer, so that it costs a tenth of what a copy of the worker would. Exit status 0 with what
was drawn on standard output (each file behind its length in eight bytes), 1 with the reason.
"""

from __future__ import annotations

import importlib
import resource
import sys
from collections.abc import Iterator

MEMORY = 2 << 30
SECONDS = 40
_LENGTH = 8  # bytes


def main() -> int:
    """Read, draw within the limits, write."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module, function = sys.argv[1:]
    renderer = getattr(importlib.import_module(module), function)
    try:
        # All of them before the first is written, so that the output is either what was drawn or the reason.
        files: list[bytes] = list(renderer(sys.stdin.buffer.read()))
    except Exception as error:  # noqa: BLE001  # told to the parent, which records it
        sys.stdout.write(f"{type(error).__name__}: {error}"[:300])
        return 1
    for file in files:
        sys.stdout.buffer.write(len(file).to_bytes(_LENGTH, "big"))
        sys.stdout.buffer.write(file)
    return 0


def files_in(output: bytes) -> Iterator[bytes]:
    """The files in what a child wrote. Errors: ValueError if it does not end with a file's end."""
    at = 0
    while at < len(output):
        begin = at + _LENGTH
        at = begin + int.from_bytes(output[at:begin], "big")
        if at > len(output):
            raise ValueError("the output is cut off")
        yield output[begin:at]


if __name__ == "__main__":
    sys.exit(main())
