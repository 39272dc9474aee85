"""The pages of sign-in and security in a real browser: axe clean, no sideways scroll, led by keyboard, both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyotp
import pytest

from tests.agent_api.conftest import PASSWORDS, RunningDesk
from tests.lab import axe
from zrm.config import IdentityProviderConfig, Name, Security
from zrm.kit.db import Database

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
WIDTHS = (320, 390, 768, 1024, 1440)


@pytest.fixture
def full(desk: RunningDesk) -> RunningDesk:
    """A desk with everything it can ask for: two steps required, passkeys, an identity provider."""
    url = desk.url.replace("127.0.0.1", "localhost")
    provider = IdentityProviderConfig(
        issuer="http://localhost:9", client_id="zrm", client_secret="x", label=Name(fa="ورود یکپارچهٔ شهر", en="City")
    )
    security = Security(two_step="required", identity_provider=provider)
    changed = desk.context.settings.model_copy(update={"public_url": url, "security": security})
    object.__setattr__(desk.context, "settings", changed)
    return RunningDesk(url, desk.context)


def tour(page: Page, desk: RunningDesk, database: Database, language: Language) -> Iterator[str]:
    """Sign in for the first time, by keyboard, and go on to every page; yields each page's name while it is open."""
    login = "maryam" if language == "fa" else "daniel"
    page.context.new_cdp_session(page).send("WebAuthn.enable")
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})

    def password() -> None:
        page.goto(f"{desk.url}/desk/sign-in?lang={language}")
        page.keyboard.type(login)  # the field has the focus
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORDS[login])
        page.keyboard.press("Enter")

    page.goto(f"{desk.url}/desk/sign-in?lang={language}")
    yield "sign-in"
    password()
    page.wait_for_url("**/desk/security/set-up")
    yield "set-up"
    page.click("form[action$=authenticator] button")
    page.wait_for_url("**/desk/security/authenticator")
    yield "authenticator"
    key = re.search(r'data-copy="([A-Z2-7]{32})"', page.content())
    assert key is not None
    app = pyotp.TOTP(key[1])
    page.keyboard.type("000000")  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_selector(".z-notice-bad")
    yield "authenticator-wrong"
    page.fill("#f-code", app.now())
    page.keyboard.press("Enter")
    page.wait_for_selector(".z-recovery")
    codes = page.locator(".z-recovery code").all_text_contents()
    yield "recovery-codes"
    page.click(".z-alone-foot a")
    page.wait_for_url("**/desk/queue/**")
    page.goto(f"{desk.url}/desk/security")
    page.locator("form[data-passkey=make] input[name=name]").fill("Laptop")
    page.keyboard.press("Enter")
    page.wait_for_selector(".z-notice-good")
    page.locator(".z-things summary").first.click()
    yield "security"
    with database.cursor() as cursor:
        cursor.execute("UPDATE sessions SET proven_at = now() - interval '11 minutes'")
    page.click("form[action$=recovery-codes] button")
    page.wait_for_url("**/desk/confirm**")
    yield "confirm"
    page.context.clear_cookies()
    password()
    page.wait_for_url("**/desk/sign-in/second")
    yield "second-step"
    page.keyboard.type(codes[0])  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/security")


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_clean_and_fits_any_width(
    browser: LabBrowser, full: RunningDesk, database: Database, language: Language, dark: bool
) -> None:
    page = browser.page(language, dark=dark)
    faults: dict[str, object] = {}
    seen = []
    for name in tour(page, full, database, language):
        seen.append(name)
        if found := axe.faults(page):
            faults[name] = found
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults[f"{name} at {width}"] = "sideways scroll"
        page.set_viewport_size({"width": 1440, "height": 900})
    page.context.close()
    assert faults == {}
    assert len(seen) == 8
    assert browser.offsite == []


def test_without_a_script_the_password_and_the_app_still_open(browser: LabBrowser, full: RunningDesk) -> None:
    page = browser.page("en", script=False)
    page.goto(f"{full.url}/desk/sign-in?lang=en")
    assert not page.is_visible("form[data-passkey]")
    page.fill("#f-login", "daniel")
    page.fill("#f-password", PASSWORDS["daniel"])
    page.click("form[action^='/desk/sign-in?'] button")
    assert page.url.endswith("/desk/security/set-up")
    page.click("form[action$=authenticator] button")
    key = re.search(r'data-copy="([A-Z2-7]{32})"', page.content())
    assert key is not None
    page.fill("#f-code", pyotp.TOTP(key[1]).now())
    page.click("form[action$=confirm] button")
    assert page.locator(".z-recovery li").count() == 10
    page.context.close()
