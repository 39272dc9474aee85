"""Fetches the files that a message names and a provider holds.

They are fetched after everything else is durable, repeatedly with growing pauses, and not for ever: what cannot be had
is recorded on the contact, and the task stays in the outbox for a person to try again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from zrm.casestore import attachment, live, outbox
from zrm.casestore import contact as contacts
from zrm.casestore.attachment import OUR_OWN, NewAttachment
from zrm.casestore.outbox import Task, Topic
from zrm.contract.errors import SendError
from zrm.contract.files import Fetched
from zrm.contract.reasons import Reason, declare
from zrm.dispatch.task_runner import NO_CHANNEL, backoff
from zrm.kit import log
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Cursor, Database, record
from zrm.kit.ids import new_id

_NEVER_FINISHED: Final = declare("fetch.never_finished", "fetching was started too often and never finished")

_MOST_TRIES: Final = 8
_log = log.get(__name__)


class Files(Protocol):
    """The part of a channel that fetches."""

    def fetch(self, account: str, address: str) -> Fetched:
        """Errors: SendError and nothing else."""


@dataclass(frozen=True, slots=True)
class _Remote:
    """A file that still lies at a provider's."""

    channel: str
    account: str
    address: str


class Fetch:
    """The handler of the topic `fetch`: a ref is a remote file. `files` by channel.

    `scanned`: fetched files are queued for the virus scanner.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        files: Mapping[str, Files],
        *,
        scanned: bool = False,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._files = files
        self._scanned = scanned

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Fetch each task's file, or put it off, or record that it cannot be had."""
        for task in tasks:
            with self._database.cursor() as cursor:
                cursor.execute(
                    "SELECT channel, account, address FROM remote_files WHERE id = %s AND state <> 'fetched'",
                    [task.ref],
                )
                file = record(cursor, _Remote)
                if file is None:
                    outbox.done(cursor, [task])
            if file is not None:
                self._fetch(task, file.channel, file.account, file.address)

    def give_up(self, task: Task) -> None:
        """Started too often and never finished: recorded where the file is missing."""
        with self._database.cursor() as cursor:
            self._miss(cursor, task, _NEVER_FINISHED)

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
