"""Twilio's form bodies: `application/x-www-form-urlencoded` in UTF-8, read the same way at the door and in `parse`.

The result of `urllib.parse.parse_qsl` in half its time: that function splits Persian text at every character, and this
runs for every incoming message.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import Final

Fields = list[tuple[str, str]]

_MAX_FIELDS: Final = 500  # Twilio sends about 20, and three for each of ten pictures
_ESCAPED: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


def read_form(body: bytes) -> Fields:
    """The fields in the order they came, blank ones too. Errors: ValueError for what is not such a form."""
    if not body.isascii():
        raise ValueError("a form's body is ASCII")
    pairs = body.replace(b"+", b" ").split(b"&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise ValueError("too many fields")
    return [(_plain(name), _plain(value)) for name, _, value in (pair.partition(b"=") for pair in pairs if pair)]


def _plain(text: bytes) -> str:
    return (_ESCAPED.sub(_unescaped, text) if b"%" in text else text).decode()


def _unescaped(match: re.Match[bytes]) -> bytes:
    return unhexlify(match[0].replace(b"%", b""))
