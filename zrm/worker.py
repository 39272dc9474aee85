"""The worker role: RQ jobs come in here, the handlers of every topic are put together here."""

from __future__ import annotations

from collections.abc import Callable

from zrm.casestore.heartbeat import Heartbeat
from zrm.casestore.outbox import Topic
from zrm.channels.contract import HasFates, HasFiles, HasParts
from zrm.channels.fax.render import fax_pages
from zrm.dispatch.deliver import Deliver
from zrm.dispatch.drain import Drain, Handler
from zrm.dispatch.fetch import Fetch
from zrm.dispatch.notify import Notify
from zrm.dispatch.queues import Queues
from zrm.dispatch.render import Render
from zrm.dispatch.scan import Scan
from zrm.house import OpenHouse
from zrm.normalizer.filing import Filer

_drains: list[Callable[[Topic], int]] = []


def build_drain(house: OpenHouse, queues: Queues) -> Drain:
    """Every topic's handler on this house."""
    plan = house.blueprint
    handlers: dict[Topic, Handler] = {
        Topic.FILE: Filer(
            house.database,
            house.blobs,
            {kind: channel.parse for kind, channel in plan.channels.items()},
            plan.settings,
            {kind: channel.join for kind, channel in plan.channels.items() if isinstance(channel, HasParts)},
            plan.own_addresses(),
            plan.senders(),
        ),
        Topic.DELIVER: Deliver(house.database, plan.channels, plan.settings),
        Topic.NOTIFY: Notify(house.database),
        Topic.FETCH: Fetch(
            house.database,
            house.blobs,
            {kind: channel for kind, channel in plan.channels.items() if isinstance(channel, HasFiles)},
            {kind: channel for kind, channel in plan.channels.items() if isinstance(channel, HasFates)},
            scanned=plan.settings.scan is not None,
        ),
        Topic.SCAN: Scan(house.database, house.blobs, house.clamd()),
        Topic.RENDER: Render(house.database, house.blobs, {"fax": fax_pages}),
    }
    return Drain(house.database, queues, handlers, plan.settings.dispatch)


def drain(topic: str) -> int:
    """The one RQ job: drain a topic with this process's handlers; returns how many tasks were handled."""
    return _drains[-1](Topic(topic))


def run(house: OpenHouse, topics: list[Topic]) -> None:
    """Work until told to stop (SIGTERM lets the job under way finish), through every outage of Redis."""
    queues = Queues(house.redis_url)
    _drains.append(build_drain(house, queues))
    with Heartbeat(house.database, "worker", topics):
        queues.work(topics)
