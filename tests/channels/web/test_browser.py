"""One citizen's whole way in a real browser without JavaScript, in both languages, on a telephone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import FilePayload

from tests.channels.web.portal import running
from tests.lab.browser import LabBrowser
from zrm.languages import Language

WORDS = {"fa": ("ثبت پیام یا شکایت", "پیگیری پرونده"), "en": ("Make a complaint or report", "Follow your case")}
ADDRESS = "a.citizen.with.a.name.that.is.quite.long@municipality.example.org"

pytestmark = pytest.mark.peer("browser")


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_citizen_without_javascript_raises_follows_and_answers(language: Language) -> None:
    with running() as portal, LabBrowser() as browser:
        page = browser.page(language, "phone", script=False)
        page.goto(portal.url)
        page.click(f"main >> text={WORDS[language][0]}")
        page.set_input_files("#f-files", FilePayload(name="lamp.jpg", mimeType="image/jpeg", buffer=b"picture"))
        page.fill("#f-phone", "۰۹۱۲۳۴۵۶۷۸۹")
        page.click("#f-send")
        assert page.locator(".z-summary li").count() == 2
        page.click('.z-summary a[href="#f-nature"]')
        page.check("#f-nature")
        page.fill("#f-text", "The lamp is broken.")
        page.fill("#f-email", ADDRESS)
        page.focus("#f-phone")
        page.keyboard.press("Enter")
        page.wait_for_url("**/receipt")
        code = re.sub(r"\D", "", page.inner_text(".z-code b"))
        assert "".join(str(int(digit)) for digit in code) == "910000000000"
        assert page.inner_text("main bdi[dir=ltr]:text('@')") == ADDRESS, "where the code is also sent"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        (raw,) = portal.desk.raws
        assert [file.name for file in raw.files] == ["lamp.jpg"]
        page.reload()
        page.click(f"main >> text={WORDS[language][1]}")
        page.fill("#f-code", "۲۸۳۵ ۴۱۹۰ ۷۶۲۴")
        page.keyboard.press("Enter")
        page.fill("#f-digits", "6789")
        page.keyboard.press("Enter")
        page.wait_for_selector(".z-talk")
        page.fill("#f-text", "Thank you.")
        page.click("#f-send")
        page.wait_for_selector("[role=status]")
        assert len(portal.desk.raws) == 2
        assert page.locator("html").get_attribute("lang") == language
        assert browser.offsite == []


@pytest.mark.parametrize("language", ["fa", "en"])
def test_going_back_from_the_receipt_asks_for_pages_and_sends_nothing_again(language: Language) -> None:
    with running() as portal, LabBrowser() as browser:
        page = browser.page(language, "phone", script=False)
        posts: list[str] = []
        page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
        page.goto(f"{portal.url}/new")
        page.check("#f-nature")
        page.fill("#f-text", "The lamp is broken.")
        page.fill("#f-phone", "0912 345 678")
        page.click("#f-send")
        assert ("یک رقم کم دارد" if language == "fa" else "one digit too few") in page.inner_text("#f-phone-error")
        page.check("[name=phone_as_is]")
        page.click("#f-send")
        page.wait_for_url("**/receipt")
        for _ in range(2):
            page.go_back()
            page.wait_for_selector("#f-text")
        page.go_forward()
        page.go_forward()
        page.wait_for_url("**/receipt")
        assert page.locator(".z-code").count() == 1
        page.goto(f"{portal.url}/track")
        page.fill("#f-code", "1111")
        page.keyboard.press("Enter")
        page.wait_for_selector("#f-code-error")
        page.fill("#f-code", "283541907624")
        page.keyboard.press("Enter")
        page.wait_for_url("**/track/matter")
        for selector in ("#f-code-error", "#f-code"):
            page.go_back()
            page.wait_for_selector(selector)
        assert len(posts) == 4
        assert len(portal.desk.raws) == 1


def test_sent_again_after_going_back_it_is_the_same_contact_unless_it_was_changed() -> None:
    with running() as portal, LabBrowser() as browser:
        page = browser.page("en", "phone")
        page.goto(f"{portal.url}/new")
        page.check("#f-nature")
        page.fill("#f-text", "The lamp is broken.")
        page.click("#f-send")
        page.wait_for_url("**/receipt")
        code = page.inner_text(".z-code")
        for text, contacts in (("The lamp is broken.", 1), ("Both lamps are broken.", 2)):
            page.go_back()
            page.wait_for_selector("#f-text")
            page.check("#f-nature")
            page.fill("#f-text", text)
            page.click("#f-send")
            page.wait_for_url("**/receipt")
            assert (page.inner_text(".z-code") == code, len(portal.desk.raws)) == (contacts == 1, contacts)


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_closed_matter_is_rated_without_javascript_by_the_keyboard(language: Language) -> None:
    with running() as portal, LabBrowser() as browser:
        portal.desk.state = "closed"
        page = browser.page(language, "phone", script=False)
        page.goto(f"{portal.url}/track")
        page.fill("#f-code", "283541907624")
        page.keyboard.press("Enter")
        page.click("form[action='/track/rating'] button")
        page.click('.z-summary a[href="#f-score"]')
        for _ in range(3):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/track/matter?sent=rating")
        assert page.locator("[role=status]").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert [raw.envelope for raw in portal.desk.raws] == [{"rates": "283541907624"}]
        assert b"4" in portal.desk.raws[0].body
        assert browser.offsite == []


@pytest.mark.parametrize("path", ["/", "/new", "/track", "/proof/x"])
@pytest.mark.parametrize("language", ["fa", "en"])
def test_no_page_scrolls_sideways_on_a_telephone_and_every_field_has_a_name(language: Language, path: str) -> None:
    with running() as portal, LabBrowser() as browser:
        page = browser.page(language, "phone")
        page.goto(portal.url + path)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        unnamed = """[...document.querySelectorAll("input:not([type=hidden]), select, textarea")].filter(
            (field) => !field.labels.length && !field.getAttribute("aria-label")).length"""
        assert page.evaluate(unnamed) == 0
        assert page.locator("h1").count() == 1
        assert page.locator("main").count() == 1
        assert browser.complaints == []
