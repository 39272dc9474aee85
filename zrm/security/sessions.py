"""Server-side sessions: a random token in the browser, its hash in the table, two time limits.

A session ends after `IDLE` without use and after `ABSOLUTE` in any case; signing in always creates a new one. Each has
its own CSRF token. Only the token's hash is stored, so a copy of the table gives no access.

A session has a stage. An agent who has given a password and owes a second step has a session that is valid for that
step alone, and for `UNFINISHED`; an agent who must set up a second step first has one that is valid for that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from zrm.kit.db import Cursor, record, records
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, one_of
from zrm.security.browsers import UNKNOWN, Browser

IDLE: Final = timedelta(hours=2)
ABSOLUTE: Final = timedelta(hours=12)
UNFINISHED: Final = timedelta(minutes=10)
RECENTLY: Final = timedelta(minutes=10)
"""How long a proof of identity is valid for sensitive steps."""

_NOTICED: Final = timedelta(minutes=1)  # a use is recorded at most this often, not at every click


class Stage(StrEnum):
    """What a session is valid for."""

    SIGNED_IN = "signed_in"
    SECOND_STEP = "second_step"
    SET_UP = "set_up"


class How(StrEnum):
    """How an agent proved their identity."""

    PASSWORD = "password"  # noqa: S105  # a word for how, not a password
    TWO_STEPS = "two_steps"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"
    PROVIDER = "provider"


class SessionRecord(Table, table=True):
    """A session as stored: under its token's hash, `id` being what its own agent sees of it."""

    __tablename__ = "sessions"
    __table_args__ = (
        one_of("stage", Stage),
        Index("sessions_agent", "agent_id"),
        Index("sessions_id", "id", unique=True),
    )

    token_hash: str = Field(primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    csrf: str
    started_at: datetime
    seen_at: datetime
    ends_at: datetime
    id: UUID = Field(default_factory=new_id, sa_column_kwargs={"server_default": text("uuidv7()")})
    stage: str = Stage.SIGNED_IN
    how: str = How.PASSWORD
    browser: str = ""
    system: str = ""
    proven_at: datetime = Field(sa_column_kwargs={"server_default": text("now()")})


@dataclass(frozen=True, slots=True)
class Session:
    """A live session: its agent, its CSRF token, and its hash (its name inside the installation).

    `proven`: whether its agent has proved their identity within `RECENTLY`.
    """

    token_hash: str
    agent_id: UUID
    csrf: str
    id: UUID
    stage: Stage = Stage.SIGNED_IN
    how: str = How.PASSWORD
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """One of an agent's own sessions, as shown to them."""

    id: UUID
    how: str
    browser: Browser
    started_at: datetime
    seen_at: datetime


def start(
    cursor: Cursor,
    agent_id: UUID,
    *,
    stage: Stage = Stage.SIGNED_IN,
    how: str = How.PASSWORD,
    browser: Browser = UNKNOWN,
) -> tuple[str, Session]:
    """Begin a session; returns the token for the cookie (never stored) and the session."""
    token = secrets.token_urlsafe(32)
    session = Session(token_hash(token), agent_id, secrets.token_urlsafe(24), new_id(), stage, how)
    forget_expired(cursor)
    cursor.execute(
        "INSERT INTO sessions (token_hash, agent_id, csrf, id, stage, how, browser, system, started_at, seen_at, ends_at,"
        " proven_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now(), now(), now() + %s, now())",
        [
            session.token_hash, agent_id, session.csrf, session.id, stage, how, browser.name, browser.system,
            ABSOLUTE if stage is Stage.SIGNED_IN else UNFINISHED,
        ],
    )  # fmt: skip
    return token, session


def find(cursor: Cursor, token: str) -> Session | None:
    """The live session for a cookie's token, at any stage; reading it keeps it alive."""
    cursor.execute(
        "SELECT token_hash, agent_id, csrf, id, stage, how, proven_at > now() - %s AS proven, seen_at < now() - %s AS unnoticed"
        " FROM sessions WHERE token_hash = %s AND ends_at > now() AND seen_at > now() - %s",
        [RECENTLY, _NOTICED, token_hash(token), IDLE],
    )
    row = record(cursor, dict)
    if row is None:
        return None
    if row.pop("unnoticed"):
        cursor.execute("UPDATE sessions SET seen_at = now() WHERE token_hash = %s", [row["token_hash"]])
    return Session(stage=Stage(row.pop("stage")), **row)


def prove(cursor: Cursor, session_hash: str) -> None:
    """Record that the agent has just proved their identity again."""
    cursor.execute("UPDATE sessions SET proven_at = now() WHERE token_hash = %s", [session_hash])


def of_agent(cursor: Cursor, agent_id: UUID) -> list[Listed]:
    """The agent's live sessions, the one used last first."""
    cursor.execute(
        "SELECT id, how, browser, system, started_at, seen_at FROM sessions WHERE agent_id = %s AND stage = %s"
        " AND ends_at > now() AND seen_at > now() - %s ORDER BY seen_at DESC, id",
        [agent_id, Stage.SIGNED_IN, IDLE],
    )
    return [Listed(browser=Browser(row.pop("browser"), row.pop("system")), **row) for row in records(cursor, dict)]


def end(cursor: Cursor, session_hash: str) -> None:
    """Sign out: the session ends at once."""
    cursor.execute("DELETE FROM sessions WHERE token_hash = %s", [session_hash])


def end_one(cursor: Cursor, agent_id: UUID, session_id: UUID) -> str | None:
    """End one of the agent's own sessions; its hash, None if there is no such session of theirs."""
    cursor.execute("DELETE FROM sessions WHERE agent_id = %s AND id = %s RETURNING token_hash", [agent_id, session_id])
    row = cursor.fetchone()
    return row[0] if row else None


def end_others(cursor: Cursor, agent_id: UUID, keep: str) -> list[str]:
    """End the agent's other sessions, as after a change of password; the hashes of the sessions that ended."""
    cursor.execute(
        "DELETE FROM sessions WHERE agent_id = %s AND token_hash <> %s RETURNING token_hash", [agent_id, keep]
    )
    return [row[0] for row in cursor]


def forget_expired(cursor: Cursor) -> None:
    """Remove the sessions that have expired."""
    cursor.execute("DELETE FROM sessions WHERE ends_at < now() OR seen_at < now() - %s", [IDLE])


def alive(cursor: Cursor, session_hashes: Iterable[str]) -> set[str]:
    """Which of these sessions are still alive and give access to the desk; checking does not keep them alive."""
    cursor.execute(
        "SELECT token_hash FROM sessions WHERE token_hash = ANY(%s) AND stage = %s AND ends_at > now()"
        " AND seen_at > now() - %s",
        [list(session_hashes), Stage.SIGNED_IN, IDLE],
    )
    return {row[0] for row in cursor}


def csrf_for_page(session: Session) -> str:
    """The session's CSRF token for one page, masked at random, so that no two pages contain the same letters.

    Pages are compressed, and their size would reveal a constant secret letter by letter to an attacker who can place
    text beside it (BREACH).
    """
    secret = session.csrf.encode()
    mask = secrets.token_bytes(len(secret))
    return base64.urlsafe_b64encode(mask + _crossed(secret, mask)).decode()


def csrf_matches(session: Session, given: str) -> bool:
    """Whether an unsafe request carries the session's CSRF token as a page contained it; compared in constant time."""
    try:
        shown = base64.b64decode(given.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:  # no base64, or no ASCII
        return False
    half = len(shown) // 2
    return hmac.compare_digest(session.csrf.encode(), _crossed(shown[half:], shown[:half]))


def _crossed(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=False))


def token_hash(token: str) -> str:
    """The name under which a token's session is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
