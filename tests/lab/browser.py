"""A real browser: Debian's Chromium driven by Playwright, in Persian and English, on a desk and on a telephone.

Only loopback is reachable from it: a page that asks for anything else is stopped and the request recorded.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Playwright, Route, ViewportSize, sync_playwright

from tests.lab.peers import browser_command
from tests.lab.process import PeerError
from zrm.languages import Language

Size = Literal["desktop", "phone"]

LOCALES: dict[Language, str] = {"fa": "fa-IR", "en": "en-GB"}
SIZES: dict[Size, ViewportSize] = {
    "desktop": ViewportSize(width=1440, height=900),
    "phone": ViewportSize(width=390, height=844),
}
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


class LabBrowser:
    """One browser for a `with` block; each page it opens is a new person without cookies.

    Playwright keeps an event loop running in the calling thread while it is open: do not run asyncio code there.
    """

    def __init__(self) -> None:
        self.offsite: list[str] = []
        """Addresses outside loopback that pages asked for."""
        self.complaints: list[str] = []
        """What pages reported as errors: exceptions in scripts and errors on the console."""
        self._playwright: Playwright | None = None

    def __enter__(self) -> "LabBrowser":
        command = browser_command()
        if command is None:
            raise PeerError("there is no Chromium; run: python -m tests.lab.setup browser")
        executable, environment = command
        self._playwright = sync_playwright().start()
        # Chromium's sandbox refuses root, and needs user namespaces, which containers seldom give.
        self._browser = self._playwright.chromium.launch(
            executable_path=executable,
            headless=True,
            chromium_sandbox=False,
            args=list(FLAGS),
            env={**os.environ, **environment},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._playwright is not None:
            self._browser.close()
            self._playwright.stop()
            self._playwright = None

    def page(
        self,
        language: Language = "fa",
        size: Size = "desktop",
        *,
        dark: bool = False,
        script: bool = True,
        fenced: bool = True,
    ) -> Page:
        """A new person's page; `script` False is a browser without JavaScript.

        With requests blocked, Chromium's PDF viewer does not start: a page that needs it sets `fenced` False.
        """
        context = self._browser.new_context(
            locale=LOCALES[language],
            viewport=SIZES[size],
            device_scale_factor=1,
            is_mobile=size == "phone",
            has_touch=size == "phone",
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            timezone_id="Asia/Tehran",
        )
        if fenced:
            self._fence(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda line: self.complaints.append(f"{page.url}: {line.text}") if line.type == "error" else None,
        )
        return page

    def _fence(self, context: BrowserContext) -> None:
        def pass_or_stop(route: Route) -> None:
            self.offsite.append(route.request.url)
            route.abort()

        context.route(lambda url: not _local(url), pass_or_stop)


def _local(url: str) -> bool:
    parts = urlsplit(url)
    # The last two are Chromium's own PDF viewer.
    return (
        parts.scheme in ("data", "blob", "about", "chrome", "chrome-extension")
        or (parts.netloc.rsplit(":", 1)[0] or "") in LOCAL_HOSTS
    )


def screenshot(page: Page, path: Path) -> Path:
    """Save a screenshot of the whole page once its fonts are loaded and nothing moves; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.evaluate("document.fonts.ready.then(() => true)")
    page.screenshot(path=path, full_page=True, animations="disabled")
    return path
