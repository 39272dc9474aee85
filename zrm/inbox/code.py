"""Tracking codes: eleven random digits and one check digit, shown as 4-4-4.

The check digit is Damm's (H. M. Damm, "Total anti-symmetrische Quasigruppen", Marburg 2004): it catches every single
wrong digit and every swap of neighbours. The first digit is never 0, so that spreadsheets keep all digits.
"""

from __future__ import annotations

import unicodedata

from stdnum import damm

from zrm.kit.ids import random_bytes

LENGTH = 12


def mint() -> str:
    """A fresh code drawn at random; the store's unique key decides whether it is free."""
    while (drawn := int.from_bytes(random_bytes(5)) >> 3) >= 9 * 10**10:  # 37 bits; beyond the range: draw again
        pass
    body = str(10**10 + drawn)
    return f"{body}{damm.calc_check_digit(body)}"


def read(text: str) -> str | None:
    """The code a person typed, with any digits, dashes or spaces; None if it cannot be one."""
    digits = "".join(
        str(unicodedata.decimal(character)) for character in text if unicodedata.decimal(character, None) is not None
    )
    foreign = any(character.isalpha() for character in text)
    if foreign or len(digits) != LENGTH or digits[0] == "0" or not damm.is_valid(digits):
        return None
    return digits
