"""The portal with the real front desk, PostgreSQL and blob store behind it."""

from __future__ import annotations

import re

from tests.channels.web.portal import filled, hidden, running
from zrm.config import Settings
from zrm.frontdesk.desk import Desk
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database


def test_a_form_becomes_a_durable_contact_whose_code_is_known_at_once(
    database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings
) -> None:
    desk = Desk(database, blobs, inbox, settings, b"secret of this test", ())
    with running(desk=desk) as portal:
        client = portal.citizen()
        page = client.get("/new").text
        assert '<option value="' in page
        files = {"files": ("lamp.jpg", b"picture", "image/jpeg")}
        form = filled(hidden(page, "form_id"))
        for _ in range(3):
            assert client.post("/new", data=form, files=files).status_code == 303
        code = re.search(r"\d{4}-\d{4}-\d{4}", client.get("/receipt").text)
        assert code
        assert "waits for the people" in client.post("/track", data={"code": code.group()}).text
        first, second = (
            client.post("/api/contacts", json={"text": "hello"}, headers={"Idempotency-Key": "k"}) for _ in range(2)
        )
        assert (first.status_code, second.status_code, first.json()) == (201, 200, second.json())
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM raw_contacts")
        assert cursor.fetchone() == (2,)
    assert len(list(blobs.keys())) == 1
