"""RQ as the alarm clock: a job says that a topic has work, PostgreSQL says what. Nothing else imports rq.

At most one job a topic waits to start: whoever wakes sets a flag, the job that starts takes it down. Work that comes
while a job runs therefore always calls another one. Losing all of Redis loses only alarms; the sweep rings again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from redis import Redis, RedisError
from redis.client import Pipeline
from rq import Queue, Retry, SimpleWorker, Worker, worker_registration
from rq.job import Job
from rq.registry import FailedJobRegistry

from zrm.casestore.outbox import Topic

JOB: Final = "zrm.worker.drain"
_FLAG_SECONDS: Final = 5  # a flag whose job was lost with Redis' memory must not silence the topic
_JOB_SECONDS: Final = 300
_KEEP_FAILED: Final = 7 * 24 * 3600
_KEEP_DONE: Final = 60  # with 0, RQ deletes at once and calls the job failed if what a dead worker left of it is gone
_WORKER_SECONDS: Final = 20  # an idle worker gives a sign of life this often, less 15 seconds


QueueAway = RedisError
"""Redis or Valkey does not answer; the outbox keeps the work and the sweep will ring again."""


def _flag(topic: Topic) -> str:
    return f"zrm:awake:{topic}"


class Queues:
    """The RQ queues of the house, one a topic, on one Redis or Valkey."""

    def __init__(self, redis_url: str) -> None:
        self.redis = Redis.from_url(redis_url, socket_connect_timeout=3, health_check_interval=15)
        self._queues = {topic: Queue(topic.value, connection=self.redis) for topic in Topic}

    def wake(self, topic: Topic) -> None:
        """See to it that a job for the topic will start after now. Errors: redis.RedisError."""
        if self.redis.set(_flag(topic), "1", nx=True, ex=_FLAG_SECONDS):
            self._queues[topic].enqueue(
                JOB,
                topic.value,
                retry=Retry(max=3),
                job_timeout=_JOB_SECONDS,
                result_ttl=_KEEP_DONE,
                failure_ttl=_KEEP_FAILED,
            )

    def started(self, topic: Topic) -> None:
        """A job for the topic has begun: work that comes from now on needs another."""
        self.redis.delete(_flag(topic))

    def worker(self, topics: list[Topic]) -> SimpleWorker:
        """A worker for these topics, in order of preference; run it with `.work()`."""
        return _Worker(
            [self._queues[topic] for topic in topics],
            connection=self.redis,
            maintenance_interval=30,
            worker_ttl=_WORKER_SECONDS,
        )


def queue_obstacles(redis_url: str) -> list[str]:
    """Why nothing can be written there, a line for the operator without a secret; empty when something can."""
    try:
        with Redis.from_url(redis_url, socket_connect_timeout=3, socket_timeout=3) as redis:
            redis.set("zrm:probe", "1", ex=_FLAG_SECONDS)
    except (
        RedisError,
        ValueError,
        TypeError,
    ) as error:  # the last two: a parameter it does not know, or of another type
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return [f"redis_url: Redis or Valkey cannot be used: {first}"]
    return []


def queue_risks(redis_url: str) -> list[str]:
    """What makes work wait although all is up; empty also where we may not ask."""
    with Redis.from_url(redis_url, socket_connect_timeout=3, socket_timeout=3) as redis:
        try:
            policy = redis.info("memory").get("maxmemory_policy", "noeviction")
        except RedisError:
            return []
    if policy == "noeviction":
        return []
    return [
        f"redis_url: maxmemory-policy is {policy}: work waits for the sweep where its call was thrown away; "
        "noeviction is wanted"
    ]


class _Worker(SimpleWorker):
    """RQ registers a worker once, at its birth; ours does so with every sign of life.

    A Redis that has lost its memory would otherwise never hear of the workers that outlived it: they would work, and
    readiness and metrics would say that there are none.
    """

    max_connection_wait_time = 5.0  # seconds between tries to reach a Redis that is away

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Say that we live, and who we are. Errors: redis.RedisError."""
        if pipeline is None:
            with self.connection.pipeline(transaction=False) as ours:  # one way there and back, where RQ takes three
                self.heartbeat(timeout, ours)
                ours.execute()
            return
        super().heartbeat(timeout, pipeline)
        pipeline.hset(self.key, mapping=self.serialize())
        worker_registration.register(self, pipeline)


@dataclass(frozen=True, slots=True)
class QueueState:
    """One RQ queue as monitoring sees it: jobs waiting, jobs failed."""

    topic: str
    waiting: int
    failed: int


@dataclass(frozen=True, slots=True)
class FailedJob:
    """An RQ job that failed for good; `error` is the last line of its traceback."""

    id: str
    topic: str
    error: str


class Monitor:
    """What the desk and the metrics may ask of RQ."""

    def __init__(self, queues: Queues) -> None:
        self._redis = queues.redis

    def states(self) -> list[QueueState]:
        """Every queue's depth. Errors: redis.RedisError."""
        queues = [Queue(topic.value, connection=self._redis) for topic in Topic]
        return [QueueState(queue.name, queue.count, FailedJobRegistry(queue=queue).count) for queue in queues]

    def workers(self) -> int:
        """How many workers are alive. Errors: redis.RedisError."""
        return Worker.count(connection=self._redis)

    def failed(self, limit: int = 50) -> list[FailedJob]:
        """Jobs that failed for good, newest first. Errors: redis.RedisError."""
        found = []
        for topic in Topic:
            registry = FailedJobRegistry(queue=Queue(topic.value, connection=self._redis))
            for job_id in registry.get_job_ids(desc=True)[:limit]:
                job = Job.fetch(job_id, connection=self._redis)
                result = job.latest_result()
                lines = (result.exc_string or "").strip().splitlines() if result else []
                found.append(FailedJob(job_id, topic.value, lines[-1] if lines else ""))
        return found

    def requeue(self, topic: Topic, job_id: str) -> None:
        """Let a failed job run again. Errors: redis.RedisError, rq.exceptions.NoSuchJobError."""
        FailedJobRegistry(queue=Queue(topic.value, connection=self._redis)).requeue(job_id)
