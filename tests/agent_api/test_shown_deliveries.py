"""What the desk says of messages on their way: on the case's page, in its history, among the delivery problems."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, get_args
from uuid import UUID

import pytest
from playwright.sync_api import expect

from tests.agent_api.conftest import Browser, RunningDesk
from tests.agent_api.test_answers import routes_of
from tests.agent_api.test_composer import open_case
from tests.casework.installation import Filed, agent, file_case, one
from zrm.casestore import contact as contacts
from zrm.casestore import outgoing
from zrm.casestore.contact import NewContact
from zrm.casestore.delivery import DeliveryKind, DeliveryState
from zrm.casestore.history_payloads import DeliveryKindName
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id

if TYPE_CHECKING:
    from tests.lab.browser import LabBrowser

SignIn = Callable[[str], Browser]
KINDS = {
    DeliveryKind.ANSWER: ("Answer", "answer"),
    DeliveryKind.ACKNOWLEDGEMENT: ("Acknowledgement", "acknowledgement"),
    DeliveryKind.CLOSING_MESSAGE: ("Closing message", "closing message"),
    DeliveryKind.PROOF_LINK: ("Link to the tracking page", "link to the tracking page"),
}


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def failed(database: Database, case: Filed, kind: DeliveryKind, text: str) -> UUID:
    """A message of the case that did not arrive."""
    contact_id = None if kind is DeliveryKind.PROOF_LINK else new_id()
    sent = NewDelivery(
        kind, "email", "contact@city.example", case.address, case_id=case.id, contact_id=contact_id,
        says=None if contact_id else OwnWords(text, "en"),
    )  # fmt: skip
    with database.cursor() as cursor:
        if contact_id:
            written = NewContact(contact_id, case.id, "out", "email", "contact@city.example", now(), text)
            contacts.add(cursor, [written])
        outgoing.queue(cursor, [sent])
        outgoing.set_state(cursor, sent.id, DeliveryState.FAILED)
    return sent.id


def test_every_kind_of_a_case_is_known_to_its_history() -> None:
    assert {kind.value for kind in KINDS} == set(get_args(get_args(DeliveryKindName)[0]))
    assert set(KINDS) == set(DeliveryKind) - {DeliveryKind.SELF_SERVICE}


def test_of_two_that_failed_at_one_case_each_says_what_it_is(sign_in: SignIn, database: Database) -> None:
    case, browser = file_case(database), sign_in("daniel")
    ids = {kind: failed(database, case, kind, f"Words of the {kind}. " + "And more. " * 40) for kind in KINDS}
    rows = browser.get("/desk/failed-deliveries").text.split('<li class="z-card z-work-item">')[1:]
    assert len(rows) == len(KINDS)
    for kind, (name, _) in KINDS.items():
        (row,) = (words(row) for row in rows if f"/deliveries/{ids[kind]}/" in row)
        assert f"{name} " in row
        assert (f"Words of the {kind}." in row) is (kind is not DeliveryKind.PROOF_LINK), "a link is for the citizen"
        assert row.count("And more.") < 20, "the first words only"
    again, settled = ids[DeliveryKind.ACKNOWLEDGEMENT], ids[DeliveryKind.CLOSING_MESSAGE]
    for step, delivery, said in (("again", again, "being sent again"), ("settle", settled, "Marked as handled")):
        answer = browser.post(f"/desk/failed-deliveries/deliveries/{delivery}/{step}")
        page = browser.get(answer.headers["location"]).text
        assert said in words(page)
        assert str(delivery) not in page
    page = words(browser.get(f"/desk/cases/{case.id}").text)
    assert "sent the acknowledgement again" in page
    assert "marked the undelivered closing message as handled" in page
    assert "undelivered answer" not in page


def test_what_stands_on_the_tracking_page_is_not_called_delivered(sign_in: SignIn, database: Database) -> None:
    case, browser = file_case(database), sign_in("daniel")
    page = browser.get(f"/desk/cases/{case.id}").text
    route = routes_of(page)["web"]
    browser.post(f"/desk/cases/{case.id}/reply", version="1", route=route, text="Tomorrow.")
    with database.cursor() as cursor:
        outgoing.set_state(cursor, one(cursor, "SELECT id FROM deliveries"), DeliveryState.DELIVERED)
    lost = failed(database, case, DeliveryKind.ANSWER, "Lost.")
    browser.get("/desk/failed-deliveries")
    browser.post(f"/desk/failed-deliveries/deliveries/{lost}/by", route=route)
    with database.cursor() as cursor:
        fresh = one(cursor, "SELECT id FROM deliveries WHERE channel = 'web' AND state = 'queued'")
        outgoing.set_state(cursor, fresh, DeliveryState.DELIVERED)
    page = browser.get(f"/desk/cases/{case.id}?done=reply").text
    timeline = words(page.split('id="live-timeline"')[1].split("</ol>")[0])
    assert "answered on the tracking page" in timeline
    assert "put the answer on the tracking page instead" in timeline
    assert "Shown on the tracking page" in timeline
    assert "Delivered" not in timeline
    assert "Web form" not in timeline
    assert "Your answer is on the tracking page." in words(page)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (DeliveryState.SENDING, "Your answer is on its way."),
        (DeliveryState.SENT, "Your answer was sent."),
        (DeliveryState.DELIVERED, "Your answer has arrived."),
        (DeliveryState.FAILED, "Your answer was not delivered."),
        (DeliveryState.UNKNOWN, "It is unclear whether your answer was sent."),
    ],
)
def test_after_an_answer_the_page_says_what_became_of_it(
    sign_in: SignIn, database: Database, state: DeliveryState, said: str
) -> None:
    case, browser = file_case(database), sign_in("daniel")
    route = routes_of(browser.get(f"/desk/cases/{case.id}").text)["email"]
    answer = browser.post(f"/desk/cases/{case.id}/reply", version="1", route=route, text="Tomorrow.")
    assert "Your answer is on its way." in browser.get(answer.headers["location"]).text
    with database.cursor() as cursor:
        outgoing.set_state(cursor, one(cursor, "SELECT id FROM deliveries"), state)
    page = browser.get(answer.headers["location"]).text
    assert words(page.split('id="live-outcome"')[1].split("</p>")[0]).endswith(said)
    assert ('data-outcome="failed"' in page) is (state in ("failed", "unknown"))


def test_a_step_that_holds_no_longer_is_not_said(sign_in: SignIn, database: Database) -> None:
    case, browser = file_case(database), sign_in("daniel")
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE cases SET assignee_id = %s, status = 'open' WHERE id = %s", [agent(cursor, "maryam"), case.id]
        )
    for done, said in (("claim", "now assigned to you"), ("close", "The case is closed."), ("reopen", "is open again")):
        assert said not in browser.get(f"/desk/cases/{case.id}?done={done}").text
    for nothing_done in ("", "?done=close", "?done=reply", "?done=no-such-step"):
        assert "data-outcome" not in browser.get(f"/desk/cases/{case.id}{nothing_done}").text


@pytest.mark.peer("browser")
def test_the_banner_goes_with_the_answer(browser: LabBrowser, desk: RunningDesk, database: Database) -> None:
    case = file_case(database)
    with open_case(browser, desk, case) as page:
        page.fill("#composer textarea", "Tomorrow.")
        page.click("#composer button.z-btn-primary")
        page.wait_for_url("**?done=reply")
        page.wait_for_selector("body[data-connected=yes]")
        expect(page.locator("[data-outcome]")).to_contain_text("Your answer is on its way.")
        with database.cursor() as cursor:
            outgoing.set_state(cursor, one(cursor, "SELECT id FROM deliveries"), DeliveryState.FAILED)
        expect(page.locator("[data-outcome=failed]")).to_contain_text("Your answer was not delivered.")
        expect(page.locator("[data-outcome]")).not_to_contain_text("on its way")
