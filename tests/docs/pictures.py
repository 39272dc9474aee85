"""Which pages there are, how each is reached, and how it becomes a small picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page

from tests.docs.traffic import Stage
from tests.journeys.citizens import Form
from tests.journeys.desk import sign_in
from tests.journeys.hub import CHECKOUT, Hub
from tests.lab.browser import LabBrowser, Size
from zrm.demonstration import DEMO_AGENTS
from zrm.languages import Language

FOLDER: Final = CHECKOUT / "docs" / "screenshots"
LANGUAGES: Final[tuple[Language, ...]] = ("fa", "en")
SIZES: Final[tuple[Size, ...]] = ("desktop", "phone")
AGENT: Final[dict[Language, str]] = {"fa": "maryam", "en": "daniel"}
COLOURS: Final = 40
TALLEST: Final = 1800  # pixels: longer pages are cut, the rest is more of the same


@dataclass(frozen=True, slots=True)
class Scene:
    """A page of the hub, the stage, and the language it is played in."""

    page: Page
    hub: Hub
    stage: Stage
    language: Language

    @property
    def web(self) -> str:
        """The installation's own address."""
        return self.hub.web

    def at(self, path: str) -> None:
        """Open a path of the installation and wait until it is still."""
        self.page.goto(f"{self.web}{path}")
        if path.startswith("/desk/") and "sign-in" not in path:
            self.page.wait_for_selector("body[data-connected=yes], .z-alone-card")

    def case(self, name: str) -> None:
        """Open a case of the stage, with nothing typed into it."""
        self.page.evaluate("sessionStorage.clear()")
        self.at(f"/desk/cases/{self.stage.cases[name]}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A page's name, what it shows, how to get there; `agent` is signed in for it; `whole`: all of it, not one screen;

    `keyboard`: there is nothing of it on a telephone.
    """

    name: str
    shows: str
    reach: Callable[[Scene], None]
    agent: bool = True
    dark: bool = False
    whole: bool = False
    keyboard: bool = False


def _fill_in_badly(scene: Scene) -> None:
    scene.at("/new")
    scene.page.fill("#f-phone", "12")
    scene.page.click("#f-send")
    scene.page.wait_for_selector(".z-summary")


def _receipt(scene: Scene) -> None:
    text = {"fa": "چراغ پارک محله شب‌ها روشن نمی‌شود.", "en": "The lamps in the park stay dark at night."}
    form = Form(scene.page, scene.web)
    form.raise_matter(text[scene.language], phone="09121119999", name="")


def _matter(scene: Scene) -> None:
    Form(scene.page, scene.web).follow(scene.stage.codes[scene.language][0])


def _proven(scene: Scene) -> None:
    _matter(scene)
    Form(scene.page, scene.web).prove_by_digits(scene.stage.codes[scene.language][1])


def _fax(scene: Scene) -> None:
    scene.case("fax")
    sheets = scene.page.locator(".z-sheets img")
    sheets.first.wait_for()
    for sheet in sheets.all():
        scene.page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=sheet.element_handle())


def _dialog(name: str, key: str) -> Callable[[Scene], None]:
    def reach(scene: Scene) -> None:
        scene.case("mail-fa" if scene.language == "fa" else "mail-en")
        scene.page.keyboard.press(key)
        scene.page.wait_for_selector(f"dialog#{name}[open]")

    return reach


def _composer(scene: Scene) -> None:
    """An answer by text message, longer than one."""
    scene.case("bins" if scene.language == "fa" else "light")
    words = {
        "fa": "سلام. پیمانکار امشب ساعت ۲۱ زبالهٔ کوچهٔ یاس را جمع می‌کند. اگر باز هم ماند، همین‌جا بنویسید.",
        "en": "Our crew repairs the street light at the corner of Azadi and 5th tonight. If it is still dark tomorrow, "
        "please write to us again at this number. Thank you for telling us.",
    }
    scene.page.fill("#composer textarea", words[scene.language])
    scene.page.locator("#composer").scroll_into_view_if_needed()


def _templates_for(scene: Scene) -> None:
    scene.case("mail-fa" if scene.language == "fa" else "mail-en")
    scene.page.click("[data-templates]")
    scene.page.wait_for_selector("dialog#templates[open] .z-template-text")


def _template(scene: Scene) -> None:
    scene.at("/desk/templates")
    scene.page.click(".z-table td a")
    scene.page.wait_for_selector("body[data-connected=yes] textarea[name=text_fa]")


def _search(scene: Scene) -> None:
    scene.at("/desk/search")
    scene.page.fill(".z-search-large [name=q]", "خیابان" if scene.language == "fa" else "street")
    scene.page.keyboard.press("Enter")
    scene.page.wait_for_selector("body[data-connected=yes] mark")


def _taken(scene: Scene) -> None:
    scene.at("/desk/new-contact")
    words = {
        "fa": "می‌گوید آب خیابان لاله از صبح قطع است.",
        "en": "Says there is no water in Tulip Street since morning.",
    }
    scene.page.fill("#f-text", words[scene.language])
    scene.page.fill("#f-phone", "0912 111 0011")
    scene.page.click("form .z-btn-primary")
    scene.page.wait_for_url("**/desk/new-contact/*")
    scene.page.wait_for_selector("body[data-connected=yes] .z-code")


def _viewer(scene: Scene) -> None:
    scene.case("bill")
    scene.page.click("a[data-picture] >> nth=0")
    scene.page.wait_for_function("document.querySelector('#viewer img').naturalWidth > 0")


def _menu(scene: Scene) -> None:
    scene.at("/desk/queue/unassigned")
    if scene.page.locator("[data-side]").is_visible():
        scene.page.click("[data-side]")
    scene.page.click(".z-menu summary")
    scene.page.wait_for_selector(".z-menu-panel")


def _away(scene: Scene) -> None:
    with scene.hub.store_closed():
        scene.page.goto(f"{scene.web}/desk/queue/open")


PICTURES: Final = (
    Picture("home", "The first page for citizens", lambda s: s.at("/"), agent=False, whole=True),
    Picture("new", "Opening a case", lambda s: s.at("/new"), agent=False, whole=True),
    Picture("new-refused", "The same form, wrongly filled in", _fill_in_badly, agent=False, whole=True),
    Picture("receipt", "The receipt with the tracking code", _receipt, agent=False, whole=True),
    Picture("track", "Asking for the tracking code", lambda s: s.at("/track"), agent=False, whole=True),
    Picture("lost", "Asking for lost codes", lambda s: s.at("/track/lost"), agent=False, whole=True),
    Picture("matter", "A case before proof: its state only", _matter, agent=False, whole=True),
    Picture("matter-proven", "A case after proof: what was said", _proven, agent=False, whole=True),
    Picture("matter-dark", "The same in dark colours", _proven, agent=False, dark=True, whole=True),
    Picture("proof-link", "The mailed link, before it is used up", lambda s: s.at("/proof/example"), agent=False),
    Picture("sign-in", "Signing in at the desk", lambda s: s.at("/desk/sign-in"), agent=False),
    Picture("queue", "Cases nobody has taken", lambda s: s.at("/desk/queue/unassigned")),
    Picture("queue-dark", "The same in dark colours", lambda s: s.at("/desk/queue/unassigned"), dark=True),
    Picture("queue-mine", "My cases", lambda s: s.at("/desk/queue/mine")),
    Picture("queue-waiting", "Answered; the citizen's turn", lambda s: s.at("/desk/queue/waiting")),
    Picture("queue-open", "All open cases", lambda s: s.at("/desk/queue/open")),
    Picture("queue-closed", "Closed cases", lambda s: s.at("/desk/queue/closed")),
    Picture("case-mail", "A case by e-mail, answered", lambda s: s.case("mail-fa" if s.language == "fa" else "mail-en"), whole=True),
    Picture("case-mail-dark", "The same in dark colours", lambda s: s.case("mail-fa" if s.language == "fa" else "mail-en"), dark=True),
    Picture("case-text", "A case by text message", lambda s: s.case("bins" if s.language == "fa" else "light"), whole=True),
    Picture("case-chat", "A case by Telegram", lambda s: s.case("chat-fa" if s.language == "fa" else "chat-en"), whole=True),
    Picture("case-voice", "A recorded complaint", lambda s: s.case("voice"), whole=True),
    Picture("case-fax", "A fax and its pages", _fax, whole=True),
    Picture("case-form", "A case by web form", lambda s: s.case("form-fa" if s.language == "fa" else "form-en"), whole=True),
    Picture("case-related", "Quoted by a stranger: a person decides", lambda s: s.case("related"), whole=True),
    Picture("case-failed", "An answer that did not arrive", lambda s: s.case("bill"), whole=True),
    Picture("case-closed", "A closed case", lambda s: s.case("benches"), whole=True),
    Picture("composer", "Answering by text message: what it costs", _composer),
    Picture("composer-templates", "A template, as the citizen would read it", _templates_for),
    Picture("dialog-note", "A note among colleagues", _dialog("note", "n")),
    Picture("dialog-give", "Giving a case to somebody", _dialog("assign", "a")),
    Picture("dialog-classify", "Saying what it is about", _dialog("classify", "s")),
    Picture("dialog-close", "Closing a case", _dialog("close", "e")),
    Picture("palette", "Every command by keyboard", _dialog("palette", "Control+k"), keyboard=True),
    Picture("keys", "The keyboard shortcuts", _dialog("keys", "?"), keyboard=True),
    Picture("menu", "Language, calendar, appearance", _menu),
    Picture("search", "Finding cases by words, numbers and codes", _search),
    Picture("new-contact", "Taking a call, a visit or a letter down", lambda s: s.at("/desk/new-contact"), whole=True),
    Picture("new-contact-receipt", "Its receipt, to be read out or printed", _taken),
    Picture("viewer", "A photo in large", _viewer),
    Picture("quarantine", "Contacts that could not be processed", lambda s: s.at("/desk/quarantine")),
    Picture("failed-deliveries", "Answers that did not arrive, or may not have", lambda s: s.at("/desk/failed-deliveries"), whole=True),
    Picture("templates", "Texts written once for everybody", lambda s: s.at("/desk/templates")),
    Picture("template", "Changing a template", _template, whole=True),
    Picture("ledger", "Every contact accounted for", lambda s: s.at("/desk/ledger")),
    Picture("notifications", "What happened meanwhile", lambda s: s.at("/desk/notifications")),
    Picture("settings", "An agent's settings", lambda s: s.at("/desk/settings"), whole=True),
    Picture("security", "The second step, passkeys, sessions and sign-ins", lambda s: s.at("/desk/security"), whole=True),
    Picture("nothing-here", "An address that leads nowhere", lambda s: s.at("/desk/cases/00000000-0000-0000-0000-000000000000")),
    Picture("mistyped", "The same for a citizen", lambda s: s.at("/mistyped"), agent=False),
    Picture("away", "While the store does not answer", _away),
)  # fmt: skip


def take_all(hub: Hub, stage: Stage, browser: LabBrowser, words: list[str]) -> int:
    """Take the pictures whose name holds one of the words (all without words); how many."""
    chosen = [one for one in PICTURES if not words or any(word in one.name for word in words)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not words:
        for old in FOLDER.glob("*.png"):
            old.unlink()
    taken = 0
    for language in LANGUAGES:
        for size in SIZES:
            for dark in (False, True):
                pages = {}
                for agent in (False, True):
                    pages[agent] = browser.page(language, size, dark=dark)
                for one in chosen:
                    if one.dark != dark or (one.keyboard and size == "phone"):
                        continue
                    page = pages[one.agent]
                    if one.agent and "/desk" not in page.url:
                        login = next(agent for agent in DEMO_AGENTS if agent.login == AGENT[language])
                        sign_in(page, hub.web, login.login, login.password)
                    if not one.agent:
                        page.context.clear_cookies()
                    one.reach(Scene(page, hub, stage, language))
                    _keep(page, FOLDER / f"{one.name}-{language}-{size}.png", whole=one.whole)
                    taken += 1
                for page in pages.values():
                    page.context.close()
    return taken


def _keep(page: Page, path: Path, *, whole: bool) -> None:
    """Picture the page once its fonts are there, with few colours."""
    page.evaluate("document.fonts.ready.then(() => true)")
    screen = page.viewport_size
    if whole and screen is not None:
        # A screen as tall as the page: what sticks to an edge of it stands where a reader at the end sees it.
        tall = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": screen["width"], "height": max(screen["height"], min(tall, TALLEST))})
    shown = page.screenshot(animations="disabled")
    if screen is not None:
        page.set_viewport_size(screen)
    with Image.open(io.BytesIO(shown)) as shot:
        cut = shot.convert("RGB").crop((0, 0, shot.width, min(shot.height, TALLEST)))
        cut.quantize(palette=_palette(cut), dither=Image.Dither.NONE).save(path, optimize=True)


def _palette(picture: Image.Image) -> Image.Image:
    """Half the colours those that fill the page, half spread over all it has: a grey stays grey, a small badge stays red."""
    counted = sorted(((count, colour) for count, colour in picture.getcolors(1 << 24) or ()), reverse=True)
    wide = picture.quantize(COLOURS // 2, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    chosen = [part for _, colour in counted[: COLOURS // 2] if isinstance(colour, tuple) for part in colour]
    palette = Image.new("P", (1, 1))
    palette.putpalette(chosen + wide[: 3 * (COLOURS // 2)])
    return palette


def write_index() -> None:
    """The folder's page: a table with every picture."""
    lines = [
        "# Every page in pictures",
        "",
        "Made by `make docs` from a running hub with real traffic through every door. Each page in Persian (Solar Hijri",
        "dates, right to left) and English, at 1440 × 900 and on a telephone at 390 × 844.",
        "",
        "| page | what it shows | فارسی | | English | |",
        "|---|---|---|---|---|---|",
    ]
    for one in PICTURES:
        links = " | ".join(
            "" if one.keyboard and size == "phone" else f"[{word}]({one.name}-{language}-{size}.png)"
            for language in LANGUAGES
            for size, word in zip(SIZES, ("desk", "phone"), strict=True)
        )
        lines.append(f"| `{one.name}` | {one.shows} | {links} |")
    (FOLDER / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
