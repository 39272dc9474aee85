"""Renders pages that people can look at from what came (a fax's TIFF to PDF and pictures), in a child process with
limits.

A citizen's file may be made to break a decoder. The child has limits on memory, time and output, so the worst it can do
is fail, which the desk then shows beside the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from zrm.casestore import live, outbox, uploads
from zrm.casestore.attachment import MOST_PICTURES, NewAttachment, attach, lock_original
from zrm.casestore.outbox import Task
from zrm.contract.reasons import Reason, declare
from zrm.dispatch.task_runner import leave_failed
from zrm.kit import log, render_child
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database, record
from zrm.kit.ids import new_id
from zrm.kit.render_child import Renderer

_log = log.get(__name__)
NOT_SHOWN: Final = declare("render.not_shown", "these pages cannot be shown")
_NEVER_FINISHED: Final = declare("render.never_finished", "rendering was started too often and never finished")


class _FaxOriginal(NamedTuple):
    """The file to render."""

    channel: str
    name: str
    blob_key: str
    position: int
    contact_id: UUID
    case_id: UUID


class Render:
    """The handler of the topic `render`; `renderers` by channel render an attachment's bytes: first the whole as a
    PDF, then its first pages as PNG.

    The results become attachments of the role `rendition` with `content_id` the original's id: the PDF at the
    original's position, page n's picture at position n; all in one transaction, so there are all or none.
    """

    def __init__(self, database: Database, blobs: BlobStore, renderers: Mapping[str, Renderer]) -> None:
        self._database = database
        self._blobs = blobs
        self._renderers = renderers

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Render each task's attachment once and store the pages beside it."""
        for task in tasks:
            self._render(task)

    def give_up(self, task: Task) -> None:
        """The original stays; a person may replay the task after a fix."""
        leave_failed(self._database, task, _NEVER_FINISHED)

    def _render(self, task: Task) -> None:
        with self._database.cursor() as cursor:
            cursor.execute(
                "SELECT c.channel, a.name, a.blob_key, a.position, a.contact_id, c.case_id FROM attachments a "
                "JOIN contacts c ON c.id = a.contact_id WHERE a.id = %s AND NOT EXISTS "
                "(SELECT FROM attachments r WHERE r.contact_id = a.contact_id AND r.role = 'rendition' "
                "AND r.content_id = a.id::text)",
                [task.ref],
            )
            original = record(cursor, _FaxOriginal)
            if original is None:
                outbox.done(cursor, [task])
                return
        renderer = self._renderers.get(original.channel)
        if renderer is None:
            leave_failed(self._database, task, NOT_SHOWN)
            return
        files = render_child.in_child(renderer, self._blobs.get(original.blob_key))
        if isinstance(files, Reason):
            _log.warning("not rendered", contact=str(original.contact_id), trace=task.trace, reason=str(files))
            leave_failed(self._database, task, NOT_SHOWN(because=files))
            return
        drawn = []
        for page, file in enumerate(files[: 1 + MOST_PICTURES]):
            key, size = self._blobs.put(file)
            shown, media_type, place = (
                (f"{original.name}-{page}.png", "image/png", page)
                if page
                else (f"{original.name}.pdf", "application/pdf", original.position)
            )
            drawn.append(
                NewAttachment(
                    new_id(), original.contact_id, "rendition", shown, media_type, size, key, str(task.ref), place
                )
            )
        with self._database.cursor() as cursor:
            outbox.done(cursor, [task])
            if not lock_original(cursor, task.ref):  # erased while it was being drawn
                uploads.release(cursor, {page.blob_key for page in drawn})
                return
            attach(cursor, drawn)
            live.publish_change(cursor, "case", [original.case_id])
