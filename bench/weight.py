"""The bytes a browser with an empty cache fetches for a page, and the width of a case's title at every width of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench import stock
from bench.figures import Figure, Result, Sizes
from tests.agent_api.test_case_page import MEASURE, TITLES, WIDTHS
from tests.journeys.hub import Hub
from tests.lab.browser import LabBrowser
from zrm.demonstration import DEMO_AGENTS

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from zrm.languages import Language

MOST: dict[str, int] = {"desk": 300_000, "portal": 90_000}
"""Bytes a first load may take."""

_FIRST: Final = 6_000_001  # apart from the numbers other parts use on a shared hub


def measure(hub: Hub, sizes: Sizes) -> Result:
    """First loads in a real browser, bytes as the network carried them, heads included."""
    stock.fill(hub.servers.database_url, _FIRST, min(sizes.cases, 200))
    result = Result(
        "What a page weighs, and the width of a case's title",
        "Chromium with nothing stored, over the loopback: the bytes of every answer until the page has come to rest, heads "
        "included, as the browser's own protocol counts them. The desk's page is a list of 50 cases after signing in, "
        "loaded with an empty store. Below: the CSS pixels in which the title's longest line is seen, by the width of the "
        "window at 100 % and, with half of that, at 200 %; the title of both languages is longer than any window.",
    )
    (case,) = hub.ask("SELECT id FROM cases WHERE status <> 'closed' LIMIT 1")[0]
    rows: dict[int, list[str]] = {}
    with LabBrowser() as browser:
        for language in ("fa", "en"):
            page = browser.page(language)
            result.figures.append(
                _figure(f"portal, {language}", _weight(page, f"{hub.web}/?lang={language}"), "portal")
            )
            _sign_in(page, hub, language)
            result.figures.append(_figure(f"desk, {language}", _weight(page, f"{hub.web}/desk/queue/open"), "desk"))
            page.goto(f"{hub.web}/desk/cases/{case}")
            page.evaluate("title => (document.querySelector('.z-top h1').textContent = title)", TITLES[language])
            for width in sorted({*WIDTHS, *(width // 2 for width in WIDTHS)}):
                page.set_viewport_size({"width": width, "height": 800})
                rows.setdefault(width, []).append(f"{page.evaluate(MEASURE)['shown']:.0f}")
            page.context.close()
    lines = [f"| {width} | {' | '.join(found)} |" for width, found in rows.items()]
    result.notes.append("\n".join(["| width | Persian | English |", "|---:|---:|---:|", *lines]))
    return result


def _sign_in(page: Page, hub: Hub, language: Language) -> None:
    login = "maryam" if language == "fa" else "daniel"
    page.goto(f"{hub.web}/desk/sign-in?lang={language}")
    page.fill("#f-login", login)
    page.fill("#f-password", next(agent.password for agent in DEMO_AGENTS if agent.login == login))
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/queue/**")


def _weight(page: Page, address: str) -> int:
    """Bytes of a first load."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.clearBrowserCache")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(address, wait_until="load")
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(500)
    session.detach()
    return round(sum(sizes))


def _figure(name: str, weight: int, kind: str) -> Figure:
    most = MOST[kind]
    return Figure(
        f"first load of the {name}", f"{weight / 1000:.0f} kB", target=f"≤ {most // 1000} kB", met=weight <= most
    )
