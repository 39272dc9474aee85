"""From each of the five doors to an agent's open desk, and the answer back to where the citizen is."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, expect

from tests.channels.voice_ivr.test_calls import hears
from tests.journeys.citizens import Caller, Faxes, Form, Town, new_address, new_phone
from tests.journeys.desk import PATIENCE, Desk
from tests.journeys.hub import PROMPTS
from tests.lab.browser import LabBrowser
from tests.lab.fax import write_fax
from tests.lab.telephony import Telephony
from tests.lab.twilio import Message
from zrm.kit.text import latin_digits
from zrm.languages import Language

pytestmark = [pytest.mark.peer("browser"), pytest.mark.timeout(240)]

ARRIVED = {"fa": "رسید", "en": "Delivered"}
PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def this_year_as_written(desk: Desk) -> re.Pattern[str]:
    """The present year in the agent's calendar and digits."""
    now = datetime.now(ZoneInfo("Asia/Tehran"))
    # The Solar Hijri year turns at the spring equinox, 20 or 21 March: both years pass in that month.
    if desk.language == "en":
        return re.compile(str(now.year))
    years = {3: (622, 621)}.get(now.month, (622,) if now.month < 3 else (621,))
    return re.compile("|".join(str(now.year - back).translate(PERSIAN_DIGITS) for back in years))


def reports_of(town: Town, message: Message) -> None:
    """Twilio tells the hub that a message is on its way, and then that it is there."""
    for status in ("sent", "delivered"):
        assert town.twilio.report(message, status).answer.status_code == 200


def answered_by_text(town: Town, desk: Desk, number: str, text: str) -> Locator:
    """Answer the open case by SMS to `number`: Twilio has it with the contract's fields, and its report is shown."""
    entry = desk.answer(text)
    message = town.text_to(number, text)
    assert set(message.form) <= {"To", "From", "Body", "StatusCallback"}
    assert (message.sender, message.to) == (town.hub.sms_number, number)
    assert message.status_callback is not None
    assert message.status_callback.startswith(f"{town.hub.web}/hooks/twilio/status/")
    desk.becomes(entry, {"fa": "فرستاده", "en": "Sent"}[desk.language])
    reports_of(town, message)
    desk.becomes(entry, ARRIVED[desk.language])
    assert town.twilio.violations == []
    return entry


# ------------------------------------------------------------ web form


def test_a_web_form_in_persian_is_answered_on_the_tracking_page(town: Town, maryam: Desk, browser: LabBrowser) -> None:
    maryam.watch()
    _, phone = new_phone()
    form = Form(browser.page("fa", "phone", script=False), town.hub.web)
    code = form.raise_matter("چراغ کوچهٔ ما سوخته است.", phone=phone, name="زهرا محمدی")
    case = town.case_of_code(code)
    maryam.sees(case, "زهرا محمدی")
    maryam.open(case)
    assert this_year_as_written(maryam).search(maryam.opened_on())
    maryam.claim()
    maryam.answer("فردا درست می‌شود.", route=-1)
    form.follow(code)
    assert form.page.locator(".z-talk").count() == 0  # what was said is shown after proof
    form.prove_by_digits(phone[-4:])
    assert any("فردا درست می‌شود." in message for message in form.read())


def test_a_web_form_in_english_is_answered_by_mail_and_on_the_tracking_page(
    town: Town, daniel: Desk, browser: LabBrowser
) -> None:
    daniel.watch()
    address = new_address()
    form = Form(browser.page("en", "phone", script=False), town.hub.web)
    code = form.raise_matter("The pavement is broken.", email=address, name="Emma Brown")
    case = town.case_of_code(code)
    daniel.sees(case, "Emma Brown")
    daniel.open(case)
    assert this_year_as_written(daniel).search(daniel.opened_on())
    daniel.claim()
    daniel.answer("It will be repaired on Monday.")
    # What cannot be delivered returns to an address that names the answer.
    assert re.fullmatch(r"info\+b=[0-9a-f]{32}@zrm\.test", town.mail_to(address, "repaired on Monday").sender)
    form.follow(code)
    form.prove_by_link(town, address)
    assert any("It will be repaired on Monday." in message for message in form.read())


@pytest.mark.parametrize("language", ["fa", "en"])
def test_lost_codes_come_back_to_where_their_citizen_wrote_from(
    town: Town, browser: LabBrowser, language: Language
) -> None:
    form = Form(browser.page(language, "phone", script=False), town.hub.web)
    if language == "en":
        address = new_address()
        town.write(address, "No water", "We have had no water since the morning.")
        code = town.code_of(town.case_of(address))
        form.lose_code(address)
        told = town.mail_to(address, "these are the tracking codes").text
        assert "water" not in told
    else:
        typed, number = new_phone()
        town.text(number, "زبالهٔ کوچه سه روز است جمع نشده.")
        code = town.code_of(town.case_of(number))
        form.lose_code(typed)
        told = town.text_to(number, "کدهای شما:").body
    found = re.search(r"[\d۰-۹]{4}-[\d۰-۹]{4}-[\d۰-۹]{4}", told)
    assert found
    assert latin_digits(found[0].replace("-", "")) == code
    form.follow(found[0])


# ------------------------------------------------------------ e-mail


@pytest.mark.parametrize("agent", ["maryam", "daniel"])
def test_a_mail_is_answered_in_its_thread(agent: str, town: Town, request: pytest.FixtureRequest) -> None:
    desk: Desk = request.getfixturevalue(agent)
    subject, text, answer = {
        "fa": ("قطعی آب", "از صبح آب نداریم.", "آب تا ظهر وصل می‌شود."),
        "en": ("No water", "We have had no water since the morning.", "It will be back at noon."),
    }[desk.language]
    desk.watch()
    sender = new_address()
    mail = town.write(sender, subject, text)
    case = town.case_of(sender)
    desk.sees(case, subject)
    desk.open(case)
    desk.arrives(text)
    desk.claim()
    entry = desk.answer(answer)
    received = town.mail_to(sender, answer)
    headers = received.message
    assert received.recipients == (sender,)
    assert headers["In-Reply-To"] == mail["Message-ID"]
    assert headers["References"].split()[-1] == mail["Message-ID"]
    assert re.search(r"info\+[a-z0-9]{16}@zrm\.test", headers["Reply-To"])
    assert town.hub.mailbox in headers["From"]
    assert "Auto-Submitted" not in headers  # a person wrote it
    greeting = town.mail_to(sender, "/track").message
    assert greeting["Auto-Submitted"] == "auto-replied"
    assert greeting["In-Reply-To"] == mail["Message-ID"]
    desk.becomes(entry, {"fa": "فرستاده", "en": "Sent"}[desk.language])


# ------------------------------------------------------------ SMS


@pytest.mark.parametrize("agent", ["maryam", "daniel"])
def test_a_text_message_is_answered_by_text(agent: str, town: Town, request: pytest.FixtureRequest) -> None:
    desk: Desk = request.getfixturevalue(agent)
    text, answer = {
        "fa": ("زبالهٔ کوچه سه روز است جمع نشده.", "امشب جمع می‌شود."),
        "en": ("The bins were not emptied for three days.", "They will be emptied tonight."),
    }[desk.language]
    desk.watch()
    _, number = new_phone()
    town.text(number, text)
    case = town.case_of(number)
    desk.sees(case, text)
    desk.open(case)
    desk.claim()
    answered_by_text(town, desk, number, answer)


# ------------------------------------------------------------ telephone


@pytest.mark.peer("asterisk")
@pytest.mark.parametrize("agent", ["maryam", "daniel"])
def test_a_call_is_heard_and_answered_by_text(
    agent: str, town: Town, telephony: Telephony, request: pytest.FixtureRequest
) -> None:
    desk: Desk = request.getfixturevalue(agent)
    desk.watch()
    dialled, number = new_phone()
    caller = Caller(telephony, dialled)
    caller.complain(desk.language)
    assert hears(caller.call.heard, PROMPTS / desk.language / "registered.wav")
    case = town.case_of(number)
    desk.sees(case)
    desk.open(case)
    player = desk.page.locator("#live-timeline audio")
    expect(player).to_be_visible(timeout=PATIENCE)
    played = player.evaluate(
        "async (audio) => { audio.muted = true; await audio.play(); audio.pause(); return audio.duration; }"
    )
    assert played > 1
    desk.claim()
    answered_by_text(town, desk, number, {"fa": "پیام شما را شنیدیم.", "en": "We heard your message."}[desk.language])


# ------------------------------------------------------------ fax


def fax_is_worked_on(town: Town, desk: Desk, number: str, *, pages: int) -> None:
    """The fax appears on the open list, its pages are drawn in the page and a PDF beside it, the answer goes by SMS."""
    case = town.case_of(number)
    desk.sees(case)
    desk.open(case)
    sheets = desk.page.locator("#live-timeline .z-sheets img")
    expect(sheets).to_have_count(pages, timeout=PATIENCE)
    for sheet in range(pages):
        sheets.nth(sheet).scroll_into_view_if_needed()
        drawn = "image => image.complete && image.naturalWidth > 0"
        desk.page.wait_for_function(drawn, arg=sheets.nth(sheet).element_handle())
    last = {"fa": "صفحهٔ {0} از {0}", "en": "Page {0} of {0}"}[desk.language].format(pages)
    expect(sheets.last).to_have_attribute("alt", last.translate(PERSIAN_DIGITS) if desk.language == "fa" else last)
    pdf, original = desk.page.locator("#live-timeline .z-pages .z-audio-foot a").all()
    for link, media_type, begin in ((pdf, "application/pdf", b"%PDF-"), (original, "application/octet-stream", b"II")):
        file = desk.page.request.get(f"{town.hub.web}{link.get_attribute('href')}")
        assert (file.status, file.headers["content-type"]) == (200, media_type)
        assert file.body().startswith(begin)
    desk.claim()
    answered_by_text(town, desk, number, {"fa": "نامهٔ شما رسید.", "en": "Your letter is here."}[desk.language])


@pytest.mark.peer("asterisk")
def test_a_fax_from_far_away_is_seen_and_answered_by_text(
    town: Town, telephony: Telephony, maryam: Desk, tmp_path: Path
) -> None:
    maryam.watch()
    dialled, number = new_phone()
    sent = telephony.fax(write_fax(tmp_path / "letter.tif", pages=1), caller=dialled).wait()
    assert sent["Status"] == "SUCCESS", json.dumps(sent)
    fax_is_worked_on(town, maryam, number, pages=1)


@pytest.mark.peer("hylafax")
def test_a_fax_from_hylafax_is_seen_and_answered_by_text(
    town: Town, faxes: Faxes, daniel: Desk, tmp_path: Path
) -> None:
    daniel.watch()
    dialled, number = new_phone()
    faxes.by_hylafax(write_fax(tmp_path / "letter.tif", pages=2), caller=dialled)
    fax_is_worked_on(town, daniel, number, pages=2)
