"""The citizen's pages as they are used: fields, keys, and paper. Every page is under axe-core in tests/test_every_page.py."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.channels.web.portal import running
from tests.lab.browser import LabBrowser
from zrm.languages import Language

pytestmark = pytest.mark.peer("browser")


def raise_matter(page: Page, url: str) -> None:
    """Fill the form in and send it."""
    page.goto(f"{url}/new")
    page.check("#f-nature")
    page.fill("#f-text", "The lamp is broken. چراغ خراب است.")
    page.fill("#f-phone", "09123456789")
    page.click("#f-send")
    page.wait_for_url("**/receipt")


@pytest.mark.parametrize("language", ["fa", "en"])
def test_an_empty_field_follows_the_page_and_chosen_files_are_named(language: Language) -> None:
    with running() as portal, LabBrowser() as browser:
        page = browser.page(language)
        page.goto(f"{portal.url}/new")
        directions = "e => getComputedStyle(e).direction"
        assert page.eval_on_selector("#f-text", directions) == ("rtl" if language == "fa" else "ltr")
        page.fill("#f-text", "Latin words")
        assert page.eval_on_selector("#f-text", directions) == "ltr"
        files = [{"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": b"picture"} for name in ("one", "two")]
        page.set_input_files("#f-files", files)  # type: ignore[arg-type]  # the same thing as a FilePayload
        assert page.inner_text("[data-chosen]") == ("one.jpg، two.jpg" if language == "fa" else "one.jpg, two.jpg")


def test_a_receipt_prints_its_code_and_nothing_to_press() -> None:
    with running() as portal, LabBrowser() as browser:
        page = browser.page("fa")
        raise_matter(page, portal.url)
        page.emulate_media(media="print")
        assert page.is_visible(".z-receipt .z-code b")
        assert page.is_visible(".z-portal-name")
        assert page.locator("button, form, nav, footer, a.z-btn").filter(visible=True).count() == 0
