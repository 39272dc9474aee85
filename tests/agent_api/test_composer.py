"""The composer in a real browser: what a text message costs, what a way carries, templates without a reload."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.agent_api.conftest import RunningDesk, enter
from tests.casework.house import Filed, file_case, one
from zrm.kit.db import Database
from zrm.kit.gsm import cost
from zrm.kit.ids import new_id

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.lab.browser import LabBrowser

pytestmark = pytest.mark.peer("browser")

TEXTS = [
    "", "a", "a" * 160, "a" * 161, "a" * 307, "€uro [1]", "a" * 152 + "€" + "a" * 152, "سلام", "س" * 70, "س" * 71,
    "س" * 135, "می‌شود ۱۲۳", "😀", "س" * 66 + "😀" + "س" * 66, "a" * 69 + "`", "line\nline", "ÄÖÜ ñ à", "ç",
]  # fmt: skip


@contextmanager
def open_case(browser: LabBrowser, desk: RunningDesk, case: Filed) -> Iterator[Page]:
    """The case on an agent's screen; nothing may complain while it is open."""
    before, page = len(browser.complaints), browser.page("en")
    enter(page, desk, "en")
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    yield page
    assert browser.complaints[before:] == []
    page.context.close()


def test_the_browser_reckons_as_the_house_does(browser: LabBrowser, desk: RunningDesk, database: Database) -> None:
    with open_case(browser, desk, file_case(database, channel="sms")) as page:
        for text in TEXTS:
            page.fill("#composer textarea", text)
            shown = page.eval_on_selector(
                "[data-cost]", "e => [+e.dataset.units, +e.dataset.segments, +e.dataset.left]"
            )
            found = cost(text)
            assert shown == [found.units, found.segments, found.left], text
        page.select_option("#composer [name=way]", index=page.locator("#composer [name=way] option").count() - 1)
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
        page.select_option("#composer [name=way]", index=1)
        assert page.is_visible("[data-no-files]")
        assert not page.is_visible("[data-title-field]")
        page.select_option("#composer [name=way]", index=0)
        page.keyboard.press("Escape")
        page.click("#composer button[type=submit]")
        page.wait_for_url("**?done=reply")
        assert page.input_value("#composer textarea") == ""
    with database.cursor() as cursor:
        assert one(cursor, "SELECT name FROM attachments") == "plan.pdf"
