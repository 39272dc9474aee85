"""Encoded words (RFC 2047) in header fields, read also where they are broken."""

from __future__ import annotations

import binascii
import re
from itertools import islice
from typing import Final

from zrm.channels.email.charset import as_declared, to_text

_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:()-]+)(?:\*[A-Za-z0-9-]*)?\?([bBqQ])\?([^?]*)\?=")
_PADDING: Final = re.compile(rb"=")
_LETTER: Final = re.compile(rb"[A-Za-z0-9+/]")
_BLOCK: Final = re.compile(rb"[^=]+=*")
_MOST_BLOCKS = 10_000
_MOST_JUDGED = 8  # runs of words in one charset whose charset is checked


def decode_words(value: str) -> str:
    """A field's value with its encoded words decoded.

    Neighbours in the same charset are joined before they are decoded, because many programs split a letter.
    """
    if "=?" not in value:
        return value
    out: list[str] = []
    pending: list[bytes] = []
    alphabet = ""
    at = judged = 0
    for match in _WORD.finditer(value):
        between = value[at : match.start()]
        charset = match.group(1).lower()
        if pending and (between.strip() or charset != alphabet):
            judged += 1
            out.append(_read(b"".join(pending), alphabet, judged))
            pending = []
        if between.strip() or not alphabet:
            out.append(between)
        pending.append(_word_bytes(match.group(2), match.group(3)))
        alphabet = charset
        at = match.end()
    if pending:
        out.append(_read(b"".join(pending), alphabet, judged))
    out.append(value[at:])
    return "".join(out)


def _read(data: bytes, alphabet: str, judged: int) -> str:
    """The text of words in one charset; after so many words that no person wrote the field, the declaration is
    believed.
    """
    return to_text(data, alphabet) if judged <= _MOST_JUDGED else as_declared(data, alphabet)


def _word_bytes(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return binascii.a2b_qp(raw, header=True)
    return lenient_base64(raw)


def lenient_base64(raw: bytes | memoryview) -> bytes:
    """Base64 with missing padding, padding in between or invalid characters; what can be decoded is."""
    padding = _PADDING.search(raw)
    if padding is None or _LETTER.search(raw, padding.end()) is None:
        return _one_block(raw)
    blocks = [match[0] for match in islice(_BLOCK.finditer(raw), _MOST_BLOCKS + 1)]  # each was encoded by itself
    if len(blocks) > _MOST_BLOCKS:
        return _one_block(bytes(raw).translate(None, b"="))
    return b"".join(map(_one_block, blocks))


def _one_block(raw: bytes | memoryview) -> bytes:
    try:
        return binascii.a2b_base64(raw)  # no copy of a large file's letters
    except binascii.Error:
        raw = bytes(raw)
    for tail in (b"=", b"=="):
        try:
            return binascii.a2b_base64(raw + tail)
        except binascii.Error:
            continue
    try:  # one letter too many: no number of = makes it whole
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        return binascii.a2b_base64(letters[: len(letters) // 4 * 4])
    except binascii.Error:
        return raw
