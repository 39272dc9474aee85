"""The desk on a telephone: searching, the commands and the way back by the thumb alone, and a composer that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agent_api.conftest import RunningDesk, enter
from tests.casework.installation import file_case
from zrm.kit.db import Database

if TYPE_CHECKING:
    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

pytestmark = pytest.mark.peer("browser")

OUTSIDE = """() => [...document.querySelectorAll('.z-top a, .z-top button, .z-tabs > *, dialog[open] :is(a, button, input, li), .z-composer *')]
    .filter((one) => one.checkVisibility() && !one.closest('.z-sr, #live-tools'))
    .filter((one) => { const at = one.getBoundingClientRect(); return at.width && (at.left < -1 || at.right > innerWidth + 1); })
    .map((one) => one.outerHTML.slice(0, 90))"""
"""What a thumb should reach and lies outside the screen."""

COVERED = """() => [...document.querySelectorAll('.z-tabs > *')].filter((one) => {
    const at = one.getBoundingClientRect();
    return !one.contains(document.elementFromPoint(at.left + at.width / 2, at.top + at.height / 2));
}).map((one) => one.textContent)"""


@pytest.mark.parametrize("language", ["fa", "en"])
def test_search_commands_and_back_by_the_thumb(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language
) -> None:
    case = file_case(database, title="چالهٔ خیابان بهار" if language == "fa" else "The hole in Spring Street")
    before, page = len(browser.complaints), browser.page(language, "phone")
    enter(page, desk, language)
    assert page.evaluate(OUTSIDE) == []
    page.tap(".z-top a[href='/desk/search']")
    page.wait_for_url("**/desk/search")
    assert page.evaluate("document.activeElement.name") == "q", "typed into at once"
    page.fill(".z-search-large [name=q]", "بهار" if language == "fa" else "spring")
    page.keyboard.press("Enter")
    page.tap(f"#case-{case.id} a")
    page.wait_for_url(f"**/desk/cases/{case.id}**")
    assert page.evaluate(OUTSIDE) == []
    page.tap("form[action$='/claim'] button")
    page.wait_for_selector("form[action$='/release']")
    page.tap("[data-back]")
    page.wait_for_url("**/desk/search?s=*")
    assert page.locator(f"#case-{case.id}").is_visible(), "back where the case was found"
    page.tap("[data-opens=palette]")
    page.wait_for_selector("#palette[open]")
    assert page.evaluate(OUTSIDE) == []
    page.fill("#palette input", "قرنطینه" if language == "fa" else "quarantine")
    page.tap("#palette [role=option] >> nth=0")
    page.wait_for_url("**/desk/quarantine")
    page.tap(".z-tabs [data-side]")
    page.wait_for_function("document.querySelector('.z-tabs [data-side]').ariaExpanded === 'true'")
    page.tap("#side a[href='/desk/queue/mine']")
    page.wait_for_url("**/desk/queue/mine")
    assert page.evaluate(COVERED) == []
    assert browser.complaints[before:] == []
    page.context.close()


@pytest.mark.parametrize("language", ["fa", "en"])
def test_the_composer_grows_with_what_is_written(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language
) -> None:
    case, page = file_case(database), browser.page(language, "phone")
    enter(page, desk, language)
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    field = page.locator("#composer textarea")

    def lines() -> float:
        return float(field.evaluate("e => e.clientHeight / parseFloat(getComputedStyle(e).lineHeight)"))

    assert lines() < 4
    field.fill("خط\n" * 12 if language == "fa" else "line\n" * 12)
    assert lines() > 6
    assert page.evaluate(OUTSIDE) == []
    assert page.locator("#composer button[type=submit]").bounding_box() is not None
    page.context.close()
