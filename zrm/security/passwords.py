"""Passwords: argon2id, a check that takes as long for a login that does not exist, and the rules for new ones.

A new password has at least `SHORTEST` characters and must not be among the first guesses of an attacker; it need not
mix kinds of characters, and it may be pasted (NIST SP 800-63B). It is normalised before it is hashed, so that two
keyboards that write the same letter differently type the same password.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from zrm.security.guessing import guesses
from zrm.security.published import SECRETS
from zrm.ui.i18n import _

SHORTEST: Final = 12
"""Characters a new password must have at least."""

LONGEST: Final = 1000
"""Longer input is refused before it is hashed, so that hashing cannot be made expensive from outside."""

ENOUGH_GUESSES: Final = 1e8
"""The least number of guesses for an attacker who knows people's habits: far more than our throttles allow."""

_hasher = PasswordHash((Argon2Hasher(),))


class Weakness(StrEnum):
    """Why a new password is refused."""

    SHORT = "short"
    LONG = "long"
    COMMON = "common"
    OWN = "own"
    PUBLISHED = "published"
    PRESENT = "present"


MESSAGES: Final = {
    Weakness.SHORT: _("The new password must have at least %(least)s characters."),
    Weakness.LONG: _("The new password is too long: at most %(most)s characters."),
    Weakness.COMMON: _(
        "This password is among the first that others would try. Choose words that do not belong together."
    ),
    Weakness.OWN: _("This password is built from your name, your login or the organisation's name."),
    Weakness.PUBLISHED: _("This password is printed in ZRM's own documents, where everybody can read it."),
    Weakness.PRESENT: _("This is your present password. Choose another one."),
}
"""Each with the values of its message: `least` and `most`, in characters."""


def hash_password(password: str) -> str:
    """The password's argon2id hash with its own salt, as text."""
    return _hasher.hash(normalised(password))


def matches(password: str, password_hash: str | None) -> bool:
    """Whether the password matches the hash. None (no such login) costs the same and never matches."""
    if len(password) > LONGEST:
        password, password_hash = "", None
    # Hashes made before passwords were normalised are of the text as typed.
    spellings = dict.fromkeys((normalised(password), password))
    right = [_matches(spelling, password_hash) for spelling in spellings]  # both: equal time
    return any(right)


def normalised(password: str) -> str:
    """The password as it is hashed: in Unicode's NFKC, in which a letter has one spelling."""
    return unicodedata.normalize("NFKC", password)


def weakness(
    password: str, *, own: Iterable[str] = (), region: str = "IR", present: str | None = None
) -> Weakness | None:
    """Why a new password is refused; None if it is accepted.

    `own` are names of its owner and their organisation, `region` the country (ISO) for recognising telephone numbers in
    it, `present` the hash of the current password.
    """
    password = normalised(password)
    if len(password) < SHORTEST:
        return Weakness.SHORT
    if len(password) > LONGEST:
        return Weakness.LONG
    if password in SECRETS:
        return Weakness.PUBLISHED
    if guesses(password, region=region) < ENOUGH_GUESSES:
        return Weakness.COMMON
    if guesses(password, own=own, region=region) < ENOUGH_GUESSES:
        return Weakness.OWN
    return Weakness.PRESENT if present is not None and matches(password, present) else None


def _matches(password: str, password_hash: str | None) -> bool:
    try:
        right = _hasher.verify(password, password_hash or _dummy())
    except UnknownHashError:
        _hasher.verify(password, _dummy())
        return False
    return right and bool(password_hash)


@lru_cache(maxsize=1)
def _dummy() -> str:
    return _hasher.hash("a password that nobody has")
