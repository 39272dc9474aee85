"""Searching at the desk: from every page, sealed in the address, marked in the results, within one's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agent_api.conftest import RunningDesk, enter
from tests.casework.installation import file_case
from tests.lab.axe import faults
from zrm.agent_api.pages import search
from zrm.kit.db import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.agent_api.conftest import Browser
    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

    SignIn = Callable[[str], Browser]


def ask(browser: Browser, typed: str) -> str:
    """The page of results."""
    answer = browser.post("/desk/search", q=typed)
    assert answer.status_code == 303
    address = answer.headers["location"]
    assert typed.split(maxsplit=1)[0] not in address
    page = browser.get(address)
    assert page.status_code == 200
    return page.text


def test_a_code_leads_to_its_case(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("sara")
    case = file_case(database, unit_key="roads")
    for typed in (case.code, f"{case.code[:4]}-{case.code[4:8]} {case.code[8:]}"):
        assert browser.post("/desk/search", q=typed).headers["location"] == f"/desk/cases/{case.id}"
    hidden = file_case(database, unit_key="water")
    assert "هیچ پرونده‌ای در واحدهای شما این کد را ندارد" in ask(browser, hidden.code)


def test_what_is_searched_for_is_not_in_the_address(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("daniel")
    file_case(database, name="Sara Karimi")
    for typed in ("Karimi", "sara@home.example"):
        assert "Sara" in ask(browser, typed)
    assert "<mark>Karimi</mark>" in browser.get("/desk/search?q=Karimi").text
    assert browser.get("/desk/search?s=gAAAAAforged").status_code == 404


def test_hostile_words_stay_words(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("daniel")
    file_case(database, title="<script>alert(1)</script> lamp", text="<b>lamp</b> \u202etxet", name='"><i>lamp')
    page = ask(browser, "lamp <script>")
    assert "<script>alert" not in page
    assert "<b>" not in page.replace('<b class="', "")
    assert "<mark>" in page
    for typed in ("%", "_", "\\", "'", "\u202e", "🏮" * 300, "a" * 5000, "x\x00y"):
        assert browser.post("/desk/search", q=typed).status_code == 303


def test_addresses_are_no_oracle(sign_in: SignIn, database: Database) -> None:
    """An agent who sees an address masked cannot guess it either."""
    browser = sign_in("daniel")
    file_case(database, channel="sms", name="Mina")
    assert "Mina" in ask(browser, "4567")
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM permissions WHERE permission = 'person.addresses'")
    page = ask(browser, "4567")
    assert "Mina" not in page
    assert "only cases whose addresses you may see" in page
    assert "Mina" in ask(browser, "mina")


def test_more_than_a_page(sign_in: SignIn, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE", 2)
    browser = sign_in("daniel")
    places = ["northern bridge", "middle bridge", "southern bridge"]
    for place in places:
        file_case(database, title=f"Asphalt {place}")
    first = ask(browser, "asphalt")
    assert [place in first for place in places] == [False, True, True]
    older = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = browser.get(older).text
    assert [place in second for place in places] == [True, False, False]
    assert 'rel="next"' not in second


@pytest.mark.peer("browser")
@pytest.mark.parametrize(
    ("language", "nothing", "short", "asked"),
    [
        ("fa", "در واحدهای شما پرونده‌ای پیدا نشد", "دست‌کم دو حرف یا رقم بنویسید", "دنبال چه می‌گردید؟"),
        ("en", "No case of your units was found", "Type at least two letters or digits", "What are you looking for?"),
    ],
)
def test_in_the_browser(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language, nothing: str, short: str, asked: str
) -> None:
    case = file_case(
        database, title="چالهٔ خیابان", text="جلوی مدرسه، آسفالت خراب است؛ شمارهٔ من ۰۹۱۲۱۲۳۴۵۶۷", name="آقای رضائی"
    )
    page = browser.page(language)
    enter(page, desk, language)
    _type(page, "خيابان ۰۹۱۲ ۱۲۳ ۴۵۶۷")
    assert page.locator("mark").all_inner_texts() == ["خیابان", "۰۹۱۲۱۲۳۴۵۶۷"]
    assert page.locator("input[name=q]").input_value() == "خيابان ۰۹۱۲ ۱۲۳ ۴۵۶۷"
    assert faults(page) == []
    page.locator(f"#case-{case.id} a").click()
    page.wait_for_url(f"**/desk/cases/{case.id}**")
    page.keyboard.press("/")
    assert page.locator(".z-top input[name=q]:focus").count() == 1
    page.goto(f"{desk.url}/desk/search")
    assert page.get_by_text(asked).is_visible()
    for typed, said in (("هیچ‌کجا", nothing), ("ا", short)):
        _type(page, typed)
        assert page.get_by_text(said).is_visible()
        assert faults(page) == []


def _type(page: Page, words: str) -> None:
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.locator("input[name=q]:focus").fill(words)
    with page.expect_navigation(url="**/desk/search?s=*"):
        page.keyboard.press("Enter")
