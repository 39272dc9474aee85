"""The citizen's pages under axe-core: both languages, light and dark, on a desk and on a telephone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.channels.web.portal import running
from tests.lab import axe
from tests.lab.browser import LabBrowser, Language, Size

pytestmark = pytest.mark.peer("browser")

SMALLEST = """() => [...document.querySelectorAll("a, button, select, input:not([type=hidden]), textarea")]
    .filter((one) => one.checkVisibility() && !one.closest(".z-sr, .z-skip, p, li, [aria-hidden]") && one.type !== "radio" && one.type !== "checkbox")
    .map((one) => [one.getBoundingClientRect().height, one.outerHTML.slice(0, 90)])
    .filter(([height]) => height < 43.5)"""


def raise_matter(page: Page, url: str) -> None:
    """Fill the form in and send it."""
    page.goto(f"{url}/new")
    page.check("#f-nature")
    page.fill("#f-text", "The lamp is broken. چراغ خراب است.")
    page.fill("#f-phone", "09123456789")
    page.click("#f-send")
    page.wait_for_url("**/receipt")


@pytest.mark.parametrize(("size", "dark"), [("desktop", False), ("phone", False), ("phone", True)])
@pytest.mark.parametrize("language", ["fa", "en"])
def test_every_page_of_a_citizens_way_is_accessible(language: Language, size: Size, dark: bool) -> None:
    found = {}
    with running() as portal, LabBrowser() as browser:
        page = browser.page(language, size, dark=dark)

        def look(name: str) -> None:
            page.wait_for_load_state("load")  # a page is judged with its styles
            found[name] = axe.faults(page) + ([str(page.evaluate(SMALLEST))] if page.evaluate(SMALLEST) and size == "phone" else [])  # fmt: skip

        for path in ("/", "/new", "/track", "/proof/x"):
            page.goto(portal.url + path)
            look(path)
        page.goto(f"{portal.url}/new")
        page.click("#f-send")
        page.wait_for_selector(".z-summary")
        look("refused")
        raise_matter(page, portal.url)
        look("receipt")
        page.goto(f"{portal.url}/track")
        page.fill("#f-code", "283541907624")
        page.click("#f-send")
        page.wait_for_selector("#f-digits")
        look("matter")
        page.fill("#f-digits", "6789")
        page.keyboard.press("Enter")
        page.wait_for_selector(".z-talk")
        look("proven")
    assert {name: faults for name, faults in found.items() if faults} == {}


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
