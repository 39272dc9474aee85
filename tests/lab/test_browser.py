"""The browser opens pages in both languages and sizes, and nothing outside loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from tests.lab.browser import LabBrowser, Size, screenshot
from tests.lab.process import LOOPBACK
from zrm.languages import Language

pytestmark = pytest.mark.peer("browser")

PAGE = """<!doctype html><meta charset=utf-8><meta name=viewport content="width=device-width"><title>خانه</title>
<link rel=icon href="data:,"><h1>سلام</h1><p id=said></p><script>document.getElementById("said").textContent = navigator.language</script>"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = PAGE + ("<img src='https://tracker.example/x.png'>" if self.path == "/offsite" else "")
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://{LOOPBACK}:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("size", "width"), [("desktop", 1440), ("phone", 390)])
@pytest.mark.parametrize(("language", "locale"), [("fa", "fa-IR"), ("en", "en-GB")])
def test_page_in_each_language_and_size(
    browser: LabBrowser, site: str, tmp_path: Path, language: Language, locale: str, size: Size, width: int
) -> None:
    page = browser.page(language, size)
    page.goto(site)
    assert page.inner_text("#said") == locale
    with Image.open(screenshot(page, tmp_path / "page.png")) as picture:
        assert picture.width == width
    assert browser.complaints == []


def test_page_without_javascript(browser: LabBrowser, site: str) -> None:
    page = browser.page(script=False)
    page.goto(site)
    assert page.inner_text("h1") == "سلام"
    assert page.inner_text("#said") == ""


def test_nothing_outside_loopback_is_reached(browser: LabBrowser, site: str) -> None:
    browser.page().goto(f"{site}/offsite")
    assert browser.offsite == ["https://tracker.example/x.png"]
