"""What flufl.bounce, Mailman's library, reads in a mail server's free text. Asked only where our own reading found no verdict.

It looks for the sentences of some forty mail servers and for the addresses they list; whose mail it is, it does not ask.
So `bounces` calls it only for mail that no person wrote. It is fenced in here:
* it sees the server's words alone, no header and no part, cut to a length that bounds its time;
* its rule "an address between two commas has failed" fits any sentence that names a colleague: no comma is shown to it;
* its own log lines may hold citizens' addresses: they are not written;
* an error of its own is logged and is no opinion.
"""

from __future__ import annotations

import logging
from email.message import Message
from typing import Final, Literal

from flufl.bounce import all_failures

from zrm.kit import log

_log = log.get(__name__)

_MOST_LINES: Final = 150
_LONGEST_LINE: Final = 100  # characters; several of its patterns take the square of a line's length

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)


def second_opinion(text: str) -> Literal["failed", "delayed", ""]:
    """Whether a notification in plain text tells of a failure or of a delay; "" if the library knows no such words.

    Bounded: the first 150 lines, of each the first 100 characters, are looked at.
    """
    lines = [line[:_LONGEST_LINE].replace(",", " ") for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]]
    message = Message()
    message["From"] = "postmaster@localhost.invalid"  # a detector fails without any
    message.set_payload("\n".join(lines).encode("ascii", "replace").decode())
    try:
        delayed, failed = all_failures(message)
    except Exception as error:  # noqa: BLE001  # its rules are Mailman's; the mail is read without them
        _log.warning("flufl.bounce failed", channel="email", error=type(error).__name__)
        return ""
    if failed:
        return "failed"
    return "delayed" if delayed else ""
