"""Twilio's form bodies: `application/x-www-form-urlencoded` in UTF-8, read the same way at the door and in `parse`."""

from __future__ import annotations

from urllib.parse import parse_qsl

Fields = list[tuple[str, str]]

_MAX_FIELDS = 500  # Twilio sends about 20, and three for each of ten pictures


def read_form(body: bytes) -> Fields:
    """The fields in the order they came, blank ones too. Errors: ValueError for what is not such a form."""
    return parse_qsl(
        body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=_MAX_FIELDS
    )
