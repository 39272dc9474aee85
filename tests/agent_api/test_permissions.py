"""What belongs to no unit is for agents whose permission holds everywhere, and nothing of another unit is given out."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.agent_api.conftest import Browser
from tests.casework.house import Filed, agent, file_case, one, quarantine_one, unit
from zrm.casestore import outbox
from zrm.casestore.agent import ONLY_EVERYWHERE, Permission
from zrm.casestore.outbox import Topic
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
            "INSERT INTO deliveries (id, contact_id, case_id, channel, account, address, state, created_at, changed_at)"
            " VALUES (%s, %s, %s, 'email', 'contact@city.example', %s, 'failed', now(), now())",
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
    held = quarantine_one(database, "broken")
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


def test_a_held_original_is_for_who_handles_quarantine(sign_in: SignIn, database: Database) -> None:
    held = quarantine_one(database, "broken")
    with database.cursor() as cursor:  # as it is of a contact that was never filed
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
    assert task not in browser.get("/desk/trouble").text
    assert browser.post(f"/desk/trouble/tasks/{task}/replay").status_code == 404
    assert browser.post("/desk/trouble/jobs/file/x/requeue").status_code == 404
    with database.cursor() as cursor:
        assert one(cursor, "SELECT failed_at FROM outbox WHERE id = %s", task) is not None
    everywhere = sign_in("maryam")
    assert task in everywhere.get("/desk/trouble").text
    assert everywhere.post(f"/desk/trouble/tasks/{task}/replay").status_code == 303


def test_an_answer_in_trouble_is_not_shown_to_who_does_not_see_its_case(sign_in: SignIn, database: Database) -> None:
    """The permission to handle deliveries everywhere does not show the cases of units the agent may not see."""
    there = file_case(database, unit_key="water", title="The meter of Mr Rahimi")
    here = file_case(database, unit_key="roads", title="A hole in the road")
    hidden = fail_an_answer(database, there, address="rahimi@home.example")
    fail_an_answer(database, here, address="other@home.example")
    narrow(database, "daniel", Permission.VIEW_CASES, "roads")
    browser = sign_in("daniel")
    page = browser.get("/desk/trouble").text
    assert "A hole in the road" in page
    assert "Rahimi" not in page
    assert 'data-count="trouble">1<' in page
    assert browser.post(f"/desk/trouble/deliveries/{hidden}/settle").status_code == 404


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
