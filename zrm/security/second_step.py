"""The second step of signing in: six digits of an authenticator app (RFC 6238), and recovery codes for when the app is
lost.

A code is valid for its half minute and one to either side, and once: the same code again, or an older one, is refused.
The app's secret is sealed with the installation's key, so a copy of the database cannot make codes. Recovery codes are
stored as keyed hashes; each is valid once.
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
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, col, delete, func, select, update

from zrm.kit.clock import now
from zrm.kit.db import Cursor, session_of
from zrm.kit.tables import Table
from zrm.kit.text import latin_digits
from zrm.security import passkeys
from zrm.security.keyed import keyed_hash

_STEP: Final = 30  # seconds
_DRIFT: Final = 1  # steps that a clock may be off
RECOVERY_CODES: Final = 10
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter or digit that looks like another
_HALF: Final = 5  # characters; two halves are 49 bits


class Authenticator(Table, table=True):
    """An agent's app, its secret sealed; active since `confirmed_at`. `last_step` is the newest half minute used."""

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
    """Whether signing in by password asks this agent for a second step: a confirmed app, or a passkey."""
    return confirmed_since(cursor, agent_id) is not None or bool(passkeys.of_agent(cursor, agent_id))


def confirmed_since(cursor: Cursor, agent_id: UUID) -> datetime | None:
    """Since when the agent's app is active; None if it is not."""
    app = session_of(cursor).get(Authenticator, agent_id, populate_existing=True)
    return app.confirmed_at if app is not None else None


def begin(cursor: Cursor, agent_id: UUID, secret: bytes) -> None:
    """Create a new app's secret, active once one of its codes was entered; does nothing while an app is active.

    A secret that still waits to be confirmed is replaced: somebody else may have seen it.
    """
    fresh = {"sealed": _seal(secret).encrypt(pyotp.random_base32().encode()), "last_step": 0, "made_at": now()}
    made = insert(Authenticator).values(agent_id=agent_id, **fresh)
    waiting = col(Authenticator.confirmed_at).is_(None)
    session_of(cursor).exec(made.on_conflict_do_update(index_elements=["agent_id"], set_=fresh, where=waiting))


def waiting_key(cursor: Cursor, agent_id: UUID, secret: bytes) -> str | None:
    """The secret (base32) of an app that is still to be confirmed; None if there is none."""
    app = session_of(cursor).get(Authenticator, agent_id, populate_existing=True)
    return _opened(app.sealed, secret) if app is not None and app.confirmed_at is None else None


def confirm(cursor: Cursor, agent_id: UUID, secret: bytes, code: str) -> bool:
    """Activate the waiting app if the code is one of its codes."""
    session, app = session_of(cursor), _used(cursor, agent_id, secret, code, confirmed=False)
    if app is None:
        return False
    app.confirmed_at = now()
    session.flush()
    return True


def right_code(cursor: Cursor, agent_id: UUID, secret: bytes, code: str) -> bool:
    """Whether the code is one of the agent's app and was not used before; it is used up now."""
    return _used(cursor, agent_id, secret, code, confirmed=True) is not None


def remove_app(cursor: Cursor, agent_id: UUID) -> None:
    """Remove the agent's app, confirmed or not."""
    session_of(cursor).exec(delete(Authenticator).where(col(Authenticator.agent_id) == agent_id))


def reset(cursor: Cursor, agent_id: UUID) -> None:
    """Remove everything the agent can take a second step with."""
    remove_app(cursor, agent_id)
    session_of(cursor).exec(delete(RecoveryCode).where(col(RecoveryCode.agent_id) == agent_id))
    passkeys.remove_all(cursor, agent_id)


def new_recovery_codes(cursor: Cursor, agent_id: UUID, secret: bytes) -> list[str]:
    """Ten new recovery codes, shown only this once; the earlier ones become invalid."""
    codes = ["-".join(_letters() for _ in range(2)) for _ in range(RECOVERY_CODES)]
    session = session_of(cursor)
    session.exec(delete(RecoveryCode).where(col(RecoveryCode.agent_id) == agent_id))
    session.add_all([
        RecoveryCode(agent_id=agent_id, code_hash=_recovery_hash(secret, agent_id, code)) for code in codes
    ])  # fmt: skip
    session.flush()
    return codes


def use_recovery_code(cursor: Cursor, agent_id: UUID, secret: bytes, code: str) -> bool:
    """Whether it is one of the agent's recovery codes and unused; it is used up now, in one statement, so a second use
    is refused.
    """
    theirs = (
        col(RecoveryCode.agent_id) == agent_id,
        col(RecoveryCode.code_hash) == _recovery_hash(secret, agent_id, code),
        col(RecoveryCode.used_at).is_(None),
    )
    return session_of(cursor).exec(update(RecoveryCode).where(*theirs).values(used_at=now())).rowcount > 0


def recovery_codes_left(cursor: Cursor, agent_id: UUID) -> int:
    """How many codes the agent has not used."""
    left = select(func.count()).where(RecoveryCode.agent_id == agent_id, col(RecoveryCode.used_at).is_(None))
    return session_of(cursor).exec(left).one()


def address_for_app(key: str, *, login: str, organisation: str) -> str:
    """The `otpauth:` address that an app reads."""
    return pyotp.TOTP(key).provisioning_uri(name=login, issuer_name=organisation.replace(":", " "))


def picture_for_app(address: str) -> str:
    """The address as a QR code: a `data:` address of an SVG."""
    return segno.make(address, error="m").svg_data_uri(scale=5, border=4, dark="#000", light="#fff")


def _used(cursor: Cursor, agent_id: UUID, secret: bytes, code: str, *, confirmed: bool) -> Authenticator | None:
    """The agent's app after one of its codes was used up; None if the code is wrong.

    The row is locked while the code is checked: of two equal codes at once, one is refused.
    """
    session, app = session_of(cursor), _held(cursor, agent_id)
    typed = "".join(latin_digits(code).split())
    if app is None or (app.confirmed_at is not None) != confirmed:
        return None
    if len(typed) != 6 or not (typed.isascii() and typed.isdigit()):
        return None
    key = _opened(app.sealed, secret)
    if key is None:
        return None
    step = _step_of(pyotp.TOTP(key), typed)
    if step is None or step <= app.last_step:
        return None
    app.last_step = step
    session.flush()
    return app


def _held(cursor: Cursor, agent_id: UUID) -> Authenticator | None:
    """The agent's app as it is now, locked until the commit."""
    return session_of(cursor).get(Authenticator, agent_id, with_for_update=True, populate_existing=True)


def _step_of(app: pyotp.TOTP, typed: str) -> int | None:
    """The time step of this code, the newest of those valid now."""
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
    """None where the installation's key has changed: then no code is right, and the app must be reset."""
    try:
        return _seal(secret).decrypt(bytes(sealed)).decode()
    except InvalidToken:
        return None
