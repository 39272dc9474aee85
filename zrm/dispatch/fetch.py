"""Fetches what a provider holds: files that a message names, and the status of a message whose report never came.

Both are fetched after everything else is durable, repeatedly with growing pauses, and not for ever: what cannot be had
is recorded on the contact or the delivery, and the task stays in the outbox for a person to try again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

from zrm.casestore import attachment, live, outbox, outgoing
from zrm.casestore import contact as contacts
from zrm.casestore.attachment import OUR_OWN, NewAttachment
from zrm.casestore.outbox import Task, Topic
from zrm.contract.errors import SendError
from zrm.contract.files import Fetched
from zrm.contract.inbound import Report
from zrm.contract.reasons import Reason, declare
from zrm.dispatch.task_runner import NO_CHANNEL, backoff
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id
from zrm.normalizer.reports import apply_delivery_report

NO_REPORT: Final = declare("delivery.no_report", "No delivery report has come. The message may have arrived.")
_NEVER_FINISHED: Final = declare("fetch.never_finished", "fetching was begun too often and never finished")

_MOST_TRIES: Final = 8
_AT_ONCE: Final = 500
_log = log.get(__name__)


class Files(Protocol):
    """The part of a channel that fetches."""

    def fetch(self, account: str, address: str) -> Fetched:
        """Errors: SendError and nothing else."""


class DeliveryStatusLookup(Protocol):
    """The part of a channel that can ask for the status of a message."""

    def delivery_status(self, account: str, provider_ref: str) -> Report | None:
        """Errors: SendError and nothing else."""

    def reports_on(self, account: str, provider_ref: str) -> bool:
        """Whether a report on the message can come at all."""


def query_missing_reports(cursor: Cursor, *, hours: float) -> int:
    """Queue a query for messages sent so long ago without a report, each once; returns how many."""
    unreported = outgoing.take_unreported(cursor, hours=hours, most=_AT_ONCE)
    outbox.add(cursor, Topic.FETCH, unreported)
    return len(unreported)


class Fetch:
    """The handler of the topic `fetch`: a ref is a remote file or a delivery. `files` and `statuses` by channel.

    `scanned`: fetched files are queued for the virus scanner.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        files: Mapping[str, Files],
        statuses: Mapping[str, DeliveryStatusLookup],
        *,
        scanned: bool = False,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._files = files
        self._statuses = statuses
        self._scanned = scanned

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Fetch each task's file or status, or put it off, or record that it cannot be had."""
        for task in tasks:
            with self._database.cursor() as cursor:
                cursor.execute(
                    "SELECT channel, account, address FROM remote_files WHERE id = %s AND state <> 'fetched'",
                    [task.ref],
                )
                file = cursor.fetchone()
                cursor.execute(
                    "SELECT channel, account, provider_ref FROM deliveries WHERE id = %s AND state = 'sent'", [task.ref]
                )
                delivery = cursor.fetchone()
            if file is not None:
                channel, account, address = file
                self._fetch(task, channel, account, address)
            elif delivery is not None:
                channel, account, provider_ref = delivery
                self._ask(task, channel, account, provider_ref)
            else:
                with self._database.cursor() as cursor:
                    outbox.done(cursor, [task])

    def give_up(self, task: Task) -> None:
        """Started too often and never finished: recorded where the file is missing."""
        with self._database.cursor() as cursor:
            self._miss(cursor, task, _NEVER_FINISHED)

    # ------------------------------------------------------------------ files

    def _fetch(self, task: Task, channel: str, account: str, address: str) -> None:
        try:
            provider = self._files.get(channel)
            if provider is None:
                raise SendError(NO_CHANNEL(channel=channel))
            fetched = provider.fetch(account, address)
            key, size = self._blobs.put(fetched.data)
        except SendError as error:
            self._not_fetched(task, error)
            return
        with self._database.cursor() as cursor:
            file = attachment.settle_fetched(cursor, task.ref)
            if file is not None:
                kept = NewAttachment(
                    id=new_id(),
                    contact_id=file.contact_id,
                    role=file.role,
                    name=file.name,
                    media_type=fetched.media_type[:127],
                    size=size,
                    blob_key=key,
                    content_id=file.content_id,
                    position=file.position,
                    scan="waiting" if self._scanned and file.role not in OUR_OWN else "",
                )
                attachment.attach(cursor, [kept])
                if kept.scan:
                    outbox.add(cursor, Topic.SCAN, [(kept.id, task.trace)])
                live.publish_change(cursor, "case", contacts.label_missing(cursor, file.contact_id))
            outbox.done(cursor, [task])
        _log.info("fetched", file=str(task.ref), trace=task.trace, channel=channel, size=size)

    def _not_fetched(self, task: Task, error: SendError) -> None:
        _log.warning("not fetched", file=str(task.ref), trace=task.trace, error=type(error).__name__, code=error.code)
        with self._database.cursor() as cursor:
            if error.retryable and task.attempts < _MOST_TRIES:
                outbox.retry_later(
                    cursor, task, after=error.retry_after or backoff(task.attempts), error=type(error).__name__
                )
            else:
                self._miss(cursor, task, log.redacted(error.reason))

    def _miss(self, cursor: Cursor, task: Task, reason: Reason) -> None:
        contact_id = attachment.settle_missing(cursor, task.ref, reason)
        if contact_id is not None:
            live.publish_change(cursor, "case", contacts.label_missing(cursor, contact_id))
        outbox.fail(cursor, task, reason)
        live.publish_change(cursor, "task", [task.id])

    # ------------------------------------------------------------------ delivery status

    def _ask(self, task: Task, channel: str, account: str, provider_ref: str) -> None:
        provider = self._statuses.get(channel)
        if provider is not None and not provider.reports_on(account, provider_ref):
            provider = None  # nothing is missing, and there is no provider to ask
        reports: list[Report] = []
        if provider is not None:
            try:
                for reference in self._unreported(task.ref) or [provider_ref]:
                    if (report := provider.delivery_status(account, reference)) is not None:
                        reports.append(report)
            except SendError as error:
                if error.retryable and task.attempts < _MOST_TRIES:
                    with self._database.cursor() as cursor:
                        outbox.retry_later(
                            cursor, task, after=error.retry_after or backoff(task.attempts), error=type(error).__name__
                        )
                    return
        with self._database.cursor() as cursor:
            for report in reports:
                if report.state != "sent":
                    apply_delivery_report(cursor, channel, report)
            if provider is not None:
                outgoing.remark_silence(cursor, task.ref, NO_REPORT)  # if it still is
            outbox.done(cursor, [task])

    def _unreported(self, delivery_id: UUID) -> list[str]:
        """The parts of a long message without a known status: the provider gave each an id of its own."""
        with self._database.cursor() as cursor:
            cursor.execute(
                "SELECT provider_ref FROM delivery_parts WHERE delivery_id = %s AND state = 'sent' ORDER BY number",
                [delivery_id],
            )
            return [row[0] for row in cursor]
