"""Every page of the portal and the desk under axe-core: both languages, light and dark, on a desk and on a telephone.

A tour leads a browser through an installation with something of everything in it. A page that the tour does not reach, and a
template that nothing drew, fail the test: whoever adds one leads the tour there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pyotp
import pytest
from PIL import Image
from redis import Redis
from starlette.routing import Route

from tests.agent_api.conftest import PASSWORDS
from tests.agent_api.test_unsafe_files import attach
from tests.casework.installation import Filed, acting, agent, file_case, quarantine_one
from tests.lab import axe
from tests.lab.databases import Databases
from tests.lab.servers import TestServers
from tests.lab.serving import serving
from tests.reasons import why
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.casework.reply_routes import ReplyRoute
from zrm.channels.fax.parse import NOT_A_FAX
from zrm.dispatch.notify import Notify
from zrm.dispatch.task_runner import leave_failed
from zrm.http.app import build_app
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE, Runtime, load_config, open_runtime
from zrm.kit.ids import new_id
from zrm.ui.pages import Pages

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

CONFIG = """\
organisation: {name: {fa: "مرکز ارتباط با شهروندان", en: "Citizen Contact Centre"}}
mail_domain: city.example
channels:
  web: {reach: {sms: "3000137", phone: "021 137", fax: "021 8888 1370", email: contact@city.example}}
  email: {mailboxes: {contact: {address: contact@city.example}}, submit: {folder: mail}}
  sms: {folder: sms, accounts: {"+982112345": {account_sid: AC00000000000000000000000000000000, auth_token: a-secret-of-this-test}}}
rates: {track_tries: 10000, proof_tries: 1000, proof_code_tries: 1000, sign_in_tries: 1000}
"""
NO_PAGES: Final = {
    "/healthz": "for programs", "/readyz": "for programs", "/metrics": "for programs", "/desk/events": "a stream",
    "/desk": "leads on", "/desk/": "leads on",
    "/desk/files/{file_id}": "a file", "/track/files/{file_id}": "a file", "/desk/contacts/{contact_id}/text": "plain text",
    "/desk/contacts/{contact_id}/html": "a citizen's own page", "/desk/contacts/{contact_id}/original": "a file",
    "/desk/sign-in/provider": "leads to the identity provider", "/desk/sign-in/provider/answer": "leads on",
}  # fmt: skip
ELSEWHERE: Final = {
    "desk/set_up.html": "tests/agent_api/test_security_pages.py", "desk/confirm.html": "tests/agent_api/test_security_pages.py",
    "away.html": "tests/test_app.py", "incident.html": "tests/test_app.py", "web/problem.html": "tests/channels/web",
}  # fmt: skip
"""Templates that are looked at by other tests, and where."""

DIALOGS: Final = {"n": "note", "a": "assign", "s": "classify", "p": "preference", "e": "close", "m": "templates", "?": "keys", "Control+k": "palette"}  # fmt: skip
MAIL = ReplyRoute("email", "contact@city.example", "sara@home.example", files=True)
TEXT = ReplyRoute("sms", "+982112345", "+989121234567")
LOOKS: Final = (("desktop", 1280, 900), ("phone", 390, 844))
SMALLEST: Final = """() => [...document.querySelectorAll("a, button, select, input:not([type=hidden]), textarea")]
    .filter((one) => one.checkVisibility() && !one.closest(".z-sr, .z-skip, p, li, [aria-hidden]") && one.type !== "radio" && one.type !== "checkbox")
    .map((one) => [one.getBoundingClientRect().height, one.outerHTML.slice(0, 90)])
    .filter(([height]) => height < 43.5)"""

CLIPPED: Final = """() => {
    const focused = document.activeElement, at = [scrollX, scrollY], found = [];
    const top = document.querySelector("dialog[open]") ?? document;
    for (const one of top.querySelectorAll("a[href], button, select, input:not([type=hidden]), textarea, summary, [tabindex='0']")) {
        if (!one.checkVisibility() || one.closest(".z-sr, .z-skip, [inert]")) continue;
        one.focus({ focusVisible: true, preventScroll: true });
        if (document.activeElement !== one) continue;
        const style = getComputedStyle(one);
        const ring = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset);
        if (ring <= 0) continue;
        const box = one.getBoundingClientRect();
        for (let room = one.parentElement; room && room !== document.documentElement && room !== document.body; room = room.parentElement) {
            const cut = getComputedStyle(room), edge = room.getBoundingClientRect();
            const over = (side, other, size) => cut[size] !== "visible" && (
                (edge[side] - (box[side] - ring) > 0.6 && box[side] >= edge[side] - 0.6)
                || (box[other] + ring - edge[other] > 0.6 && box[other] <= edge[other] + 0.6));
            if (over("left", "right", "overflowX") || over("top", "bottom", "overflowY")) {
                found.push(`${one.outerHTML.slice(0, 120)} in ${room.className || room.tagName}`);
                break;
            }
            if (cut.position === "fixed") break;
        }
    }
    focused?.focus?.({ preventScroll: true });
    scrollTo(...at);
    return found;
}"""
"""Whose focus ring is cut off by what it stands in, though it stands in it whole."""

SETTLED: Final = """() => document.getAnimations().every((one) => one.playState === "finished" || one.effect.getComputedTiming().endTime === Infinity)"""
"""Whether colours that go over into others have arrived."""


@dataclass(frozen=True)
class Town:
    """An installation with something of everything, and where it answers."""

    installation: Runtime
    url: str
    routes: list[Route]
    drawn: set[str]
    """Templates that were drawn so far."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, seeded_databases: Databases, servers: TestServers) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    (folder / "config.yaml").write_text(CONFIG + f"data_dir: {folder / 'var'}\n", encoding="utf-8")
    drawn = set[str]()
    render = Pages.render

    def recorded(pages: Pages, template: str, *rest: object, **values: object) -> str:
        drawn.add(template)
        return render(pages, template, *rest, **values)  # type: ignore[arg-type]  # passed on as they came

    with seeded_databases.lend() as database_url, pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE_VARIABLE, database_url)
        patch.setenv(REDIS_VARIABLE, servers.valkey.url())
        patch.setattr(Pages, "render", recorded)
        with Redis.from_url(servers.valkey.url()) as redis:
            redis.flushall()
        installation = open_runtime("test", load_config(folder / "config.yaml"))
        app = build_app(installation)
        routes = [one for one in app.routes if isinstance(one, Route) and "GET" in (one.methods or ())]
        with serving(app, lifespan="on") as url:
            yield Town(installation, url, routes, drawn)
            app.state.end_streams()
        installation.close()


@dataclass(frozen=True)
class Stage:
    """What one language's tour meets."""

    mail: Filed
    text: Filed
    closed: Filed
    file: str


def set_stage(town: Town, login: str) -> Stage:
    """A morning's work in the store, by the rules' own hands where there are any."""
    database, blobs = town.installation.database, town.installation.blobs
    mail = file_case(
        database, title="چراغ خاموش است", text="از دوشنبه.\n\nhttp://home.example/photo", html="<p>از دوشنبه.</p>"
    )
    text, closed = (
        file_case(database, channel="sms", title="The lamp is dark", name=""),
        file_case(database, channel="sms"),
    )
    picture = io.BytesIO()
    Image.new("RGB", (900, 300), "red").save(picture, "PNG")
    for name in ("lamp.png", "street.png"):
        attach(database, blobs, mail.contact_id, picture.getvalue(), name=name)
    attach(database, blobs, mail.contact_id, b"%PDF-1.7", name="نقشه.pdf", media_type="application/pdf")
    file = attach(database, blobs, mail.contact_id, b"EICAR", name="a.exe", scan="infected", threat="Eicar")
    quarantine_one(database, NOT_A_FAX(words="page 1 is cut"))
    with database.cursor() as cursor:
        who = agent(cursor, login)
        cursor.execute(
            "UPDATE contacts SET reply_to = '{work@firm.example}', copied = '{l@home.example}', labels = '{claimed_address}',"
            " folded_quote = 'On Monday you wrote' WHERE id = %s", [mail.contact_id],
        )  # fmt: skip
        cursor.execute(
            "INSERT INTO case_relations (id, case_id, other_case_id, reason, at) VALUES (%s, %s, %s, 'quoted_token', now())",
            [new_id(), mail.id, text.id],
        )
        failed = case_actions.reply(cursor, acting(who, mail.id, 1, MAIL), route=MAIL, title="Re: lamp", text="Tomorrow.")  # fmt: skip
        case_actions.reply(cursor, acting(who, text.id, 1, TEXT), route=TEXT, title="", text="فردا پر می‌شود.")  # fmt: skip
        case_actions.close(cursor, acting(who, closed.id, 1), result="Mended.", reason="Mended already.")
        cursor.execute(
            "UPDATE deliveries SET state = 'failed', reason_code = 'receiver_says', reason_params = jsonb_build_object('words', 'the mail server refused the recipient'), attempts = 1 WHERE id = %s",
            [failed],
        )
        outbox.add(cursor, Topic.NOTIFY, [(failed, "trace"), (text.contact_id, "trace")])
        notices = outbox.claim(cursor, Topic.NOTIFY, limit=9, lease=60)
        outbox.add(cursor, Topic.RENDER, [(new_id(), "trace")])
        (task,) = outbox.claim(cursor, Topic.RENDER, limit=1, lease=60)
    Notify(database)(notices)
    leave_failed(database, task, why("these pages cannot be shown: strip 3 is damaged"))
    return Stage(mail, text, closed, file)


def citizens_way(page: Page, url: str, stage: Stage) -> Iterator[str]:
    """Yields the name of each page while it is open."""
    for path in ("/", "/new", "/track", "/proof/x", "/mistyped"):
        page.goto(url + path)
        yield path
    page.goto(f"{url}/new")
    page.click("#f-send")
    page.wait_for_selector(".z-summary")
    yield "/new refused"
    page.check("#f-nature")
    page.fill("#f-text", "The lamp is broken. چراغ خراب است.")
    page.fill("#f-phone", "09123456789")
    page.click("#f-send")
    page.wait_for_url("**/receipt**")
    yield "receipt"
    page.goto(f"{url}/track")
    page.fill("#f-code", "1234 5678 9012")
    page.click("#f-send")
    page.wait_for_selector(".z-summary")
    yield "/track refused"
    for case in (stage.text, stage.closed):
        page.goto(f"{url}/track")
        page.fill("#f-code", case.code)
        page.click("#f-send")
        page.wait_for_selector("#f-digits")
        yield "matter"
        page.fill("#f-digits", "0000")
        page.keyboard.press("Enter")
        page.wait_for_selector(".z-summary, [role=alert]")
        yield "proof refused"
        page.fill("#f-digits", case.address[-4:])
        page.keyboard.press("Enter")
        page.wait_for_selector(".z-talk")
        yield "matter proven"
    page.goto(f"{url}/track/lost")
    yield "lost code"
    page.fill("#f-address", "0912 345")
    page.click("#f-send")
    page.wait_for_selector(".z-summary")
    yield "lost code refused"
    page.fill("#f-address", "sara@home.example")
    page.click("#f-send")
    page.wait_for_url("**/track/lost?sent=codes")
    yield "lost code sent"
    page.goto(f"{url}/track/phone")
    yield "/track/{step}"


def desks_way(page: Page, url: str, stage: Stage, login: str, language: Language) -> Iterator[str]:
    """Yields the name of each page, and of each dialog on it, while it is open."""

    def enter(password: str) -> None:
        page.goto(f"{url}/desk/sign-in?lang={language}")
        page.fill("#f-login", login)
        page.fill("#f-password", password)
        page.keyboard.press("Enter")

    page.goto(f"{url}/desk/sign-in?lang={language}")
    yield "sign-in"
    enter("wrong")
    page.wait_for_selector(".z-notice-bad")
    yield "sign-in refused"
    enter(PASSWORDS[login])
    page.wait_for_url("**/desk/queue/**")
    for place in (
        "queue/unassigned", "queue/mine", "queue/closed", "quarantine", "failed-deliveries", "ledger", "templates", "notifications",
        "settings", "search", "search?q=1", "new-contact", "security", "security/set-up", f"cases/{new_id()}",
        f"cases/{stage.mail.id}/templates", f"cases/{stage.closed.id}", f"files/{stage.file}",
    ):  # fmt: skip
        page.goto(f"{url}/desk/{place}")
        page.evaluate("document.querySelectorAll('details.z-quote').forEach((details) => (details.open = true))")
        yield place
    for typed in ("lamp", "qwertz"):
        page.goto(f"{url}/desk/search")
        page.fill(".z-search-large [name=q]", typed)
        page.keyboard.press("Enter")
        page.wait_for_url("**/desk/search?**")
        yield f"searched for {typed}"
    page.goto(f"{url}/desk/templates")
    page.click(".z-template-list a >> nth=0")
    page.wait_for_url("**/desk/templates/*")
    yield "template"
    page.fill("#f-text_fa", "{nmae}")
    page.click("form .z-btn-primary")
    page.wait_for_selector(".z-summary")
    yield "template refused"
    yield from _taken_down(page, url)
    yield from _case(page, url, stage)
    yield from _second_step(page, url, lambda: enter(PASSWORDS[login]))


def _taken_down(page: Page, url: str) -> Iterator[str]:
    page.goto(f"{url}/desk/new-contact")
    page.fill("#f-text", "The lamp is dark")
    page.fill("#f-phone", "0912 123 456")
    page.click("form .z-btn-primary")
    page.wait_for_selector(".z-summary")
    yield "new contact refused"
    page.fill("#f-phone", "0912 123 4567")
    page.click("form .z-btn-primary")
    page.wait_for_url("**/desk/new-contact/*")
    yield "receipt of a taken contact"


def _case(page: Page, url: str, stage: Stage) -> Iterator[str]:
    page.goto(f"{url}/desk/cases/{stage.mail.id}")
    page.evaluate("document.querySelectorAll('details.z-quote').forEach((details) => (details.open = true))")
    yield "case"
    for key, name in DIALOGS.items():
        page.keyboard.press(key)
        page.wait_for_selector(f"dialog#{name}[open]")
        yield f"dialog {name}"
        page.keyboard.press("Escape")
        page.wait_for_selector(f"dialog#{name}", state="hidden")
    page.click("a[data-picture] >> nth=0")
    page.wait_for_selector("dialog#viewer[open]")
    yield "viewer"
    page.keyboard.press("Escape")
    page.fill("#composer textarea", "Tomorrow at nine.")
    page.click("#composer button[type=submit]")
    page.wait_for_selector("[data-outcome]")
    yield "case answered"


def _second_step(page: Page, url: str, enter: object) -> Iterator[str]:
    page.goto(f"{url}/desk/security")
    page.click("form[action$=authenticator] button")
    page.wait_for_url("**/desk/security/authenticator")
    yield "authenticator"
    key = re.search(r'data-copy="([A-Z2-7]{32})"', page.content())
    assert key is not None
    page.fill("#f-code", pyotp.TOTP(key[1]).now())
    page.keyboard.press("Enter")
    page.wait_for_selector(".z-recovery")
    yield "recovery codes"
    page.goto(f"{url}/desk/security")
    yield "security with an app"
    page.goto(f"{url}/desk/confirm")
    yield "confirm"
    page.context.clear_cookies()
    assert callable(enter)
    enter()
    page.wait_for_url("**/desk/sign-in/second")
    yield "second step"


@pytest.mark.peer("browser")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["fa", "en"])
def test_every_page_is_accessible(browser: LabBrowser, town: Town, language: Language) -> None:
    login = "maryam" if language == "fa" else "daniel"
    stage, faults, reached = set_stage(town, login), dict[str, list[str]](), set[str]()
    complaints = len(browser.complaints)
    for side in ("portal", "desk"):
        page = browser.page(language)
        way = (
            citizens_way(page, town.url, stage)
            if side == "portal"
            else desks_way(page, town.url, stage, login, language)
        )
        for name in way:
            page.wait_for_load_state("load")  # a page is judged with its styles
            path = urlsplit(page.url).path
            reached |= {route.path for route in town.routes if route.path_regex.fullmatch(path)}
            if found := _looked_at(page, small_targets=side == "desk"):
                faults[f"{side}: {name}"] = found
        page.context.close()
    assert not faults, "\n".join(f"{name}: {fault}" for name, found in faults.items() for fault in found)
    assert {route.path for route in town.routes} - reached - set(NO_PAGES) == set(), "no tour leads there"
    assert _templates() - town.drawn - set(ELSEWHERE) == set(), "nothing drew them"
    assert [
        one for one in browser.complaints[complaints:] if "the server responded with a status of 4" not in one
    ] == []


def _looked_at(page: Page, *, small_targets: bool) -> list[str]:
    """What is wrong with the page in each size, light and dark; it stays open as it was."""
    found = list[str]()
    for size, width, height in LOOKS:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(SETTLED)
            # Only its colours are other ones in the dark.
            rules = axe.RULES if scheme == "light" else ("color-contrast",)
            found += [f"{size}, {scheme}: {fault}" for fault in axe.faults(page, rules)]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{size}: it scrolls sideways")
        if clipped := page.evaluate(CLIPPED):
            found.append(f"{size}: focus rings are cut off: {clipped}")
        if size == "phone" and not small_targets and (small := page.evaluate(SMALLEST)):
            found.append(f"{size}: too small to be touched: {small}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": LOOKS[0][1], "height": LOOKS[0][2]})
    return found


def _templates() -> set[str]:
    """Every template that is a page of its own, as `Pages.render` knows it."""
    zrm = Path(__file__).parents[1] / "zrm"
    folders = {
        "": zrm / "kit/pages/templates",
        "desk/": zrm / "agent_api/pages/templates",
        "web/": zrm / "channels/web/templates",
    }
    pages = {
        f"{prefix}{file.name}": file.read_text(encoding="utf-8")
        for prefix, folder in folders.items()
        for file in folder.glob("*.html")
    }
    frames = {found[1] for source in pages.values() for found in re.finditer(r'{% extends "([^"]+)"', source)}
    return {name for name, source in pages.items() if "{% extends" in source} - frames


@pytest.mark.peer("browser")
def test_a_ring_that_is_cut_off_is_found(browser: LabBrowser, town: Town) -> None:
    page = browser.page("en")
    page.goto(f"{town.url}/desk/sign-in?lang=en")
    assert page.evaluate(CLIPPED) == []
    page.evaluate("""() => {
        const box = document.createElement("div"), button = document.querySelector("button");
        button.replaceWith(box);
        box.append(button);
        Object.assign(box.style, { overflow: "hidden", inlineSize: "fit-content" });
    }""")
    assert len(page.evaluate(CLIPPED)) == 1
    page.context.close()
