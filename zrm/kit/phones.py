"""Telephone numbers made comparable: E.164 where the number is valid, nothing where it is not.

Short codes, sender names and misdialled digits are no E.164 numbers; the caller keeps those as they came.
"""

from __future__ import annotations

from functools import lru_cache

import phonenumbers

from zrm.kit.text import latin_digits

_LONGEST = 40  # characters; the longest E.164 number has 15 digits


@lru_cache(maxsize=8192)
def e164(raw: str, region: str) -> str | None:
    """`raw` as `+` and digits if it is a valid number seen from `region` (ISO country), else None.

    Digits of any script, spaces, dashes, direction marks, `00` and `tel:` prefixes are understood.
    """
    text = latin_digits("".join(character for character in raw if character.isprintable())).strip()
    text = text.removeprefix("tel:")
    if not 4 <= len(text) <= _LONGEST or any(character.isalpha() for character in text):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
