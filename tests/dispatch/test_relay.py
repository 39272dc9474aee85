"""What the relay does in one sweep: what is due is woken, what is over is removed once an hour, and when it looks again."""

from __future__ import annotations

import pytest

from zrm.casestore import outbox, uploads
from zrm.casestore.outbox import Topic
from zrm.config import Dispatch
from zrm.dispatch.queues import Queues
from zrm.dispatch.relay import Relay
from zrm.errors import StoreUnavailable
from zrm.inbox import door_records
from zrm.kit import throttle
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id


@pytest.fixture
def woken() -> list[Topic]:
    return []


@pytest.fixture
def relay(
    database: Database, redis_url: str, blobs: BlobStore, woken: list[Topic], monkeypatch: pytest.MonkeyPatch
) -> Relay:
    queues = Queues(redis_url)
    monkeypatch.setattr(queues, "wake", woken.append)
    return Relay(database, queues, Dispatch(sweep=30), blobs)


def put(database: Database, topic: Topic, seconds: float, table: str = "outbox") -> None:
    with database.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (id, topic, ref, due_at)"
            " VALUES (uuidv7(), %s, uuidv7(), now() + %s * interval '1 second')".encode(),
            [topic.value, seconds],
        )


def test_each_topic_with_work_is_woken_and_no_other(database: Database, relay: Relay, woken: list[Topic]) -> None:
    assert relay._sweep() == 30, "nothing is due before the next sweep"
    assert woken == []
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.FILE, [(new_id(), ""), (new_id(), "")])
    put(database, Topic.SCAN, 600)
    put(database, Topic.DELIVER, -1, "timers")
    relay._sweep()
    assert sorted(woken) == [Topic.DELIVER, Topic.FILE]


@pytest.mark.parametrize("table", ["outbox", "timers"])
def test_it_looks_again_when_the_next_becomes_due(database: Database, relay: Relay, table: str) -> None:
    put(database, Topic.DELIVER, 600, table)
    assert relay._sweep() == 30
    put(database, Topic.DELIVER, 20, table)
    assert 10 < relay._sweep() <= 20
    put(database, Topic.DELIVER, 0.01, table)
    assert 0.1 <= relay._sweep() <= 20, "and not without a pause"


def test_what_is_over_is_removed_once_an_hour(
    database: Database, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ("throttles", "dialogue_states", "heartbeats")

    def leave_behind() -> None:
        throttle.count(database, "old", window=60)
        with database.cursor() as cursor:
            cursor.execute("UPDATE throttles SET window_started = now() - interval '2 days'")
            door_records.save_dialogue(cursor, "bale", "ended", "x", seconds=-90_000)
            cursor.execute(
                "INSERT INTO heartbeats (instance, role, topics, at, ended)"
                " SELECT uuidv7(), 'relay', '{}', now() - days * interval '1 day', false FROM unnest(ARRAY[2, 0]) AS days"
            )

    def left() -> dict[str, int]:
        with database.cursor() as cursor:
            found = {}
            for table in tables:
                cursor.execute(f"SELECT count(*) FROM {table}".encode())
                ((found[table],),) = cursor.fetchall()
        return found

    leave_behind()
    assert left() == {"throttles": 1, "dialogue_states": 1, "heartbeats": 2}
    relay._sweep()
    assert left() == {"throttles": 0, "dialogue_states": 0, "heartbeats": 1}
    leave_behind()
    relay._sweep()
    assert left()["throttles"] == 1, "the next hour's work"
    monkeypatch.setattr("zrm.dispatch.relay._HOUSEKEEPING", 0.0)
    relay._sweep()
    assert left()["throttles"] == 0


def test_a_blob_store_that_is_away_holds_nothing_up(
    database: Database, relay: Relay, woken: list[Topic], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def away(*_: object) -> None:
        raise StoreUnavailable("the folder is away")

    monkeypatch.setattr("zrm.dispatch.relay.uploads.sweep", away)
    monkeypatch.setattr(relay._files, "begun", lambda error, reason: told.append(reason))
    monkeypatch.setattr(relay._files, "over", lambda: told.append("over"))
    put(database, Topic.FILE, -1)
    relay._sweep()
    assert (woken, told) == ([Topic.FILE], ["the folder is away"])


def test_files_that_nothing_refers_to_are_removed(
    database: Database, relay: Relay, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(relay._files, "over", lambda: told.append("over"))
    with database.cursor() as cursor:
        uploads.register(cursor, "0" * 64)  # its file was lost in a crash
        cursor.execute("UPDATE uploads SET uploaded_at = now() - interval '2 days'")
    relay._sweep()
    with database.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM uploads").fetchone() == (0,)
    assert told == ["over"]


def test_an_unknown_topic_is_said_once(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("zrm.dispatch.relay._log.error", lambda _, topic: said.append(topic))
    for topics in (["b", "a", "b"], ["a"], ["c"]):
        relay._report_unknown(topics)
    assert said == ["a", "b", "c"]
