"""The composer in a real browser: what a text message costs, what a reply route carries, templates without a reload."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.agent_api.conftest import RunningDesk, enter
from tests.casework.installation import Filed, file_case, one
from tests.lab import axe
from zrm.kit.db import Database
from zrm.kit.direction import in_marks
from zrm.kit.gsm import cost
from zrm.kit.ids import new_id

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

pytestmark = pytest.mark.peer("browser")

TEXTS = [
    "", "a", "a" * 160, "a" * 161, "a" * 307, "€uro [1]", "a" * 152 + "€" + "a" * 152, "سلام", "س" * 70, "س" * 71,
    "س" * 135, "می‌شود ۱۲۳", "😀", "س" * 66 + "😀" + "س" * 66, "a" * 69 + "`", "line\nline", "ÄÖÜ ñ à", "ç",
    "سلام \u2068Sara\u2069، " + "س" * 60, "only \u20669814\u2069",
]  # fmt: skip


@contextmanager
def open_case(browser: LabBrowser, desk: RunningDesk, case: Filed, language: Language = "en") -> Iterator[Page]:
    """The case on an agent's screen; nothing may complain while it is open."""
    before, page = len(browser.complaints), browser.page(language)
    enter(page, desk, language)
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    yield page
    assert browser.complaints[before:] == []
    page.context.close()


def test_the_browser_reckons_as_the_installation_does(
    browser: LabBrowser, desk: RunningDesk, database: Database
) -> None:
    with open_case(browser, desk, file_case(database, channel="sms")) as page:
        for text in TEXTS:
            page.fill("#composer textarea", text)
            shown = page.eval_on_selector(
                "[data-cost]", "e => [+e.dataset.units, +e.dataset.segments, +e.dataset.left]"
            )
            found = cost(in_marks(text))
            assert shown == [found.units, found.segments, found.left], text
        page.select_option("#composer [name=route]", index=page.locator("#composer [name=route] option").count() - 1)
        assert not page.is_visible("[data-cost]"), "the tracking page costs nothing"


def test_a_template_is_put_in_and_files_go_where_they_can(
    browser: LabBrowser, desk: RunningDesk, database: Database
) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at)"
            " VALUES (%s, %s, 'phone', '+989121234567', '+98', false, now())",
            [new_id(), case.person_id],
        )
    with open_case(browser, desk, case) as page:
        page.keyboard.press("m")
        page.click("#templates [data-insert] >> nth=0")
        page.wait_for_function("document.querySelector('#composer textarea').value.startsWith('Dear Sara Karimi,')")
        page.set_input_files(
            "#composer [name=files]", {"name": "plan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"}
        )
        assert not page.is_visible("[data-no-files]")
        page.select_option("#composer [name=route]", index=1)
        assert page.is_visible("[data-no-files]")
        assert not page.is_visible("[data-title-field]")
        page.select_option("#composer [name=route]", index=0)
        page.keyboard.press("Escape")
        page.click("#composer button[type=submit]")
        page.wait_for_url("**?done=reply")
        assert page.input_value("#composer textarea") == ""
    with database.cursor() as cursor:
        assert one(cursor, "SELECT name FROM attachments") == "plan.pdf"


@pytest.mark.parametrize(
    ("language", "marks", "shown"),
    [
        ("en", ("not proven", "the citizen wants the answer there", "also addressed, not the citizen"),
         ("Wants the answer at: work@firm.example", "Also addressed to: l@home.example", "Sender's address not proven")),
        ("fa", ("تأیید نشده", "پاسخ را اینجا خواسته است", "گیرندهٔ دیگر نامه است، نه خود شهروند"),
         ("پاسخ را به این نشانی می‌خواهد: work@firm.example", "گیرندگان دیگر: l@home.example", "نشانی فرستنده تأیید نشده")),
    ],
)  # fmt: skip
def test_the_composer_says_what_is_known_of_each_route(
    browser: LabBrowser,
    desk: RunningDesk,
    database: Database,
    language: Language,
    marks: tuple[str, ...],
    shown: tuple[str, ...],
) -> None:
    """What a mail asks for and whom it was sent to is offered as such, and chosen only where nobody can be robbed by it."""
    case = file_case(database, unit_key="contact-centre")
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE persons SET created_at = created_at - interval '1 day'"
        )  # we have known them for a while
        cursor.execute(
            "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at)"
            " VALUES (%s, %s, 'phone', '+989121234567', '+98', true, now()), (%s, %s, 'email', 'contact@city.example', 'x', false, now())",
            [new_id(), case.person_id, new_id(), case.person_id],
        )
        cursor.execute(
            "UPDATE contacts SET reply_to = '{work@firm.example}', copied = '{l@home.example,contact@city.example}',"
            " labels = '{claimed_address}'"
        )
    with open_case(browser, desk, case, language) as page:
        options = page.locator("#composer [name=route] option").all_inner_texts()
        claimed, asked_for, copied = marks
        assert [claimed in one for one in options] == [False, False, True, False, False]
        assert [asked_for in one for one in options] == [False, True, False, False, False]
        assert [copied in one for one in options] == [False, False, False, False, True]
        assert "sara@home.example" in options[0]
        assert page.input_value("#composer [name=route]") == page.get_attribute(
            "#composer [name=route] option >> nth=0", "value"
        )
        said = " ".join(page.inner_text(".z-timeline").replace("\u2068", "").replace("\u2069", "").split())
        for words in shown:
            assert words in said
        assert axe.faults(page) == []
