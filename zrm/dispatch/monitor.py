"""The queue as the desk shows it. It answers even when Redis is away, because that is when it is needed most."""

from __future__ import annotations

from dataclasses import dataclass

from redis import RedisError
from rq.exceptions import InvalidJobOperation, NoSuchJobError

from zrm.casestore.outbox import Topic
from zrm.dispatch.queues import FailedJob, Monitor, QueueState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Depths of the queues, how many workers are alive, and the jobs that failed for good."""

    states: list[QueueState]
    workers: int
    failed: list[FailedJob]


def snapshot(monitor: Monitor) -> Snapshot | None:
    """The queue as it is now; None while Redis does not answer."""
    try:
        return Snapshot(monitor.states(), monitor.workers(), monitor.failed())
    except (RedisError, NoSuchJobError):
        return None


def requeue(monitor: Monitor, topic: str, job_id: str) -> bool:
    """Run a failed job again; False if no such job has failed (any more) or Redis does not answer."""
    try:
        monitor.requeue(Topic(topic), job_id)
    except (RedisError, NoSuchJobError, InvalidJobOperation, ValueError):
        return False
    return True
