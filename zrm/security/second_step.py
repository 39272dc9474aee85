"""The second step of signing in: six digits of an authenticator app (RFC 6238), and codes for when the app is lost.

A code is good for its half minute and one to either side, and once: the same code again, or an older one, is refused.
The app's secret is sealed with the installation's key, so a copy of the database makes no codes. Recovery codes are kept as
keyed hashes; each is good once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

import pyotp
import segno
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import BigInteger
from sqlmodel import Field

from zrm.kit.clock import now
from zrm.kit.db import Cursor
from zrm.kit.tables import Table
from zrm.kit.text import latin_digits
from zrm.security import passkeys
from zrm.security.keyed import keyed_hash

_STEP: Final = 30  # seconds
_DRIFT: Final = 1  # steps that a clock may be off
RECOVERY_CODES: Final = 10
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
_HALF: Final = 5  # characters; two halves are 49 bits


class Authenticator(Table, table=True):
    """An agent's app, its secret sealed; in force since `confirmed_at`. `last_step` is the newest half minute used."""

    __tablename__ = "authenticators"

    agent_id: UUID = Field(primary_key=True, foreign_key="agents.id")
    sealed: bytes
    last_step: int = Field(default=0, sa_type=BigInteger)
    made_at: datetime
    confirmed_at: datetime | None = None


class RecoveryCode(Table, table=True):
    """The keyed hash of one of an agent's recovery codes, and when it was used up."""

    __tablename__ = "recovery_codes"

    agent_id: UUID = Field(primary_key=True, foreign_key="agents.id")
    code_hash: str = Field(primary_key=True)
    used_at: datetime | None = None


def has_one(cursor: Cursor, agent_id: UUID) -> bool:
    """Whether signing in by password asks this agent for a second step: an app that was confirmed, or a passkey."""
    cursor.execute(
        "SELECT EXISTS (SELECT FROM authenticators WHERE agent_id = %(agent)s AND confirmed_at IS NOT NULL)"
        " OR EXISTS (SELECT FROM passkeys WHERE agent_id = %(agent)s)",
        {"agent": agent_id},
    )
    return bool((cursor.fetchone() or (False,))[0])


def confirmed_since(cursor: Cursor, agent_id: UUID) -> datetime | None:
    """Since when the agent's app is in force; None if it is not."""
    cursor.execute("SELECT confirmed_at FROM authenticators WHERE agent_id = %s", [agent_id])
    row = cursor.fetchone()
    return row[0] if row else None


def begin(cursor: Cursor, agent_id: UUID, secret: bytes) -> None:
    """Make a new app's secret, in force once a code of it was shown; nothing is made while an app is in force.

    One that still waits to be confirmed is replaced: somebody else may have seen it.
    """
    sealed = _seal(secret).encrypt(pyotp.random_base32().encode())
    cursor.execute(
        "INSERT INTO authenticators (agent_id, sealed, made_at) VALUES (%s, %s, now()) ON CONFLICT (agent_id) DO UPDATE"
        " SET sealed = excluded.sealed, last_step = 0, made_at = now() WHERE authenticators.confirmed_at IS NULL",
        [agent_id, sealed],
    )


def waiting_key(cursor: Cursor, agent_id: UUID, secret: bytes) -> str | None:
    """The secret (base32) of an app that is still to be confirmed; None if none waits."""
    cursor.execute("SELECT sealed FROM authenticators WHERE agent_id = %s AND confirmed_at IS NULL", [agent_id])
    row = cursor.fetchone()
    return _opened(row[0], secret) if row else None


def confirm(cursor: Cursor, agent_id: UUID, secret: bytes, code: str) -> bool:
    """Put the waiting app into force if the code is one of it."""
    if not _use(cursor, agent_id, secret, code, confirmed=False):
        return False
    cursor.execute("UPDATE authenticators SET confirmed_at = now() WHERE agent_id = %s", [agent_id])
    return True


def right_code(cursor: Cursor, agent_id: UUID, secret: bytes, code: str) -> bool:
    """Whether the code is one of the agent's app and was not used before; it is used up now."""
    return _use(cursor, agent_id, secret, code, confirmed=True)


def remove_app(cursor: Cursor, agent_id: UUID) -> None:
    """Forget the agent's app, confirmed or not."""
    cursor.execute("DELETE FROM authenticators WHERE agent_id = %s", [agent_id])


def reset(cursor: Cursor, agent_id: UUID) -> None:
    """Forget everything the agent can take a second step with."""
    remove_app(cursor, agent_id)
    cursor.execute("DELETE FROM recovery_codes WHERE agent_id = %s", [agent_id])
    passkeys.remove_all(cursor, agent_id)


def new_recovery_codes(cursor: Cursor, agent_id: UUID, secret: bytes) -> list[str]:
    """Ten new codes as they are shown, this once; those from before are worth nothing any more."""
    codes = ["-".join(_letters() for _ in range(2)) for _ in range(RECOVERY_CODES)]
    cursor.execute("DELETE FROM recovery_codes WHERE agent_id = %s", [agent_id])
    cursor.executemany(
        "INSERT INTO recovery_codes (agent_id, code_hash) VALUES (%s, %s)",
        [(agent_id, _recovery_hash(secret, agent_id, code)) for code in codes],
    )
    return codes


def use_recovery_code(cursor: Cursor, agent_id: UUID, secret: bytes, code: str) -> bool:
    """Whether it is one of the agent's codes and was not used; it is used up now."""
    cursor.execute(
        "UPDATE recovery_codes SET used_at = now() WHERE agent_id = %s AND code_hash = %s AND used_at IS NULL RETURNING 1",
        [agent_id, _recovery_hash(secret, agent_id, code)],
    )
    return cursor.fetchone() is not None


def recovery_codes_left(cursor: Cursor, agent_id: UUID) -> int:
    """How many codes the agent has not used."""
    cursor.execute("SELECT count(*) FROM recovery_codes WHERE agent_id = %s AND used_at IS NULL", [agent_id])
    return int((cursor.fetchone() or (0,))[0])


def address_for_app(key: str, *, login: str, organisation: str) -> str:
    """The `otpauth:` address that an app reads."""
    return pyotp.TOTP(key).provisioning_uri(name=login, issuer_name=organisation.replace(":", " "))


def picture_for_app(address: str) -> str:
    """The address as a QR code: a `data:` address of an SVG."""
    return segno.make(address, error="m").svg_data_uri(scale=5, border=4, dark="#000", light="#fff")


def _use(cursor: Cursor, agent_id: UUID, secret: bytes, code: str, *, confirmed: bool) -> bool:
    """The row is held while its code is looked at: of two that show the same code at once, one is refused."""
    cursor.execute(
        "SELECT sealed, last_step FROM authenticators WHERE agent_id = %s AND (confirmed_at IS NOT NULL) = %s FOR UPDATE",
        [agent_id, confirmed],
    )
    row = cursor.fetchone()
    typed = "".join(latin_digits(code).split())
    if row is None or len(typed) != 6 or not (typed.isascii() and typed.isdigit()):
        return False
    key = _opened(row[0], secret)
    if key is None:
        return False
    step = _step_of(pyotp.TOTP(key), typed)
    if step is None or step <= row[1]:
        return False
    cursor.execute("UPDATE authenticators SET last_step = %s WHERE agent_id = %s", [step, agent_id])
    return True


def _step_of(app: pyotp.TOTP, typed: str) -> int | None:
    """The time step whose code this is, the newest of those that count now."""
    here = int(now().timestamp()) // _STEP
    steps = [
        step for step in range(here - _DRIFT, here + _DRIFT + 1) if hmac.compare_digest(app.at(step * _STEP), typed)
    ]
    return steps[-1] if steps else None


def _letters() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_HALF))


def _recovery_hash(secret: bytes, agent_id: UUID, code: str) -> str:
    typed = "".join(letter for letter in latin_digits(code).lower() if letter.isalnum())[:64]
    return keyed_hash(secret, "recovery code", f"{agent_id}\0{typed}")


def _seal(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"zrm authenticator app\0" + secret).digest()))


def _opened(sealed: bytes, secret: bytes) -> str | None:
    """None where the installation's key is another one by now: then no code is right, and the app must be reset."""
    try:
        return _seal(secret).decrypt(bytes(sealed)).decode()
    except InvalidToken:
        return None
