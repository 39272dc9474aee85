"""What is for later waits apart from the outbox, becomes a task once, and keeps no stage behind."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.casework.installation import one
from zrm.casestore import outbox, timers
from zrm.casestore.outbox import Topic
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id


def due(cursor: Cursor) -> None:
    cursor.execute("UPDATE timers SET due_at = now()")


def test_a_timer_is_no_task_until_its_moment(database: Database) -> None:
    ref = new_id()
    with database.cursor() as cursor:
        timers.add(cursor, Topic.DELIVER, [(ref, "trace")], after=3600)
        assert timers.move_due(cursor) == 0
        assert outbox.claim(cursor, Topic.DELIVER, limit=9, lease=1) == []
        assert outbox.waiting(cursor) == {}
        assert outbox.seconds_to_next(cursor) is None
        assert 3590 < (timers.seconds_to_next(cursor) or 0) <= 3600
        due(cursor)
        assert timers.seconds_to_next(cursor) == 0
        assert timers.move_due(cursor) == 1
        (task,) = outbox.claim(cursor, Topic.DELIVER, limit=9, lease=1)
        assert (task.ref, task.trace, timers.seconds_to_next(cursor)) == (ref, "trace", None)


def test_without_a_time_to_wait_it_is_a_task_at_once(database: Database) -> None:
    with database.cursor() as cursor:
        timers.add(cursor, Topic.DELIVER, [(new_id(), "")], after=0)
        assert len(outbox.claim(cursor, Topic.DELIVER, limit=9, lease=1)) == 1


def test_several_relays_make_one_task_of_each(database: Database) -> None:
    refs = [new_id() for _ in range(300)]
    with database.cursor() as cursor:
        timers.add(cursor, Topic.NOTIFY, [(ref, "") for ref in refs], after=1)
        due(cursor)

    def relay(_: int) -> int:
        with database.cursor() as cursor:
            return timers.move_due(cursor)

    with ThreadPoolExecutor(4) as relays:
        assert sum(relays.map(relay, range(8))) == len(refs)
    with database.cursor() as cursor:
        cursor.execute("SELECT ref FROM outbox WHERE topic = 'notify'")
        assert Counter(ref for (ref,) in cursor) == Counter(refs)


def test_a_relay_that_dies_in_between_leaves_the_timer(database: Database) -> None:
    with database.cursor() as cursor:
        timers.add(cursor, Topic.NOTIFY, [(new_id(), "")], after=1)
        due(cursor)
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        assert timers.move_due(cursor) == 1
        connection.rollback()  # as the server does when it sees that the relay is gone
    with database.cursor() as cursor:
        assert timers.move_due(cursor) == 1


@pytest.mark.parametrize("moved", [False, True])
def test_what_is_withdrawn_is_never_done(database: Database, *, moved: bool) -> None:
    ref, other = new_id(), new_id()
    with database.cursor() as cursor:
        timers.add(cursor, Topic.DELIVER, [(ref, ""), (other, "")], after=1)
        if moved:
            due(cursor)
            timers.move_due(cursor)
        timers.withdraw(cursor, Topic.DELIVER, ref)
        due(cursor)
        timers.move_due(cursor)
        assert [task.ref for task in outbox.claim(cursor, Topic.DELIVER, limit=9, lease=1)] == [other]


def test_a_clock_that_stepped_back_delays_nobody(database: Database) -> None:
    with database.cursor() as cursor:
        timers.add(cursor, Topic.DELIVER, [(new_id(), "")], after=30)
        cursor.execute("UPDATE timers SET created_at = created_at + interval '1 h', due_at = due_at + interval '1 h'")
        timers.repair_future_due_times(cursor)
        assert 0 < (timers.seconds_to_next(cursor) or 0) <= 30
        assert one(cursor, "SELECT created_at <= now() FROM timers")


def test_what_another_version_set_stays_and_keeps_nobody_waiting(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO timers (id, topic, ref, due_at) SELECT uuidv7(), 'webhook', uuidv7(), now() - n * interval '1 s'"
            " FROM generate_series(1, 1100) AS n"
        )
        ref = new_id()
        timers.add(cursor, Topic.DELIVER, [(ref, "")], after=60)
        assert 59 < (timers.seconds_to_next(cursor) or 0) <= 60
        cursor.execute("UPDATE timers SET due_at = now() WHERE ref = %s", [ref])
        assert timers.move_due(cursor) == 1
        assert [task.ref for task in outbox.claim(cursor, Topic.DELIVER, limit=9, lease=1)] == [ref]
        assert (timers.unknown_topics(cursor), timers.seconds_to_next(cursor)) == ({"webhook"}, None)
        assert one(cursor, "SELECT count(*) FROM timers") == 1100
