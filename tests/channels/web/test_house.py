"""The portal with the real front desk, PostgreSQL and blob store behind it."""

from __future__ import annotations

import re

import pytest

from tests.casework.installation import acting
from tests.channels.web.portal import filled, hidden, running
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.config import Settings
from zrm.frontdesk.desk import front_desk
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.languages import Language
from zrm.normalizer.filing import Filer


def test_a_form_becomes_a_durable_contact_whose_code_is_known_at_once(
    database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings
) -> None:
    desk = front_desk(database, blobs, inbox, settings, b"secret of this test", ())
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
        assert "waits for the people" in client.post("/track", data={"code": code.group()}, follow_redirects=True).text
        first, second = (
            client.post("/api/contacts", json={"text": "hello"}, headers={"Idempotency-Key": "k"}) for _ in range(2)
        )
        assert (first.status_code, second.status_code, first.json()) == (201, 200, second.json())
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM raw_contacts")
        assert cursor.fetchone() == (2,)
    assert len(list(blobs.keys())) == 1


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_matter_is_rated_on_its_page_once_each_time_it_is_closed(
    database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings, language: Language
) -> None:
    desk = front_desk(database, blobs, inbox, settings, b"secret of this test", ())

    def work() -> None:
        with database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.FILE, limit=50, lease=60)
        Filer(database, blobs, {"web": portal.channel.parse}, settings)(tasks)

    def close() -> None:
        with database.cursor() as cursor:
            cursor.execute("SELECT (SELECT id FROM agents WHERE login = 'maryam'), id, version FROM cases")
            case_actions.close(cursor, acting(*(cursor.fetchone() or ())), result="done", reason="It was done before.")

    def ask(query: str) -> list[tuple[object, ...]]:
        with database.cursor() as cursor:
            cursor.execute(query.encode())
            return cursor.fetchall()

    with running(desk=desk) as portal:
        client = portal.citizen(language)
        client.post("/new", data=filled(hidden(client.get("/new").text, "form_id")))
        work()
        ((code,),) = ask("SELECT code FROM cases")
        open_page = client.post("/track", data={"code": str(code)}, follow_redirects=True).text
        assert "/track/rating" not in open_page
        early = {"form_id": hidden(open_page, "form_id"), "score": "1"}
        assert client.post("/track/rating", data=early).status_code == 303
        work()
        assert ask("SELECT count(*) FROM ratings") == [(0,)], "only a closed matter is rated"
        close()
        page = client.get("/track/matter").text
        for score in ("4", "4", "2"):  # a double click; then back, another number, and sent again
            client.post("/track/rating", data={"form_id": hidden(page, "form_id"), "score": score})
        work()
        assert ask("SELECT score, channel FROM ratings") == [(4, "web")]
        assert ask("SELECT actor, data FROM case_events WHERE kind = 'rated'") == [
            ("citizen", {"score": 4, "channel": "web"})
        ]
        assert ask("SELECT status, (SELECT count(*) FROM cases) FROM cases") == [("closed", 1)]
        assert "/track/rating" not in client.get("/track/matter").text
        assert ask("SELECT state, reason_code, count(*) FROM raw_contacts GROUP BY 1, 2 ORDER BY 3, 2") == [
            ("filed", "", 1),
            ("ignored", "filing.self_service", 1),
            ("ignored", "filing.no_command", 2),
        ]
        client.post("/track/message", data={"form_id": hidden(page, "form_id"), "text": "It is broken again."})
        work()
        assert "/track/rating" not in client.get("/track/matter").text
        close()
        assert "/track/rating" in client.get("/track/matter").text, "closed again, asked again"


@pytest.mark.parametrize("door", ["form", "json"])
def test_typed_addresses_are_both_kept_and_prove_nothing(
    database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings, door: str
) -> None:
    """ADR 4 at the real doors: a stranger's matter must not stand in a known citizen's file as if it were theirs."""
    desk = front_desk(database, blobs, inbox, settings, b"secret of this test", ())
    own = frozenset({"info@example.org"})

    def send(**typed: str) -> None:
        if door == "json":
            answer = portal.citizen().post(
                "/api/contacts",
                json={"text": "The lamp is dark.", **typed},
                headers={"Idempotency-Key": "-".join(typed) + str(len(str(typed)))},
            )
            assert answer.status_code == 201
        else:
            client = portal.citizen()
            form = {**filled(hidden(client.get("/new").text, "form_id")), "phone": "", "email": "", **typed}
            assert client.post("/new", data=form).status_code == 303
        with database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.FILE, limit=50, lease=60)
        Filer(database, blobs, {"web": portal.channel.parse}, settings, own=own)(tasks)

    def ask(query: str) -> list[tuple[object, ...]]:
        with database.cursor() as cursor:
            cursor.execute(query.encode())
            return cursor.fetchall()

    with running(desk=desk) as portal:
        send(phone="0912 123 4567", email="ali@example.com")
        assert ask("SELECT kind, value, claimed FROM addresses ORDER BY 1") == [
            ("email", "ali@example.com", True),
            ("phone", "+989121234567", True),
        ]
        assert ask("SELECT labels, address FROM contacts") == [(["claimed_address"], "ali@example.com")]
        ask(
            "UPDATE addresses SET claimed = false, doubtful_at = now() WHERE kind = 'phone' RETURNING 1"
        )  # they texted us
        send(phone="+98 912 123 4567", email="thief@example.net")
        assert ask("SELECT count(DISTINCT person_id) FROM addresses") == [(2,)], "a mixture is a file of its own"
        send(phone="09121234567")
        assert ask("SELECT labels FROM contacts ORDER BY at DESC LIMIT 1") == [(["claimed_address"],)]
        assert ask("SELECT doubtful_at IS NULL FROM addresses WHERE NOT claimed") == [(False,)]
        send(email="INFO+form@example.org")
        assert ask("SELECT address, labels FROM contacts ORDER BY at DESC LIMIT 1") == [("", ["own_address"])]
        assert ask("SELECT count(*) FROM addresses WHERE value LIKE '%%@example.org'") == [(0,)]
