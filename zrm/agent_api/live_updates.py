"""Live events: from a NOTIFY in PostgreSQL to rows on open desks.

One LISTEN connection per process. Changes announced within `GATHER` are looked up in one query and rendered once for
each language and calendar in use, however many desks are open; then they go to the desks that may see the unit. When
PostgreSQL goes away the feed recovers by itself and tells every desk to fetch again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg
from psycopg import sql

from zrm.agent_api.context import DeskContext
from zrm.agent_api.live_connections import HEARTBEAT, OpenDesk, Variant, event
from zrm.agent_api.pages.history_sentences import notice_href, notice_text
from zrm.agent_api.pages.rows import draw_row
from zrm.casestore import case_list, directory, live, notification, worklists
from zrm.casestore.case_list import CaseRow
from zrm.casestore.notification import Notice
from zrm.casework import case_reading, notifications
from zrm.casework.case_reading import Sight, with_masked_address
from zrm.casework.context import ActingAgent
from zrm.casework.counters import Counters
from zrm.kit import log
from zrm.kit.database_checks import reason
from zrm.security import sessions
from zrm.security.grants import Grants
from zrm.ui.descriptions import title_of
from zrm.ui.viewer import Viewer

GATHER: Final = 0.02
COUNT_EVERY: Final = 0.5
CHECK_EVERY: Final = 30.0
HEARTBEAT_EVERY: Final = 15.0
MOST_ROWS: Final = 200
_RECONNECT: Final = (0.1, 5.0)
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class _ChangedCase:
    """One case, rendered: for each variant (with the address open, or masked), and as "gone"."""

    row: CaseRow
    drawn: dict[tuple[Variant, bool], bytes]
    gone: bytes


class Feed:
    """The live feed of one process."""

    def __init__(self, context: DeskContext) -> None:
        self._context = context
        self._hub = context.hub

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        self._hub.start()
        tasks = [
            asyncio.create_task(work(), name=f"feed-{work.__name__}")
            for work in (self._listen, self._tell, self._count, self._check, self._beat)
        ]
        try:
            yield
        finally:
            self._hub.close_all()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def _listen(self) -> None:
        """Listen for announcements; reconnect when the store is back."""
        shortest, longest = _RECONNECT
        pause, first = shortest, True
        while True:
            try:
                connection = await self._context.database.connect_async(
                    application_name=f"{self._context.database.application} live",
                    keepalives_idle=20,
                    keepalives_interval=5,
                    keepalives_count=3,
                )
                async with connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(live.CHANNEL)))
                    if not first:
                        _log.info("live feed is back")
                        self._hub.refresh_all()
                        self._hub.count_again.set()
                    first, pause = False, shortest
                    while True:
                        async for notice in connection.notifies(timeout=CHECK_EVERY):
                            self._hear(notice.payload)
                        await connection.execute("SELECT 1")  # no announcement for a while: check the connection
            except psycopg.OperationalError as error:
                _log.warning("live feed lost the store", error=type(error).__name__, reason=reason(error))
                first = False
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)

    def _hear(self, payload: str) -> None:
        try:
            kind, identifier = json.loads(payload)
            self._hub.note(str(kind), UUID(identifier))
        except (ValueError, TypeError):
            _log.warning("unreadable announcement")

    async def _tell(self) -> None:
        """Send the gathered changes to the desks."""
        while True:
            await self._hub.stirred.wait()
            await asyncio.sleep(GATHER)
            changed = self._hub.take()
            self._hub.count_again.set()
            desks = list(self._hub.desks)
            variants = {desk.variant for desk in desks}
            at_desk = {desk.agent_id for desk in desks}
            try:
                told, notices = await asyncio.to_thread(self._load, changed, variants, at_desk)
            except psycopg.OperationalError as error:
                _log.warning("live feed cannot read", error=type(error).__name__)
                await asyncio.sleep(1)
                self._hub.refresh_all()
                continue
            self._hub.remember(unit for one in told for unit in (one.row.unit_id, one.row.came_from) if unit)
            if len(told) > MOST_ROWS:
                self._hub.refresh_all()
            else:
                self._fan_out(told, notices)

    def _load(
        self, changed: dict[str, list[UUID]], variants: set[Variant], at_desk: set[UUID]
    ) -> tuple[list[_ChangedCase], dict[UUID, tuple[Notice, int]]]:
        """In a worker thread: one query, one rendering for each variant."""
        with self._context.database.cursor() as cursor:
            rows = case_list.rows(cursor, changed["case"]) if "case" in changed else []
            wanted = [agent for agent in changed.get("notification", []) if agent in at_desk]
            notices = notification.newest(cursor, wanted) if wanted else {}
        draw = len(rows) <= MOST_ROWS
        told = []
        for row in rows:
            number = self._hub.next_number()
            drawn = self._drawn(row, variants, number) if draw else {}
            told.append(_ChangedCase(row, drawn, event("case", {"id": str(row.id), "html": ""}, number)))
        return told, notices

    def _drawn(self, row: CaseRow, variants: set[Variant], number: str) -> dict[tuple[Variant, bool], bytes]:
        """The row for each variant; rendered twice only where the address stands for a name."""
        drawn = {}
        for variant in variants:
            drawn[variant, True] = self._draw(row, variant, number)
            alike = bool(row.person) or not row.address
            drawn[variant, False] = (
                drawn[variant, True] if alike else self._draw(with_masked_address(row), variant, number)
            )
        return drawn

    def _draw(self, row: CaseRow, variant: Variant, number: str) -> bytes:
        language, calendar = variant
        viewer = Viewer(language, calendar, "auto", self._context.settings.organisation.timezone)
        return event(
            "case",
            {
                "id": str(row.id),
                "unit": str(row.unit_id),
                "status": row.status,
                "assignee": str(row.assignee_id) if row.assignee_id else "",
                "version": row.version,
                "at": row.last_contact_at.isoformat(),
                "html": draw_row(self._context.pages, viewer, row),
            },
            number,
        )

    def _fan_out(self, told: list[_ChangedCase], notices: dict[UUID, tuple[Notice, int]]) -> None:
        for desk in list(self._hub.desks):
            actor, messages = desk.actor, []
            for one in told:
                match case_reading.sight_of(actor, one.row):
                    case Sight.OPEN | Sight.MASKED as sight:
                        # not drawn for a desk that was opened since the drawing began
                        drawn = one.drawn.get((desk.variant, sight is Sight.OPEN))
                        messages.append(drawn or event("refresh", {}))
                    case Sight.GONE:
                        messages.append(one.gone)
            if desk.agent_id in notices:
                messages.append(_notification(desk, actor, *notices[desk.agent_id]))
            if messages:
                desk.push(b"".join(messages))

    async def _count(self) -> None:
        """Send the counters, at most every half second, to the desks for which one changed."""
        while True:
            await self._hub.count_again.wait()
            await asyncio.sleep(COUNT_EVERY)
            self._hub.count_again.clear()
            try:
                counter = await asyncio.to_thread(self._load_counts)
            except psycopg.OperationalError as error:
                _log.warning("live feed cannot count", error=type(error).__name__)
                continue
            for desk in list(self._hub.desks):
                counts = counter.of(desk.actor)
                if counts != desk.last_counts:
                    desk.last_counts = counts
                    desk.push(event("counts", counts))

    def _load_counts(self) -> Counters:
        with self._context.database.cursor() as cursor:
            health = self._context.health
            problems = len(health.problems(cursor)) if health is not None else 0
            return Counters(case_list.counted(cursor), worklists.work_counts(cursor), problems)

    async def _check(self) -> None:
        """Now and then: check which sessions are alive, what the agents may see by now, and how the roles are."""
        while True:
            await asyncio.sleep(CHECK_EVERY)
            if not self._hub.desks:
                continue
            hashes = {desk.session_hash for desk in self._hub.desks}
            agents = {desk.agent_id for desk in self._hub.desks}
            try:
                alive, grants = await asyncio.to_thread(self._load_checks, hashes, agents)
            except psycopg.OperationalError as error:
                _log.warning("live feed cannot check sessions", error=type(error).__name__)
                continue
            self._hub.keep_only(alive | ({desk.session_hash for desk in self._hub.desks} - hashes))
            for desk in list(self._hub.desks):
                if desk.agent_id in agents:
                    desk.grants = grants.get(desk.agent_id, Grants())
            if self._context.health is not None:  # a role that dies announces nothing
                self._hub.count_again.set()

    def _load_checks(self, hashes: set[str], agents: set[UUID]) -> tuple[set[str], dict[UUID, Grants]]:
        with self._context.database.cursor() as cursor:
            alive = sessions.alive(cursor, hashes)
            rows = directory.grants(cursor, agents)
        return alive, {agent: Grants.of(given) for agent, given in rows.items()}

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_EVERY)
            self._hub.tell_all(HEARTBEAT, only_idle=True)


def _notification(desk: OpenDesk, actor: ActingAgent, notice: Notice, unread: int) -> bytes:
    language = desk.variant[0]
    notice = notifications.seen(actor, notice)
    return event(
        "notification",
        {
            "text": notice_text(notice.kind, title_of(notice, language), language),
            "href": notice_href(notice.kind, notice.case_id, seen=notice.unit_id is not None) or "/desk/notifications",
            "unread": unread,
            "tone": "bad" if notice.kind.startswith("delivery") else "info",
        },
    )
