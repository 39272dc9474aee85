"""Which roles are silent and what waits too long, told from their heartbeats and the outbox."""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg
import pytest

from tests.lab.process import wait_until
from zrm.casestore import heartbeat, outbox
from zrm.casestore.heartbeat import Heartbeat
from zrm.casestore.outbox import Topic
from zrm.insight.health import Health, RoleProblem
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id

ROLES: list[tuple[str, list[Topic]]] = [
    ("relay", []),
    ("worker", [Topic.DELIVER]),
    ("worker", list(Topic)),
    ("email", []),
    ("web", []),
]
HEALTH = Health(["web", "email", "fax"], late=60)
EVERY_TOPIC = [RoleProblem("topic", topic.value) for topic in Topic if topic is not Topic.DELIVER]


@pytest.fixture
def alive(database: Database) -> Database:
    """A store in which every role but fax has just given a heartbeat."""
    with database.cursor() as cursor:
        for role, topics in ROLES:
            heartbeat.beat(cursor, new_id(), role, topics)
    return database


def problems(database: Database) -> list[RoleProblem]:
    with database.cursor() as cursor:
        return HEALTH.problems(cursor)


def wait(cursor: Cursor, topic: Topic, seconds: int) -> None:
    """A task of the topic that has been due so long; one that is not due yet if negative."""
    reference = new_id()
    outbox.add(cursor, topic, [(reference, "trace")])
    cursor.execute("UPDATE outbox SET due_at = now() - make_interval(secs => %s) WHERE ref = %s", [seconds, reference])


def change(database: Database, what: str, where: str = "true") -> list[RoleProblem]:
    with database.cursor() as cursor:
        cursor.execute(f"UPDATE heartbeats SET {what} WHERE {where}".encode())
    return problems(database)


KILLED = ["at = now() - interval '36 s'", "at = now() - interval '9 d'", "at = now() + interval '1 h'"]
"""Killed or frozen; for long; before the server's clock was set back."""


@pytest.mark.parametrize("killed", KILLED)
@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("role = 'relay'", [RoleProblem("relay")]),
        ("role = 'worker'", [RoleProblem("workers")]),
        ("role = 'email'", [RoleProblem("listener", "email")]),
        ("role = 'web'", [RoleProblem("web")]),
        ("role = 'worker' AND cardinality(topics) > 1", EVERY_TOPIC),
        ("role = 'worker' AND cardinality(topics) = 1", []),  # the other one delivers too
        ("true", [RoleProblem("relay"), RoleProblem("workers"), RoleProblem("web"), RoleProblem("listener", "email")]),
    ],
)
def test_whoever_died_is_named_until_it_is_back(
    alive: Database, who: str, expected: list[RoleProblem], killed: str
) -> None:
    assert problems(alive) == []
    assert change(alive, killed, who) == expected
    with alive.cursor() as cursor:
        for role, topics in ROLES:
            heartbeat.beat(cursor, new_id(), role, topics)
    assert problems(alive) == []


def test_what_ended_in_order_is_missed_only_if_nothing_goes_on_without_it(alive: Database) -> None:
    assert change(alive, "ended = true, at = now() - interval '30 s'") == [], "a restart takes a moment"
    assert change(alive, "at = now() - interval '36 s'") == [RoleProblem("relay"), RoleProblem("workers")]
    with alive.cursor() as cursor:
        heartbeat.beat(cursor, new_id(), "relay")
        heartbeat.beat(cursor, new_id(), "worker", [Topic.DELIVER])
    assert problems(alive) == [RoleProblem("topic", "file")]


def test_the_last_that_was_there_says_whether_it_was_meant(alive: Database) -> None:
    """The machine on which a role died is gone for ever; it went on elsewhere, and was ended there."""
    assert change(alive, "at = now() - interval '2 h'", "role = 'email'") == [RoleProblem("listener", "email")]
    instance = new_id()
    with alive.cursor() as cursor:
        heartbeat.beat(cursor, instance, "email")
        heartbeat.end(cursor, instance)
    assert change(alive, "at = now() - interval '1 h'", "role = 'email' AND ended") == []


def test_a_installation_that_was_never_begun_lacks_what_every_installation_needs(database: Database) -> None:
    assert problems(database) == [RoleProblem("relay"), RoleProblem("workers")]


def test_a_heartbeat_may_be_late_by_two(alive: Database) -> None:
    assert change(alive, "at = now() - interval '30 s'") == []


def test_only_what_is_due_and_taken_by_nobody_waits_too_long(alive: Database) -> None:
    with alive.cursor() as cursor:
        for topic, seconds in ((Topic.FILE, 30), (Topic.FILE, 50), (Topic.DELIVER, -600)):
            wait(cursor, topic, seconds)
    assert problems(alive) == []
    with alive.cursor() as cursor:
        wait(cursor, Topic.SCAN, 7200)
        wait(cursor, Topic.SCAN, 90)
        wait(cursor, Topic.RENDER, 9000)
        cursor.execute("UPDATE outbox SET failed_at = now() WHERE topic = 'render'")
    assert [(found.kind, found.name, found.seconds // 10) for found in problems(alive)] == [("late", "scan", 720)]


def test_topics_of_a_newer_version_are_passed_over(alive: Database) -> None:
    assert change(alive, "topics = topics || '{translate}'::text[]") == []


def test_each_problem_is_one_plain_sentence() -> None:
    told = [
        str(problem)
        for problem in (
            RoleProblem("relay"),
            RoleProblem("workers"),
            RoleProblem("topic", "deliver"),
            RoleProblem("topic", "scan"),
            RoleProblem("web"),
            RoleProblem("listener", "fax"),
            RoleProblem("late", "file", 75),
        )
    ]
    assert told == [
        "the relay gives no heartbeat; contacts are kept but not filed",
        "no worker is alive; contacts are kept but not filed",
        "no worker for deliver is alive; answers are kept but not sent",
        "no worker for scan is alive; that work waits",
        "`zrm web` gives no heartbeat; no page is served",
        "`zrm listen fax` gives no heartbeat; nothing comes in there",
        "the oldest task of file has been due for 75 s and no worker has taken it",
    ]


def rows(database: Database) -> list[tuple[object, ...]]:
    with database.cursor() as cursor:
        return cursor.execute("SELECT role, topics, ended, at FROM heartbeats").fetchall()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats without the pauses."""
    for pause in ("FIRST_AFTER", "EVERY", "AGAIN_AFTER"):
        monkeypatch.setattr(heartbeat, pause, 0.05)


@pytest.mark.usefixtures("quick")
def test_a_process_has_one_row_however_long_it_lives_and_ends_it(database: Database) -> None:
    with Heartbeat(database, "worker", [Topic.SCAN]):
        wait_until(lambda: rows(database) != [], "the first", 20)
        ((*what, first),) = rows(database)
        assert what == ["worker", ["scan"], False]
        wait_until(lambda: rows(database)[0][-1] != first, "the next", 20)
        with database.cursor() as cursor:
            cursor.execute("DELETE FROM heartbeats")
        wait_until(lambda: rows(database) != [], "it again in a store that has lost it", 20)
    assert [row[:-1] for row in rows(database)] == [("worker", ["scan"], True)]


@pytest.mark.usefixtures("quick")
def test_an_error_is_no_end_in_order_and_ctrl_c_is(database: Database) -> None:
    for error, ended in ((RuntimeError(), False), (KeyboardInterrupt(), True), (SystemExit(0), True)):
        with suppress(type(error)), Heartbeat(database, "relay"):
            wait_until(lambda: rows(database) != [], "the first", 20)
            raise error
        assert [row[2] for row in rows(database)] == [ended]
        with database.cursor() as cursor:
            cursor.execute("DELETE FROM heartbeats")


def test_who_fails_at_every_start_was_never_alive(database: Database) -> None:
    with pytest.raises(OSError, match="in use"), Heartbeat(database, "email"):
        raise OSError("in use")
    assert rows(database) == []


@pytest.mark.usefixtures("quick")
def test_who_hangs_does_not_look_alive(database: Database) -> None:
    asked, hangs = threading.Semaphore(0), threading.Event()

    def works() -> bool:
        asked.release()
        return not hangs.is_set()

    hangs.set()
    with Heartbeat(database, "web", works=works):
        for _ in range(3):
            assert asked.acquire(timeout=20)
        assert rows(database) == []
        hangs.clear()
        wait_until(lambda: rows(database) != [], "a heartbeat", 20)


@pytest.mark.usefixtures("quick")
def test_a_store_that_is_away_ends_no_heartbeat(database: Database) -> None:
    with Heartbeat(database, "relay"), psycopg.connect(database.url, autocommit=True) as boss:
        wait_until(lambda: boss.execute("SELECT 1 FROM heartbeats").fetchone() is not None, "the first", 20)
        boss.execute("ALTER TABLE heartbeats RENAME TO away")
        boss.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        boss.execute("DELETE FROM away")
        boss.execute("ALTER TABLE away RENAME TO heartbeats")
        wait_until(lambda: boss.execute("SELECT 1 FROM heartbeats").fetchone() is not None, "it again", 20)


def test_old_rows_go_but_the_last_of_each_kind_stays_and_is_still_missed(alive: Database) -> None:
    change(alive, "at = now() - interval '25 h'", "role IN ('email', 'worker')")
    with alive.cursor() as cursor:
        for age in (26, 27, 28):
            heartbeat.beat(cursor, instance := new_id(), "email")
            cursor.execute(
                "UPDATE heartbeats SET at = now() - make_interval(hours => %s) WHERE instance = %s", [age, instance]
            )
        heartbeat.forget(cursor)
    assert [row[0] for row in rows(alive)].count("email") == 1
    assert problems(alive) == [RoleProblem("workers"), RoleProblem("listener", "email")]
