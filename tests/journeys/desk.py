"""An agent at the desk in a real browser: what a person sees and does there, by mouse in Persian, by keys in English."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from zrm.languages import Language

# The machine may be busy with calls and faxes while an agent waits.
PATIENCE = 30_000.0  # milliseconds


def sign_in(page: Page, web: str, login: str, password: str) -> None:
    """Sign in at the desk and stay on its first list, connected to the live events."""
    page.set_default_timeout(PATIENCE)
    page.goto(f"{web}/desk")
    page.fill("#f-login", login)
    page.fill("#f-password", password)
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-connected=yes]")


class Desk:
    """One agent's open page. Every wait is for what the page shows; it is never reloaded behind the agent's back."""

    def __init__(self, page: Page, web: str, language: Language) -> None:
        self.page = page
        self.language = language
        self._web = web

    # ------------------------------------------------------------ lists

    def watch(self, view: str = "unassigned") -> None:
        """Open a list and remember this page, so that a reload would be noticed."""
        self.page.goto(f"{self._web}/desk/queue/{view}")
        self.page.mouse.move(0, 0)  # new lines wait while somebody points at the list
        self._remember()

    def _remember(self) -> None:
        self.page.wait_for_selector("body[data-connected=yes]")
        self.page.evaluate("window.thisVeryPage = true")

    def same_page(self) -> bool:
        """Whether the page is the one that was opened, not a reloaded one."""
        return bool(self.page.evaluate("window.thisVeryPage === true"))

    def row(self, case_id: str) -> Locator:
        """The case's line in the open list."""
        return self.page.locator(f"#case-{case_id}")

    def sees(self, case_id: str, words: str = "") -> None:
        """Wait until the case stands in the open list, without a reload."""
        expect(self.row(case_id)).to_be_visible(timeout=PATIENCE)
        if words:
            expect(self.row(case_id)).to_contain_text(words)
        assert self.same_page()

    # ------------------------------------------------------------ the case

    def open(self, case_id: str) -> None:
        """Open a case from the list."""
        self.row(case_id).locator("a.z-case-link").click()
        self.page.wait_for_url(f"**/desk/cases/{case_id}")
        self._remember()

    def visit(self, path: str) -> None:
        """Go to a page of the desk."""
        self.page.goto(f"{self._web}/desk/{path}")
        self._remember()

    def claim(self) -> None:
        """Take the case: by the button or by its key."""
        if self.language == "en":
            self.page.keyboard.press("c")
        else:
            self.page.click("form[action$='/claim'] button")
        self.page.wait_for_selector("form[action$='/release']")
        self._remember()

    def answer(self, text: str, *, route: int = 0, typed: bool = True) -> Locator:
        """Write to the citizen by the route of that place in the list (-1: the tracking page only); the answer's entry.

        Key by key in English unless not `typed`; by mouse in Persian.
        """
        page = self.page
        routes = page.locator("#composer select[name=route]")
        values = [option.get_attribute("value") for option in routes.locator("option").all()]
        routes.select_option(values[route])
        if typed and self.language == "en":
            page.locator("body").press("Escape")
            page.keyboard.press("r")
            page.keyboard.type(text)
            page.keyboard.press("Control+Enter")
        else:
            page.fill("#composer textarea", text)
            page.click("#composer button.z-btn-primary")
        entry = self.entry(text.rsplit("\n", 1)[-1])
        expect(entry).to_be_visible(timeout=PATIENCE)
        self._remember()
        return entry

    def entry(self, words: str) -> Locator:
        """The message of the line of time with these words."""
        return self.page.locator("#live-timeline > li.z-item", has_text=words)

    def arrives(self, words: str) -> Locator:
        """Wait until a message with these words appears on the open case, without a reload."""
        entry = self.entry(words)
        expect(entry).to_be_visible(timeout=PATIENCE)
        assert self.same_page()
        return entry

    def becomes(self, entry: Locator, state: str) -> None:
        """Wait until an answer's (newest) delivery shows this state, without a reload."""
        expect(entry.locator(".z-delivery summary .z-badge").last).to_have_text(re.compile(state), timeout=PATIENCE)
        assert self.same_page()

    def becomes_after_reload(self, entry: Locator, state: str) -> None:
        """The same for a page that a form has just drawn anew."""
        self._remember()
        self.becomes(entry, state)

    def cookies(self) -> dict[str, str]:
        """What the browser would send to the desk."""
        return {cookie["name"]: cookie["value"] for cookie in self.page.context.cookies(f"{self._web}/desk")}

    def opened_on(self) -> str:
        """The day the case was opened, as the page writes it."""
        return self.page.locator("#live-aside dl.z-facts time").first.inner_text()
