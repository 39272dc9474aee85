"""Pages are drawn in a process that may die; the original stays and the reason is shown."""

from __future__ import annotations

import pytest

from tests.casework.installation import one
from tests.channels.fax.faxes import fax
from tests.dispatch import drawers
from tests.dispatch.test_deliver import make_case
from tests.rows import insert
from zrm.casestore import attachment, outbox
from zrm.casestore.outbox import Topic
from zrm.channels.fax.render import fax_pages
from zrm.dispatch.render import Render
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.kit.render_child import Renderer


def render(database: Database, blobs: BlobStore, renderer: Renderer, data: bytes) -> tuple[list[str], list[str]]:
    """(first bytes of what was drawn, errors of the tasks that failed) for a fax of `data`."""
    delivery, original = make_case(database), new_id()
    key, size = blobs.put(data)
    with database.cursor() as cursor:
        contact = one(cursor, "SELECT contact_id FROM deliveries WHERE id = %s", delivery)
        channel = one(cursor, "SELECT channel FROM contacts WHERE id = %s", contact)
        insert(
            cursor, "attachments", id=original, contact_id=contact, role="pages", name="fax.tif", media_type="image/tiff",
            size=size, blob_key=key,
        )  # fmt: skip
        outbox.add(cursor, Topic.RENDER, [(original, "trace")])
    for _ in range(2):  # the second time there is nothing left to do
        with database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.RENDER, limit=1, lease=60)
        Render(database, blobs, {channel: renderer})(tasks)
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT blob_key FROM attachments WHERE role = 'rendition' AND content_id = %s ORDER BY position",
            [str(original)],
        )
        drawn = [blobs.get(row[0])[:5].decode("latin-1") for row in cursor]
        return drawn, [str(task.reason) for task in outbox.failed(cursor)]


def test_a_fax_becomes_pages_once(database: Database, blobs: BlobStore) -> None:
    assert render(database, blobs, fax_pages, fax(2)) == (["%PDF-", "\x89PNG\r", "\x89PNG\r"], [])
    with database.cursor() as cursor:
        cursor.execute("SELECT name, media_type, position FROM attachments WHERE role = 'rendition' ORDER BY name")
        assert cursor.fetchall() == [
            ("fax.tif-1.png", "image/png", 1), ("fax.tif-2.png", "image/png", 2), ("fax.tif.pdf", "application/pdf", 0),
        ]  # fmt: skip


def test_pages_of_what_was_erased_while_it_was_drawn_are_given_up(
    database: Database, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = blobs.get

    def read_and_erase(key: str) -> bytes:
        with database.cursor() as cursor:
            cursor.execute("SELECT contact_id FROM attachments WHERE blob_key = %s", [key])
            attachment.erase(cursor, [row[0] for row in cursor])
        return read(key)

    monkeypatch.setattr(blobs, "get", read_and_erase)
    assert render(database, blobs, fax_pages, fax(2)) == ([], [])
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM uploads")
        assert cursor.fetchone() == (3,), "the next sweep removes the pages"


@pytest.mark.parametrize(
    ("renderer", "reason"),
    [
        (drawers.fails, "the renderer failed: ValueError: 3 bytes from [address]"),
        (drawers.dies, "the renderer crashed"),
        (drawers.devours, "the renderer failed: MemoryError"),
        (drawers.draws_nothing, "nothing was drawn"),
    ],
)
def test_who_cannot_draw_harms_nobody(database: Database, blobs: BlobStore, renderer: Renderer, reason: str) -> None:
    drawn, errors = render(database, blobs, renderer, b"fax")
    assert drawn == []
    assert [error.removeprefix("these pages cannot be shown: ").rstrip(": ") for error in errors] == [reason]
