"""Every step at a case is told to the desks that show it, when it is committed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from itertools import takewhile
from uuid import UUID

import psycopg
import pytest

from tests.casework.installation import EVERYTHING, acting, agent, file_case
from zrm.casestore import live
from zrm.casework import case_actions, failed_deliveries, undo
from zrm.casework.context import ActingAgent
from zrm.casework.reply_routes import ReplyRoute
from zrm.kit.db import Cursor, Database

MAIL = ReplyRoute("email", "contact@city.example", "sara@home.example", files=True)
Told = Callable[[Callable[[Cursor], object]], list[tuple[str, str]]]


@pytest.fixture
def told(database: Database, database_url: str) -> Told:
    """What is told when a step is committed."""

    def of(step: Callable[[Cursor], object]) -> list[tuple[str, str]]:
        with psycopg.connect(database_url, autocommit=True) as listening:
            listening.execute(f"LISTEN {live.CHANNEL}")
            with database.cursor() as cursor:
                step(cursor)
            with database.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, '')", [live.CHANNEL])
            with closing(listening.notifies(timeout=60)) as heard:
                payloads = [one.payload for one in takewhile(lambda one: one.payload, heard)]
        return sorted(tuple(json.loads(payload)) for payload in payloads)

    return of


@pytest.fixture
def maryam(database: Database) -> UUID:
    with database.cursor() as cursor:
        return agent(cursor, "maryam")


def test_every_step_at_a_case_is_told(database: Database, maryam: UUID, told: Told) -> None:
    case = file_case(database)
    file_case(database)
    actor, this = ActingAgent(maryam, EVERYTHING), ("case", str(case.id))
    answers: list[UUID] = []

    def reply(cursor: Cursor, version: int) -> None:
        act = acting(maryam, case.id, version, MAIL, hold=60)
        answers.append(case_actions.reply(cursor, act, route=MAIL, title="", text="x"))

    def take_back(cursor: Cursor) -> None:
        act = acting(maryam, case.id, None, MAIL, hold=60)
        step = undo.undoable(cursor, act)
        assert step is not None
        undo.undo(cursor, act, step.event_id)

    def fail(cursor: Cursor) -> None:
        cursor.execute("UPDATE deliveries SET state = 'failed', settled_by = NULL WHERE id = %s", [answers[-1]])

    def again(cursor: Cursor) -> None:
        answers.append(failed_deliveries.send_again(cursor, actor, answers[-1]))

    assert told(lambda cursor: case_actions.claim(cursor, acting(maryam, case.id, 1))) == [this]
    assert told(lambda cursor: case_actions.note(cursor, acting(maryam, case.id), text="x")) == [this]
    assert told(lambda cursor: reply(cursor, 3)) == [this]
    assert told(take_back) == [this]
    assert told(lambda cursor: reply(cursor, 5)) == [this]
    assert told(fail) == []
    failed = ("delivery", str(answers[-1]))
    assert told(again) == [this, failed]
    told(fail)
    failed = ("delivery", str(answers[-1]))
    assert told(lambda cursor: failed_deliveries.mark_handled(cursor, actor, answers[-1])) == [this, failed]
