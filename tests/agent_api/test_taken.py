"""New contact at the desk: from the form to a filed case, once, with its taker, and for nobody without the permission."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from tests.agent_api.conftest import RunningDesk, enter
from tests.casework.installation import agent
from tests.lab.axe import faults
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework import taken_contacts
from zrm.casework.context import ActingAgent
from zrm.casework.taken_contacts import TakenDown, entry_channels
from zrm.channels.channel import Installation
from zrm.channels.registry import CHANNELS
from zrm.errors import NotFound
from zrm.inbox.receive import Inbox
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer
from zrm.security.grants import Grants

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.agent_api.conftest import Browser
    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

    SignIn = Callable[[str], Browser]

INSTALLATION = Installation(
    {"fa": "مرکز", "en": "Centre"}, "fa", "UTC", "IR", "https://a.example", "/tmp", "00"
)  # unused
WORDS = {
    "channel": "visit",
    "text": "The lamp in Spring Street is dark",
    "name": "Sara Karimi",
    "phone": "0912 123 4567",
}


def file_all(desk: RunningDesk) -> None:
    """T2, with the parsers of the desk's channels."""
    context = desk.context
    parsers = {kind: CHANNELS[kind](CHANNELS[kind].Config(), INSTALLATION).parse for kind in entry_channels()}
    with context.database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FILE, limit=100, lease=30)
    Filer(context.database, context.blobs, parsers, context.settings)(tasks)


def ask(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.cursor() as cursor:
        cursor.execute(query.encode())
        return cursor.fetchall()


def new_form(browser: Browser) -> str:
    found = re.search(r'name="form_id" value="([^"]+)"', browser.get("/desk/new-contact").text)
    assert found is not None
    return found[1]


def test_a_visit_becomes_a_case_with_its_taker(desk: RunningDesk, sign_in: SignIn, database: Database) -> None:
    browser = sign_in("daniel")
    answer = browser.client.post(
        "/desk/new-contact",
        data={"csrf_token": browser.csrf, "form_id": new_form(browser), "nature": "report", **WORDS},
        files=[("files", ("lamp.png", b"\x89PNG not really", "image/png"))],
    )
    assert answer.status_code == 303, answer.text
    place = answer.headers["location"]
    ((code, state),) = ask(
        database, "SELECT r.code, w.state FROM receipts r JOIN raw_contacts w ON w.id = r.contact_id"
    )
    receipt = browser.get(place).text
    assert (state, str(code)[:4] in receipt, "The case will be opened in a moment" in receipt) == (
        "waiting",
        True,
        True,
    )
    file_all(desk)
    ((channel, nature, taker, name, address, claimed, case_id, file),) = ask(
        database,
        "SELECT k.channel, k.nature, c.agent_id, p.name, a.value, a.claimed, k.id, f.name FROM cases k JOIN contacts c ON c.case_id = k.id"
        " JOIN persons p ON p.id = k.person_id JOIN addresses a ON a.person_id = p.id JOIN attachments f ON f.contact_id = c.id",
    )
    with database.cursor() as cursor:
        daniel = agent(cursor, "daniel")
    assert (channel, nature, taker, name) == ("visit", "report", daniel, "Sara Karimi")
    assert (address, claimed, file) == ("+989121234567", True, "lamp.png")
    assert f'href="/desk/cases/{case_id}"' in browser.get(place).text
    page = browser.get(f"/desk/cases/{case_id}").text
    assert "Daniel Karimi recorded the contact: Visit" in page
    assert not ask(database, "SELECT FROM deliveries"), "nobody is written to"
    assert sign_in("maryam").get(place).status_code == 404, "a receipt is for the agent who took the contact"


def test_the_same_form_sent_twice_is_one_contact_and_other_words_are_another(
    desk: RunningDesk, sign_in: SignIn, database: Database
) -> None:
    browser = sign_in("daniel")
    form = {"form_id": new_form(browser), **WORDS}
    first, again = browser.post("/desk/new-contact", **form), browser.post("/desk/new-contact", **form)
    assert first.headers["location"] == again.headers["location"]
    other = browser.post("/desk/new-contact", **{**form, "text": "Something else"})
    assert other.headers["location"] != first.headers["location"]
    assert ask(database, "SELECT count(*) FROM raw_contacts") == [(2,)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": " "}, "Enter what the citizen says"),
        ({"channel": "email"}, "Choose how the citizen contacted us"),
        ({"channel": ""}, "Choose how the citizen contacted us"),
        ({"phone": "0912 123 456"}, "one digit too few"),
        ({"phone": "hello"}, "one telephone number in digits"),
        ({"email": "no address"}, "one e-mail address"),
        ({"nature": "gossip"}, "Choose one from the list"),
        ({"name": "x" * 201}, "too long: 200"),
    ],
)
def test_what_must_be_put_right_is_said_and_nothing_is_lost(
    sign_in: SignIn, database: Database, change: dict[str, str], said: str
) -> None:
    browser = sign_in("daniel")
    answer = browser.post("/desk/new-contact", **{"form_id": new_form(browser), **WORDS, **change})
    assert answer.status_code == 422
    assert said in answer.text
    if "name" not in change:
        assert "Sara Karimi" in answer.text
    assert ask(database, "SELECT FROM raw_contacts") == []


def test_a_number_that_looks_wrong_is_believed_the_second_time(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("daniel")
    form = {"form_id": new_form(browser), **WORDS, "phone": "0912 123 456"}
    asked = browser.post("/desk/new-contact", **form).text
    insist = re.search(r'name="phone_as_is" value="(\d+)"', asked)
    assert insist is not None
    assert "record it again as it is" in asked
    assert "record it again" not in browser.post("/desk/new-contact", **{**form, "phone": "hello"}).text
    assert browser.post("/desk/new-contact", **form, phone_as_is=insist[1]).status_code == 303
    assert ask(database, "SELECT count(*) FROM raw_contacts") == [(1,)]


def test_nobody_takes_contacts_without_the_permission(
    desk: RunningDesk, sign_in: SignIn, database: Database, inbox: Inbox
) -> None:
    browser = sign_in("sara")
    assert "/desk/new-contact" not in browser.get("/desk/queue/open").text
    assert browser.get("/desk/new-contact").status_code == 404
    assert browser.post("/desk/new-contact", form_id=str(uuid4()), **WORDS).status_code == 404
    with pytest.raises(NotFound):  # whoever asks, not this page alone
        taken_contacts.take(
            lambda contact: inbox.submit(contact).result(),
            ActingAgent(UUID(int=1), Grants.of([("case.work", None)])),
            "call",
            uuid4(),
            TakenDown("x"),
            region="IR",
            natures=(),
        )
    assert ask(database, "SELECT FROM raw_contacts") == []


@pytest.mark.peer("browser")
@pytest.mark.parametrize("language", ["fa", "en"])
def test_in_the_browser(browser: LabBrowser, desk: RunningDesk, language: Language) -> None:
    page = browser.page(language)
    enter(page, desk, language)
    page.keyboard.press("g")
    page.keyboard.press("k")
    page.wait_for_url("**/desk/new-contact")
    assert faults(page) == []
    page.click("main button.z-btn-primary")
    asked = page.locator("#f-text").evaluate("field => field.validationMessage")
    assert asked == ("لطفاً این قسمت را پر کنید." if language == "fa" else "Please fill this in.")
    page.get_by_role("radio").nth(2).check()
    page.fill("#f-text", "چراغ خیابان بهار خاموش است" if language == "fa" else "The lamp is dark")
    page.fill("#f-name", "سارا کریمی")
    page.fill("#f-phone", "۰۹۱۲۱۲۳۴۵۶")
    page.keyboard.press("Enter")
    page.locator("#f-phone-error").wait_for()
    assert faults(page) == []
    page.fill("#f-phone", "۰۹۱۲۱۲۳۴۵۶۷")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/desk/new-contact/.+"))
    assert faults(page) == []
    assert page.locator(".z-code b").is_visible()
    page.go_back()  # past the form that was refused: a page is asked for, and nothing is sent again
    page.wait_for_url("**/desk/new-contact")
    assert page.locator("#f-phone-error").count() == 0
    page.go_forward()
    page.wait_for_url(re.compile("/desk/new-contact/.+"))
    assert page.locator("[data-print]").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".z-code b").is_visible()
    assert not page.locator(".z-side").is_visible()
