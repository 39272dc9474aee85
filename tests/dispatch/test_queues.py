"""RQ as the alarm, on a real Valkey: what is woken, what may be read of it, and what a Valkey that is away does."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from redis import RedisError
from rq import Queue
from rq.registry import FailedJobRegistry

from tests.lab.process import free_port
from tests.lab.servers import TestServers
from zrm.casestore.outbox import Topic
from zrm.dispatch import monitor
from zrm.dispatch.queues import (
    FailedJob,
    Monitor,
    Queues,
    QueueState,
    _AboutTheOutage,
    queue_mistakes,
    queue_obstacles,
    queue_risks,
)


@pytest.fixture
def queues(redis_url: str) -> Queues:
    return Queues(redis_url)


@pytest.fixture
def away() -> Queues:
    """Where nobody listens."""
    return Queues(f"redis://127.0.0.1:{free_port()}/0")


class Noted:
    """Stands for the outage and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begun(self, error: BaseException, reason: str = "") -> None:
        self.told.append(type(error).__name__)

    def over(self) -> None:
        self.told.append("over")


def noted(queues: Queues) -> list[str]:
    outage: Any = Noted()
    queues.outage = outage
    told: list[str] = outage.told
    return told


def waiting(queues: Queues) -> dict[str, int]:
    return {state.topic: state.waiting for state in Monitor(queues).states() if state.waiting}


def test_each_topic_is_woken_on_its_own(queues: Queues) -> None:
    told = noted(queues)
    for topic in (Topic.FILE, Topic.NOTIFY, Topic.FILE):
        queues.wake(topic)
    assert waiting(queues) == {"file": 1, "notify": 1}
    queues.started(Topic.FILE)
    for topic in (Topic.FILE, Topic.NOTIFY):
        queues.wake(topic)
    assert waiting(queues) == {"file": 2, "notify": 1}
    assert set(told) == {"over"}
    assert {0 < queues.redis.ttl(f"zrm:awake:{topic}") <= 5 for topic in ("file", "notify")} == {True}


def test_a_valkey_that_is_away_is_said_and_nobody_fails(away: Queues) -> None:
    told = noted(away)
    away.wake(Topic.FILE)
    away.started(Topic.FILE)
    assert told == ["ConnectionError"] * 2
    reading = Monitor(away)
    assert monitor.snapshot(reading) is None
    assert not monitor.requeue(reading, "file", "x")
    with pytest.raises(RedisError):
        reading.ping()


def fail(queues: Queues, topic: Topic) -> str:
    """A job that fails for good; its id."""
    queue = Queue(topic.value, connection=queues.redis)
    job = queue.enqueue("zrm.worker.no_such_function", failure_ttl=60)
    worker = queues.worker([topic])
    worker.work(burst=True, logging_level="CRITICAL")
    return str(job.id)


def test_what_failed_is_shown_with_its_last_line_and_run_again(queues: Queues) -> None:
    reading = Monitor(queues)
    reading.ping()
    first, second, other = fail(queues, Topic.FILE), fail(queues, Topic.FILE), fail(queues, Topic.NOTIFY)
    registry = FailedJobRegistry(queue=Queue("file", connection=queues.redis))
    queues.redis.zadd(registry.key, {first: 1e10, second: 2e10})  # the order they failed in
    shown = reading.failed()
    assert {(one.id, one.topic) for one in shown} == {(first, "file"), (second, "file"), (other, "notify")}
    assert [one.id for one in shown if one.topic == "file"] == [second, first], "newest first"
    assert all("no_such_function" in one.error and "\n" not in one.error for one in shown)
    assert [one.id for one in reading.failed(limit=1)].count(first) == 0
    seen = monitor.snapshot(reading)
    assert seen is not None
    assert {state for state in seen.states if state.failed} == {QueueState("file", 0, 2), QueueState("notify", 0, 1)}
    assert (len(seen.states), seen.workers, seen.failed) == (len(Topic), 0, shown)
    assert not monitor.requeue(reading, "file", "no such job")
    assert not monitor.requeue(reading, "carrier_pigeon", first)
    assert not monitor.requeue(reading, "file", other), "it is another topic's"
    assert monitor.requeue(reading, "file", first)
    assert not monitor.requeue(reading, "file", first), "somebody else was faster"
    assert waiting(queues) == {"file": 1}
    assert [one.id for one in reading.failed()].count(first) == 0


def test_a_failed_job_without_a_result_is_shown_all_the_same(queues: Queues) -> None:
    failed = fail(queues, Topic.FILE)
    queues.redis.delete(f"rq:results:{failed}")
    assert Monitor(queues).failed() == [FailedJob(failed, "file", "")]


def test_a_heartbeat_says_that_valkey_answers(queues: Queues) -> None:
    told = noted(queues)
    worker = queues.worker([Topic.NOTIFY])
    worker.register_birth()  # type: ignore[no-untyped-call]  # RQ left it without types
    assert not worker.told_to_stop
    assert [worker.has_worked, *told] == [True, "over"] or not worker.has_worked
    worker.heartbeat()
    assert worker.has_worked
    assert set(told) == {"over"}
    assert Monitor(queues).workers() == 1


@pytest.fixture
def signals() -> Iterator[None]:
    """Put back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_worker_whose_valkey_goes_away_is_replaced_until_it_is_told_to_stop(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = noted(queues)
    begun: list[list[Topic]] = []

    class Worker:
        has_worked = True
        told_to_stop = False

        def work(self, logging_level: str) -> None:
            if len(begun) == 2:
                raise RedisError
            self.told_to_stop = len(begun) == 3

    def worker(topics: list[Topic]) -> Worker:
        begun.append(topics)
        if len(begun) == 1:
            raise RedisError
        return Worker()

    monkeypatch.setattr(queues, "worker", worker)
    monkeypatch.setattr("zrm.dispatch.queues._LONGEST_WAIT", 0.01)
    queues.work([Topic.FILE])
    assert begun == [[Topic.FILE]] * 3
    assert told == ["RedisError"] * 2


@pytest.mark.usefixtures("signals")
def test_a_signal_between_two_workers_ends_it(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    def worker(topics: list[Topic]) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise RedisError

    monkeypatch.setattr(queues, "worker", worker)
    noted(queues)
    queues.work([Topic.FILE])


def test_what_rq_says_of_a_valkey_that_is_away_is_said_once_and_the_rest_as_it_is(queues: Queues) -> None:
    told = noted(queues)
    about = _AboutTheOutage(queues.outage)
    record: Any = None
    assert about.filter(record)
    for error, shown in ((ValueError(), True), (RedisError(), False)):
        try:
            raise error
        except (ValueError, RedisError):
            assert sys.exception() is error
            assert about.filter(record) is shown
    assert told == ["RedisError"]


def test_only_what_waiting_does_not_solve_is_a_mistake(servers: TestServers, redis_url: str) -> None:
    assert queue_obstacles(redis_url) == queue_mistakes(redis_url) == queue_risks(redis_url) == []
    away = f"redis://127.0.0.1:{free_port()}/0"
    assert len(queue_obstacles(away)) == 1
    assert queue_mistakes(away) == []
    for wrong in (redis_url.replace(servers.valkey.password(), "not-this-one"), redis_url + "&colour=red"):
        assert queue_mistakes(wrong) == queue_obstacles(wrong)
        assert len(queue_mistakes(wrong)) == 1
