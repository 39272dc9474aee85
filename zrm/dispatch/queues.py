"""RQ as the alarm: a job says that a topic has work, PostgreSQL says what. No other module imports rq.

At most one job per topic waits to start: waking a topic sets a flag, and the job that starts clears it. Work that comes
while a job runs therefore always starts another one. Losing all of Redis loses only alarms; the sweep wakes the topics
again. Each process logs once that Redis is away; workers wait and go on when it is back.
"""

from __future__ import annotations

import logging
import signal
import sys
from dataclasses import dataclass
from threading import Event
from types import FrameType
from typing import Final

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry as Retries
from rq import Queue, Retry, SimpleWorker, Worker, worker_registration
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.timeouts import UnixSignalDeathPenalty

from zrm.casestore.outbox import Topic
from zrm.kit.outage import Outage

JOB: Final = "zrm.worker.run_tasks"
_FLAG_SECONDS: Final = 5  # a flag whose job was lost with Redis' memory must not block the topic
_JOB_SECONDS: Final = 300
_KEEP_FAILED: Final = 7 * 24 * 3600
_KEEP_DONE: Final = 60  # with 0, RQ deletes at once and calls the job failed if what a dead worker left of it is gone
_PATIENCE: Final = 3  # seconds; waking a topic is not worth waiting longer
_LONGEST_WAIT: Final = 5.0  # seconds between attempts to reach a Redis that is away
_WORKER_SECONDS: Final = 20  # an idle worker sends a heartbeat this often, less 15 seconds


QueueAway = RedisError
"""Redis or Valkey does not answer; the outbox keeps the work and the sweep will wake the topic again."""


def _flag(topic: Topic) -> str:
    return f"zrm:awake:{topic}"


class Queues:
    """The RQ queues of the installation, one per topic, on one Redis or Valkey."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self.outage = Outage("queue")
        self.redis = Redis.from_url(
            redis_url,
            socket_connect_timeout=_PATIENCE,
            socket_timeout=_PATIENCE,
            health_check_interval=15,
            retry=Retries(NoBackoff(), 1),  # once, for a connection that broke unnoticed
        )
        self._queues = {topic: Queue(topic.value, connection=self.redis) for topic in Topic}

    def wake(self, topic: Topic) -> None:
        """Make sure that a job for the topic starts after now; while Redis is away the sweep does it later."""
        try:
            if self.redis.set(_flag(topic), "1", nx=True, ex=_FLAG_SECONDS):
                self._queues[topic].enqueue(
                    JOB,
                    topic.value,
                    retry=Retry(max=3),
                    job_timeout=_JOB_SECONDS,
                    result_ttl=_KEEP_DONE,
                    failure_ttl=_KEEP_FAILED,
                )
        except RedisError as error:
            self.outage.begun(error)
        else:
            self.outage.over()

    def started(self, topic: Topic) -> None:
        """A job for the topic has started: work that comes from now on needs another. The flag also expires by itself."""
        try:
            self.redis.delete(_flag(topic))
        except RedisError as error:
            self.outage.begun(error)

    def worker(self, topics: list[Topic]) -> _Worker:
        """A worker for these topics, in order of preference; run it with `.work()`."""
        # A connection of its own: it waits for jobs longer than others may wait for an answer.
        redis = Redis.from_url(self._url, socket_connect_timeout=_PATIENCE, health_check_interval=15)
        queues = [Queue(topic.value, connection=redis) for topic in topics]
        worker = _Worker(queues, connection=redis, maintenance_interval=30, worker_ttl=_WORKER_SECONDS)
        worker.outage = self.outage
        return worker

    def work(self, topics: list[Topic]) -> None:
        """Work on these topics until a signal stops it (the current job is finished). Main thread only.

        A worker of RQ ends when Redis goes away in the middle of a job; another one replaces it for as long as needed.
        """
        stopped = Event()
        logger = logging.getLogger("rq.worker")
        about_the_outage = _AboutTheOutage(self.outage)
        logger.addFilter(about_the_outage)
        wait = 0.5
        try:
            while not stopped.is_set():
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, lambda *_: stopped.set())
                worker = None
                try:
                    worker = self.worker(topics)
                    worker.work(logging_level="WARNING")
                except RedisError as error:
                    self.outage.begun(error)
                if worker is not None and worker.told_to_stop:
                    return
                wait = 0.5 if worker is not None and worker.has_worked else min(2 * wait, _LONGEST_WAIT)
                stopped.wait(wait)
        finally:
            logger.removeFilter(about_the_outage)


class _AboutTheOutage(logging.Filter):
    """Suppresses RQ's log lines, with traceback at each try, about a Redis that is away: that is logged once already."""

    def __init__(self, outage: Outage) -> None:
        super().__init__()
        self._outage = outage

    def filter(self, record: logging.LogRecord) -> bool:
        error = sys.exception()
        if not isinstance(error, RedisError):
            return True
        self._outage.begun(error)
        return False


def queue_obstacles(redis_url: str) -> list[str]:
    """Why nothing can be written there, as a line for the operator without a secret; empty when writing works."""
    error = _refusal(redis_url)
    return [_sentence(error)] if error is not None else []


def queue_mistakes(redis_url: str) -> list[str]:
    """As `queue_obstacles`, but only what waiting does not solve: a wrong password or parameter, no right to write."""
    error = _refusal(redis_url)
    waits = isinstance(error, (RedisConnectionError, RedisTimeoutError)) and not isinstance(error, AuthenticationError)
    return [_sentence(error)] if error is not None and not waits else []


def _refusal(redis_url: str) -> Exception | None:
    try:
        with Redis.from_url(redis_url, socket_connect_timeout=_PATIENCE, socket_timeout=_PATIENCE) as redis:
            redis.set("zrm:probe", "1", ex=_FLAG_SECONDS)
    except (
        RedisError,
        ValueError,
        TypeError,
    ) as error:  # the last two: an unknown parameter, or one of another type
        return error
    return None


def _sentence(error: Exception) -> str:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return f"redis_url: Redis or Valkey cannot be used: {first}"


def queue_risks(redis_url: str) -> list[str]:
    """What makes work wait although everything runs; empty also where we may not ask."""
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


class OutOfTime(BaseException):
    """A job exceeds its time limit. It is no `Exception`, so a handler that catches all of those cannot swallow it:
    then no limit would be set any more, and a store that hangs would hold the worker for ever.
    """


class _Alarm(UnixSignalDeathPenalty):
    def handle_death_penalty(self, signum: int, frame: FrameType | None) -> None:
        raise OutOfTime


class _Worker(SimpleWorker):
    """RQ registers a worker once, when it starts; ours does so with every heartbeat.

    Otherwise a Redis that has lost its memory would never learn of workers that still run, and readiness and metrics
    would say that there are none.
    """

    max_connection_wait_time = _LONGEST_WAIT
    death_penalty_class = _Alarm
    outage: Outage
    told_to_stop = False
    has_worked = False
    """Whether Redis has answered it."""

    def subscribe(self) -> None:
        """Not used: no commands of RQ are sent to our workers, and the thread that listens for them dies with Redis."""

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """The first signal: finish the current job, then end."""
        self.told_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ left it without types

    def set_shutdown_requested_date(self) -> None:
        """Tell Redis that we are about to end; skipped in the middle of a job while it is away."""
        try:
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]  # as above
        except RedisError as error:
            self.outage.begun(error)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Send the heartbeat with our name. Errors: redis.RedisError."""
        if pipeline is None:
            with self.connection.pipeline(transaction=False) as ours:  # one round trip, where RQ takes three
                self.heartbeat(timeout, ours)
                ours.execute()
            self.has_worked = True
            self.outage.over()
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
    """What the desk and the metrics may read from RQ."""

    def __init__(self, queues: Queues) -> None:
        self._redis = queues.redis
        self.outage = queues.outage

    def states(self) -> list[QueueState]:
        """Every queue's depth. Errors: redis.RedisError."""
        queues = [Queue(topic.value, connection=self._redis) for topic in Topic]
        return [QueueState(queue.name, queue.count, FailedJobRegistry(queue=queue).count) for queue in queues]

    def ping(self) -> None:
        """Check that it answers. Errors: redis.RedisError."""
        self._redis.ping()

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
        """Run a failed job again.

        Errors: redis.RedisError, rq.exceptions.NoSuchJobError; InvalidJobOperation if it has not failed (any more).
        """
        FailedJobRegistry(queue=Queue(topic.value, connection=self._redis)).requeue(job_id)
