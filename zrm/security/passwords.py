"""Passwords: argon2id, and an answer that takes as long for a login that does not exist."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

SHORTEST: Final = 10
"""Characters a new password must have at least."""

LONGEST: Final = 1000
"""Longer input is refused before it is hashed, so that hashing cannot be made expensive from outside."""

_hasher = PasswordHash((Argon2Hasher(),))


def hash_password(password: str) -> str:
    """The password's argon2id hash with its own salt, as text."""
    return _hasher.hash(password)


def matches(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one behind the hash. None (no such login) costs the same and is never right."""
    if len(password) > LONGEST:
        password, password_hash = "", None
    try:
        right = _hasher.verify(password, password_hash or _dummy())
    except UnknownHashError:
        _hasher.verify(password, _dummy())
        return False
    return right and bool(password_hash)


def acceptable(password: str) -> bool:
    """Whether a new password is long enough, not absurdly long, and not one character repeated."""
    return SHORTEST <= len(password) <= LONGEST and len(set(password)) > 3


@lru_cache(maxsize=1)
def _dummy() -> str:
    return _hasher.hash("a password that nobody has")
