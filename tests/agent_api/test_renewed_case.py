"""An open case is brought up to date: patiently while the store is away, and only where something differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.agent_api.conftest import RunningDesk, enter
from tests.agent_api.test_composer import open_case
from tests.agent_api.test_long_cases import say
from tests.agent_api.test_unsafe_files import attach
from tests.casework.installation import Filed, file_case
from zrm.casestore import live
from zrm.kit.db import Database

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from tests.lab.browser import LabBrowser

pytestmark = pytest.mark.peer("browser")

HURRY = """() => {
    const later = window.setTimeout;
    window.waits = [];
    window.setTimeout = (work, wait, ...rest) => {
        if (wait >= 1000) waits.push(wait);
        return later(work, wait >= 1000 ? 5 : wait, ...rest);
    };
}"""
"""Long waits are noted and made short."""


def test_the_page_asks_ever_more_seldom_while_the_store_is_away(
    browser: LabBrowser, desk: RunningDesk, database: Database
) -> None:
    case = file_case(database)
    page = browser.page("en")
    enter(page, desk, "en")
    address = f"{desk.url}/desk/cases/{case.id}"
    page.goto(address)
    page.wait_for_selector("body[data-connected=yes]")
    page.evaluate(HURRY)
    for number in range(2):
        page.evaluate("waits.length = 0")
        page.route(address, lambda route: route.fulfill(status=503, body="The store is away."))
        say(database, case, f"News {number}.")
        page.wait_for_function("() => waits.length >= 7")
        waits = page.evaluate("waits.slice(0, 7)")
        for wait, plain in zip(waits, (1000, 2000, 4000, 8000, 16_000, 30_000, 30_000), strict=True):
            assert plain <= wait < 2 * plain, waits
        page.unroute(address)
        expect(page.locator("#live-timeline > li:last-child")).to_contain_text(f"News {number}.")
    page.context.close()


def reword(database: Database, case: Filed, text: str) -> None:
    """The case's message is drawn otherwise."""
    with database.cursor() as cursor:
        cursor.execute("UPDATE contacts SET text = %s WHERE id = %s", [text, case.contact_id])
        live.publish_change(cursor, "case", [case.id])


def test_only_an_entry_that_differs_is_behind_and_it_is_renewed_when_it_is_let_go(
    browser: LabBrowser, desk: RunningDesk, database: Database
) -> None:
    case, fetched = file_case(database, text="First words.", html="<p>First words."), list[str]()
    for name in ("one.png", "two.png"):
        attach(database, desk.context.blobs, case.contact_id, b"x", name=name, scan="waiting")
    entry, news = f"#contact-{case.contact_id}", "#live-timeline > li:last-child"

    def a_minute_later(route: Route) -> None:
        if route.request.resource_type != "fetch":
            return route.continue_()
        fetched.append(route.request.url)
        answer = route.fetch()
        assert "just now" in answer.text()
        return route.fulfill(response=answer, body=answer.text().replace("just now", "1 minute ago"))

    with open_case(browser, desk, case) as page:
        page.wait_for_selector("body[data-connected=yes]")
        page.route(f"{desk.url}/desk/cases/{case.id}", a_minute_later)
        page.focus(f"{entry} .z-file >> nth=0")
        say(database, case, "News.")
        expect(page.locator(news)).to_contain_text("News.")
        expect(page.locator("[data-behind]")).to_have_count(0)

        reword(database, case, "Other words.")
        expect(page.locator(f"{entry}[data-behind]")).to_contain_text("First words.")
        before = len(fetched)
        page.focus(f"{entry} .z-file >> nth=1")
        page.evaluate("new Promise((done) => setTimeout(() => setTimeout(done)))")
        assert len(fetched) == before, "the focus is still in the entry"

        reword(database, case, "First words.")
        expect(page.locator("[data-behind]")).to_have_count(0)

        reword(database, case, "Other words.")
        expect(page.locator(f"{entry}[data-behind]")).to_contain_text("First words.")
        page.focus("#composer textarea")
        expect(page.locator(entry)).to_contain_text("Other words.")
        expect(page.locator("[data-behind]")).to_have_count(0)
