"""What comes by a messenger is on the agent's open screen at once, and what did not arrive is there to be dealt with."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.journeys.desk import PATIENCE, Desk, sign_in
from tests.journeys.hub import Hub
from tests.lab.browser import LabBrowser
from tests.lab.telegram import Citizen, TelegramStandIn
from zrm.demonstration import DEMO_AGENTS

pytestmark = [pytest.mark.peer("browser"), pytest.mark.timeout(300)]

SARA = Citizen(6101, "Sara", "en")


def test_an_open_screen_misses_no_message_and_shows_what_did_not_arrive(tmp_path: Path, browser: LabBrowser) -> None:
    """Field 2.12: chatwoot#9306, a live screen that missed Telegram messages until it was refreshed; and chatwoot#6418."""
    with TelegramStandIn() as telegram:
        hooked, asked = telegram.bot("hooked"), telegram.bot("asked")
        bots = {
            "hooked": {
                "token": hooked.token, "base_url": telegram.url, "mode": "webhook", "secret": "a-secret-of-the-open-screen",
            },
            "asked": {"token": asked.token, "base_url": telegram.url},
        }  # fmt: skip
        settings = {"channels": {"telegram": {"album_seconds": 0.5, "bots": bots}}}
        with Hub(tmp_path / "hub", settings=settings) as hub:
            hooked.wait_for_webhook()
            page = browser.page("en")
            daniel = next(agent for agent in DEMO_AGENTS if agent.login == "daniel")
            sign_in(page, hub.web, daniel.login, daniel.password)
            desk = Desk(page, hub.web, "en")
            cases = {}
            desk.watch()
            for bot, words in ((hooked, "No water since noon"), (asked, "A hole in the road")):
                bot.tell(SARA, text=words)
                bot.wait_for_said(SARA)  # the first word back
                ((cases[bot.name],),) = hub.ask("SELECT id FROM cases WHERE account = %s", bot.name)
                desk.sees(str(cases[bot.name]), words)
            desk.open(str(cases["asked"]))
            written = asked.tell(SARA, text="It is deep")
            desk.arrives("It is deep")
            asked.edit(SARA, written, text="It is a metre deep")
            expect(desk.arrives("It is a metre deep")).to_contain_text("Edited later by the citizen")
            asked.album(SARA, b"one", b"two", caption="From both sides")
            desk.arrives("From both sides")
            hooked.tell(SARA, text="Now it is back")  # to the other bot, hence in the other case
            hooked.wait_until_done()

            before = len(browser.complaints)
            hub.kill("web")
            asked.tell(SARA, text="While you could not be reached")
            desk.arrives("While you could not be reached")
            del browser.complaints[before:]  # the browser names every try while nobody answered
            expect(desk.entry("Now it is back")).to_have_count(0)

            desk.claim()
            desk.becomes_after_reload(desk.answer("It is filled tomorrow."), "Delivered")
            asked.block(SARA)
            failed = desk.answer("It is filled.")
            desk.becomes(failed, "Not delivered")
            expect(page.locator("[data-count=failed_deliveries]")).to_have_text("1", timeout=PATIENCE)
            desk.visit("failed-deliveries")
            listed = page.locator(".z-work-item")
            expect(listed).to_contain_text("The citizen has blocked the bot or never wrote to it.")
            asked.block(SARA, blocked=False)
            asked.wait_until_done()
            listed.locator("form[action$='/again'] button").click()
            assert asked.wait_for_said(SARA, 3)[-1].text == "It is filled."
            expect(page.locator("[data-count=failed_deliveries]")).to_be_hidden(timeout=PATIENCE)
            page.context.close()
            assert browser.complaints[before:] == []
