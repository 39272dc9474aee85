"""Telephone numbers made comparable: E.164 for a valid number, None otherwise, and what is wrong with it.

Short codes, sender names and misdialled digits are no E.164 numbers; the caller keeps those as they came.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple

import phonenumbers
from phonenumbers import ValidationResult

from zrm.kit.text import latin_digits

_LONGEST = 40  # characters; the longest E.164 number has 15 digits
_MOST_DIGITS_AWAY: Final = 3
_MOST_DIGITS_TO_COME: Final = 8  # with more digits missing it is the beginning of too many numbers
_MOBILE: Final = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
_SIGNS: Final = frozenset("+＋0123456789 ()./-‐‑–—−")  # as telephones and word processors write them


class Flaw(NamedTuple):
    """Why a number is invalid: `digits` is how many are missing or too many, where that is known (else 0).

    `not_digits` is no number at all; the other kinds the citizen may know better than we do.
    """

    kind: Literal["not_digits", "too_few", "too_many", "no_area_code", "unknown"]
    digits: int = 0


@lru_cache(maxsize=8192)
def e164(raw: str, region: str) -> str | None:
    """`raw` as `+` and digits if it is a valid number seen from `region` (ISO country), else None.

    Digits of any script, spaces, dashes, direction marks, `00` and `tel:` prefixes are understood.
    """
    text = _plain(raw)
    if not 4 <= len(text) <= _LONGEST or any(character.isalpha() for character in text):
        return None
    number = _valid(text, region)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if number else None


def flaw(raw: str, region: str) -> Flaw | None:
    """What is wrong with a number as a person typed it, seen from `region`; None if it is valid."""
    text = _plain(raw)
    if len(text) > _LONGEST or not set(text) <= _SIGNS or not any(character.isdigit() for character in text):
        return Flaw("not_digits")
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        too_long = error.error_type == phonenumbers.NumberParseException.TOO_LONG
        return Flaw("too_many") if too_long else Flaw("unknown")
    if phonenumbers.is_valid_number(number):
        return None
    digits = text.rstrip(" ()./-")
    for away in range(1, _MOST_DIGITS_AWAY + 1):
        if _begins(digits, away, region):
            return Flaw("too_few", away)
        if _valid(digits[:-away], region):
            return Flaw("too_many", away)
    match phonenumbers.is_possible_number_with_reason(number):
        case ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            return Flaw("no_area_code")
        case ValidationResult.TOO_SHORT:
            return Flaw("too_few")
        case ValidationResult.TOO_LONG:
            return Flaw("too_many")
        case _:
            begun = any(
                _begins(digits, away, region) for away in range(_MOST_DIGITS_AWAY + 1, _MOST_DIGITS_TO_COME + 1)
            )
            return Flaw("too_few" if begun else "unknown")


def _begins(digits: str, away: int, region: str) -> bool:
    """Whether a valid number exists that begins with these digits and has this many more."""
    return any(_valid(digits + digit * away, region) for digit in "0123456789")


def _plain(raw: str) -> str:
    text = latin_digits("".join(character for character in raw if character.isprintable())).strip()
    return text.removeprefix("tel:")


def _valid(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def is_mobile(value: str, region: str) -> bool:
    """Whether an E.164 number can be a mobile telephone's of `region` (ISO country)."""
    number = _valid(value, region)
    return (
        number is not None
        and phonenumbers.region_code_for_number(number) == region
        and phonenumbers.number_type(number) in _MOBILE
    )


def national(raw: str, region: str) -> str | None:
    """The digits of a valid number without country code and trunk prefix, as `e164` understands it; else None.

    They are in every spelling of the number: `9121234567` in +98912…, 0098912…, 0912….
    """
    number = e164(raw, region)
    return phonenumbers.national_significant_number(phonenumbers.parse(number)) if number else None
