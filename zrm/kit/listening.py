"""Listening sockets that outlive the process that serves them.

The process that starts a server, `zrm up` or systemd, opens its sockets and passes them on. They stay open while the
server restarts: new clients wait in the kernel's queue and none is refused.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, MutableMapping
from typing import Final

BACKLOG: Final = 2048  # connections that may wait; the kernel's own limit (net.core.somaxconn) is often higher
_FIRST: Final = 3  # the first that systemd hands over: sd_listen_fds(3)


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen at every address of a host. Errors: OSError, and then nothing is open."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    opened: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(addresses):
            opened.append(socket.create_server(address, family=family, backlog=BACKLOG))
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def handed_over(environment: MutableMapping[str, str], numbers: Iterable[int] = ()) -> list[socket.socket]:
    """The listening sockets of these numbers, or else those that systemd passed on; empty when there are none.

    Their variables are removed from `environment`: no child of ours may take them for its own. Errors: OSError.
    """
    count, whom = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    found = list(numbers)
    if not found and whom == str(os.getpid()):
        found = list(range(_FIRST, _FIRST + int(count or 0)))
    for number in found:
        os.set_inheritable(number, False)
    return [socket.socket(fileno=number) for number in found]
