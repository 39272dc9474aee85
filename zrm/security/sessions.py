"""Server-side sessions: a random token in the browser, its hash in the table, two clocks.

A session ends after `IDLE` without use and after `ABSOLUTE` in any case; signing in always makes a new one. Each
carries its own CSRF token. Only the token's hash is kept, so a copy of the table signs nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from zrm.kit.db import Cursor

IDLE: Final = timedelta(hours=2)
ABSOLUTE: Final = timedelta(hours=12)
_NOTICED: Final = timedelta(minutes=1)  # a use is written down at most this often, not at every click


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is alive: whose it is, its CSRF token, and its hash (what names it inside the house)."""

    token_hash: str
    agent_id: UUID
    csrf: str


def start(cursor: Cursor, agent_id: UUID) -> tuple[str, Session]:
    """Begin a session; returns the token for the cookie (never kept) and the session."""
    token = secrets.token_urlsafe(32)
    session = Session(token_hash(token), agent_id, secrets.token_urlsafe(24))
    cursor.execute("DELETE FROM sessions WHERE ends_at < now() OR seen_at < now() - %s", [IDLE])
    cursor.execute(
        "INSERT INTO sessions (token_hash, agent_id, csrf, started_at, seen_at, ends_at)"
        " VALUES (%s, %s, %s, now(), now(), now() + %s)",
        [session.token_hash, agent_id, session.csrf, ABSOLUTE],
    )
    return token, session


def find(cursor: Cursor, token: str) -> Session | None:
    """The live session behind a cookie's token; being asked for keeps it alive."""
    cursor.execute(
        "SELECT token_hash, agent_id, csrf, seen_at < now() - %s FROM sessions"
        " WHERE token_hash = %s AND ends_at > now() AND seen_at > now() - %s",
        [_NOTICED, token_hash(token), IDLE],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    if row[3]:
        cursor.execute("UPDATE sessions SET seen_at = now() WHERE token_hash = %s", [row[0]])
    return Session(row[0], row[1], row[2])


def end(cursor: Cursor, session_hash: str) -> None:
    """Sign out: the session is gone at once."""
    cursor.execute("DELETE FROM sessions WHERE token_hash = %s", [session_hash])


def end_others(cursor: Cursor, agent_id: UUID, keep: str) -> None:
    """Sign the agent out everywhere else, as after a change of password."""
    cursor.execute("DELETE FROM sessions WHERE agent_id = %s AND token_hash <> %s", [agent_id, keep])


def alive(cursor: Cursor, session_hashes: Iterable[str]) -> set[str]:
    """Which of these sessions are still alive; asking keeps none of them alive."""
    cursor.execute(
        "SELECT token_hash FROM sessions WHERE token_hash = ANY(%s) AND ends_at > now() AND seen_at > now() - %s",
        [list(session_hashes), IDLE],
    )
    return {row[0] for row in cursor}


def csrf_matches(session: Session, given: str) -> bool:
    """Whether an unsafe request carries the session's CSRF token; compared in constant time."""
    return hmac.compare_digest(session.csrf.encode(), given.encode("utf-8", "surrogatepass"))


def token_hash(token: str) -> str:
    """The name under which a token's session is kept."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
