"""Asks providers for the status of messages whose delivery report never came.

Asked repeatedly with growing pauses, and not for ever: a delivery that nobody knows anything of is marked as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from zrm.casestore import live, outbox, outgoing
from zrm.casestore.outbox import Task, Topic
from zrm.contract.errors import SendError
from zrm.contract.inbound import Report
from zrm.contract.reasons import declare
from zrm.dispatch.task_runner import backoff
from zrm.kit import log
from zrm.kit.db import Cursor, Database, record, records
from zrm.normalizer.reports import apply_delivery_report

NO_REPORT: Final = declare("delivery.no_report", "No delivery report has come. The message may have arrived.")
_NEVER_FINISHED: Final = declare(
    "status.never_finished", "asking for the delivery status was started too often and never finished"
)

_MOST_TRIES: Final = 8
_AT_ONCE: Final = 500
_log = log.get(__name__)


class DeliveryStatusLookup(Protocol):
    """The part of a channel that can ask for the status of a message."""

    def delivery_status(self, account: str, provider_ref: str) -> Report | None:
        """Errors: SendError and nothing else."""

    def reports_on(self, account: str, provider_ref: str) -> bool:
        """Whether a report on the message can come at all."""


@dataclass(frozen=True, slots=True)
class _Silent:
    """A delivery that was sent and has no report yet."""

    channel: str
    account: str
    provider_ref: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a long message without a known status: the provider gave each an id of its own."""

    provider_ref: str


def query_missing_reports(cursor: Cursor, *, hours: float) -> int:
    """Queue a query for messages sent this long ago without a report, each once; returns how many."""
    unreported = outgoing.take_unreported(cursor, hours=hours, most=_AT_ONCE)
    outbox.add(cursor, Topic.STATUS, unreported)
    return len(unreported)


class StatusHandler:
    """The handler of the topic `status`: a ref is a delivery. `lookups` by channel."""

    def __init__(self, database: Database, lookups: Mapping[str, DeliveryStatusLookup]) -> None:
        self._database = database
        self._lookups = lookups

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Ask for each task's delivery, or put it off, or record that no report has come."""
        for task in tasks:
            with self._database.cursor() as cursor:
                cursor.execute(
                    "SELECT channel, account, provider_ref FROM deliveries WHERE id = %s AND state = 'sent'", [task.ref]
                )
                delivery = record(cursor, _Silent)
                if delivery is None:
                    outbox.done(cursor, [task])
            if delivery is not None:
                self._ask(task, delivery)

    def give_up(self, task: Task) -> None:
        """Started too often and never finished: the task waits for a person."""
        with self._database.cursor() as cursor:
            outbox.fail(cursor, task, _NEVER_FINISHED)
            live.publish_change(cursor, "task", [task.id])

    def _ask(self, task: Task, delivery: _Silent) -> None:
        lookup = self._lookups.get(delivery.channel)
        if lookup is not None and not lookup.reports_on(delivery.account, delivery.provider_ref):
            lookup = None  # nothing is missing, and there is no provider to ask
        reports: list[Report] = []
        if lookup is not None:
            try:
                for reference in self._unreported(task.ref) or [delivery.provider_ref]:
                    if (report := lookup.delivery_status(delivery.account, reference)) is not None:
                        reports.append(report)
            except SendError as error:
                _log.info("status not known", delivery=str(task.ref), trace=task.trace, code=error.code)
                if error.retryable and task.attempts < _MOST_TRIES:
                    pause = error.retry_after or backoff(task.attempts)
                    with self._database.cursor() as cursor:
                        outbox.retry_later(cursor, task, after=pause, error=type(error).__name__)
                    return
        with self._database.cursor() as cursor:
            for report in reports:
                if report.state != "sent":
                    apply_delivery_report(cursor, delivery.channel, report)
            if lookup is not None:
                outgoing.remark_silence(cursor, task.ref, NO_REPORT)  # if it still is
            outbox.done(cursor, [task])

    def _unreported(self, delivery_id: UUID) -> list[str]:
        with self._database.cursor() as cursor:
            cursor.execute(
                "SELECT provider_ref FROM delivery_parts WHERE delivery_id = %s AND state = 'sent' ORDER BY number",
                [delivery_id],
            )
            return [part.provider_ref for part in records(cursor, _Part)]
