"""Passkeys in a real Chromium with a device of its own: made, used, refused, in both languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.agent_api.conftest import PASSWORDS, Browser, RunningDesk
from tests.casework.installation import one
from zrm.config import Security
from zrm.kit.db import Database

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

SignIn = Callable[[str], Browser]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def named(desk: RunningDesk) -> RunningDesk:
    """A desk at a host with a name: a bare address has no passkeys."""
    url = desk.url.replace("127.0.0.1", "localhost")
    changed = desk.context.settings.model_copy(update={"public_url": url})
    object.__setattr__(desk.context, "settings", changed)
    return RunningDesk(url, desk.context)


def device(page: Page, **how: object) -> tuple[CDPSession, str]:
    """Give the browser a device that holds passkeys."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, **how}})
    return session, str(made["authenticatorId"])


def open_desk(page: Page, desk: RunningDesk, language: Language) -> None:
    """Sign in by password."""
    login = "maryam" if language == "fa" else "daniel"
    page.goto(f"{desk.url}/desk/sign-in?lang={language}")
    page.fill("#f-login", login)
    page.fill("#f-password", PASSWORDS[login])
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/queue/**")


def make_passkey(page: Page, desk: RunningDesk, name: str) -> None:
    """As the page leads, by keyboard."""
    page.goto(f"{desk.url}/desk/security")
    form = page.locator("form[data-passkey=make]")
    form.locator("input[name=name]").fill(name)
    page.keyboard.press("Enter")
    page.wait_for_selector(".z-recovery, .z-notice-good")


@pytest.mark.parametrize(("language", "said"), [("en", "Your recovery codes"), ("fa", "کدهای بازیابی شما")])
def test_a_passkey_is_made_and_opens_the_desk_without_login_and_password(
    browser: LabBrowser, named: RunningDesk, database: Database, language: Language, said: str
) -> None:
    page = browser.page(language)
    device(page)
    open_desk(page, named, language)
    make_passkey(page, named, "My laptop")
    assert page.text_content("h1") == said
    assert page.locator(".z-recovery li").count() == 10
    page.context.clear_cookies()
    page.goto(f"{named.url}/desk/sign-in?lang={language}")
    page.click("form[data-passkey=use] button")
    page.wait_for_url("**/desk/queue/**")
    with database.cursor() as cursor:
        assert one(cursor, "SELECT how FROM sessions ORDER BY started_at DESC LIMIT 1") == "passkey"
        assert one(cursor, "SELECT used_at IS NOT NULL FROM passkeys") is True
    page.goto(f"{named.url}/desk/security")
    assert "My laptop" in page.content()
    page.context.close()


def test_several_passkeys_have_names_and_each_can_go(
    browser: LabBrowser, named: RunningDesk, database: Database
) -> None:
    page = browser.page("en")
    session, first = device(page)
    open_desk(page, named, "en")
    make_passkey(page, named, "Laptop")
    session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": first})
    session.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, "transport": "usb"}})
    make_passkey(page, named, "Key on my ring")
    page.goto(f"{named.url}/desk/security")
    assert page.locator(".z-things strong bdi").all_text_contents()[:2] == ["Laptop", "Key on my ring"]
    row = page.locator("li", has_text="Laptop")
    row.locator("summary").click()
    row.locator("input[name=name]").fill("Old laptop")
    row.get_by_role("button", name="Save").click()
    page.locator("li", has_text="Old laptop").get_by_role("button", name="Remove").click()
    page.wait_for_selector(".z-notice-good")
    with database.cursor() as cursor:
        cursor.execute("SELECT name FROM passkeys")
        assert cursor.fetchall() == [("Key on my ring",)]
    page.context.close()


def test_after_the_password_a_passkey_is_the_second_step(browser: LabBrowser, named: RunningDesk) -> None:
    page = browser.page("en")
    device(page)
    open_desk(page, named, "en")
    make_passkey(page, named, "Laptop")
    page.context.clear_cookies()
    page.goto(f"{named.url}/desk/sign-in?lang=en")
    page.fill("#f-login", "daniel")
    page.fill("#f-password", PASSWORDS["daniel"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/sign-in/second")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/desk/queue/**")
    page.context.close()


def test_a_passkey_shows_again_who_one_is(browser: LabBrowser, named: RunningDesk, database: Database) -> None:
    page = browser.page("en")
    device(page)
    open_desk(page, named, "en")
    make_passkey(page, named, "Laptop")
    with database.cursor() as cursor:
        cursor.execute("UPDATE sessions SET proven_at = now() - interval '11 minutes'")
    page.goto(f"{named.url}/desk/security")
    page.get_by_role("button", name="Add a passkey").click()
    page.wait_for_url("**/desk/confirm?next=%2Fdesk%2Fsecurity")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/desk/security")
    page.get_by_role("button", name="Make new ones").click()
    page.wait_for_selector(".z-recovery")
    page.context.close()


def test_where_two_steps_are_required_a_passkey_is_both(browser: LabBrowser, named: RunningDesk) -> None:
    changed = named.context.settings.model_copy(update={"security": Security(two_step="required")})
    object.__setattr__(named.context, "settings", changed)
    page = browser.page("en")
    device(page)
    page.goto(f"{named.url}/desk/sign-in?lang=en")
    page.fill("#f-login", "daniel")
    page.fill("#f-password", PASSWORDS["daniel"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/security/set-up")
    page.get_by_role("button", name="A passkey").click()
    page.wait_for_selector(".z-recovery")
    page.get_by_role("link", name="I have saved them").click()
    page.wait_for_url("**/desk/queue/**")
    page.context.close()


def test_a_device_that_does_not_know_its_user_opens_nothing(
    browser: LabBrowser, named: RunningDesk, database: Database
) -> None:
    page = browser.page("en")
    session, authenticator = device(page)
    open_desk(page, named, "en")
    make_passkey(page, named, "Laptop")
    session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    page.context.clear_cookies()
    page.goto(f"{named.url}/desk/sign-in?lang=en")
    page.click("form[data-passkey=use] button")
    page.wait_for_selector("form[data-passkey=use] [role=alert]:not([hidden])")
    assert "was not used" in page.text_content("form[data-passkey=use] [role=alert]")  # type: ignore[operator]  # it has a text
    page.context.close()


def answers(page: Page) -> list[str]:
    """Keeps the answers that pages send."""
    sent: list[str] = []

    def keep(request: Any) -> None:
        body = request.post_data or ""
        if "credential=" in body:
            sent.append(body)

    page.on("request", keep)
    return sent


def test_an_answer_that_was_overheard_opens_nothing(
    browser: LabBrowser, named: RunningDesk, database: Database
) -> None:
    """The same answer with the same cookies, again; and by a copy of the key whose counter stands still."""
    page = browser.page("en")
    device(page)
    open_desk(page, named, "en")
    make_passkey(page, named, "Laptop")
    page.context.clear_cookies()
    page.goto(f"{named.url}/desk/sign-in?lang=en")
    sent = answers(page)
    with page.expect_request("**/desk/sign-in/passkey?**") as posted:
        page.click("form[data-passkey=use] button")
    cookies = posted.value.all_headers()["cookie"]
    page.wait_for_url("**/desk/queue/**")
    for counter in (None, 0):
        with database.cursor() as cursor:
            if counter is not None:
                cursor.execute("TRUNCATE used_challenges")
        with named.client(Cookie=cookies, **{"Content-Type": "application/x-www-form-urlencoded"}) as thief:
            again = thief.post("/desk/sign-in/passkey", content=sent[0])
        assert again.status_code == 401
        assert "This passkey is not known here" in again.text
        assert not re.search("zrm_desk=[^;]", again.headers.get("set-cookie", ""))
    page.context.close()


def test_a_passkey_of_who_has_left_opens_nothing(browser: LabBrowser, named: RunningDesk, database: Database) -> None:
    page = browser.page("en")
    device(page)
    open_desk(page, named, "en")
    make_passkey(page, named, "Laptop")
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET active = false WHERE login = 'daniel'")
    page.context.clear_cookies()
    page.goto(f"{named.url}/desk/sign-in?lang=en")
    page.click("form[data-passkey=use] button")
    page.wait_for_selector(".z-notice-bad")
    assert "This passkey is not known here" in page.content()
    page.context.close()


def test_at_a_bare_address_none_is_offered(desk: RunningDesk, sign_in: SignIn) -> None:
    with desk.client() as client:
        assert "data-passkey" not in client.get("/desk/sign-in").text
    browser = sign_in("daniel")
    assert "data-passkey" not in browser.get("/desk/security").text
    assert browser.post("/desk/security/passkeys/options").status_code == 404
