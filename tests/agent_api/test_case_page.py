"""The case's page in a real browser: its title at every width, where it opens, what it says was done, and its pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pikepdf
import pytest
from PIL import Image

from tests.agent_api.conftest import RunningDesk, enter
from tests.agent_api.test_unsafe_files import attach
from tests.casework.installation import agent, file_case, one
from tests.lab import axe
from zrm.kit.db import Database
from zrm.kit.ids import new_id

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

pytestmark = pytest.mark.peer("browser")

TITLES: dict[Language, str] = {
    "fa": "چراغ‌های خیابان شهید بهشتی از سه‌راه تا میدان از دوشنبه خاموش است و شب‌ها رفت‌وآمد خطرناک شده",
    "en": "The lamps of Station Street between the crossing and the square have been dark since Monday",
}
WIDTHS = (320, 390, 480, 768, 992, 1024, 1138, 1280, 1440, 1920, 2560)
MEASURE = """() => {
    const title = document.querySelector('.z-top h1'), box = title.getBoundingClientRect();
    const range = document.createRange();
    range.selectNodeContents(title);
    const lines = [...range.getClientRects()].filter((line) => line.bottom <= box.bottom + 2);
    return {
        shown: Math.max(0, ...lines.map((line) => Math.min(line.right, box.right) - Math.max(line.left, box.left))),
        font: parseFloat(getComputedStyle(title).fontSize),
        sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        outside: [...document.querySelectorAll('.z-top .z-btn, .z-top .z-search')]
            .filter((one) => one.offsetParent && !one.closest('#live-tools'))
            .filter((one) => { const at = one.getBoundingClientRect(); return at.left < -1 || at.right > innerWidth + 1; }).length,
    };
}"""
"""The width of the title's first lines in CSS pixels, the sideways scroll, and how many buttons of the head are off screen."""


@pytest.mark.parametrize("language", ["fa", "en"])
def test_the_title_is_readable_at_every_width_and_zoom(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language
) -> None:
    """A browser that magnifies by 200 % has half the pixels: 160 to 2560 is 320 to 2560 at 100 to 200 %."""
    case = file_case(database, title=TITLES[language])
    with database.cursor() as cursor:
        me = agent(cursor, "maryam" if language == "fa" else "daniel")
        cursor.execute("UPDATE cases SET assignee_id = %s, status = 'waiting' WHERE id = %s", [me, case.id])
    page = browser.page(language)
    enter(page, desk, language)
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    for width in sorted({*WIDTHS, *(width // 2 for width in WIDTHS)}):
        page.set_viewport_size({"width": width, "height": 800})
        found = page.evaluate(MEASURE)
        assert found["shown"] >= 6 * found["font"], (width, found)
        assert (found["sideways"], found["outside"]) == (0, 0), (width, found)
    for width in (320, 480):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.locator("[data-back]").is_visible()
        assert page.locator(".z-top a[href='/desk/search']").is_visible()
        page.click(".z-top [data-opens=palette]")
        page.wait_for_selector("dialog#palette[open]")
        page.keyboard.press("Escape")
    page.context.close()


@pytest.mark.parametrize(("language", "script"), [("fa", True), ("en", False)])
def test_an_answer_is_undone_and_its_words_come_back(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language, script: bool
) -> None:
    """The default: held for ten seconds, with a script and without one. Afterwards the next case is offered."""
    case, waiting = file_case(database, title=TITLES[language]), file_case(database, title="The next one")
    page = browser.page(language, script=script)
    enter(page, desk, language)
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    words = "فردا درست می‌شود." if language == "fa" else "It will be mended tomorrow."
    page.fill("#composer textarea", words)
    page.set_input_files(
        "#composer [name=files]", {"name": "plan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"}
    )
    page.click("#composer button.z-btn-primary")
    page.wait_for_url("**?done=reply")
    assert page.locator(".z-timeline", has_text=words).count() == 1
    assert page.get_attribute(".z-next", "href") == f"/desk/cases/{waiting.id}"
    if script:
        page.wait_for_function(
            "Number(document.querySelector('[data-seconds]').textContent.replace(/[۰-۹]/g, (d) => '۰۱۲۳۴۵۶۷۸۹'.indexOf(d))) > 0"
        )
    page.click("form[action$='/undo'] button")
    page.wait_for_url("**?done=undo&again=*")
    assert page.input_value("#composer textarea") == words
    assert page.locator(".z-composer-kept").inner_text().startswith("plan.pdf")
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM outbox WHERE topic = 'deliver'") == 0
        assert one(cursor, "SELECT status FROM cases WHERE id = %s", case.id) == "new"
    page.click("#composer button.z-btn-primary")
    page.wait_for_url("**?done=reply")
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT c.text, a.name FROM contacts c JOIN attachments a ON a.contact_id = c.id WHERE direction = 'out'"
        )
        assert cursor.fetchall() == [(words, "plan.pdf")]
        cursor.execute("UPDATE deliveries SET state = 'sent' WHERE state = 'queued'")
    page.click("form[action$='/undo'] button")
    assert page.locator("[role=alert]").count() == 1, "it has left"
    page.context.close()


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_case_opens_at_what_is_new_and_stays_where_it_is_read(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language
) -> None:
    case = file_case(database, title=TITLES[language])
    with database.cursor() as cursor:
        me = agent(cursor, "maryam" if language == "fa" else "daniel")
        contacts = [new_id() for _ in range(40)]
        for number, contact in enumerate(contacts):
            cursor.execute(
                "INSERT INTO contacts (id, case_id, direction, channel, account, text, at)"
                " VALUES (%s, %s, 'in', 'email', 'x', %s, now() + %s * interval '1 second')",
                [contact, case.id, f"Message {number}. " + "Words and words. " * 20, number - 100],
            )
        for number in (30, 35):
            cursor.execute(
                "INSERT INTO notifications (id, agent_id, case_id, source_id, kind, at)"
                " VALUES (%s, %s, %s, %s, 'message', now() + %s * interval '1 second')",
                [new_id(), me, case.id, contacts[number], number - 100],
            )
    top = "(id) => document.getElementById(id).getBoundingClientRect().top"
    page = browser.page(language)
    enter(page, desk, language)
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    head = page.eval_on_selector(".z-top", "e => e.getBoundingClientRect().bottom")
    assert head <= page.evaluate(top, f"contact-{contacts[30]}") < head + 60, "the first one not read"
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    dock = page.eval_on_selector(".z-dock", "e => e.getBoundingClientRect().top")
    assert 0 < page.evaluate(top, f"contact-{contacts[39]}") < dock, "the newest"
    page.evaluate(
        f"document.getElementById('contact-{contacts[10]}').scrollIntoView({{block: 'center', behavior: 'instant'}})"
    )
    read = page.evaluate(top, f"contact-{contacts[10]}")
    page.keyboard.press("c")
    page.wait_for_url("**?done=claim")
    assert abs(page.evaluate(top, f"contact-{contacts[10]}") - read) < 3
    page.context.close()


@pytest.mark.parametrize("language", ["fa", "en"])
def test_photos_are_seen_in_large_and_turned(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language
) -> None:
    case, pictures = file_case(database, title=TITLES[language]), []
    for number, colour in enumerate(("red", "blue")):
        drawn = io.BytesIO()
        Image.new("RGB", (900, 300), colour).save(drawn, "PNG")
        key, size = desk.context.blobs.put(io.BytesIO(drawn.getvalue()))
        pictures.append(new_id())
        with database.cursor() as cursor:
            cursor.execute(
                "INSERT INTO attachments (id, contact_id, role, name, media_type, size, blob_key, position)"
                " VALUES (%s, %s, 'attachment', %s, 'image/png', %s, %s, %s)",
                [pictures[-1], case.contact_id, f"{colour}.png", size, key, number],
            )
    before, page = len(browser.complaints), browser.page(language)
    enter(page, desk, language)
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    assert page.get_attribute("a[data-picture] >> nth=0", "target") == "_blank"
    page.click("a[data-picture] >> nth=0")
    large = page.locator("#viewer img")
    assert large.get_attribute("src") == f"{desk.url}/desk/files/{pictures[0]}"
    page.keyboard.press("ArrowLeft" if language == "fa" else "ArrowRight")
    assert large.get_attribute("src") == f"{desk.url}/desk/files/{pictures[1]}"
    page.wait_for_function("document.querySelector('#viewer img').naturalWidth === 900")
    page.keyboard.press("r")
    box = large.bounding_box()
    assert box is not None
    assert box["height"] > box["width"], "turned"
    assert axe.faults(page) == []
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    assert browser.complaints[before:] == []
    page.context.close()


def red_page_that_asks(words: str) -> bytes:
    """A PDF of one red page whose script puts up a dialog."""
    written = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(300, 300)).obj.Contents = pdf.make_stream(b"1 0 0 rg 0 0 300 300 re f")
        pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=pikepdf.String(f"app.alert('{words}')"))
        pdf.save(written)
    return written.getvalue()


def wait_for_red(page: Page) -> None:
    """Wait until the viewer has drawn the page."""
    for _ in range(100):
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            if any(colour == (255, 0, 0) for _, colour in shot.convert("RGB").getcolors(1 << 24) or ()):
                return
        page.wait_for_timeout(200)
    raise AssertionError(f"nothing was drawn at {page.url}")


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_pdf_opens_in_a_tab_of_its_own_and_its_script_does_not_run(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language
) -> None:
    case, data = file_case(database), red_page_that_asks("Your session has ended. Password?")
    attach(database, desk.context.blobs, case.contact_id, data, name="نقشه.pdf", media_type="application/octet-stream")
    as_it_came = attach(database, desk.context.blobs, case.contact_id, data, media_type="application/pdf", role="rendition")  # fmt: skip
    page, asked = browser.page(language, fenced=False), list[str]()

    def dismiss(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.context.on("dialog", dismiss)
    enter(page, desk, language)
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    assert axe.faults(page) == []
    with page.context.expect_page() as opened:
        page.click("a.z-file")
    wait_for_red(opened.value)
    assert asked == []
    answer = page.context.request.get(opened.value.url)
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == ("application/pdf", "nosniff")
    with page.expect_download() as saved:
        page.click(".z-files a[download]")
    assert saved.value.path().read_bytes() == data, "as it came"
    page.goto(f"{desk.url}/desk/files/{as_it_came}")  # what would happen: this test can fail
    wait_for_red(page)
    assert asked == ["Your session has ended. Password?"]
    page.context.close()
