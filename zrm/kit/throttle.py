"""Fixed-window throttles kept in PostgreSQL, so that all processes of the installation count together.

A key is `purpose:whatever`; the refusals of each purpose are counted for /metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import NamedTuple

from sqlalchemy import BigInteger
from sqlmodel import Field

from zrm.errors import TooManyTries
from zrm.kit.db import Cursor, Database, records
from zrm.kit.tables import UNLOGGED, Table

_LOOK = """
SELECT ceil(extract(epoch FROM window_started - now()) + %(window)s)::int FROM throttles
WHERE key = %(key)s AND tries >= %(tries)s AND window_started >= now() - make_interval(secs => %(window)s)
"""

_ADD = """
INSERT INTO throttles AS t (key, window_started, tries)
SELECT key, now(), amount FROM unnest(%(keys)s::text[], %(amounts)s::int[]) AS added (key, amount) ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    tries = CASE WHEN t.window_started < now() - make_interval(secs => %(window)s) THEN excluded.tries
                 ELSE t.tries + excluded.tries END,
    window_started = CASE WHEN t.window_started < now() - make_interval(secs => %(window)s)
                          THEN now() ELSE t.window_started END
RETURNING key, tries, (extract(epoch FROM window_started - now()) + %(window)s)::float AS seconds
"""

_REFUSED = """
INSERT INTO refused_tries AS r (purpose, times)
SELECT purpose, times FROM unnest(%(purposes)s::text[], %(times)s::int[]) AS added (purpose, times) ORDER BY purpose
ON CONFLICT (purpose) DO UPDATE SET times = r.times + excluded.times
"""


class Throttle(Table, table=True):
    """The tries counted for a key in its window. If a crash loses them, a few tries are forgiven."""

    __tablename__ = "throttles"
    __table_args__ = UNLOGGED

    key: str = Field(primary_key=True)
    window_started: datetime
    tries: int


class RefusedTries(Table, table=True):
    """How often a limit refused a request, by the limit's purpose."""

    __tablename__ = "refused_tries"
    __table_args__ = UNLOGGED

    purpose: str = Field(primary_key=True)
    times: int = Field(sa_type=BigInteger)


def look(database: Database, key: str, *, tries: int, window: float) -> None:
    """Check without counting. Errors: TooManyTries if the tries counted so far leave none."""
    with database.cursor() as cursor:
        cursor.execute(_LOOK, {"key": key, "tries": tries, "window": window})
        row = cursor.fetchone()
        if row is not None:
            count_refused(cursor, {_purpose(key): 1})
    if row is not None:
        raise TooManyTries(max(1, row[0]))


def count_try(database: Database, key: str, *, tries: int, window: float) -> None:
    """Count one try for `key` (nothing personal in it: hash peers first).

    Errors: TooManyTries, with the seconds until the window ends, once more than `tries` came within `window` seconds.
    """
    with database.cursor() as cursor:
        counted, seconds = _counted(cursor, key, window)
        if counted > tries:
            count_refused(cursor, {_purpose(key): 1})
    if counted > tries:
        raise TooManyTries(max(1, seconds))


def count(database: Database, key: str, *, window: float) -> None:
    """Count one miss for `key`, whatever came before; the next `look` refuses when there were too many."""
    with database.cursor() as cursor:
        _counted(cursor, key, window)


def _counted(cursor: Cursor, key: str, window: float) -> tuple[int, int]:
    """How many were counted in the window, this one included, and the seconds until it ends."""
    counted, seconds = add(cursor, {key: 1}, window=window)[key]
    return counted, ceil(seconds)


class _CountedTries(NamedTuple):
    """The tries of a key in its window, and the seconds until the window ends."""

    key: str
    tries: int
    seconds: float


def add(cursor: Cursor, amounts: Mapping[str, int], *, window: float) -> dict[str, tuple[int, float]]:
    """Add to several keys at once. By key: the sum over all processes, this call included, and the seconds until its
    window ends.
    """
    keys = sorted(amounts)  # rows are always locked in the same order, so there is no deadlock
    cursor.execute(_ADD, {"keys": keys, "amounts": [amounts[key] for key in keys], "window": window})
    return {counted.key: (counted.tries, counted.seconds) for counted in records(cursor, _CountedTries)}


def count_refused(cursor: Cursor, refused: Mapping[str, int]) -> None:
    """Add to the counts of refusals by purpose."""
    purposes = sorted(refused)
    cursor.execute(_REFUSED, {"purposes": purposes, "times": [refused[purpose] for purpose in purposes]})


def _purpose(key: str) -> str:
    return key.partition(":")[0]


def give_back(database: Database, key: str) -> None:
    """Take back one try that was counted before it turned out to be right."""
    with database.cursor() as cursor:
        cursor.execute("UPDATE throttles SET tries = tries - 1 WHERE key = %s AND tries > 0", [key])


def forgive(database: Database, key: str) -> None:
    """Remove the tries of `key`, after a success."""
    with database.cursor() as cursor:
        forget(cursor, key)


def forget(cursor: Cursor, key: str) -> None:
    """The same, in the caller's transaction."""
    cursor.execute("DELETE FROM throttles WHERE key = %s", [key])


def sweep(database: Database) -> None:
    """Drop windows that ended long ago."""
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM throttles WHERE window_started < now() - interval '1 day'")
