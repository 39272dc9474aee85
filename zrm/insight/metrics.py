"""Prometheus metrics, read from the store at each scrape: every process of the installation is counted, whichever
answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, LiteralString, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from zrm.casestore import heartbeat, outbox
from zrm.casestore.outbox import Topic
from zrm.kit.db import Cursor, Database

QueueDepths = Callable[[], Iterable[tuple[str, int, int]]]
"""(topic, jobs waiting, jobs failed) of every queue."""


class _CountedMetric(NamedTuple):
    """A gauge read by one query; its columns are the labels' values, then the number."""

    name: str
    help: str
    labels: tuple[str, ...]
    query: LiteralString


_COUNTED: Final = (
    _CountedMetric(
        "zrm_contacts",
        "Contacts by channel and what became of them",
        ("channel", "state"),
        "SELECT channel, state, sum(n) FROM contact_counts GROUP BY 1, 2",
    ),
    _CountedMetric(
        "zrm_cases",
        "Cases by status",
        ("status",),
        "SELECT status, sum(n) FROM case_counts GROUP BY 1",
    ),
    _CountedMetric(
        "zrm_deliveries_failed",
        "Deliveries that failed or whose outcome is unknown, not yet settled by a person",
        ("state",),
        "SELECT state, count(*) FROM deliveries WHERE state IN ('failed', 'unknown') AND settled_by IS NULL "
        "AND case_id IS NOT NULL GROUP BY 1",
    ),
    _CountedMetric(
        "zrm_quarantine_open",
        "Contacts in quarantine by channel",
        ("channel",),
        "SELECT channel, count(*) FROM quarantine q WHERE ended_at IS NULL "
        "AND EXISTS (SELECT FROM raw_contacts r WHERE r.id = q.contact_id) GROUP BY 1",
    ),
    # Only answers not known to be kept are compared: comparing all would read each contact of two days.
    _CountedMetric(
        "zrm_answers_unkept",
        "Contacts that a door said yes to in the last two days and that are not in the store, by channel",
        ("channel",),
        "SELECT channel, count(*) FROM door_answers a WHERE NOT kept AND received_at > now() - interval '2 days' "
        "AND NOT EXISTS (SELECT FROM receipts r WHERE r.contact_id = a.contact_id "
        "AND r.content = a.content) GROUP BY 1",
    ),
    _CountedMetric(
        "zrm_refused_tries",
        "Posts and tries refused because a bound was reached, by the bound",
        ("bound",),
        "SELECT purpose, times FROM refused_tries",
    ),
)


class _Collector:
    def __init__(self, database: Database, depths: QueueDepths) -> None:
        self._database = database
        self._depths = depths

    def collect(self) -> Iterator[Metric]:
        with self._database.cursor() as cursor:
            yield from stored(cursor)
        queue_jobs = GaugeMetricFamily("zrm_queue_jobs", "RQ jobs by queue and state", labels=("queue", "state"))
        for topic, jobs, failed in self._depths():
            queue_jobs.add_metric((topic, "waiting"), jobs)
            queue_jobs.add_metric((topic, "failed"), failed)
        yield queue_jobs


def stored(cursor: Cursor) -> Iterator[Metric]:
    """The metrics that the store knows. How much they read does not grow with the traffic."""
    for counted in _COUNTED:
        yield _family(cursor, counted)
    yield from _outbox(cursor)
    yield _waiting(cursor)
    yield from _roles(cursor)


def _outbox(cursor: Cursor) -> Iterator[Metric]:
    tasks = GaugeMetricFamily(
        "zrm_outbox_tasks",
        f"Tasks in the outbox by topic and whether they have failed for good; {outbox.COUNTED} of a topic stand for more",
        labels=("topic", "state"),
    )
    lag = GaugeMetricFamily(
        "zrm_stage_lag_seconds",
        "Age of the oldest task that is not done, by stage; what waits for its moment does not count",
        labels=("stage",),
    )
    for backlog in outbox.backlogs(cursor):
        if backlog.due:
            tasks.add_metric((backlog.topic, "due"), backlog.due)
        if backlog.failed:
            tasks.add_metric((backlog.topic, "failed"), backlog.failed)
        if backlog.age is not None:
            lag.add_metric((backlog.topic,), max(0.0, backlog.age))
    yield from (tasks, lag)


def _waiting(cursor: Cursor) -> Metric:
    seconds = outbox.waiting(cursor)
    family = GaugeMetricFamily(
        "zrm_oldest_waiting_seconds",
        "Seconds since the oldest task that no worker has taken was due, by stage; 0 where none waits",
        labels=("stage",),
    )
    for topic in Topic:
        family.add_metric((topic.value,), seconds.get(topic, 0.0))
    return family


def _roles(cursor: Cursor) -> Iterator[Metric]:
    alive = GaugeMetricFamily("zrm_roles_alive", "Processes that give heartbeats, by role", labels=("role",))
    ages = GaugeMetricFamily(
        "zrm_role_silent_seconds", "Seconds since the newest heartbeat of a role", labels=("role",)
    )
    beats = heartbeat.last_heartbeats(cursor)
    for role in sorted({"relay", "worker"} | {beat.role for beat in beats}):
        of_role = [beat for beat in beats if beat.role == role]
        alive.add_metric((role,), sum(beat.alive for beat in of_role))
        if of_role:
            ages.add_metric((role,), max(0.0, of_role[0].age))
    yield from (alive, ages)


def _family(cursor: Cursor, counted: _CountedMetric) -> GaugeMetricFamily:
    family = GaugeMetricFamily(counted.name, counted.help, labels=counted.labels)
    cursor.execute(counted.query)
    for *values, number in cursor:
        family.add_metric([str(value) for value in values], float(number))
    return family


def exposition(database: Database, depths: QueueDepths) -> bytes:
    """The metrics in Prometheus' text format. Errors: psycopg.OperationalError, redis.RedisError."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(database, depths))
    return generate_latest(registry)
