"""The outbox's promises that the task runner relies on: what is claimed, by whom, for how long, and what is not."""

from __future__ import annotations

import psycopg
import pytest

from tests.reasons import why
from zrm.casestore import outbox
from zrm.casestore.outbox import Task, Topic
from zrm.kit.db import Database
from zrm.kit.ids import new_id


@pytest.fixture
def task(database: Database) -> Task:
    """A task that somebody has claimed for a minute."""
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.NOTIFY, [(new_id(), "feed")])
    return claimed(database)[0]


def claimed(database: Database, topic: Topic = Topic.NOTIFY) -> list[Task]:
    with database.cursor() as cursor:
        return outbox.claim(cursor, topic, limit=10, lease=60)


def make_due(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE outbox SET due_at = now()")


def test_what_is_given_up_is_neither_claimed_nor_due_nor_waiting(database: Database, task: Task) -> None:
    with database.cursor() as cursor:
        outbox.fail(cursor, task, why("broken"))
    make_due(database)
    assert claimed(database) == []
    with database.cursor() as cursor:
        assert outbox.due_topics(cursor) == []
        assert outbox.waiting(cursor) == {}
        assert [(one.id, str(one.reason)) for one in outbox.failed(cursor)] == [(task.id, "broken")]
        cursor.execute("UPDATE outbox SET due_at = now() + interval '1 minute'")
        assert outbox.seconds_to_next(cursor) is None


def test_a_claim_is_a_lease_and_the_sweep_does_not_renew_it(database: Database, task: Task) -> None:
    assert claimed(database) == []
    with database.cursor() as cursor:
        before = outbox.seconds_to_next(cursor) or 0
        assert 55 < before <= 60
        cursor.execute("UPDATE outbox SET due_at = due_at - interval '30 seconds'")
    with database.cursor() as cursor:
        outbox.repair_future_due_times(cursor)
        assert (outbox.seconds_to_next(cursor) or 0) <= 30, "who holds it has no more time than before"


def test_the_lease_of_what_is_slow_is_its_own(database: Database, task: Task) -> None:
    with database.cursor() as cursor:
        outbox.extend_lease(cursor, [task], seconds=600)
    with database.cursor() as cursor:
        assert 590 < (outbox.seconds_to_next(cursor) or 0) <= 600


def test_a_claim_takes_its_topic_in_the_order_of_their_moments_and_no_more_than_asked(database: Database) -> None:
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.FILE, [(first := new_id(), "")])
        outbox.add(cursor, Topic.FILE, [(second := new_id(), ""), (third := new_id(), "")])
        outbox.add(cursor, Topic.SCAN, [(new_id(), "")])
        cursor.execute("UPDATE outbox SET due_at = now() - interval '1 hour' WHERE ref = %s", [second])
        cursor.execute("UPDATE outbox SET due_at = now() - interval '1 minute' WHERE ref = %s", [first])
    with database.cursor() as cursor:
        assert {task.ref for task in outbox.claim(cursor, Topic.FILE, limit=2, lease=60)} == {first, second}
    assert [task.ref for task in claimed(database, Topic.FILE)] == [third]


def test_what_another_worker_is_claiming_just_now_is_passed_by(database: Database) -> None:
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.FILE, [(new_id(), ""), (new_id(), "")])
    with database.cursor() as one, database.cursor() as other:
        other.execute("SET LOCAL lock_timeout = '5s'")
        first = outbox.claim(one, Topic.FILE, limit=1, lease=60)
        second = outbox.claim(other, Topic.FILE, limit=2, lease=60)
    assert len({task.id for task in (*first, *second)}) == 2
    assert len(second) == 1


def test_tries_are_counted_taken_back_and_forgotten(database: Database, task: Task) -> None:
    def tries() -> int:
        make_due(database)
        return claimed(database)[0].attempts

    assert (task.attempts, tries()) == (1, 2)
    with database.cursor() as cursor:
        outbox.undo_attempt(cursor, [task])
    assert tries() == 2
    with database.cursor() as cursor:
        outbox.undo_attempt(cursor, [task])
        outbox.attempt_started(cursor, task)
    assert tries() == 3
    with database.cursor() as cursor:
        outbox.reset_attempts(cursor, task)
    assert tries() == 1


def test_a_replay_begins_anew_and_one_that_did_not_fail_is_none(database: Database, task: Task) -> None:
    with database.cursor() as cursor:
        assert outbox.replay(cursor, task.id) is False
        outbox.fail(cursor, task, why("broken"))
        assert outbox.replay(cursor, task.id) is True
    (again,) = claimed(database)
    assert (again.id, again.attempts, again.ref, again.trace) == (task.id, 1, task.ref, "feed")
    with database.cursor() as cursor:
        assert outbox.failed(cursor) == []


def test_only_the_task_that_is_meant_leaves(database: Database) -> None:
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.FILE, [(ref := new_id(), ""), (other := new_id(), "")])
        outbox.add(cursor, Topic.SCAN, [(ref, "")])
        outbox.withdraw(cursor, Topic.FILE, ref)
    assert [task.ref for task in claimed(database, Topic.FILE)] == [other]
    (scan,) = claimed(database, Topic.SCAN)
    with database.cursor() as cursor:
        outbox.done(cursor, [scan])
        cursor.execute("SELECT ref FROM outbox")
        assert cursor.fetchall() == [(other,)]


def test_what_waits_for_its_moment_is_not_late(database: Database) -> None:
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.DELIVER, [(new_id(), "")])
        cursor.execute("UPDATE outbox SET due_at = now() + interval '5 minutes'")
        assert outbox.due_topics(cursor) == []
        assert outbox.waiting(cursor) == {}
        assert 290 < (outbox.seconds_to_next(cursor) or 0) <= 300
    assert claimed(database, Topic.DELIVER) == []
    with database.cursor() as cursor:
        cursor.execute("UPDATE outbox SET due_at = now() - interval '90 seconds'")
    with database.cursor() as cursor:
        assert outbox.due_topics(cursor) == [Topic.DELIVER]
        assert 85 < outbox.waiting(cursor)[Topic.DELIVER] < 200


def test_failed_tasks_are_shown_newest_first_and_no_more_than_asked(database: Database) -> None:
    with database.cursor() as cursor:
        old, new, newest = (new_id() for _ in range(3))
        outbox.add(cursor, Topic.FILE, [(newest, ""), (old, ""), (new, "")])
        for ref, days in ((newest, 1), (new, 2), (old, 3)):
            cursor.execute(
                "UPDATE outbox SET failed_at = now() - make_interval(days => %s) WHERE ref = %s", [days, ref]
            )
        assert [task.ref for task in outbox.failed(cursor)] == [newest, new, old]
        assert [task.ref for task in outbox.failed(cursor, limit=2)] == [newest, new]


def test_what_is_done_to_one_task_is_done_to_no_other(database: Database, task: Task) -> None:
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.NOTIFY, [(new_id(), "other")])
    (other,) = claimed(database)

    def rows() -> dict[str, tuple[int, bool, str, bool]]:
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT trace, attempts, due_at > now() + interval '10 minutes', error, failed_at IS NULL FROM outbox"
            )
            return {row[0]: row[1:] for row in cursor}

    untouched = (1, False, "", True)
    with database.cursor() as cursor:
        outbox.retry_later(cursor, task, after=900, error="later")
    assert rows() == {"feed": (1, True, "later", True), "other": untouched}
    with database.cursor() as cursor:
        outbox.extend_lease(cursor, [task], seconds=30)
        outbox.attempt_started(cursor, task)
    assert rows() == {"feed": (2, False, "later", True), "other": untouched}
    with database.cursor() as cursor:
        outbox.undo_attempt(cursor, [task])
        outbox.undo_attempt(cursor, [task])
        outbox.attempt_started(cursor, other)
        outbox.reset_attempts(cursor, task)
    assert rows() == {"feed": (0, False, "later", True), "other": (2, False, "", True)}
    with database.cursor() as cursor:
        outbox.fail(cursor, task, why("broken"))
        outbox.fail(cursor, other, why("broken"))
        assert outbox.replay(cursor, task.id)
    assert rows() == {"feed": (0, False, "", True), "other": (2, False, "", False)}
    with database.cursor() as cursor:
        assert [one.id for one in outbox.failed(cursor)] == [other.id]


def test_a_replay_rings_for_its_topic(database: Database, database_url: str, task: Task) -> None:
    with database.cursor() as cursor:
        outbox.fail(cursor, task, why("broken"))
    with psycopg.connect(database_url, autocommit=True) as relay:
        relay.execute("LISTEN zrm_outbox")
        with database.cursor() as cursor:
            assert outbox.replay(cursor, task.id)
        assert next(notice.payload for notice in relay.notifies(timeout=5, stop_after=1)) == Topic.NOTIFY


def test_only_what_a_clock_that_was_set_back_left_in_the_future_is_repaired(database: Database) -> None:
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.FILE, [(new_id(), name) for name in ("ahead", "leased", "failed", "past")])
        for name, made, due in (
            ("ahead", "1h", "1h"),
            ("leased", "0s", "1h"),
            ("failed", "1h", "1h"),
            ("past", "1h", "-1h"),
        ):
            cursor.execute(
                "UPDATE outbox SET created_at = now() + %s::interval, due_at = now() + %s::interval WHERE trace = %s",
                [made, due, name],
            )
        cursor.execute("UPDATE outbox SET failed_at = now() WHERE trace = 'failed'")
        outbox.repair_future_due_times(cursor)
        cursor.execute("SELECT trace FROM outbox WHERE created_at <= now() ORDER BY trace")
        assert [name for (name,) in cursor] == ["ahead", "leased"]
        cursor.execute("SELECT trace FROM outbox WHERE due_at > now() ORDER BY trace")
        assert [name for (name,) in cursor] == ["failed", "leased"]
