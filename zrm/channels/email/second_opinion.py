"""What flufl.bounce, Mailman's library, finds in a mail server's free text. Used only where our own rules found no
verdict.

It looks for the sentences of some forty mail servers and for the addresses they list; it does not check whose mail it is. So
`bounces` calls it only for mail that no person wrote. It is restricted here:
* it gets only the server's words, no header and no part, cut to a length that bounds its time;
* its rule "an address between two commas has failed" fits any sentence that names a colleague: commas are removed;
* its own log lines may hold citizens' addresses: they are not written;
* an error of its own is logged and gives no verdict.
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
    """Whether a notification in plain text reports a failure or a delay; "" if the library knows no such words.

    Bounded: the first 150 lines are read, and the first 100 characters of each.
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
