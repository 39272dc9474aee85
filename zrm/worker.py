"""The worker role: RQ jobs arrive here, and the handlers of every topic are put together here."""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Final

import psycopg

from zrm.casestore.heartbeat import Heartbeat
from zrm.casestore.outbox import Topic
from zrm.channels.channel import HasFiles, HasParts, ReportsDeliveryStatus
from zrm.contract.capabilities import registered
from zrm.dispatch.deliver import Deliver
from zrm.dispatch.fetch import Fetch
from zrm.dispatch.notify import Notify
from zrm.dispatch.queues import Queues
from zrm.dispatch.render import Render
from zrm.dispatch.scan import ScanHandler
from zrm.dispatch.status import StatusHandler
from zrm.dispatch.task_runner import Handler, TaskRunner
from zrm.installation import Runtime
from zrm.kit.database_checks import reason
from zrm.kit.outage import Outage
from zrm.normalizer.filing import Filer

_GONE: Final = ("08", "57P")  # PostgreSQL's classes of states for a lost connection and a server that ends
_runners: list[Callable[[Topic], int]] = []
_store = Outage("store")


def build_task_runner(runtime: Runtime, queues: Queues) -> TaskRunner:
    """Every topic's handler on this installation."""
    plan = runtime.config
    handlers: dict[Topic, Handler] = {
        Topic.FILE: Filer(
            runtime.database,
            runtime.blobs,
            {kind: channel.parse for kind, channel in plan.channels.items()},
            plan.settings,
            {kind: channel.join for kind, channel in plan.channels.items() if isinstance(channel, HasParts)},
            plan.own_addresses(),
            plan.senders(),
        ),
        Topic.DELIVER: Deliver(runtime.database, plan.channels, plan.settings),
        Topic.NOTIFY: Notify(runtime.database),
        Topic.FETCH: Fetch(
            runtime.database,
            runtime.blobs,
            {kind: channel for kind, channel in plan.channels.items() if isinstance(channel, HasFiles)},
            scanned=plan.settings.scan is not None,
        ),
        Topic.STATUS: StatusHandler(
            runtime.database,
            {kind: channel for kind, channel in plan.channels.items() if isinstance(channel, ReportsDeliveryStatus)},
        ),
        Topic.SCAN: ScanHandler(runtime.database, runtime.blobs, runtime.clamd()),
        Topic.RENDER: Render(
            runtime.database,
            runtime.blobs,
            {kind: resolve_name(can.renderer) for kind, can in registered().items() if can.renderer},
        ),
    }
    return TaskRunner(runtime.database, queues, handlers, plan.settings.dispatch)


def run_tasks(topic: str) -> int:
    """The one RQ job: run a topic's due tasks with this process's handlers; returns how many tasks were handled.

    While the store is away there is nothing to do, and that is logged once: the outbox is in the store, and the sweep
    wakes us.
    """
    try:
        handled = _runners[-1](Topic(topic))
    except psycopg.OperationalError as error:
        if error.sqlstate is not None and not error.sqlstate.startswith(_GONE):
            raise
        _store.begun(error, reason(error))
        return 0
    _store.over()
    return handled


def run(runtime: Runtime, topics: list[Topic]) -> None:
    """Work until told to stop (SIGTERM lets the current job finish), also through an outage of Redis."""
    queues = Queues(runtime.redis_url)
    _runners.append(build_task_runner(runtime, queues))
    with Heartbeat(runtime.database, "worker", topics):
        queues.work(topics)
