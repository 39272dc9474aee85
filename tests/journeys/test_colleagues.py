"""Agents among themselves: news waits for an absent agent, and one case is claimed by one agent only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from playwright.sync_api import expect

from tests.journeys.citizens import Town, new_address
from tests.journeys.desk import PATIENCE, Desk
from tests.lab.browser import LabBrowser

pytestmark = [pytest.mark.peer("browser"), pytest.mark.timeout(240)]


def test_news_waits_for_an_agent_who_was_offline(town: Town, daniel: Desk) -> None:
    sender = new_address()
    town.write(sender, "Blocked drain", "Water stands in our street.")
    case = town.case_of(sender)
    daniel.visit(f"cases/{case}")
    daniel.claim()
    daniel.answer("The crew comes on Tuesday.")
    message = town.mail_to(sender, "comes on Tuesday").message
    daniel.page.goto("about:blank")  # the agent goes home
    town.write(sender, "Re: Blocked drain", "It is worse now.", in_reply_to=message["Message-ID"])
    town.wait_for_row("SELECT 1 FROM notifications WHERE case_id = %s AND kind = 'message' AND read_at IS NULL", case)
    daniel.visit("notifications")
    news = daniel.page.locator("li.z-unread", has_text="Blocked drain")
    expect(news).to_be_visible(timeout=PATIENCE)
    news.get_by_role("link").click()
    daniel.page.wait_for_url(f"**/desk/cases/{case}")
    daniel.visit("notifications")
    expect(news).to_have_count(0)  # who has read the case has read the news


def test_an_open_desk_catches_up_after_the_server_was_away(town: Town, daniel: Desk, browser: LabBrowser) -> None:
    daniel.watch()
    before = len(browser.complaints)
    sender = new_address()
    town.hub.kill("web")
    town.write(sender, "Rats in the cellar", "They come from the drain.")
    case = town.case_of(sender)
    daniel.sees(case, "Rats in the cellar")
    expect(daniel.page.locator("[data-live]")).to_be_hidden()
    del browser.complaints[before:]  # the browser names every try while nobody answered


def test_two_agents_take_one_case_at_once_and_one_of_them_has_it(town: Town, maryam: Desk, daniel: Desk) -> None:
    sender = new_address()
    town.write(sender, "Fallen tree", "It lies across the road.")
    case = town.case_of(sender)

    def take(desk: Desk) -> tuple[int, str]:
        with httpx.Client(cookies=cookies[desk], trust_env=False, timeout=30) as client:
            answer = client.post(f"{town.hub.web}/desk/cases/{case}/claim", data=forms[desk])
        return answer.status_code, answer.text

    forms, cookies = {}, {}
    for desk in (maryam, daniel):
        desk.visit(f"cases/{case}")
        forms[desk] = desk.page.locator("form[action$='/claim']").evaluate(
            "(form) => Object.fromEntries(new FormData(form))"
        )
        cookies[desk] = desk.cookies()
    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(("مریم رضایی", "Daniel Karimi"), pool.map(take, (maryam, daniel)), strict=True))
    assert sorted(status for status, _ in outcomes.values()) == [303, 409]
    ((_, loser),) = [(status, text) for status, text in outcomes.values() if status == 409]
    assert "Nothing was done" in loser or "کاری انجام نشد" in loser
    rows = town.hub.ask(
        "SELECT a.names ->> 'en' FROM cases k JOIN agents a ON a.id = k.assignee_id WHERE k.id = %s", case
    )
    expect(daniel.page.locator("#live-aside")).to_contain_text(rows[0][0], timeout=PATIENCE)  # on both open pages
    expect(maryam.page.locator("form[action$='/claim']")).to_have_count(0, timeout=PATIENCE)
    assert maryam.same_page()
    assert daniel.same_page()
