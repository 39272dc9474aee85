"""A real Kannel on loopback: Debian's bearerbox and smsbox, unpacked, bound to an SMSC of the lab, calling the hub."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.peers import KANNEL
from tests.lab.places import cache_folder
from tests.lab.process import LOOPBACK, Child, free_port, wait_until
from tests.lab.smsc import PASSWORD, SYSTEM

USER, WORD, TOKEN = "zrm", "word-of-zrm", "token-of-kannel"

_CONF = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {word}
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
box-deny-ip = "*.*.*.*"
log-level = 1
store-type = spool
store-location = "{folder}/spool"
dlr-storage = internal
sms-resend-freq = 1
sms-combine-concatenated-mo = true
sms-combine-concatenated-mo-timeout = 30

group = smsc
smsc = smpp
smsc-id = net
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = {system}
smsc-password = {smsc_word}
system-type = ""
address-range = ""
interface-version = 34
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {send}
sendsms-interface = 127.0.0.1
smsbox-id = hub
log-level = 1
http-request-retry = 20
http-queue-delay = 1

group = smsbox-route
smsbox-id = hub
smsc-id = net

group = sendsms-user
username = {user}
password = {word}
max-messages = 10
concatenation = true

group = sms-service
keyword = default
catch-all = true
get-url = "{hub}/hooks/sms/kannel/message?key={token}&from=%p&to=%P&text=%b&coding=%c&id=%I&time=%T"
max-messages = 0
concatenation = true
omit-empty = true
"""


@dataclass(frozen=True)
class Kannel:
    """A running Kannel; `send_url` is its address for outgoing messages."""

    send_url: str


@contextmanager
def kannel(folder: Path, *, smsc_port: int, hub: str) -> Iterator[Kannel]:
    """Kannel bound to the SMSC at `smsc_port`, which calls the hub at the address `hub`."""
    root = KANNEL.folder(cache_folder())
    admin, box, send = free_port(), free_port(), free_port()
    (folder / "spool").mkdir(parents=True)
    conf = folder / "kannel.conf"
    values = {"admin": admin, "box": box, "send": send, "word": WORD, "user": USER, "token": TOKEN, "hub": hub}
    network = {"smsc": smsc_port, "system": SYSTEM, "smsc_word": PASSWORD, "folder": folder}
    conf.write_text(_CONF.format(**values, **network), encoding="utf-8")
    environment = {**os.environ, **KANNEL.environment(root)}

    def start(program: str) -> Child:
        argv = [*KANNEL.command(root, f"usr/sbin/{program}"), "-v", "1", str(conf)]
        return Child(argv, log=folder / f"{program}.log", cwd=folder, env=environment)

    def open_at(port: int, child: Child) -> bool:
        child.require_running()
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, port)) == 0

    bearerbox = start("bearerbox")
    try:
        wait_until(lambda: open_at(box, bearerbox), "bearerbox")
        smsbox = start("smsbox")
        try:
            wait_until(lambda: open_at(send, smsbox), "smsbox")
            yield Kannel(f"http://{LOOPBACK}:{send}/cgi-bin/sendsms")
        finally:
            smsbox.stop(2)
    finally:
        bearerbox.stop(2)  # it would wait half a minute for its lines to close
