"""The queue: RQ wakes, PostgreSQL decides, and losing Redis loses nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest
from redis import Redis
from rq import Queue
from rq.executions import Execution

from tests.lab.process import wait_until
from tests.reasons import why
from zrm.casestore import outbox
from zrm.casestore.outbox import Task, Topic
from zrm.config import Dispatch
from zrm.dispatch.queues import Monitor, Queues
from zrm.dispatch.relay import Relay
from zrm.dispatch.task_runner import TaskRunner, backoff, leave_failed
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id

SLOW = (Topic.DELIVER, Topic.RENDER, Topic.FETCH, Topic.STATUS, Topic.SCAN)


@dataclass
class Counter:
    """A handler that takes its tasks out and remembers them; `broken` refs raise."""

    database: Database
    broken: set[UUID] = field(default_factory=set)
    seen: list[UUID] = field(default_factory=list)
    worn: list[UUID] = field(default_factory=list)

    def __call__(self, tasks: Sequence[Task]) -> None:
        if any(task.ref in self.broken for task in tasks):
            raise ValueError("a bug, with a@example.org in its words")
        self.seen += [task.ref for task in tasks]
        with self.database.cursor() as cursor:
            outbox.done(cursor, tasks)

    def give_up(self, task: Task) -> None:
        self.worn.append(task.ref)
        leave_failed(self.database, task, why("worn out"))


def add(database: Database, count: int) -> list[UUID]:
    refs = [new_id() for _ in range(count)]
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.NOTIFY, [(ref, "") for ref in refs])
    return refs


def make_due(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE outbox SET due_at = now() WHERE failed_at IS NULL")


@pytest.fixture
def queues(redis_url: str) -> Queues:
    return Queues(redis_url)


@pytest.fixture
def handler(database: Database) -> Counter:
    return Counter(database)


@pytest.fixture
def drain(database: Database, queues: Queues, handler: Counter) -> TaskRunner:
    return TaskRunner(database, queues, {Topic.NOTIFY: handler}, Dispatch(batch=10, max_attempts=3))


def test_a_drain_takes_everything_in_batches(database: Database, drain: TaskRunner, handler: Counter) -> None:
    refs = add(database, 35)
    assert drain(Topic.NOTIFY) == 35
    assert handler.seen == refs, "in the order they were added"
    assert drain(Topic.NOTIFY) == 0


def test_a_long_topic_lets_others_have_their_turn(
    database: Database, queues: Queues, drain: TaskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zrm.dispatch.task_runner._JOB_BUDGET", 0.0)
    add(database, 25)
    assert drain(Topic.NOTIFY) == 10, "one batch, then the queues are asked again"
    assert {state.topic: state.waiting for state in Monitor(queues).states()}["notify"] == 1, (
        "and the rest is not forgotten"
    )


def test_a_claim_keeps_its_bound_whatever_way_postgresql_goes(database: Database) -> None:
    """With a nested loop PostgreSQL asked again for each row, and each time found other ones that were due."""
    add(database, 25)
    with database.cursor() as cursor:
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize", "bitmapscan", "indexscan"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        assert len(outbox.claim(cursor, Topic.NOTIFY, limit=10, lease=60)) == 10


def test_two_drains_share_and_do_nothing_twice(database: Database, queues: Queues, handler: Counter) -> None:
    refs = add(database, 200)
    drains = [TaskRunner(database, queues, {Topic.NOTIFY: handler}, Dispatch(batch=5)) for _ in range(3)]
    threads = [Thread(target=drain, args=(Topic.NOTIFY,)) for drain in drains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(handler.seen) == sorted(refs)


def test_a_broken_task_is_put_off_then_shown_then_replayed(
    database: Database, drain: TaskRunner, handler: Counter
) -> None:
    (broken,) = add(database, 1)
    handler.broken = {broken}
    for _ in range(3):
        drain(Topic.NOTIFY)
        make_due(database)
    with database.cursor() as cursor:
        (failed,) = outbox.failed(cursor)
    assert (failed.ref, failed.attempts) == (broken, 3)
    assert str(failed.reason) == "Something unexpected happened: ValueError: a bug, with [address] in its words"
    handler.broken = set()
    with database.cursor() as cursor:
        assert outbox.replay(cursor, failed.id)
        assert not outbox.replay(cursor, failed.id), "twice is once"
    drain(Topic.NOTIFY)
    assert handler.seen == [broken]


def test_a_task_that_kills_workers_is_given_up(database: Database, drain: TaskRunner, handler: Counter) -> None:
    (ref,) = add(database, 1)
    for _ in range(3):  # three workers claimed it and died
        with database.cursor() as cursor:
            outbox.claim(cursor, Topic.NOTIFY, limit=1, lease=60)
        make_due(database)
    drain(Topic.NOTIFY)
    assert handler.worn == [ref]
    assert not handler.seen


class Dies(BaseException):
    """The worker's process ends, as by SIGKILL: nothing after it runs."""


def test_a_task_that_kills_workers_takes_no_neighbour_along(
    database: Database, queues: Queues, handler: Counter
) -> None:
    poison, *neighbours = add(database, 10)

    def deadly(tasks: Sequence[Task]) -> None:
        if poison in [task.ref for task in tasks]:
            raise Dies
        handler(tasks)

    deadly.give_up = handler.give_up  # type: ignore[attr-defined]  # a handler in a few lines
    for _ in range(12):
        make_due(database)
        with contextlib.suppress(Dies):
            TaskRunner(database, queues, {Topic.NOTIFY: deadly}, Dispatch(batch=10, max_attempts=5))(Topic.NOTIFY)  # type: ignore[dict-item]  # as above
    assert sorted(handler.seen) == sorted(neighbours)
    assert handler.worn == [poison]


def test_a_clock_that_steps_back_holds_nothing_up(database: Database, drain: TaskRunner, handler: Counter) -> None:
    free, leased = add(database, 2)
    with database.cursor() as cursor:  # as the rows look when the server's clock has just gone back by an hour
        cursor.execute("UPDATE outbox SET due_at = due_at + interval '40 seconds' WHERE ref = %s", [leased])
        cursor.execute("UPDATE outbox SET created_at = created_at + interval '1h', due_at = due_at + interval '1h'")
    assert drain(Topic.NOTIFY) == 0
    for _ in range(2):  # two relays
        with database.cursor() as cursor:
            outbox.repair_future_due_times(cursor)
    assert drain(Topic.NOTIFY) == 1
    assert handler.seen == [free]
    with database.cursor() as cursor:
        cursor.execute("SELECT due_at - now() BETWEEN interval '30 seconds' AND interval '40 seconds' FROM outbox")
        assert cursor.fetchall() == [(True,)], "a lease keeps its length"


def test_a_lease_that_runs_out_gives_the_task_back(database: Database, drain: TaskRunner, handler: Counter) -> None:
    add(database, 1)
    with database.cursor() as cursor:
        assert outbox.claim(cursor, Topic.NOTIFY, limit=1, lease=3600)
        assert not outbox.claim(cursor, Topic.NOTIFY, limit=1, lease=3600)
    assert drain(Topic.NOTIFY) == 0, "another worker holds it"
    make_due(database)
    assert drain(Topic.NOTIFY) == 1


def test_waking_twice_queues_one_job_and_starting_allows_another(queues: Queues) -> None:
    queues.wake(Topic.FILE)
    queues.wake(Topic.FILE)
    waiting = {state.topic: state.waiting for state in Monitor(queues).states()}
    assert waiting["file"] == 1
    queues.started(Topic.FILE)
    queues.wake(Topic.FILE)
    assert {state.topic: state.waiting for state in Monitor(queues).states()}["file"] == 2


def test_the_relay_wakes_sweeps_and_survives(
    database: Database, database_url: str, queues: Queues, redis_url: str, blobs: BlobStore
) -> None:
    stop, relay = Event(), Relay(database, queues, Dispatch(sweep=0.2), blobs)
    thread = Thread(target=relay.run, args=(stop,))
    thread.start()
    monitor = Monitor(queues)

    def waiting() -> int:
        return sum(state.waiting for state in monitor.states())

    try:
        add(database, 1)
        wait_until(lambda: waiting() == 1, "the ring reaches the queue")
        with Redis.from_url(redis_url) as redis:
            redis.flushall()
        wait_until(lambda: waiting() == 1, "the sweep rings again after Redis lost everything")
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        queues.redis.flushall()
        wait_until(lambda: waiting() == 1, "the relay has found the database again")
    finally:
        stop.set()
        thread.join()


def test_the_relay_leaves_what_it_does_not_know_and_goes_on(
    database: Database, queues: Queues, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version beside this one, or a step back to this one, leaves work of a topic that only that one knows."""
    said: list[str] = []
    monkeypatch.setattr("zrm.dispatch.relay._log", SimpleNamespace(error=lambda _, topic: said.append(topic)))
    for table in ("timers", "outbox"):
        with database.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (id, topic, ref, due_at) VALUES (uuidv7(), 'webhook_' || %s, uuidv7(), now())".encode(),
                [table],
            )
    stop, relay = Event(), Relay(database, queues, Dispatch(sweep=0.2), blobs)
    thread = Thread(target=relay.run, args=(stop,))
    thread.start()
    monitor = Monitor(queues)

    def waiting(topic: Topic) -> int:
        return next(state.waiting for state in monitor.states() if state.topic == topic.value)

    try:
        wait_until(lambda: "webhook_outbox" in said, "it listens")
        with database.cursor() as cursor:
            for _ in range(3):
                cursor.execute("SELECT pg_notify('zrm_outbox', 'carrier_pigeon')")
            cursor.execute("INSERT INTO timers (id, topic, ref, due_at) VALUES (uuidv7(), 'deliver', uuidv7(), now())")
        add(database, 1)
        wait_until(lambda: waiting(Topic.NOTIFY) == waiting(Topic.DELIVER) == 1, "it goes on with what it knows")
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join()
    assert sorted(said) == ["carrier_pigeon", "webhook_outbox", "webhook_timers"], "each once"
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT topic FROM timers UNION ALL SELECT topic FROM outbox WHERE topic LIKE 'webhook%' ORDER BY 1"
        )
        assert [topic for (topic,) in cursor] == ["webhook_outbox", "webhook_timers"]


def test_the_relay_removes_what_agents_have_read_long_ago(database: Database, queues: Queues, blobs: BlobStore) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notifications (id, agent_id, source_id, kind, at, read_at)"
            " SELECT uuidv7(), id, id, 'sign_in', now(), now() - days * interval '1 day'"
            " FROM agents, unnest(ARRAY[1, 3]) AS days WHERE login = 'sara'"
        )

    def left() -> list[int]:
        with database.cursor() as cursor:
            cursor.execute("SELECT extract(day FROM now() - read_at)::int FROM notifications ORDER BY 1")
            return [row[0] for row in cursor]

    assert left() == [1, 3]
    stop, relay = Event(), Relay(database, queues, Dispatch(), blobs, keep_read=2)
    thread = Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: left() == [1], "the relay has removed it")
    finally:
        stop.set()
        thread.join()


def test_who_rings_soon_after_another_is_woken_for_with_the_others(
    database: Database, queues: Queues, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zrm.dispatch.relay._TOGETHER", 2.0)
    woken: list[Topic] = []
    monkeypatch.setattr(queues, "wake", woken.append)
    stop, relay = Event(), Relay(database, queues, Dispatch(sweep=3600), blobs)
    thread = Thread(target=relay.run, args=(stop,))
    add(database, 1)
    thread.start()
    try:
        wait_until(lambda: len(woken) == 1, "the first sweep, so it listens")
        wait_until(lambda: bool(add(database, 1)) and len(woken) >= 2, "once for the first task announced after it")
        for _ in range(20):
            add(database, 1)
        wait_until(lambda: len(woken) >= 3, "the others are not forgotten")
        assert len(woken) < 10
    finally:
        stop.set()
        thread.join()


def test_a_queue_that_forgot_everything_hears_of_its_workers_again(queues: Queues) -> None:
    worker, monitor = queues.worker([Topic.NOTIFY, Topic.FILE]), Monitor(queues)
    worker.register_birth()  # type: ignore[no-untyped-call]  # RQ left these two without types
    queues.redis.flushall()
    assert monitor.workers() == 0
    worker.heartbeat()
    assert monitor.workers() == 1, "readiness does not stay red for ever"
    worker.register_death()  # type: ignore[no-untyped-call]  # as above
    assert monitor.workers() == 0


@pytest.mark.parametrize("lost", ["execution", "everything"])
def test_a_job_that_was_done_is_no_failed_job_whatever_the_queue_lost(
    queues: Queues, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker died at it and its execution has expired; or Redis forgot it all while the work was under way."""
    queues.wake(Topic.NOTIFY)
    (job,) = Queue(Topic.NOTIFY.value, connection=queues.redis).jobs
    with queues.redis.pipeline() as pipeline:
        execution = Execution.create(job, ttl=60, pipeline=pipeline)
        pipeline.execute()
    queues.redis.delete(execution.key)
    done = []

    def drain(topic: Topic) -> int:
        done.append(topic)
        if lost == "everything":
            queues.redis.flushall()
        return 1

    monkeypatch.setattr("zrm.worker._runners", [drain])
    queues.worker([Topic.NOTIFY]).work(burst=True, logging_level="CRITICAL")
    assert done == [Topic.NOTIFY]
    assert Monitor(queues).failed() == []


def test_who_goes_on_after_every_exception_does_not_go_on_after_the_end_of_time(
    database: Database, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One contact after the other waits for a lock that nobody lets go of."""
    begun = []

    def drain(topic: Topic) -> int:
        begun.append(topic)
        for _ in range(3 if len(begun) == 1 else 0):
            with contextlib.suppress(Exception), database.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(60)")
        return 0

    monkeypatch.setattr("zrm.dispatch.queues._JOB_SECONDS", 1)
    monkeypatch.setattr("zrm.worker._runners", [drain])
    queues.wake(Topic.NOTIFY)
    queues.worker([Topic.NOTIFY]).work(burst=True, logging_level="CRITICAL")
    assert len(begun) == 2, "it is tried again"
    with database.cursor() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)


def test_backoff_doubles_up_to_a_quarter_of_an_hour() -> None:
    assert [backoff(n) for n in (1, 2, 3, 20)] == [2, 4, 8, 900]


@pytest.mark.parametrize(
    ("topic", "least", "most", "many"),
    [(Topic.NOTIFY, 0, 10, 2), (Topic.FILE, 0, 10, 2), *((topic, 30, 60, 1) for topic in SLOW)],
)
def test_what_waits_for_others_is_claimed_alone_and_for_long(
    database: Database, queues: Queues, topic: Topic, least: int, most: int, many: int
) -> None:
    leases: list[list[float]] = []

    class Looks(Counter):
        def __call__(self, tasks: Sequence[Task]) -> None:
            with self.database.cursor() as cursor:
                cursor.execute(
                    "SELECT extract(epoch FROM due_at - now())::float FROM outbox WHERE id = ANY(%s)",
                    [[task.id for task in tasks]],
                )
                leases.append([row[0] for row in cursor])
            super().__call__(tasks)

    with database.cursor() as cursor:
        outbox.add(cursor, topic, [(new_id(), ""), (new_id(), "")])
    TaskRunner(database, queues, {topic: Looks(database)}, Dispatch(batch=10, lease=10))(topic)
    assert [len(batch) for batch in leases] == [many] * (2 // many)
    assert all(least < lease <= most for batch in leases for lease in batch)
