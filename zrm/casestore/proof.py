"""One-time links by which a citizen proves that an e-mail address is theirs; only the token's hash is stored."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import CHAR
from sqlmodel import Field

from zrm.kit.db import Cursor
from zrm.kit.tables import Table

PROOF_LIFE: Final = timedelta(minutes=30)


class ProofToken(Table, table=True):
    """The hash of a one-time link by which a citizen proves an e-mail address to be theirs."""

    __tablename__ = "proof_tokens"

    token_hash: str = Field(primary_key=True)
    code: str = Field(sa_type=CHAR(12))
    made_at: datetime
    ends_at: datetime
    used_at: datetime | None = None


def issue(cursor: Cursor, code: str) -> str:
    """A token that opens the case behind the code once, within `PROOF_LIFE`."""
    token = secrets.token_urlsafe(24)
    cursor.execute(
        "INSERT INTO proof_tokens (token_hash, code, made_at, ends_at) VALUES (%s, %s, now(), now() + %s)",
        [_hash(token), code, PROOF_LIFE],
    )
    return token


def redeem(cursor: Cursor, token: str) -> str | None:
    """The code behind a token, which is used up now; None if it is unknown, used or too old."""
    cursor.execute(
        "UPDATE proof_tokens SET used_at = now() WHERE token_hash = %s AND used_at IS NULL AND ends_at > now() "
        "RETURNING code",
        [_hash(token)],
    )
    row = cursor.fetchone()
    return str(row[0]) if row else None


def forget_old(cursor: Cursor) -> None:
    """Delete tokens that expired a day ago."""
    cursor.execute("DELETE FROM proof_tokens WHERE ends_at < now() - interval '1 day'")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
