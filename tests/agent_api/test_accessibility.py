"""Codes and titles in lines of either direction, and that the axe bites; every page is under it in tests/test_every_page.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agent_api.conftest import RunningDesk, enter
from tests.casework.installation import file_case
from tests.lab import axe
from zrm.kit.db import Database

if TYPE_CHECKING:
    from tests.lab.browser import LabBrowser

pytestmark = pytest.mark.peer("browser")


def test_codes_and_titles_keep_their_direction(browser: LabBrowser, desk: RunningDesk, database: Database) -> None:
    """Field failure 2.33: the groups of a code trade places in a Persian line, and a question mark runs to its other end."""
    case = file_case(
        database, title="Re: [9814-9409-0772] افت فشار آب", text="کد من ۹۸۱۴-۹۴۰۹-۰۷۷۲ است، تلفن 021-88880000."
    )
    page = browser.page("fa")
    enter(page, desk, "fa")
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    places = """([selector, words]) => {
        const walk = document.createTreeWalker(document.querySelector(selector), NodeFilter.SHOW_TEXT);
        const range = document.createRange();
        for (let node; (node = walk.nextNode()); ) {
            if (!words.every((word) => node.data.includes(word))) continue;
            return words.map((word) => {
                range.setStart(node, node.data.indexOf(word));
                range.setEnd(node, node.data.indexOf(word) + word.length);
                return range.getBoundingClientRect().left;
            });
        }
    }"""
    for selector, words in (
        (".z-top h1", ["9814", "9409", "0772"]),
        (".z-bubble-body", ["۹۸۱۴", "۹۴۰۹", "۰۷۷۲"]),
        (".z-bubble-body", ["021", "88880000"]),
    ):
        lefts = page.evaluate(places, [selector, words])
        assert lefts == sorted(lefts), (selector, words)
    assert page.eval_on_selector(".z-top h1", "e => getComputedStyle(e).direction") == "rtl"
    assert page.eval_on_selector("#composer textarea", "e => getComputedStyle(e).direction") == "rtl"
    page.context.close()


def test_the_axe_bites(browser: LabBrowser, desk: RunningDesk) -> None:
    """A page with faults is found faulty, under the same policy."""
    page = browser.page("en")
    page.goto(f"{desk.url}/desk/sign-in?lang=en")
    page.evaluate("document.querySelector('label').remove(); document.querySelector('h1').style.color = '#ddd'")
    assert {"label", "color-contrast"} <= {fault.partition(" ")[0] for fault in axe.faults(page)}
    page.context.close()
