"""Heartbeats: each process of a role writes one every few seconds, so that a dead or frozen one is noticed.

They are in PostgreSQL, not in Redis beside the workers' names: Redis being away says nothing about the roles. Their
times are PostgreSQL's, whatever the machines' clocks say. A process that shuts down properly records that; one that was
killed, or that an error ended, writes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import psycopg
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from zrm.casestore.outbox import Topic
from zrm.kit.db import Cursor, Database, records
from zrm.kit.ids import new_id
from zrm.kit.tables import Table

FIRST_AFTER: Final = 1.0
"""Seconds a process runs before its first heartbeat: one that fails at every start is not alive."""
EVERY: Final = 10.0
"""Seconds between two heartbeats."""
AGAIN_AFTER: Final = 2.0
"""Seconds after which a heartbeat that PostgreSQL did not accept is tried again."""
SILENT_AFTER: Final = 35.0
"""Seconds after which a process counts as dead: three heartbeats are missing. A restart may take this long."""


class HeartbeatRecord(Table, table=True):
    """The newest heartbeat of a process; `ended`: it was the last one, written at a proper shutdown."""

    __tablename__ = "heartbeats"

    instance: UUID = Field(primary_key=True)
    role: str
    topics: list[str] = Field(sa_type=ARRAY(Text))
    at: datetime
    ended: bool = False


@dataclass(frozen=True, slots=True)
class LastHeartbeat:
    """The newest heartbeat of a process of `role`, `age` seconds old; `topics` are those a worker works on.

    `ended`: it was the last one, written at a proper shutdown.
    """

    role: str
    topics: tuple[Topic, ...]
    age: float
    ended: bool

    @property
    def recent(self) -> bool:
        """Whether the process is alive, or ended so recently that another may be about to replace it."""
        return abs(self.age) < SILENT_AFTER  # in the future: written before the server's clock was set back

    @property
    def alive(self) -> bool:
        """Whether the process counts as alive."""
        return self.recent and not self.ended


def beat(cursor: Cursor, instance: UUID, role: str, topics: Sequence[Topic] = ()) -> None:
    """Write a heartbeat. Its commit does not wait for the disk: a lost one is followed by the next."""
    cursor.execute("SET LOCAL synchronous_commit = off")
    cursor.execute(
        "INSERT INTO heartbeats (instance, role, topics, at) VALUES (%s, %s, %s, now()) "
        "ON CONFLICT (instance) DO UPDATE SET at = now()",
        [instance, role, [topic.value for topic in topics]],
    )


def end(cursor: Cursor, instance: UUID) -> None:
    """Record that the process has shut down properly."""
    cursor.execute("UPDATE heartbeats SET at = now(), ended = true WHERE instance = %s", [instance])


def last_heartbeats(cursor: Cursor) -> list[LastHeartbeat]:
    """The newest heartbeat of each process not yet deleted, newest first."""
    cursor.execute(
        "SELECT role, topics, extract(epoch FROM now() - at)::float8 AS age, ended FROM heartbeats ORDER BY at DESC"
    )
    known = {topic.value for topic in Topic}  # a newer version's worker may have other topics
    return [
        replace(last, topics=tuple(Topic(name) for name in last.topics if name in known))
        for last in records(cursor, LastHeartbeat)
    ]


def forget(cursor: Cursor) -> None:
    """Delete heartbeats older than a day, but not the last of its kind: that process died and was not replaced."""
    cursor.execute(
        "DELETE FROM heartbeats old WHERE at < now() - interval '1 day' AND EXISTS (SELECT FROM heartbeats newer "
        "WHERE newer.role = old.role AND newer.topics = old.topics AND newer.at > old.at)"
    )


class Heartbeat:
    """Writes the heartbeats of this process while entered, from a thread of its own.

    When left by an error, it does not record a proper shutdown. While the store is away it stays silent. While `works`
    returns False nothing is written: a process that hangs must not look alive because this thread runs.
    """

    def __init__(
        self,
        database: Database,
        role: str,
        topics: Sequence[Topic] = (),
        *,
        works: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._role = role
        self._topics = topics
        self._works = works
        self._instance = new_id()
        self._stop = Event()
        self._in_order = False
        self._thread = Thread(target=self._run, daemon=True, name="heartbeat")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_order = not isinstance(error, Exception)
        self._stop.set()
        self._thread.join(timeout=1)  # it may hang at a store that does

    def _run(self) -> None:
        wait = FIRST_AFTER
        while not self._stop.wait(wait):
            written = self._works() and self._write(
                lambda cursor: beat(cursor, self._instance, self._role, self._topics)
            )
            wait = EVERY if written else AGAIN_AFTER
        if self._in_order:
            self._write(lambda cursor: end(cursor, self._instance))

    def _write(self, step: Callable[[Cursor], None]) -> bool:
        try:
            with self._database.cursor() as cursor:
                step(cursor)
        except psycopg.Error:
            return False
        return True
