"""The e-mail role: the SMTP and LMTP doors in this thread, and a thread for every fetched mailbox."""

from __future__ import annotations

from threading import Event, Thread

from zrm.channels.channel import Installation
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.imap import Fetcher
from zrm.channels.email.smtp import run_door
from zrm.contract.ports import FrontDesk

_LONGEST_STOP = 30.0  # seconds a fetcher may need to finish; it moves no checkpoint without receipts


def listen(config: EmailConfig, installation: Installation, desk: FrontDesk, stop: Event) -> None:
    """Serve until `stop` is set. Errors: OSError if the door's port cannot be opened."""
    ended = Event()
    threads = [
        Thread(
            target=Fetcher(key, box.imap, config.max_size, desk.reception, desk.checkpoints, stop, ended).run,
            name=f"imap {key}",
            daemon=True,
        )
        for key, box in config.mailboxes.items()
        if box.imap is not None
    ]
    for thread in threads:
        thread.start()
    try:
        if config.door or config.lmtp_port:
            run_door(config, installation, desk.reception, stop)
        else:
            stop.wait()
    finally:
        ended.set()
        for thread in threads:
            thread.join(_LONGEST_STOP)
