"""Reading a described provider's requests and answers: fields by path or pattern, the same at the door and in `parse`."""

from __future__ import annotations

import json
import re
from typing import Literal
from urllib.parse import parse_qsl

from zrm.channels.sms.gateway.config import Message, Pick
from zrm.contract.inbound import JSON

_MAX_FIELDS = 500


class Unreadable(ValueError):
    """The bytes are not in the described format."""


def read_fields(body: bytes, shape: Literal["json", "form", "query"], charset: str) -> JSON:
    """The fields as a mapping (of a JSON body, its top-level object). Errors: Unreadable."""
    try:
        if shape == "json":
            found: JSON = json.loads(body)
            return found
        pairs = parse_qsl(body.decode("ascii"), True, encoding=charset, errors="replace", max_num_fields=_MAX_FIELDS)
    except (ValueError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None
    return dict(pairs)


def raw_field(body: bytes, name: str) -> bytes:
    """The bytes of one field of a form or query, before any character set."""
    pairs = parse_qsl(body.decode("ascii"), True, encoding="latin-1", max_num_fields=_MAX_FIELDS)
    return dict(pairs).get(name, "").encode("latin-1")


def at(fields: JSON, path: str) -> JSON:
    """The value at a path of keys and positions, None if there is none."""
    if isinstance(fields, dict) and path in fields:
        return fields[path]
    for step in path.split("."):
        if isinstance(fields, dict):
            fields = fields.get(step)
        elif isinstance(fields, list) and step.isascii() and step.isdigit() and int(step) < len(fields):
            fields = fields[int(step)]
        else:
            return None
    return fields


def words_at(fields: JSON, path: str | None) -> str:
    """The value at a path as a text without NUL, empty if there is none or it is not a single value."""
    found = at(fields, path) if path is not None else None
    if found is None or isinstance(found, dict | list):
        return ""
    return str(found).replace("\0", "") if not isinstance(found, bool) else str(found).lower()


def part_of(how: Message, fields: JSON) -> tuple[str, int, int] | None:
    """(reference, total, number) of a part of a message; None for a message in one piece."""
    if how.part is None:
        return None
    reference, total, number = (
        words_at(fields, path) for path in (how.part.reference, how.part.total, how.part.number)
    )
    if not reference or not all(word.isascii() and word.isdigit() and len(word) < 4 for word in (total, number)):
        return None
    return (
        (reference[:100], int(total), int(number)) if 1 < int(total) <= 255 and 1 <= int(number) <= int(total) else None
    )


def pick(rule: Pick, text: str) -> str | None:
    """What a rule finds in an answer; None if nothing."""
    if rule.pattern is not None:
        match = re.search(rule.pattern, text)
        return match[1] if match else None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return words_at(found, rule.path) or None
