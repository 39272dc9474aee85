"""Answers: with files, by another route, to people who asked us not to write, from templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.agent_api.conftest import Browser
from tests.casework.installation import Filed, agent, file_case, one, unit
from tests.reasons import says
from zrm.casestore import template
from zrm.casestore.template import Wording
from zrm.dispatch.deliver import INTERNAL
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id

SignIn = Callable[[str], Browser]


def routes_of(page: str) -> dict[str, str]:
    """The composer's routes: channel → key."""
    return {channel: key for key, channel in re.findall(r'<option value="([0-9a-f]{32})" data-channel="(\w+)"', page)}


def add_phone(database: Database, case: Filed, value: str = "+989121234567") -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at)"
            " VALUES (%s, %s, 'phone', %s, %s, false, now())",
            [new_id(), case.person_id, value, value],
        )


def send(browser: Browser, case: Filed, route: str, *files: tuple[str, bytes, str], version: str = "1") -> int:
    answer = browser.client.post(
        f"/desk/cases/{case.id}/reply",
        data={
            "csrf_token": browser.csrf,
            "version": version,
            "route": route,
            "text": "See the plan.",
            "title": "Re: x",
        },
        files=[("files", file) for file in files] or [("files", ("", b"", "application/octet-stream"))],
    )
    return answer.status_code


def test_files_go_with_an_answer_in_their_order_and_are_shown(
    sign_in: SignIn, database: Database, blobs: BlobStore
) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    route = routes_of(browser.get(f"/desk/cases/{case.id}").text)["email"]
    plan = ("../نقشه\r\n.pdf", b"%PDF-1.4 plan", "application/pdf")
    big = ("photo.png", b"\x89PNG" + bytes(2_000_000), "image/png")
    assert send(browser, case, route, plan, big, ("odd", b"x", "<script>")) == 303
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT a.name, a.media_type, a.size, a.blob_key, a.id FROM attachments a"
            " JOIN contacts c ON c.id = a.contact_id ORDER BY a.position"
        )
        kept = cursor.fetchall()
    assert [row[1:3] for row in kept] == [
        ("application/pdf", 13), ("image/png", 2_000_004), ("application/octet-stream", 1),
    ]  # fmt: skip
    assert not set("/\r\n") & set(kept[0][0])
    assert blobs.get(kept[1][3]) == big[1]
    page = browser.get(f"/desk/cases/{case.id}").text
    assert "photo.png" in page
    picture = f"/desk/files/{kept[1][4]}"
    assert f'{picture}"' in page
    assert browser.get(picture).content == big[1]


def test_an_answer_without_files_may_come_in_parts_too(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    assert send(browser, case, routes_of(browser.get(f"/desk/cases/{case.id}").text)["email"]) == 303
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM attachments") == 0


@pytest.mark.parametrize(("files", "status"), [(1, 422), (11, 413), (30, 413)])
def test_files_that_cannot_go_stop_the_answer(sign_in: SignIn, database: Database, files: int, status: int) -> None:
    case = file_case(database, channel="sms")
    browser = sign_in("daniel")
    route = routes_of(browser.get(f"/desk/cases/{case.id}").text)["sms"]
    assert send(browser, case, route, *[("a.txt", b"a", "text/plain")] * files) == status
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM deliveries") == 0


def test_too_much_is_refused_and_nothing_kept(sign_in: SignIn, database: Database, blobs: BlobStore) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    route = routes_of(browser.get(f"/desk/cases/{case.id}").text)["email"]
    assert send(browser, case, route, ("a.bin", bytes(27 * 1024 * 1024), "application/octet-stream")) == 413
    assert list(blobs.keys()) == []


def test_a_stranger_uploads_nothing(sign_in: SignIn, database: Database, blobs: BlobStore) -> None:
    case = file_case(database, unit_key="water")
    browser = sign_in("sara")
    assert send(browser, case, "x", ("a.txt", b"a", "text/plain")) == 404
    browser.client.cookies.clear()
    assert send(browser, case, "x", ("a.txt", b"a", "text/plain")) == 303
    assert list(blobs.keys()) == []


def test_who_asked_us_not_to_write_is_not_written_to(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, channel="sms")
    with database.cursor() as cursor:
        cursor.execute("INSERT INTO opt_outs VALUES (%s, 'sms', 'x', %s, true, now())", [new_id(), case.address])
    browser = sign_in("daniel")
    page = browser.get(f"/desk/cases/{case.id}").text
    assert "asked us not to write" in page
    routes = routes_of(page)
    assert re.search(rf'value="{routes["sms"]}"[^>]* disabled', page)
    assert browser.post(f"/desk/cases/{case.id}/reply", version="1", route=routes["sms"], text="x").status_code == 422
    assert browser.post(f"/desk/cases/{case.id}/reply", version="1", route=routes["web"], text="x").status_code == 303
    with database.cursor() as cursor:
        delivery = one(
            cursor,
            "UPDATE deliveries SET state = 'failed', channel = 'sms', address = %s, error_code = 'RecipientOptedOut'"
            " RETURNING id",
            case.address,
        )
    for path in ("/desk/failed-deliveries", f"/desk/cases/{case.id}"):
        assert f"{delivery}/again" not in browser.get(path).text
        assert f"{delivery}/settle" in browser.get(path).text
    assert browser.post(f"/desk/failed-deliveries/deliveries/{delivery}/again").status_code == 409
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO opt_outs VALUES (%s, 'sms', 'x', %s, false, now() + interval '1 s')", [new_id(), case.address]
        )
    assert "asked us not to write" not in browser.get(f"/desk/cases/{case.id}").text


def test_the_person_chooses_channel_and_language(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    add_phone(database, case)
    browser = sign_in("daniel")
    assert list(routes_of(browser.get(f"/desk/cases/{case.id}").text)) == ["email", "sms", "web"]
    assert browser.post(f"/desk/cases/{case.id}/preference", language="xx", channel="sms").status_code == 422
    assert browser.post(f"/desk/cases/{case.id}/preference", language="fa", channel="pigeon").status_code == 422
    assert browser.post(f"/desk/cases/{case.id}/preference", language="fa", channel="sms").status_code == 303
    page = browser.get(f"/desk/cases/{case.id}").text
    assert list(routes_of(page)) == ["sms", "email", "web"]
    assert "changed how the person is to be answered" in page
    browser.post(f"/desk/cases/{case.id}/reply", version="2", route=routes_of(page)["sms"], text="سلام")
    with database.cursor() as cursor:
        assert one(cursor, "SELECT language FROM contacts WHERE direction = 'out'") == "fa"


def test_an_address_that_returns_mail_is_shown(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE addresses SET doubtful_at = now()")
    assert "messages come back" in sign_in("daniel").get(f"/desk/cases/{case.id}").text


def test_what_did_not_arrive_goes_by_another_channel(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, channel="sms")
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at)"
            " VALUES (%s, %s, 'email', 'sara@home.example', 'sara@home.example', false, now())",
            [new_id(), case.person_id],
        )
    browser = sign_in("daniel")
    routes = routes_of(browser.get(f"/desk/cases/{case.id}").text)
    browser.post(f"/desk/cases/{case.id}/reply", version="1", route=routes["sms"], text="Tomorrow.")
    with database.cursor() as cursor:
        delivery = one(
            cursor,
            "UPDATE deliveries SET state = 'failed', reason_code = 'test.why', reason_params = jsonb_build_object('words', 'no such number') RETURNING id",
        )
    assert (
        f"/desk/cases/{case.id}?delivery={delivery}#delivery-{delivery}" in browser.get("/desk/failed-deliveries").text
    )
    assert "Use another channel" in browser.get(f"/desk/cases/{case.id}").text
    by = f"/desk/failed-deliveries/deliveries/{delivery}/by"
    assert browser.post(by, route="0" * 32).status_code == 409
    assert browser.post(by, route=routes["email"]).status_code == 303
    assert browser.post(by, route=routes["email"]).status_code == 409, "dealt with"
    with database.cursor() as cursor:
        cursor.execute("SELECT channel, address, state FROM deliveries ORDER BY created_at DESC LIMIT 1")
        assert cursor.fetchone() == ("email", "sara@home.example", "queued")
        mine = one(cursor, "SELECT message_id FROM contacts WHERE direction = 'out'")
        assert one(cursor, "SELECT count(*) FROM message_ids WHERE message_id = %s", mine) == 1
        assert one(cursor, "SELECT title FROM contacts WHERE direction = 'out'") != ""
    assert "by e-mail instead" in browser.get(f"/desk/cases/{case.id}").text.lower()


def test_of_two_bots_each_is_named_and_one_stands_in_for_the_other(sign_in: SignIn, database: Database) -> None:
    """Field 2.12: zammad#2379, bots that were taken for one another; who blocked one may have left the other open."""
    case = file_case(database, channel="sms")
    with database.cursor() as cursor:
        cursor.execute("UPDATE addresses SET kind = 'telegram', value = '7001'")
        cursor.execute("UPDATE contacts SET channel = 'telegram', account = 'water', address = '7001'")
        cursor.execute("UPDATE cases SET channel = 'telegram', account = 'water'")
    browser = sign_in("daniel")
    page = browser.get(f"/desk/cases/{case.id}").text
    options = re.findall(r'<option value="([0-9a-f]{32})" data-channel="telegram"[^>]*>([^<]*)<', page)
    assert [re.sub("[\u2066\u2069]", "", text).strip() for _, text in options] == [
        "Telegram to 7001, from water",
        "Telegram to 7001, from info",
    ]
    water, info = (key for key, _ in options)
    assert browser.post(f"/desk/cases/{case.id}/reply", version="1", route=water, text="It flows.").status_code == 303
    with database.cursor() as cursor:
        delivery = one(cursor, "UPDATE deliveries SET state = 'failed', error_code = '403' RETURNING id")
    page = browser.get(f"/desk/cases/{case.id}").text
    offered = page.split(f"/deliveries/{delivery}/by")[1].split("</form>")[0]
    assert (info in offered, water in offered) == (True, False)
    assert browser.post(f"/desk/failed-deliveries/deliveries/{delivery}/by", route=info).status_code == 303
    with database.cursor() as cursor:
        cursor.execute("SELECT account, state FROM deliveries ORDER BY created_at")
        assert cursor.fetchall() == [("water", "failed"), ("info", "queued")]


def test_every_state_of_an_answer_stands_on_the_timeline_with_its_time(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    route = routes_of(browser.get(f"/desk/cases/{case.id}").text)["email"]
    browser.post(f"/desk/cases/{case.id}/reply", version="1", route=route, text="Tomorrow.")
    with database.cursor() as cursor:
        delivery = one(cursor, "UPDATE deliveries SET state = 'delivered' RETURNING id")
        cursor.execute("UPDATE deliveries SET changed_at = now()")
        said = (INTERNAL(error="KeyError"), None, says("250 queued"))
        for minute, (state, reason) in enumerate(zip(("sending", "sent", "delivered"), said, strict=True), 1):
            cursor.execute(
                "INSERT INTO delivery_events (id, delivery_id, at, state, reason_code, reason_params)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [
                    new_id(),
                    delivery,
                    datetime(2099, 1, 2, 3, minute, tzinfo=UTC),
                    state,
                    reason.code if reason else "",
                    Jsonb(reason.stored_params() if reason else {}),
                ],
            )
    page = browser.get(f"/desk/cases/{case.id}").text
    steps = page.split(f'id="delivery-{delivery}"')[1].split("</details>")[0].split('<ul class="z-steps">')[1]
    found = [re.sub(r"<[^>]*>", "", step).split() for step in re.findall(r"<li>(.*?)</li>", steps)]
    assert [" ".join(step[4:]) for step in found[1:]] == [
        "Sending internal error while sending: \u2066KeyError\u2069",
        "Sent",
        "Delivered The receiving service says: \u2066250 queued\u2069",
    ]
    assert found[0][-1] == "Queued"
    assert re.findall(r'datetime="2099-01-02T03:0(\d)', steps) == ["1", "2", "3"]


def test_what_a_channel_cannot_carry_does_not_go_by_it(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    add_phone(database, case)
    browser = sign_in("daniel")
    routes = routes_of(browser.get(f"/desk/cases/{case.id}").text)
    assert send(browser, case, routes["email"], ("a.txt", b"a", "text/plain")) == 303
    with database.cursor() as cursor:
        delivery = one(cursor, "UPDATE deliveries SET state = 'failed' RETURNING id")
    assert browser.post(f"/desk/failed-deliveries/deliveries/{delivery}/by", route=routes["sms"]).status_code == 422
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM deliveries") == 1


# ------------------------------------------------------------ templates


def write(database: Database, unit_key: str | None, kind: str, text: str) -> UUID:
    with database.cursor() as cursor:
        unit_id = unit(cursor, unit_key) if unit_key else None
        wording = Wording(unit_id, kind, {"fa": "نام", "en": f"Name of {text[:9]}"}, {"fa": f"فا {text}", "en": text})
        return template.add(cursor, wording, agent(cursor, "daniel"))


@pytest.fixture
def no_templates(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM templates")


@pytest.mark.usefixtures("no_templates")
def test_a_template_is_seen_as_the_citizen_reads_it_and_inserted(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, unit_key="roads", title="<b>Lamp</b> {agent}")
    write(database, None, "greeting", "Everybody's greeting")
    write(database, "roads", "greeting", "Dear {name},")
    write(database, None, "signature", "{unit}, {organisation}")
    ours = write(database, "roads", "answer", "Your code: {code}. About {title}{subject}.")
    theirs = write(database, "water", "answer", "Of the water unit")
    browser = sign_in("sara")
    page = browser.get(f"/desk/cases/{case.id}/templates").text
    code = f"{case.code[:4]}-{case.code[4:8]}-{case.code[8:]}"
    whole = f"Dear Sara Karimi,\n\nYour code: {code}. About &lt;b&gt;Lamp&lt;/b&gt; {{agent}}.\n\n"
    assert whole in page, "the citizen's language is English, the agent's Persian"
    assert "Everybody's greeting" not in page
    assert "Of the water unit" not in page
    assert "subject" in page, "what is not known is named"
    assert f"فا Your code: {case.code[:1]}" not in page
    assert "فا Your code" in browser.get(f"/desk/cases/{case.id}/templates?lang=fa").text
    assert whole in browser.get(f"/desk/cases/{case.id}?template={ours}").text
    assert "Of the water unit" not in browser.get(f"/desk/cases/{case.id}?template={theirs}").text
    assert browser.get(f"/desk/cases/{file_case(database, unit_key='water').id}/templates").status_code == 404


def form(unit_id: UUID | None, **more: str) -> dict[str, str]:
    given = {"kind": "answer", "name_fa": "نام", "name_en": "Name", "text_fa": "متن {name}", "text_en": "Text {name}"}
    return {**given, "unit": str(unit_id or "every"), **more}


@pytest.mark.usefixtures("no_templates")
def test_templates_are_written_changed_and_retired_by_who_may(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("daniel")
    with database.cursor() as cursor:
        roads = unit(cursor, "roads")
    assert browser.post("/desk/templates", **form(roads)).status_code == 303
    for wrong in (
        {"text_en": ""},
        {"text_fa": "{nmae}"},
        {"kind": "x"},
        {"unit": str(new_id())},
        {"name_en": "x" * 121},
    ):
        assert browser.post("/desk/templates", **form(roads, **wrong)).status_code == 422, wrong
    for wrong in ({"text_en": "Thank you."}, {"text_en": "{code} {name}"}, {"text_fa": "{title} {code}"}):
        right = {"kind": "acknowledgement", "text_fa": "کد: {code}", "text_en": "Code: {code}"}
        assert browser.post("/desk/templates", **form(roads, **{**right, **wrong})).status_code == 422, wrong
    with database.cursor() as cursor:
        first = one(cursor, "SELECT id FROM templates")
    assert "Text {name}" in browser.get(f"/desk/templates/{first}").text
    assert 'Text <code class="z-variable z-ltr">{name}</code></td>' in browser.get("/desk/templates").text
    assert browser.post(f"/desk/templates/{first}", **form(None, version="1", text_en="New")).status_code == 303
    assert browser.post(f"/desk/templates/{first}", **form(None, version="1", text_en="Old")).status_code == 409
    sara = sign_in("sara")
    assert sara.get("/desk/templates").status_code == 404
    assert sara.post("/desk/templates", **form(roads)).status_code == 404
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO permissions VALUES (%s, %s, 'template.manage', %s)", [new_id(), agent(cursor, "sara"), roads]
        )
    assert sara.get("/desk/templates").status_code == 200
    assert sara.get(f"/desk/templates/{first}").status_code == 404, "it is every unit's now"
    assert sara.post("/desk/templates", **form(None)).status_code == 422
    assert sara.post("/desk/templates", **form(roads)).status_code == 303
    assert browser.post(f"/desk/templates/{first}", version="2", step="retire").status_code == 303
    assert browser.get(f"/desk/templates/{first}").status_code == 404
