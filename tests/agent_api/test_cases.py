"""The lists and the case: who sees what, who may do what, and that hostile words stay words."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from psycopg.types.json import Jsonb

import tests.reasons  # noqa: F401  # declares test.why
from tests.agent_api.conftest import Browser
from tests.casework.installation import Filed, agent, file_case, one
from zrm.casestore import rating
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id

SignIn = Callable[[str], Browser]
VIEWS = ["unassigned", "mine", "waiting", "open", "closed"]


def route_of(page: str) -> str:
    found = re.search(r'<option value="([0-9a-f]{32})"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("status", "assigned", "views"),
    [
        ("new", False, {"unassigned", "open"}),
        ("open", False, {"unassigned", "open"}),
        ("open", True, {"mine", "open"}),
        ("waiting", True, {"mine", "waiting", "open"}),
        ("waiting", False, {"waiting", "open"}),
        ("closed", True, {"closed"}),
    ],
)
def test_a_case_is_in_its_views(
    sign_in: SignIn, database: Database, status: str, assigned: bool, views: set[str]
) -> None:
    browser = sign_in("daniel")
    with database.cursor() as cursor:
        daniel = agent(cursor, "daniel")
    case = file_case(database, status=status, assignee=daniel if assigned else None)
    assert {view for view in VIEWS if str(case.id) in browser.get(f"/desk/queue/{view}").text} == views


def test_the_pages_of_a_list_hold_every_case_once(sign_in: SignIn, database: Database) -> None:
    cases = {str(file_case(database, unit_key=key).id) for key in ("roads", "water", "permits") for _ in range(41)}
    browser, seen, path = sign_in("daniel"), [], "/desk/queue/unassigned"
    while path:
        page = browser.get(path).text
        seen += re.findall(r'data-case="([0-9a-f-]{36})"', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1] if older else ""
    assert len(seen) == len(cases)
    assert set(seen) == cases


@pytest.mark.parametrize("path", ["/desk/queue/nonsense", "/desk/queue/open?after=x", "/desk/cases/x", "/desk/files/1"])
def test_nonsense_is_nothing(sign_in: SignIn, path: str) -> None:
    assert sign_in("daniel").get(path).status_code == 404


def test_the_counters_follow_the_cases(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("daniel")
    with database.cursor() as cursor:
        daniel = agent(cursor, "daniel")
    for status, holder in (("new", None), ("new", None), ("open", daniel), ("waiting", daniel), ("closed", daniel)):
        file_case(database, status=status, assignee=holder)
    page = browser.get("/desk/queue/open").text
    counts = dict(re.findall(r'data-count="(\w+)"[^>]*>(\d+)<', page))
    assert {key: counts[key] for key in ("unassigned", "mine", "waiting", "open")} == {
        "unassigned": "2", "mine": "2", "waiting": "1", "open": "4",
    }  # fmt: skip


def test_a_case_of_another_unit_does_not_exist(sign_in: SignIn, database: Database) -> None:
    ours, theirs = file_case(database, unit_key="roads"), file_case(database, unit_key="water")
    browser = sign_in("sara")
    assert browser.get(f"/desk/cases/{ours.id}").status_code == 200
    listing = browser.get("/desk/queue/open").text
    assert str(ours.id) in listing
    assert str(theirs.id) not in listing
    nothing = browser.get(f"/desk/cases/{new_id()}")
    hidden = browser.get(f"/desk/cases/{theirs.id}")
    assert (hidden.status_code, hidden.text) == (nothing.status_code, nothing.text) == (404, nothing.text)
    for step in ("claim", "release", "note", "close", "reply", "classify", "assign", "reopen"):
        assert browser.post(f"/desk/cases/{theirs.id}/{step}", version="1").status_code == 404
    for path in ("html", "original"):
        assert browser.get(f"/desk/contacts/{theirs.contact_id}/{path}").status_code == 404
    assert browser.get(f"/desk/search?q={theirs.code}").status_code == 200


@pytest.mark.parametrize(
    ("taken_away", "step", "status"),
    [
        ("case.work", "claim", 403),
        ("case.work", "note", 403),
        ("case.work", "reply", 403),
        ("case.assign", "assign", 403),
        ("case.view", "claim", 404),
        ("person.addresses", "claim", 303),
    ],
)
def test_a_permission_is_asked(sign_in: SignIn, database: Database, taken_away: str, step: str, status: int) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM permissions WHERE permission = %s", [taken_away])
    assert browser.post(f"/desk/cases/{case.id}/{step}", version="1", note="x", text="x").status_code == status


@pytest.mark.parametrize(
    ("permission", "path"),
    [
        ("quarantine.handle", "/desk/quarantine"),
        ("delivery.handle", "/desk/failed-deliveries"),
        ("ledger.view", "/desk/ledger"),
    ],
)
def test_a_worklist_page_needs_its_permission(sign_in: SignIn, database: Database, permission: str, path: str) -> None:
    browser = sign_in("daniel")
    assert browser.get(path).status_code == 200
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM permissions WHERE permission = %s", [permission])
    assert browser.get(path).status_code == 404
    assert f'href="{path}"' not in browser.get("/desk/settings").text


def test_addresses_are_masked_without_the_permission(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, name="")
    browser = sign_in("daniel")
    assert case.address in browser.get(f"/desk/cases/{case.id}").text
    assert f">{case.address}</bdi>" in browser.get("/desk/queue/open").text
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM permissions WHERE permission = 'person.addresses'")
    page = browser.get(f"/desk/cases/{case.id}").text
    assert case.address not in page
    assert "s•••@h•••" in page
    listing = browser.get("/desk/queue/open").text
    assert case.address not in listing
    assert ">s•••@h•••</bdi>" in listing
    assert browser.get(f"/desk/contacts/{case.contact_id}/original").status_code == 403


@pytest.mark.parametrize(
    ("login", "asks"), [("maryam", "دلیل بسته شدن بدون پاسخ"), ("daniel", "Reason for closing without an answer")]
)
def test_closing_without_an_answer_asks_why(sign_in: SignIn, database: Database, login: str, asks: str) -> None:
    case = file_case(database)
    browser = sign_in(login)
    assert asks in browser.get(f"/desk/cases/{case.id}").text
    refused = browser.post(f"/desk/cases/{case.id}/close", version="1", result="Not ours.", reason=" ")
    assert (refused.status_code, case_status(database, case)) == (422, "new")
    assert (
        "کسی به شهروند پاسخ نداده است" if login == "maryam" else "The citizen has not been answered"
    ) in refused.text
    closed = browser.post(
        f"/desk/cases/{case.id}/close", version="1", result="Not ours.", reason="Not the city's road."
    )
    assert (closed.status_code, case_status(database, case)) == (303, "closed")
    assert "Not the city&#39;s road." in browser.get(f"/desk/cases/{case.id}").text


def case_status(database: Database, case: Filed) -> str:
    with database.cursor() as cursor:
        return str(one(cursor, "SELECT status FROM cases WHERE id = %s", case.id))


def test_a_case_is_taken_answered_and_closed(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    assert browser.post(f"/desk/cases/{case.id}/claim", version="1").status_code == 303
    page = browser.get(f"/desk/cases/{case.id}").text
    sent = browser.post(
        f"/desk/cases/{case.id}/reply",
        version="2",
        route=route_of(page),
        title="Re: lamp\r\nBcc: x@y",
        text="Tomorrow.",
    )
    assert sent.status_code == 303
    with database.cursor() as cursor:
        assert one(cursor, "SELECT address FROM deliveries") == case.address
        assert one(cursor, "SELECT title FROM contacts WHERE direction = 'out'") == "Re: lamp Bcc: x@y"
    assert browser.post(f"/desk/cases/{case.id}/close", version="3", result="").status_code == 422
    assert browser.post(f"/desk/cases/{case.id}/close", version="3", result="Mended.").status_code == 303
    assert "Mended." in browser.get(f"/desk/cases/{case.id}").text


def test_the_slower_of_two_sees_how_it_is_and_keeps_their_words(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    maryam, daniel = sign_in("maryam"), sign_in("daniel")
    route = route_of(daniel.get(f"/desk/cases/{case.id}").text)
    assert maryam.post(f"/desk/cases/{case.id}/claim", version="1").status_code == 303
    answer = daniel.post(f"/desk/cases/{case.id}/reply", version="1", route=route, text="My <b>long</b> answer")
    assert answer.status_code == 409
    assert "My &lt;b&gt;long&lt;/b&gt; answer</textarea>" in answer.text
    assert "Maryam Rezaei is working on this case" in answer.text
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM deliveries") == 0


@pytest.mark.parametrize("route", ["", "0" * 32, "email|contact@city.example|victim@else.example"])
def test_an_answer_goes_only_to_an_address_of_the_case(sign_in: SignIn, database: Database, route: str) -> None:
    case = file_case(database)
    assert sign_in("daniel").post(f"/desk/cases/{case.id}/reply", version="1", route=route, text="x").status_code == 409
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM deliveries") == 0


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}%(x)s %s \u202e'


@pytest.mark.parametrize("login", ["maryam", "daniel"])
def test_hostile_words_stay_words(sign_in: SignIn, database: Database, login: str) -> None:
    case = file_case(database, title=HOSTILE, name=HOSTILE, text=HOSTILE)
    browser = sign_in(login)
    browser.post(f"/desk/cases/{case.id}/note", version="1", note=HOSTILE)
    browser.post(f"/desk/cases/{case.id}/close", version="2", result=HOSTILE, reason=HOSTILE)
    for path in (f"/desk/cases/{case.id}", "/desk/queue/closed"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "{{ 7*7 }}" in page.text


@pytest.mark.parametrize(("login", "toggle"), [("daniel", "Show the quoted text"), ("maryam", "نمایش متن نقل‌شده")])
def test_what_a_mail_repeats_stands_behind_its_toggle(
    sign_in: SignIn, database: Database, login: str, toggle: str
) -> None:
    case = file_case(database, text="My own answer.\n\n")
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE contacts SET folded_quote = %s WHERE id = %s",
            ["On Mon, Desk <info@zrm.example> wrote:\n> which <b>street</b>?", case.contact_id],
        )
    page = sign_in(login).get(f"/desk/cases/{case.id}").text
    own, _, folded = page.partition(f"<summary>{toggle}</summary>")
    assert "My own answer." in own
    assert "which" not in own
    shown = folded.partition("</details>")[0]
    assert "Desk &lt;info@zrm.example&gt; wrote:<br>&gt; which &lt;b&gt;street&lt;/b&gt;?" in shown
    assert own.rpartition("<details")[2] == ' class="z-quote">', "shut until somebody opens it"


def test_html_is_shown_without_its_teeth(sign_in: SignIn, database: Database) -> None:
    html = (
        '<p onclick="x()">Hello</p><script>x()</script><img src="https://spy.example/p.gif"><form action="//e"></form>'
    )
    case = file_case(database, html=html)
    answer = sign_in("daniel").get(f"/desk/contacts/{case.contact_id}/html")
    assert "Hello" in answer.text
    assert not re.search("script|onclick|spy|<form", answer.text)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox;")
    assert "frame-ancestors 'self'" in policy


@pytest.mark.parametrize(
    ("media_type", "role", "name", "shown"),
    [
        ("audio/wav", "recording", "call.wav", True),
        ("image/png", "attachment", "photo.png", True),
        ("application/pdf", "rendition", "fax.pdf", True),
        ("application/pdf", "attachment", "letter.pdf", False),
        ("image/svg+xml", "attachment", "drawing.svg", False),
        ("text/html", "attachment", "page.html", False),
        ("text/html; charset=utf-8", "rendition", "page.html", False),
        ("application/octet-stream", "attachment", '../../e"vil\u202egpj.exe\r\nX: y', False),
    ],
)
def test_a_file_is_shown_or_saved(
    sign_in: SignIn, database: Database, blobs: BlobStore, media_type: str, role: str, name: str, shown: bool
) -> None:
    case = file_case(database)
    key, size = blobs.put(b"0123456789")
    file_id = new_id()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO attachments (id, contact_id, role, name, media_type, size, blob_key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [file_id, case.contact_id, role, name, media_type, size, key],
        )
    browser = sign_in("daniel")
    answer = browser.get(f"/desk/files/{file_id}")
    assert answer.content == b"0123456789"
    assert answer.headers["x-content-type-options"] == "nosniff"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith("inline" if shown else "attachment;")
    assert answer.headers["content-type"].startswith(media_type if shown else "application/octet-stream")
    assert "%E2%80%AE" not in disposition
    assert "x" not in answer.headers
    part = browser.client.get(f"/desk/files/{file_id}", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert browser.get(f"/desk/files/{file_id}?save").headers["content-disposition"].startswith("attachment;")
    outsider = sign_in("sara")
    assert outsider.get(f"/desk/files/{file_id}").status_code == 404


def test_a_held_contact_is_taken_replayed_once_and_only_its_text_is_shown(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, text="<script>alert(1)</script>")
    with database.cursor() as cursor:
        cursor.execute("UPDATE raw_contacts SET state = 'quarantined' WHERE id = %s", [case.contact_id])
        cursor.execute(
            "INSERT INTO quarantine (contact_id, channel, reason_code, reason_params, entered_at, due_at)"
            " VALUES (%s, 'email', 'test.why', %s, now(), now() - interval '1 hour')",
            [case.contact_id, Jsonb({"words": "unknown <charset> 100%"})],
        )
    browser = sign_in("daniel")
    page = browser.get("/desk/quarantine").text
    assert "unknown &lt;charset&gt; 100%" in page
    assert "overdue" in page
    text = browser.get(f"/desk/contacts/{case.contact_id}/original?text")
    assert text.headers["content-type"].startswith("text/plain")
    assert text.headers["content-security-policy"].startswith("sandbox;")
    assert page.count("Enter why nothing needs to be done.") == 0
    unreasoned = browser.post(f"/desk/quarantine/{case.contact_id}/ignore", reason=" ")
    assert unreasoned.status_code == 422
    assert "Enter why nothing needs to be done." in unreasoned.text
    assert browser.post(f"/desk/quarantine/{case.contact_id}/take").status_code == 303
    assert "assigned to Daniel Karimi" in browser.get("/desk/quarantine").text
    assert browser.post(f"/desk/quarantine/{case.contact_id}/replay").status_code == 303
    assert browser.post(f"/desk/quarantine/{case.contact_id}/replay").status_code == 409
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM outbox WHERE topic = 'file' AND ref = %s", case.contact_id) == 1


def test_a_page_has_no_style_of_its_own_and_names_its_icon(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    for path in ("/desk/queue/open", f"/desk/cases/{case.id}", "/desk/settings"):
        page = browser.get(path)
        policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
        assert (policy["style-src"], policy["script-src"]) == ("'self'", "'self'")
        assert not re.search(r"<style|\sstyle=", page.text)
        assert re.search(r'rel="icon"[^>]*href="/static/favicon-', page.text)


def test_the_ledger_tells_a_balanced_book_from_a_broken_one(sign_in: SignIn, database: Database) -> None:
    file_case(database)
    browser = sign_in("daniel")
    assert "is accounted for" in browser.get("/desk/ledger").text
    with database.cursor() as cursor:
        cursor.execute("INSERT INTO receipts VALUES ('sms', 'x', 'lost', %s, '123456789012', now(), '')", [new_id()])
    assert "do not balance" in browser.get("/desk/ledger").text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("1 confirmed but not kept", "do not balance")),
        ("fa", ("۱ رسیدداده ولی نگهداری‌نشده", "حساب‌ها تراز نیست")),
    ],
)
def test_the_ledger_shows_what_a_door_confirmed_and_nobody_kept(
    sign_in: SignIn, database: Database, language: str, words: tuple[str, ...]
) -> None:
    with database.cursor() as cursor:
        cursor.execute("INSERT INTO door_answers VALUES (%s, 'x', 'fax', now())", [new_id()])
        cursor.execute("UPDATE agents SET language = %s", [language])
    page = sign_in("daniel").get("/desk/ledger").text
    assert [word for word in words if word not in page] == []


def test_an_undelivered_answer_is_sent_again_from_the_page(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    route = route_of(browser.get(f"/desk/cases/{case.id}").text)
    browser.post(f"/desk/cases/{case.id}/reply", version="1", route=route, text="x")
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE deliveries SET state = 'failed', reason_code = 'receiver_says', reason_params = jsonb_build_object('words', '550 no such box') RETURNING id"
        )
        delivery = (cursor.fetchone() or (None,))[0]
    assert "550 no such box" in browser.get("/desk/failed-deliveries").text
    assert "An answer did not arrive" in browser.get("/desk/queue/waiting").text
    assert browser.post(f"/desk/failed-deliveries/deliveries/{delivery}/again").status_code == 303
    assert browser.post(f"/desk/failed-deliveries/deliveries/{delivery}/again").status_code == 409
    assert "550 no such box" not in browser.get("/desk/failed-deliveries").text


def test_an_automatic_answer_without_a_case_does_not_fail_unseen(sign_in: SignIn, database: Database) -> None:
    raw, code = new_id(), "912345678906"
    with database.cursor() as cursor:
        cursor.execute("INSERT INTO receipts VALUES ('sms', '3000', 'SM1', %s, %s, now(), '')", [raw, code])
        cursor.execute(
            "INSERT INTO raw_contacts (id, channel, account, kind, media_type, body, size, envelope, files, trace, "
            "received_at) VALUES (%s, 'sms', '3000', 'contact', 'text/plain', '', 0, '{}', '[]', '', now())",
            [raw],
        )
        cursor.execute(
            "INSERT INTO deliveries (id, kind, question_id, command, channel, account, address, language, text, state, reason_code, "
            "reason_params, created_at, changed_at) VALUES (%s, 'self_service', %s, 'state', 'sms', '3000', '+989121234567', 'fa', 'x', 'failed', "
            "'receiver_says', jsonb_build_object('words', 'no such line'), now(), now())",
            [raw, raw],
        )
    page = sign_in("daniel").get("/desk/failed-deliveries").text
    assert "Automatic answers that did not arrive" in page
    assert "no such line" in page
    assert "no such line" not in sign_in("sara").get("/desk/failed-deliveries").text, "she sees her own unit's"


def test_a_rating_is_a_line_of_the_history(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, status="closed")
    with database.cursor() as cursor:
        assert rating.rate(cursor, case.id, channel="web", score=4)
        assert not rating.rate(cursor, case.id, channel="sms", score=1)
    path = f"/desk/cases/{case.id}"
    assert "The citizen rated how it was handled: 4 of 5" in sign_in("daniel").get(path).text
    assert "شهروند به رسیدگی امتیاز داد: ۴ از ۵" in sign_in("maryam").get(path).text


def test_what_a_later_version_has_written_is_shown_as_unknown(sign_in: SignIn, database: Database) -> None:
    """A kind, a version, keys, and a code that are not known: each is a line, none an error."""
    case = file_case(database)
    with database.cursor() as cursor:
        for kind, version, data in (
            ("escalated", 1, '{"level": 3}'),
            ("assigned", 2, '{"to": "x"}'),
            ("transferred", 1, '{"previous_unit_id": "nowhere"}'),
            ("replied", 2, "{}"),
            ("status_changed", 1, '{"before": "new", "after": "parked", "cause": "process"}'),
            ("rated", 1, "[]"),
        ):
            cursor.execute(
                "INSERT INTO case_events (id, case_id, at, actor, kind, version, data) VALUES (%s, %s, now(), 'system', %s, %s, %s)",
                [new_id(), case.id, kind, version, data],
            )
    browser = sign_in("daniel")
    page = browser.get(f"/desk/cases/{case.id}")
    assert page.status_code == 200
    assert re.findall(r"this version cannot show: \W*(\w+)", page.text) == [
        "escalated", "assigned", "transferred", "status_changed", "rated",
    ]  # fmt: skip
    assert str(case.id) in browser.get("/desk/queue/open").text
