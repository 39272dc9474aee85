"""What a text message costs: its alphabet, its segments, the space left. The arithmetic of 3GPP TS 23.038/23.040.

A text whose characters are all in the GSM alphabet is sent as GSM-7, any other (Persian, emoji) as UCS-2: nothing is
replaced. A text that needs several segments loses six octets of each to the header that joins them. A character of two
units (of the GSM extension table, or a surrogate pair) is never split.

The table itself is `gsm0338.json`. The desk's script (`ui/static/src/desk/cost.js`) is built from the same file and
computes the same while an agent types.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_TABLE: Final = json.loads(Path(__file__).with_name("gsm0338.json").read_bytes())

ESCAPE: Final = int(_TABLE["escape"], 16)
"""The septet that announces a character of the extension table."""
BASIC: Final = {sign: code for code, sign in enumerate("".join(_TABLE["basic"])) if code != ESCAPE}
"""The default alphabet: each character and its septet."""
EXTENDED: Final = {sign: int(code, 16) for code, sign in _TABLE["extended"].items()}
"""The extension table: each character and the septet that follows the escape, so two septets."""

Encoding = Literal["GSM-7", "UCS-2"]
ALONE: Final[dict[Encoding, int]] = _TABLE["alone"]
"""Units that fit into one message by itself."""
JOINED: Final[dict[Encoding, int]] = _TABLE["joined"]
"""Units in each of several messages, beside the header (six octets) that joins them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What sending a text costs. `units` are septets (GSM-7) or 16-bit units (UCS-2); `left` is how many more fit
    before another segment begins. An empty text has no segment.
    """

    encoding: Encoding
    units: int
    segments: int
    left: int


def cost(text: str) -> Cost:
    """The cost of a text as it would be sent."""
    encoding: Encoding = "GSM-7" if all(sign in BASIC or sign in EXTENDED for sign in text) else "UCS-2"
    sizes = [_size(sign, encoding) for sign in text]
    units = sum(sizes)
    if units <= ALONE[encoding]:
        return Cost(encoding, units, 1 if text else 0, ALONE[encoding] - units)
    room, segments, filled = JOINED[encoding], 1, 0
    for size in sizes:
        if filled + size > room:
            segments, filled = segments + 1, 0
        filled += size
    return Cost(encoding, units, segments, room - filled)


def _size(sign: str, encoding: Encoding) -> int:
    if encoding == "GSM-7":
        return 2 if sign in EXTENDED else 1
    return 2 if ord(sign) > 0xFFFF else 1
