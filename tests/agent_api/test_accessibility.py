"""The desk under axe-core: its pages and dialogs, both languages, light and dark, on a desk and on a telephone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agent_api.conftest import RunningDesk, enter
from tests.casework.house import file_case, quarantine_one
from tests.lab import axe
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.dispatch.drain import leave_failed
from zrm.kit.db import Database
from zrm.kit.ids import new_id

if TYPE_CHECKING:
    from tests.lab.browser import LabBrowser, Language, Size

pytestmark = pytest.mark.peer("browser")

PLACES = ("queue/unassigned", "queue/mine", "quarantine", "trouble", "ledger", "templates", "notifications", "settings", "search?q=1")  # fmt: skip
DIALOGS = {"n": "note", "a": "assign", "s": "classify", "p": "person", "e": "close", "m": "templates", "?": "keys", "Control+k": "palette"}  # fmt: skip


@pytest.mark.parametrize(("size", "dark"), [("desktop", False), ("phone", False), ("desktop", True)])
@pytest.mark.parametrize("language", ["fa", "en"])
def test_every_page_of_the_desk_is_accessible(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language, size: Size, dark: bool
) -> None:
    case = file_case(database, title="چراغ خاموش است", text="از دوشنبه.\n\nhttp://home.example/photo")
    file_case(database, channel="sms", title="The lamp is dark", name="")
    quarantine_one(database, "not a fax: page 1 is cut")
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.RENDER, [(new_id(), "trace")])
        (task,) = outbox.claim(cursor, Topic.RENDER, limit=1, lease=60)
    leave_failed(database, task, "these pages cannot be shown: strip 3 is damaged")
    desk.watch_roles()
    page = browser.page(language, size, dark=dark)
    page.goto(f"{desk.url}/desk/sign-in?lang={language}")
    found = {"sign-in": axe.faults(page)}
    enter(page, desk, language)
    for place in PLACES:
        page.goto(f"{desk.url}/desk/{place}")
        page.evaluate("document.querySelectorAll('details.z-quote').forEach((details) => (details.open = true))")
        found[place] = axe.faults(page)
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    found["case"] = axe.faults(page)
    if size == "desktop":
        for key, name in DIALOGS.items():
            page.keyboard.press(key)
            page.wait_for_selector(f"dialog#{name}[open]")
            found[f"dialog {name}"] = axe.faults(page)
            page.keyboard.press("Escape")
            page.wait_for_selector(f"dialog#{name}", state="hidden")
    page.context.close()
    assert {name: faults for name, faults in found.items() if faults} == {}


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
