"""The desk's script in a real browser: live rows that do not jump, the keyboard, the palette, no complaint from the policy."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import TYPE_CHECKING, Literal

import pytest

from tests.ui import gallery
from zrm.languages import LANGUAGES, Language
from zrm.ui.pages import BUILT_ASSETS, Pages
from zrm.ui.viewer import Viewer

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.lab.browser import LabBrowser

pytestmark = pytest.mark.peer("browser")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'"
)
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


class Hub:
    """A small server of the galleries under the strict policy, with a stream of events that the test writes."""

    def __init__(self) -> None:
        self.pages = Pages()
        self.pages.add_folder("tests", gallery.TEMPLATES)
        self.streams: list[Queue[bytes | None]] = []
        self.opened = threading.Semaphore(0)
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it)
                """Say nothing."""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/events":
                    self._stream()
                elif path.startswith("/static/"):
                    file = BUILT_ASSETS / path.removeprefix("/static/")
                    self._answer(file.read_bytes(), TYPES[file.suffix])
                elif path in ("/favicon.ico", "/none.wav"):
                    self._answer(b"", "image/x-icon")
                else:
                    self._answer(hub.draw(path).encode(), "text/html; charset=utf-8")

            def _answer(self, body: bytes, media_type: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", POLICY)
                self.end_headers()
                self.wfile.write(body)

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(b"retry: 50\n\n")
                queue: Queue[bytes | None] = Queue()
                hub.streams.append(queue)
                hub.opened.release()
                while (chunk := queue.get()) is not None:
                    self.wfile.write(chunk)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A browser that goes away in the middle is no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def draw(self, path: str) -> str:
        """The page at "/<gallery>/<language>/<theme>"."""
        _, name, language, theme = path.split("/")
        viewer = Viewer(language=language, theme=theme)  # type: ignore[arg-type]  # the test's own addresses
        frame: object = replace(gallery.desk_frame(viewer.language), events_href="/events")
        if name == "gallery_portal":
            frame = gallery.portal_frame(viewer.language)
        return self.pages.render(f"tests/{name}.html", viewer, frame=frame, demo=gallery.demo(viewer.language))

    def row(self, language: Language, **changes: object) -> str:
        """A rendered row, as a `case` event carries it: the gallery's first one with some fields changed."""
        rows = gallery.demo(language)["rows"]
        assert isinstance(rows, list)
        return self.pages.part("queue.html", "case_row", Viewer(language=language), **{**rows[0], **changes})

    def send(self, event: str, data: object) -> None:
        """Send one event to the stream that was opened last."""
        self.streams[-1].put(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())

    def hang_up(self) -> None:
        """Close the stream that was opened last."""
        self.streams[-1].put(None)


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    for stream in made.streams:
        stream.put(None)
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def desk(hub: Hub, browser: LabBrowser) -> Iterator[Page]:
    """An English desk, connected to the stream."""
    page = browser.page("en")
    page.goto(f"{hub.url}/gallery/en/light")
    page.locator("body[data-connected]").wait_for()
    yield page
    page.context.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("name", ["gallery", "gallery_portal"])
def test_a_page_fits_and_nothing_is_refused(
    hub: Hub, browser: LabBrowser, name: str, size: Literal["desktop", "phone"], theme: str, language: Language
) -> None:
    before = len(browser.complaints)
    page = browser.page(language, size)
    page.goto(f"{hub.url}/{name}/{language}/{theme}")
    page.evaluate("document.fonts.ready.then(() => true)")
    assert page.evaluate("document.fonts.check('16px \"Vazirmatn Variable\"')")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.context.close()
    assert browser.complaints[before:] == []


def test_a_new_case_appears_without_moving_the_picked_one(hub: Hub, desk: Page) -> None:
    desk.keyboard.press("j")
    desk.keyboard.press("j")
    picked = desk.locator(".z-picked").get_attribute("id")
    hub.send("case", {"id": "new", "html": hub.row("en", id="new", sort="99", title="Street light out")})
    desk.locator("#case-new").wait_for()
    assert desk.locator("[data-case]").first.get_attribute("id") == "case-new"
    assert desk.locator(".z-picked").get_attribute("id") == picked
    assert desk.evaluate("document.activeElement.closest('[data-case]').id") == picked


def test_a_changed_case_stays_in_its_place_and_keeps_the_focus(hub: Hub, desk: Page) -> None:
    for _step in range(3):
        desk.keyboard.press("j")
    hub.send("case", {"id": "2", "html": hub.row("en", id="2", sort="99", title="Changed")})
    desk.locator("#case-2").get_by_text("Changed").wait_for()
    assert desk.locator("[data-case]").nth(2).get_attribute("id") == "case-2"
    assert desk.evaluate("document.activeElement.closest('[data-case]').id") == "case-2"
    assert "z-picked" in (desk.locator("#case-2").get_attribute("class") or "")


def test_new_cases_wait_while_the_reader_is_further_down(hub: Hub, desk: Page) -> None:
    desk.evaluate("scrollTo(0, 400)")
    before = desk.locator("[data-case]").count()
    hub.send("case", {"id": "n1", "html": hub.row("en", id="n1", sort="98")})
    hub.send("case", {"id": "n2", "html": hub.row("en", id="n2", sort="99")})
    desk.get_by_role("button", name="2 new").wait_for()
    assert desk.locator("[data-case]").count() == before
    desk.get_by_role("button", name="2 new").click()
    assert desk.locator("[data-case]").first.get_attribute("id") == "case-n2"
    assert desk.locator("[data-case]").count() == before + 2


def test_a_new_case_does_not_push_away_the_line_one_points_at(hub: Hub, desk: Page) -> None:
    line = desk.locator("[data-case]").nth(2)
    line.hover()
    pointed, before = line.get_attribute("id"), line.bounding_box()
    hub.send("case", {"id": "n1", "html": hub.row("en", id="n1", sort="98")})
    desk.get_by_role("button", name="1 new").wait_for()
    assert desk.locator(f"#{pointed}").bounding_box() == before
    assert desk.locator("#case-n1").count() == 0
    desk.locator(".z-top h1").hover()
    desk.locator("#case-n1").wait_for()
    assert desk.locator("[data-case]").first.get_attribute("id") == "case-n1"
    assert desk.get_by_role("button", name="1 new").count() == 0


def test_a_case_of_another_unit_does_not_come_in(hub: Hub, desk: Page) -> None:
    desk.evaluate("document.querySelector('[data-case-list]').setAttribute('data-match-unit', 'water roads')")
    hub.send("case", {"id": "x", "unit": "parks", "html": hub.row("en", id="x", sort="98")})
    hub.send("case", {"id": "y", "unit": "roads", "html": hub.row("en", id="y", sort="99")})
    desk.locator("#case-y").wait_for()
    assert desk.locator("#case-x").count() == 0
    hub.send("case", {"id": "y", "unit": "parks", "html": hub.row("en", id="y", sort="99")})
    desk.locator("#case-y.z-case-gone").wait_for()


def test_counters_the_bell_and_a_toast(hub: Hub, desk: Page) -> None:
    hub.send("counts", {"n0": 129, "n4": 0})
    desk.locator('[data-count="n0"]').get_by_text("129").wait_for()
    desk.locator('[data-count="n4"]').wait_for(state="hidden")
    hub.send("notification", {"text": "<b>Ali</b> wrote again", "unread": 5, "href": "/desk/cases/1"})
    desk.get_by_role("link", name="<b>Ali</b> wrote again").wait_for()
    assert desk.locator("[data-unread]").first.text_content() == "5"


def test_after_a_broken_line_the_list_is_fetched_again(hub: Hub, desk: Page) -> None:
    hub.opened.acquire()
    desk.evaluate("document.querySelector('#case-3').remove()")
    hub.hang_up()
    desk.locator("#case-3").wait_for()
    hub.opened.acquire()
    hub.send("counts", {"n0": 7})
    desk.locator('[data-count="n0"]').get_by_text("7", exact=True).wait_for()


def test_keys_go_places_and_the_palette_finds_them(hub: Hub, desk: Page) -> None:
    desk.keyboard.press("g")
    desk.keyboard.press("q")
    desk.wait_for_url("**#4")
    desk.keyboard.press("Control+k")
    desk.keyboard.type("past")
    assert desk.locator("#palette-list li").count() == 1
    desk.keyboard.press("Enter")
    desk.wait_for_url("**#3")
    desk.keyboard.press("?")
    desk.locator("#keys").wait_for()
    assert "Quarantine" in (desk.locator("#keys").text_content() or "")
    keys = desk.locator("#keys dt").all_text_contents()
    assert len(keys) == len(set(keys)), "each key is listed once"


def test_a_key_means_the_same_on_a_persian_keyboard(hub: Hub, desk: Page) -> None:
    # The key J of a Persian layout types ت.
    desk.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ت', code: 'KeyJ', bubbles: true}))")
    desk.locator(".z-picked").wait_for()


def test_unsent_words_survive_a_reload_and_are_not_taken_as_keys(hub: Hub, desk: Page) -> None:
    desk.keyboard.press("n")
    desk.keyboard.type("jkc half a sentence")
    desk.reload()
    assert desk.locator('[data-draft="demo"]').input_value() == "jkc half a sentence"


def test_the_citizens_page_without_a_script_hides_what_cannot_work(hub: Hub, browser: LabBrowser) -> None:
    page = browser.page("fa", "phone", script=False)
    page.goto(f"{hub.url}/gallery_portal/fa/light")
    assert page.locator("[data-copy]").first.is_hidden()
    assert page.get_by_text("۴۸۲۹-۱۵۰۳-۷۷۶۶").is_visible()
    page.context.close()
