"""A task that is given up stays in the outbox with its reason, and every open desk is told of it; its neighbour stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest

from zrm.casestore import outbox
from zrm.casestore.outbox import Task, Topic
from zrm.config import Dispatch
from zrm.dispatch.fetch import Fetch
from zrm.dispatch.notify import Notify
from zrm.dispatch.queues import Queues
from zrm.dispatch.render import Render
from zrm.dispatch.scan import ScanHandler
from zrm.dispatch.status import StatusHandler
from zrm.dispatch.task_runner import TaskRunner
from zrm.errors import StoreUnavailable
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id

Handler = Fetch | Notify | Render | ScanHandler | StatusHandler
HANDLERS: list[tuple[Topic, Callable[[Database, BlobStore], Handler], str]] = [
    (Topic.FETCH, lambda database, blobs: Fetch(database, blobs, {}), "fetch.never_finished"),
    (Topic.NOTIFY, lambda database, _: Notify(database), "notify.never_finished"),
    (Topic.RENDER, lambda database, blobs: Render(database, blobs, {}), "render.never_finished"),
    (Topic.SCAN, lambda database, blobs: ScanHandler(database, blobs, None), "scan.never_finished"),
    (Topic.STATUS, lambda database, _: StatusHandler(database, {}), "status.never_finished"),
]


def claimed(database: Database, topic: Topic, count: int = 2) -> list[Task]:
    with database.cursor() as cursor:
        outbox.add(cursor, topic, [(new_id(), "") for _ in range(count)])
    with database.cursor() as cursor:
        return outbox.claim(cursor, topic, limit=count, lease=60)


def told(database: Database, act: Callable[[], object]) -> list[tuple[str, str]]:
    """What open desks are told of meanwhile."""
    with psycopg.connect(database.url, autocommit=True) as listening:
        listening.execute("LISTEN zrm_live")
        act()
        listening.execute('NOTIFY zrm_live, \'["end", ""]\'')
        found = []
        for notice in listening.notifies(timeout=10):
            kind, identifier = json.loads(notice.payload)
            if kind == "end":
                break
            found.append((kind, identifier))
        return found


@pytest.mark.parametrize(("topic", "make", "reason"), HANDLERS, ids=[topic.value for topic, _, _ in HANDLERS])
def test_a_task_that_never_finished_is_shown_to_people(
    database: Database,
    blobs: BlobStore,
    topic: Topic,
    make: Callable[[Database, BlobStore], Handler],
    reason: str,
) -> None:
    task, neighbour = claimed(database, topic)
    handler = make(database, blobs)
    assert told(database, lambda: handler.give_up(task)) == [("task", str(task.id))]
    with database.cursor() as cursor:
        cursor.execute("SELECT id, reason_code, failed_at IS NOT NULL FROM outbox ORDER BY id = %s", [neighbour.id])
        assert cursor.fetchall() == [(task.id, reason, True), (neighbour.id, "", False)]


@pytest.mark.parametrize(
    ("error", "logged"), [(ValueError("a bug"), "ValueError: a bug"), (StoreUnavailable("away"), "away")]
)
def test_what_fails_is_put_off_until_it_was_tried_so_often_and_then_shown(
    database: Database, redis_url: str, error: Exception, logged: str
) -> None:
    class Fails:
        def __call__(self, tasks: object) -> None:
            raise error

        def give_up(self, task: Task) -> None:
            raise AssertionError

    runner = TaskRunner(database, Queues(redis_url), {Topic.NOTIFY: Fails()}, Dispatch(max_attempts=2))
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.NOTIFY, [(new_id(), "")])
        cursor.execute("SELECT id::text FROM outbox")
        ((name,),) = cursor.fetchall()
    assert told(database, lambda: runner(Topic.NOTIFY)) == []
    with database.cursor() as cursor:
        cursor.execute("SELECT error, failed_at FROM outbox")
        ((words, failed_at),) = cursor.fetchall()
        assert (str(words).endswith(logged), failed_at) == (True, None)
        cursor.execute("UPDATE outbox SET due_at = now()")
    assert told(database, lambda: runner(Topic.NOTIFY)) == [("task", name)]


def test_while_there_may_be_more_an_idle_worker_is_woken(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[Topic] = []
    queues = Queues(redis_url)
    monkeypatch.setattr(queues, "wake", woken.append)
    runner = TaskRunner(database, queues, {Topic.FETCH: Fetch(database, None, {})}, Dispatch())  # type: ignore[arg-type]  # nothing is stored

    def work(count: int) -> int:
        woken.clear()
        with database.cursor() as cursor:
            outbox.add(cursor, Topic.FETCH, [(new_id(), "") for _ in range(count)])
        return runner(Topic.FETCH)

    assert (work(0), woken) == (0, [])
    assert (work(2), woken) == (2, [Topic.FETCH] * 2), "each is claimed alone"
    monkeypatch.setattr("zrm.dispatch.task_runner._JOB_BUDGET", 0.0)
    assert (work(2), woken) == (1, [Topic.FETCH] * 2), "others have their turn, and the rest is not forgotten"
