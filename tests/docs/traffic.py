"""A morning at the contact centre: real contacts through every door, and what two agents have done by noon."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psycopg
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from tests.journeys.citizens import Caller, Faxes, Form, Town
from tests.journeys.desk import PATIENCE, Desk, sign_in
from tests.journeys.hub import wait_until_quiet
from tests.lab.browser import LabBrowser
from tests.lab.fax import write_fax
from tests.lab.mailer import Attachment
from tests.lab.telegram import Bot, Citizen
from tests.lab.telephony import Telephony
from tests.lab.twilio import Cut, Refuse
from zrm.demonstration import DEMO_AGENTS
from zrm.languages import Language

MAILS: Final = (
    ("نرگس کریمی <narges.karimi@example.org>", "افت فشار آب در طبقهٔ سوم", "سلام\n\nاز سه روز پیش فشار آب در ساختمان ما (خیابان لاله، پلاک ۱۲) بسیار کم است و به طبقهٔ سوم نمی‌رسد.\n\nلطفاً رسیدگی کنید.\nنرگس کریمی"),
    ("Oliver Grant <oliver.grant@example.org>", "Pothole in front of the school", "Good morning,\n\nthe pothole in Garden Street, right in front of the primary school, is getting deeper every day. Two children fell with their bicycles this week.\n\nKind regards\nOliver Grant"),
    ("حسین موسوی <hossein.mousavi@example.org>", "پروانهٔ ساختمان", "با سلام. پروندهٔ پروانهٔ ساختمان من از دو ماه پیش در انتظار امضا است. می‌خواهم بدانم چه مدرکی کم است."),
    ("Helen Fischer <helen.fischer@example.org>", "Thank you for the new benches", "The new benches in the park are lovely. Could there also be one near the fountain?"),
    ("رضا تهرانی <reza@example.org>", "قبض آب دو برابر شده است", "قبض این ماه من دو برابر ماه قبل است در حالی که مسافرت بوده‌ام. عکس کنتور پیوست است."),
)  # fmt: skip
TEXTS: Final = (
    ("+989121110001", "زبالهٔ کوچهٔ یاس سه روز است جمع نشده و بوی بدی می‌دهد."),
    ("+989121110002", "The street light at the corner of Azadi and 5th has been off since Monday."),
    ("+989121110003", "چراغ راهنمایی چهارراه بهار خراب است، لطفاً زودتر درست کنید."),
    ("+989121110004", "No water in Golestan since 6 this morning. When will it be back?"),
)
FORMS: Final[tuple[tuple[Language, str, str, str], ...]] = (
    ("fa", "زهرا محمدی", "09121110005", "کف پیاده‌روی خیابان بهار کنده شده و ویلچر پدرم از آن رد نمی‌شود. لطفاً ترمیمش کنید."),
    ("en", "Emma Brown", "09121110006", "The playground gate does not close any more, and small children run into the street."),
    ("fa", "", "09121110007", "پیشنهاد می‌کنم ایستگاه اتوبوس میدان آزادی سایه‌بان داشته باشد."),
)  # fmt: skip
CALLER, FAXER, SECOND_FAXER = "09121110008", "02188776655", "09121110009"
UNREACHABLE = "reza@example.org"
SARA, JOHN = Citizen(6001, "سارا", "fa"), Citizen(6002, "John", "en")


@dataclass(frozen=True, slots=True)
class Stage:
    """What the pictures are taken of: cases by what they show, and a citizen's tracking code for each language."""

    cases: dict[str, str]
    codes: dict[Language, tuple[str, str]]


def play(town: Town, bot: Bot, browser: LabBrowser) -> Stage:
    """Let the morning happen, and return when the installation is quiet."""
    town.sink.refuse(UNREACHABLE, "550 5.1.1 no such mailbox")
    codes = _write_in(town, browser)
    _chat(bot)
    _call_and_fax(town)
    _send_riddles(town)
    wait_until_quiet(town.hub)
    cases = _cases(town)
    _spread_over_the_morning(town)
    _work(town, bot, browser, cases)
    wait_until_quiet(town.hub)
    return Stage(cases, codes)


def _write_in(town: Town, browser: LabBrowser) -> dict[Language, tuple[str, str]]:
    for sender, subject, text in MAILS:
        address = sender.partition("<")[2].rstrip(">")
        photo = [Attachment("کنتور.jpg", "image/jpeg", _photo())] if address == UNREACHABLE else []
        town.write(address, subject, text, shown=sender, attachments=photo)
    for number, body in TEXTS:
        town.text(number, body)
    codes: dict[Language, tuple[str, str]] = {}
    for language, name, phone, text in FORMS:
        page = browser.page(language, script=False)
        code = Form(page, town.hub.web).raise_matter(text, phone=phone, name=name)
        codes.setdefault(language, (code, phone[-4:]))
        page.context.close()
    return codes


def _chat(bot: Bot) -> None:
    """Two citizens in the messenger, one in each language."""
    bot.tell(SARA, text="سلام، پیاده‌روی جلوی خانهٔ شمارهٔ ۱۲ فرو ریخته است.")
    bot.wait_for_said(SARA)
    bot.photo(SARA, _photo(), caption="این عکس امروز صبح است.")
    bot.tell(JOHN, text="Hello, the bus shelter at Azadi Square has lost its roof.")
    bot.wait_for_said(JOHN)
    bot.tell(JOHN, text="It is the one on the north side.")
    bot.wait_until_done()


def _photo() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        picture = Image.new("RGB", (640, 420), "#9fb4c7")
        ImageDraw.Draw(picture).rectangle((160, 150, 480, 270), fill="#f4f4f0", outline="#333333", width=6)
        picture.save(path, quality=70)
        return path.read_bytes()


def _call_and_fax(town: Town) -> None:
    faxes = Faxes(town)
    with Telephony(agi_port=town.hub.agi_port, recordings=town.hub.recordings) as telephony:
        Caller(telephony, CALLER).complain("fa")
    faxes.by_hylafax(write_fax(town.folder / "letter.tif", pages=2), caller=FAXER)
    faxes.by_hylafax(write_fax(town.folder / "second.tif", pages=1), caller=SECOND_FAXER)


def _send_riddles(town: Town) -> None:
    """Two contacts nobody can understand: a fax that is none, and a text message from nobody."""
    answer = httpx.post(
        f"{town.hub.web}/hooks/fax",
        headers={"Authorization": f"Bearer {town.hub.fax_token}"},
        data={"source": "hylafax", "call": "000000471", "caller": "02188770000", "called": "150"},
        files={"file": ("fax.tif", b"II*\x00 this is no picture", "image/tiff")},
        trust_env=False,
    )
    answer.raise_for_status()
    hook = f"{town.hub.web}/hooks/twilio/sms/{town.hub.sms_number}"
    nobody = {"MessageSid": f"SM{'4' * 32}", "To": town.hub.sms_number, "Body": "سلام، صدای من را می‌شنوید؟"}
    answer = httpx.post(
        hook, data=nobody, headers={"X-Twilio-Signature": town.twilio.signature(hook, nobody)}, trust_env=False
    )
    answer.raise_for_status()


def _cases(town: Town) -> dict[str, str]:
    senders = {
        "mail-fa": "narges.karimi@example.org",
        "mail-en": "oliver.grant@example.org",
        "permit": "hossein.mousavi@example.org",
        "benches": "helen.fischer@example.org",
        "bill": UNREACHABLE,
        "bins": "+989121110001",
        "light": "+989121110002",
        "traffic-light": "+989121110003",
        "water": "+989121110004",
        "chat-fa": str(SARA.id),
        "chat-en": str(JOHN.id),
        "form-fa": "+989121110005",
        "form-en": "+989121110006",
        "voice": f"+98{CALLER[1:]}",
        "fax": f"+98{FAXER[1:]}",
    }
    return {name: town.case_of(address) for name, address in senders.items()}


def _spread_over_the_morning(town: Town) -> None:
    """Give every case an hour of its own: nobody writes thirteen letters in one second."""
    with psycopg.connect(town.hub.servers.database_url, autocommit=True) as connection:
        # History cannot be changed; this is a stage, and the rule is put aside for it.
        connection.execute("SET session_replication_role = replica")
        rows = connection.execute("SELECT id FROM cases ORDER BY opened_at DESC").fetchall()
        for place, (case_id,) in enumerate(rows):
            minutes = 3 + 11 * place + (place * place * 7) % 23
            shift = f"interval '{minutes} minutes'"
            for table, key, columns in (
                ("cases", "id", ("opened_at", "status_at", "last_contact_at")),
                ("contacts", "case_id", ("at",)),
                ("case_events", "case_id", ("at",)),
                ("deliveries", "case_id", ("created_at", "changed_at")),
            ):
                changes = ", ".join(f"{column} = {column} - {shift}" for column in columns)
                connection.execute(f"UPDATE {table} SET {changes} WHERE {key} = %s".encode(), [case_id])


def _work(town: Town, bot: Bot, browser: LabBrowser, cases: dict[str, str]) -> None:
    """Two agents do their morning's work."""
    maryam, daniel = (_at_the_desk(town, browser, login) for login in ("maryam", "daniel"))
    _answer(maryam, cases["form-fa"], "سلام خانم محمدی،\n\nکارشناس ما امروز محل را دید. ترمیم پیاده‌رو تا پنجشنبه انجام می‌شود.", route=-1)  # fmt: skip
    _answer(maryam, cases["bins"], "پیمانکار امشب ساعت ۲۱ زباله را جمع می‌کند. از شکیبایی شما سپاسگزاریم.")
    _reported(town, "+989121110001", "پیمانکار")
    _answer(maryam, cases["mail-fa"], "سلام خانم کریمی،\n\nپمپ منطقه امروز تعمیر می‌شود و فشار آب تا عصر به حالت عادی برمی‌گردد.")  # fmt: skip
    _note(maryam, "با واحد آب صحبت کردم؛ لوله‌کشی خود ساختمان هم باید دیده شود.")
    mail = town.mail_to("narges.karimi@example.org", "پمپ منطقه").message
    reply_to = re.search(r"[\w.+-]+@zrm\.test", str(mail["Reply-To"]))
    assert reply_to is not None
    town.write(
        "narges.karimi@example.org", str(mail["Subject"]), "سپاس از پاسخ سریع شما. هنوز فشار کم است؛ عصر دوباره خبر می‌دهم.",
        to=reply_to[0], in_reply_to=str(mail["Message-ID"]), shown=MAILS[0][0],
    )  # fmt: skip
    town.write(
        "neighbour@example.net", str(mail["Subject"]), "من همسایهٔ ایشان هستم و همین مشکل را دارم.",
        to=reply_to[0], in_reply_to=str(mail["Message-ID"]), shown="لیلا صادقی <neighbour@example.net>",
    )  # fmt: skip
    cases["related"] = town.case_of("neighbour@example.net")
    heard = len(bot.said(SARA))
    _answer(maryam, cases["chat-fa"], "سلام سارا، محل را بستیم و از شنبه ترمیمش می‌کنیم. کد شما در همین گفت‌وگو هست.")
    bot.wait_for_said(SARA, heard + 1)
    bot.tell(SARA, text="خیلی ممنون.")
    town.twilio.next(Refuse(21408))
    _answer(maryam, cases["traffic-light"], "چراغ چهارراه بهار تا ساعت ۱۸ درست می‌شود.")
    heard = len(bot.said(JOHN))
    _answer(daniel, cases["chat-en"], "Dear John, the roof comes back on Thursday. Thank you for telling us.")
    bot.wait_for_said(JOHN, heard + 1)
    bot.tell(JOHN, text="Great, thank you!")
    town.twilio.next(Cut(accepted=True))
    _answer(daniel, cases["water"], "The main pipe is repaired; the water is back by 14:00.")
    _answer(daniel, cases["form-en"], "Dear Ms Brown,\n\nthe gate was repaired this morning. Thank you for telling us.", route=-1)  # fmt: skip
    _answer(daniel, cases["mail-en"], "Dear Mr Grant,\n\nour crew fills the pothole tonight; the school has been told.")
    _note(daniel, "The crew is booked for 22:00. Close when they report back.")
    _answer(daniel, cases["benches"], "Thank you, we passed it on to the parks department.")
    _close(daniel, "Passed on to the parks department.")
    for desk in (maryam, daniel):
        desk.page.context.close()


def _at_the_desk(town: Town, browser: LabBrowser, login: str) -> Desk:
    agent = next(agent for agent in DEMO_AGENTS if agent.login == login)
    language: Language = "fa" if agent.language == "fa" else "en"
    page = browser.page(language)
    sign_in(page, town.hub.web, agent.login, agent.password)
    return Desk(page, town.hub.web, language)


def _answer(desk: Desk, case_id: str, text: str, *, route: int = 0) -> None:
    desk.visit(f"cases/{case_id}")
    desk.claim()
    desk.answer(text, route=route, typed=False)


def _note(desk: Desk, text: str) -> None:
    desk.page.click("button[data-opens=note]")
    desk.page.fill("#note textarea", text)
    desk.page.click("#note .z-btn-primary")
    expect(desk.entry(text)).to_be_visible(timeout=PATIENCE)


def _close(desk: Desk, result: str) -> None:
    desk.page.click("button[data-opens=close]")
    desk.page.fill("#close textarea", result)
    desk.page.click("#close .z-btn-primary")
    desk.page.wait_for_selector("form[action$='/reopen']")


def _reported(town: Town, number: str, words: str) -> None:
    message = town.text_to(number, words)
    for status in ("sent", "delivered"):
        town.twilio.report(message, status).answer.raise_for_status()
