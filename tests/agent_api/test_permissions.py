"""What belongs to no unit is for agents whose permission holds everywhere, and nothing of another unit is given out."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest

from tests.agent_api.conftest import Browser, RunningDesk
from tests.casework.installation import Filed, agent, file_case, one, quarantine_one, unit
from tests.reasons import why
from zrm.casestore import heartbeat, outbox
from zrm.casestore.agent import ONLY_EVERYWHERE, Permission
from zrm.casestore.outbox import Topic
from zrm.inbox import quarantine
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id

SignIn = Callable[[str], Browser]


def narrow(database: Database, login: str, permission: Permission, unit_key: str) -> None:
    """The agent has the permission in one unit only."""
    with database.cursor() as cursor:
        cursor.execute(
            "DELETE FROM permissions WHERE agent_id = %s AND permission = %s", [agent(cursor, login), permission]
        )
        cursor.execute(
            "INSERT INTO permissions (id, agent_id, permission, unit_id) VALUES (%s, %s, %s, %s)",
            [new_id(), agent(cursor, login), permission, unit(cursor, unit_key)],
        )


def fail_an_answer(database: Database, case: Filed, *, address: str) -> str:
    """An answer of the case that did not arrive; the delivery's id."""
    delivery = new_id()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO deliveries (id, kind, contact_id, case_id, channel, account, address, state, created_at, changed_at)"
            " VALUES (%s, 'answer', %s, %s, 'email', 'contact@city.example', %s, 'failed', now(), now())",
            [delivery, case.contact_id, case.id, address],
        )
    return str(delivery)


def fail_a_task(database: Database) -> str:
    """A task that was tried too often; its id."""
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.FILE, [(new_id(), "")])
        return str(one(cursor, "UPDATE outbox SET failed_at = now(), error = 'worn' RETURNING id"))


@pytest.mark.parametrize("permission", sorted(ONLY_EVERYWHERE))
def test_the_store_takes_no_permission_for_a_unit_that_acts_on_what_has_none(
    database: Database, permission: Permission
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="permissions_only_everywhere"):
        narrow(database, "sara", permission, "roads")


@pytest.mark.parametrize(
    ("permission", "path"),
    [(Permission.HANDLE_QUARANTINE, "/desk/quarantine"), (Permission.VIEW_LEDGER, "/desk/ledger")],
)
def test_even_such_a_row_opens_nothing(sign_in: SignIn, database: Database, permission: Permission, path: str) -> None:
    held = quarantine_one(database, why("broken"))
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE permissions DROP CONSTRAINT permissions_only_everywhere")
    narrow(database, "daniel", permission, "contact-centre")
    browser = sign_in("daniel")
    assert browser.get(path).status_code == 404
    assert f'href="{path}"' not in browser.get("/desk/settings").text
    if permission is Permission.HANDLE_QUARANTINE:
        for step in ("take", "replay", "ignore"):
            assert browser.post(f"/desk/quarantine/{held}/{step}", reason="spam").status_code == 404
        with database.cursor() as cursor:
            assert one(cursor, "SELECT ended_at FROM quarantine") is None


def test_a_contact_being_filed_again_stays_listed_and_says_so(sign_in: SignIn, database: Database) -> None:
    held, browser = quarantine_one(database, why("broken")), sign_in("daniel")
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET language = 'en'")
    assert browser.post(f"/desk/quarantine/{held}/replay").status_code == 303
    page = browser.get("/desk/quarantine").text
    assert "Being filed again" in page
    assert f"/desk/quarantine/{held}/replay" not in page
    with database.cursor() as cursor:
        quarantine.enter(cursor, held, reason=why("still broken"), due_at=now())
    page = browser.get("/desk/quarantine").text
    assert "Filed again and failed again" in page
    assert f"/desk/quarantine/{held}/replay" in page


def test_a_held_original_is_for_who_handles_quarantine(sign_in: SignIn, database: Database) -> None:
    held = quarantine_one(database, why("broken"))
    with database.cursor() as cursor:  # as it is of a contact that was never filed
        cursor.execute("DELETE FROM contact_search")
        cursor.execute("DELETE FROM contacts")
    path = f"/desk/contacts/{held}/original"
    assert sign_in("daniel").get(path).content == b"Since Monday."
    assert sign_in("sara").get(path).status_code == 404


@pytest.mark.parametrize("query", ["", "?pictures"])
def test_the_html_of_another_units_mail_is_not_there(sign_in: SignIn, database: Database, query: str) -> None:
    there = file_case(database, unit_key="water", html="<p>the meter of Mr Rahimi</p>")
    here = file_case(database, unit_key="roads", html="<p>a hole in the road</p>")
    browser = sign_in("sara")
    assert "a hole in the road" in browser.get(f"/desk/contacts/{here.contact_id}/html{query}").text
    refused = browser.get(f"/desk/contacts/{there.contact_id}/html{query}")
    assert refused.status_code == 404
    assert "Rahimi" not in refused.text


def test_failed_tasks_are_for_who_handles_deliveries_everywhere(sign_in: SignIn, database: Database) -> None:
    task = fail_a_task(database)
    narrow(database, "daniel", Permission.HANDLE_DELIVERIES, "contact-centre")
    browser = sign_in("daniel")
    assert task not in browser.get("/desk/failed-deliveries").text
    assert browser.post(f"/desk/failed-deliveries/tasks/{task}/replay").status_code == 404
    assert browser.post("/desk/failed-deliveries/jobs/file/x/requeue").status_code == 404
    with database.cursor() as cursor:
        assert one(cursor, "SELECT failed_at FROM outbox WHERE id = %s", task) is not None
    everywhere = sign_in("maryam")
    assert task in everywhere.get("/desk/failed-deliveries").text
    assert everywhere.post(f"/desk/failed-deliveries/tasks/{task}/replay").status_code == 303


TOLD = {
    "daniel": (
        "Something in the system is not working.",
        "The relay is not running: contacts are kept but not filed.",
        "No worker is running for this work, so it waits: Sending answers",
        "Nothing is received by this channel, because its listener is not running: E-mail",
        "Work has been waiting for 3 minutes: Filing",
    ),
    "maryam": (
        "بخشی از سامانه کار نمی‌کند.",
        "برنامهٔ توزیع کارها (رله) اجرا نمی‌شود: تماس‌ها نگه داشته می‌شوند ولی ثبت نمی‌شوند.",
        "برای این کار هیچ پردازشگری فعال نیست و در انتظار می‌ماند: ارسال پاسخ‌ها",
        "از این کانال ارتباطی چیزی دریافت نمی‌شود، چون برنامهٔ دریافت آن اجرا نمی‌شود: ایمیل",
        "کاری ۳ دقیقه در انتظار مانده است: ثبت",
    ),
}


@pytest.mark.parametrize("login", TOLD)
def test_roles_that_do_not_run_are_told_to_who_handles_deliveries_everywhere(
    desk: RunningDesk, sign_in: SignIn, database: Database, login: str
) -> None:
    with database.cursor() as cursor:
        heartbeat.beat(cursor, new_id(), "worker", [topic for topic in Topic if topic is not Topic.DELIVER])
        heartbeat.beat(cursor, killed := new_id(), "email")
        cursor.execute("UPDATE heartbeats SET at = now() - interval '1 min' WHERE instance = %s", [killed])
        outbox.add(cursor, Topic.FILE, [(new_id(), "")])
        cursor.execute("UPDATE outbox SET due_at = now() - interval '200 s'")
    desk.watch_roles()
    notice, *problems = TOLD[login]
    browser = sign_in(login)
    assert re.search(rf'<p class="z-alarm"[^>]*"problems">.*<a href="/desk/failed-deliveries">{notice}</a>', browser.get("/desk/queue/open").text)  # fmt: skip
    page = browser.get("/desk/failed-deliveries").text
    assert re.findall(r"<li>([^<]+)</li>", page) == problems
    assert 'data-count="failed_deliveries">' in page
    narrow(database, login, Permission.HANDLE_DELIVERIES, "contact-centre")
    assert "z-alarm" not in browser.get("/desk/queue/open").text
    assert re.findall(r"<li>([^<]+)</li>", browser.get("/desk/failed-deliveries").text) == []
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM outbox")
        for role in ("relay", "email"):
            heartbeat.beat(cursor, new_id(), role)
        heartbeat.beat(cursor, new_id(), "worker", [Topic.DELIVER])
    other = sign_in("daniel" if login == "maryam" else "maryam").get("/desk/queue/open").text
    assert re.search(r'<p class="z-alarm"[^>]*"problems" hidden>', other)


def test_an_undelivered_answer_is_not_shown_to_who_does_not_see_its_case(sign_in: SignIn, database: Database) -> None:
    """The permission to handle deliveries everywhere does not show the cases of units the agent may not see."""
    there = file_case(database, unit_key="water", title="The meter of Mr Rahimi")
    here = file_case(database, unit_key="roads", title="A hole in the road")
    hidden = fail_an_answer(database, there, address="rahimi@home.example")
    fail_an_answer(database, here, address="other@home.example")
    narrow(database, "daniel", Permission.VIEW_CASES, "roads")
    browser = sign_in("daniel")
    page = browser.get("/desk/failed-deliveries").text
    assert "A hole in the road" in page
    assert "Rahimi" not in page
    assert 'data-count="failed_deliveries">1<' in page
    assert browser.post(f"/desk/failed-deliveries/deliveries/{hidden}/settle").status_code == 404


def test_a_permission_in_one_unit_is_none_in_another_that_is_seen_too(sign_in: SignIn, database: Database) -> None:
    there = file_case(database, unit_key="water")
    narrow(database, "daniel", Permission.WORK_CASES, "roads")
    refused = sign_in("daniel").post(f"/desk/cases/{there.id}/claim", version="1")
    assert refused.status_code == 403


def test_a_template_of_every_unit_is_for_who_manages_them_everywhere(sign_in: SignIn, database: Database) -> None:
    with database.cursor() as cursor:
        common = one(cursor, "SELECT id FROM templates WHERE unit_id IS NULL LIMIT 1")
    narrow(database, "daniel", Permission.MANAGE_TEMPLATES, "roads")
    browser = sign_in("daniel")
    wording = {"kind": "answer", "name_fa": "ن", "name_en": "N", "text_fa": "ن", "text_en": "N", "version": "1"}
    assert browser.get(f"/desk/templates/{common}").status_code == 404
    assert browser.post(f"/desk/templates/{common}", unit="every", **wording).status_code == 404
    assert browser.post("/desk/templates", unit="every", **wording).status_code == 422
