"""The guided dialogue in both languages, from /start to a rating; and what becomes of it when it is left half way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.channels.telegram.conftest import OpenInstallation
from tests.channels.telegram.installation import BotInstallation, Case
from tests.lab.process import wait_until
from tests.lab.telegram import Bot, Citizen
from zrm.casework.context import InvalidInput
from zrm.languages import Language
from zrm.ui.i18n import digits, format_code, gettext

CITIZENS: dict[Language, Citizen] = {"fa": Citizen(2001, "سارا", "fa"), "en": Citizen(2002, "John", "en")}


class Talk:
    """A citizen speaking with the bot in one language; each step waits for the bot's word."""

    def __init__(self, bot: Bot, citizen: Citizen, language: Language) -> None:
        self.bot = bot
        self.citizen = citizen
        self.language = language

    def hear(self, act: Callable[[], object]) -> str:
        """What the bot says to something that is done."""
        heard = len(self.bot.said(self.citizen))
        act()
        self.bot.wait_for_said(self.citizen, heard + 1)
        self.bot.wait_until_done()
        return self.bot.said(self.citizen)[-1].text

    def write(self, text: str) -> str:
        return self.hear(lambda: self.bot.tell(self.citizen, text=text))

    def press(self, label: str) -> str:
        return self.hear(lambda: self.bot.press(self.citizen, gettext(self.language, label)))

    def say(self, message: str, **values: object) -> str:
        return gettext(self.language, message, **values)

    def labels(self) -> list[str]:
        return [label for label, _ in self.bot.said(self.citizen)[-1].buttons]


def begin(bot: Bot, language: Language) -> Talk:
    """Through /start to the menu, in polling or webhook."""
    talk = Talk(bot, CITIZENS[language], language)
    assert "Please choose your language." in talk.write("/start")
    welcome = talk.press("فارسی" if language == "fa" else "English")
    assert ("مرکز آزمون" if language == "fa" else "Test Centre") in welcome
    return talk


def only_case(installation: BotInstallation) -> Case:
    installation.work()
    (case,) = installation.cases()
    return case


@pytest.mark.parametrize("mode", ["polling", "webhook"])
@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_matter_is_asked_for_step_by_step_and_comes_as_one_contact(
    bot: Bot, open_installation: OpenInstallation, language: Language, mode: str
) -> None:
    installation = open_installation(bot, mode=mode)
    talk = begin(bot, language)
    assert talk.press("New case") == talk.say("What is it?")
    natures = [one.names[language] for one in installation.desk.self_service.natures()]
    assert talk.labels()[:5] == natures
    assert talk.press(natures[0]) == talk.say("What is it about?")
    subject = talk.labels()[0]
    chosen = installation.desk.self_service.subjects()[0]
    assert subject == chosen.names[language]
    deeper = talk.press(subject)
    if deeper == talk.say("What is it about?"):  # the subject has branches of its own
        deeper = talk.press("Something else")
    assert deeper.startswith(talk.say("Please describe it: where, since when, and what you ask for. You may write, speak, or send photos, files and a place.")[:20])  # fmt: skip
    assert talk.write("The lamp is dark. چراغ خاموش است.").startswith(
        talk.say("Added. Send more, or press “Go on”.")[:5]
    )
    talk.hear(lambda: bot.photo(talk.citizen, b"a photo of the lamp", caption="by night"))
    talk.hear(lambda: bot.share_phone(talk.citizen, "989121234567"))
    summary = talk.press("Go on")
    assert "The lamp is dark. چراغ خاموش است.\nby night" in summary
    assert natures[0] in summary
    assert talk.say("Files: %(count)s", count=digits(1, language)) in summary
    registered = talk.press("Yes, register it")
    case = only_case(installation)
    code = format_code(case.code, language)
    assert code in registered
    assert registered.startswith(talk.say("Registered. Your tracking code:\n%(code)s\n\nWe answer here. With this code you can also ask by telephone, by text message, or at\n%(track)s", code=code, track="")[:40])  # fmt: skip
    assert (case.nature, case.subject, case.language) == ("complaint", chosen.key, language)
    assert case.said() == ["The lamp is dark. چراغ خاموش است.\nby night\n" + f"{talk.citizen.first_name} +989121234567"]
    assert installation.ask("SELECT media_type, role, size FROM attachments") == [("image/jpeg", "attachment", 19)]
    assert sorted(installation.ask("SELECT kind, value, claimed FROM addresses")) == [
        ("phone", "+989121234567", False),
        ("telegram", str(talk.citizen.id), False),
    ]
    states = installation.states()
    assert states["filed"] == 1
    assert set(states) == {"filed", "ignored"}, "every step is received and has its reason"
    assert len(bot.said(talk.citizen)) == len([1 for said in bot.said(talk.citizen) if said.text]), "no second code"
    assert sum(code in said.text for said in bot.said(talk.citizen)) == 1


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_code_is_tracked_and_a_closed_case_rated(
    bot: Bot, open_installation: OpenInstallation, language: Language
) -> None:
    installation = open_installation(bot)
    talk = begin(bot, language)
    bot.tell(talk.citizen, text="A hole in the road" if language == "en" else "چاله‌ای در خیابان")
    case = installation.wait_for_cases()[0]
    bot.wait_for_said(talk.citizen, 3)
    assert talk.press("Track a case") == talk.say("Please send the tracking code: twelve digits.")
    assert talk.write("123") == talk.say("We know no such tracking code. Please check the digits.")
    assert talk.write("0000 0000 0000") == talk.say("We know no such tracking code. Please check the digits.")
    talk.press("Track a case")
    shown = talk.write(digits(f"{case.code[:4]} {case.code[4:8]}-{case.code[8:]}", "fa"))
    assert talk.say("Received") in shown
    installation.close_case(case)
    talk.write(f"/track {case.code}")
    said = bot.said(talk.citizen)
    assert talk.say("Closed") in said[-2].text
    assert [label for label, _ in said[-1].buttons] == [digits(n, language) for n in range(1, 6)]
    assert talk.press(digits(4, language)) == talk.say("Thank you for your rating.")
    assert installation.ask("SELECT score, channel FROM ratings") == [(4, "telegram")]
    assert bot.answered_buttons, "buttons are let go"
    installation.work()
    assert len(installation.cases()) == 1, "asking how far it is makes no case"


def test_a_case_that_is_open_cannot_be_rated(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    talk = begin(bot, "en")
    bot.tell(talk.citizen, text="A hole in the road")
    case = installation.wait_for_cases()[0]
    bot.wait_for_said(talk.citizen, 3)
    assert talk.hear(lambda: bot.press_data(talk.citizen, f"r:{case.code}:5")) == "This case cannot be rated now."
    assert installation.ask("SELECT 1 FROM ratings") == []


def test_a_draft_left_alone_is_filed_and_its_citizen_told(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot, unfinished_minutes=1 / 60)
    talk = begin(bot, "en")
    talk.press("New case")
    talk.press("Report")
    talk.write("There is smoke behind the school")
    case = installation.wait_for_cases()[0]
    assert case.said() == ["There is smoke behind the school"]
    assert (case.nature, case.lines[0][4]) == ("report", ["unfinished_dialogue"])
    told = bot.wait_for_said(talk.citizen, 6)[-1].text
    assert told.startswith("You had not finished")
    assert f"{case.code[:4]}-{case.code[4:8]}-{case.code[8:]}" in told


def test_a_draft_outlives_the_processes_that_held_it(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    talk = begin(bot, "en")
    talk.press("New case")
    talk.write("First part")
    installation.stop_listening()
    installation.listen()
    talk.write("Second part")
    talk.press("Go on")
    talk.press("Yes, register it")
    assert only_case(installation).said() == ["First part\nSecond part"]


def test_words_where_a_button_was_asked_for_are_the_description(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    talk = begin(bot, "en")
    talk.press("New case")
    assert talk.write("Never mind what it is: the bridge is shaking").startswith("Added.")
    talk.press("Go on")
    talk.press("Yes, register it")
    assert only_case(installation).said() == ["Never mind what it is: the bridge is shaking"]


def test_a_message_changed_before_it_was_registered_is_taken_as_changed(
    bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot)
    talk = begin(bot, "en")
    talk.press("New case")
    update = bot.tell(talk.citizen, text="Number 12")
    bot.wait_until_done()
    bot.edit(talk.citizen, update, text="Number 21")
    bot.wait_until_done()
    assert "Number 21" in talk.press("Go on")
    talk.press("Yes, register it")
    assert only_case(installation).said() == ["Number 21"]


def test_what_is_cancelled_is_not_registered_but_kept(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    talk = begin(bot, "en")
    talk.press("New case")
    talk.write("I think better of it")
    assert talk.press("Leave it") == "Cancelled. Nothing was registered."
    assert talk.press("New case") == "What is it?"
    assert talk.write("/cancel") == "Cancelled. Nothing was registered."
    installation.work()
    assert installation.cases() == []
    assert installation.ask(
        "SELECT count(*) FROM raw_contacts WHERE convert_from(body, 'UTF8') LIKE %s", "%better of it%"
    ) == [(1,)]


def test_the_button_pressed_twice_registers_once(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot, mode="webhook")
    talk = begin(bot, "en")
    talk.press("New case")
    talk.write("Once only")
    talk.press("Go on")
    update = bot.press(talk.citizen, "Yes, register it")
    bot.wait_until_done()
    count = len(bot.said(talk.citizen))
    assert bot.deliver(update) == 200
    bot.press_data(talk.citizen, "send")
    bot.wait_until_done()
    wait_until(lambda: len(bot.said(talk.citizen)) > count, "the present question instead")
    assert only_case(installation).said() == ["Once only"]


def test_after_the_dialogue_a_free_word_joins_the_new_matter(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    talk = begin(bot, "en")
    talk.press("New case")
    talk.write("The tap drips")
    talk.press("Go on")
    talk.press("Yes, register it")
    installation.work()
    bot.tell(talk.citizen, text="and now it is flooding")
    bot.wait_until_done()
    assert only_case(installation).said() == ["The tap drips", "and now it is flooding"]
    talk.press("New case")
    talk.write("The lift is stuck")
    talk.press("Go on")
    talk.press("Yes, register it")
    installation.work()
    assert [case.said() for case in installation.cases()][1] == ["The lift is stuck"]


def test_who_asks_us_to_stop_is_not_written_to_until_they_let_us_again(
    bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot)
    talk = begin(bot, "en")
    bot.tell(talk.citizen, text="A hole in the road")
    case = installation.wait_for_cases()[0]
    bot.wait_for_said(talk.citizen, 3)
    assert talk.write("/stop").startswith("We will not write")
    assert installation.desk.self_service.opted_out("telegram", str(talk.citizen.id))
    with pytest.raises(InvalidInput):
        installation.answer(case, "We are on it.")
    assert len(bot.said(talk.citizen)) == 4
    talk.write("/start")
    installation.answer(installation.cases()[0], "It is filled.")
    assert bot.said(talk.citizen)[-1].text == "It is filled."


@pytest.mark.parametrize("language", ["fa", "en"])
def test_closing_a_case_asks_for_a_digit_and_takes_it(
    bot: Bot, open_installation: OpenInstallation, language: Language
) -> None:
    installation = open_installation(bot)
    citizen = CITIZENS[language]
    bot.tell(citizen, text="A hole in the road" if language == "en" else "چاله‌ای در خیابان است")
    installation.close_case(installation.wait_for_cases()[0])
    installation.work()
    assert digits("5", language) in bot.wait_for_said(citizen, 2)[1].text
    bot.tell(citizen, text=digits("4", language))
    bot.wait_until_done()
    installation.work()
    assert installation.ask("SELECT score, channel FROM ratings") == [(4, "telegram")]
    assert len(bot.wait_for_said(citizen, 3)) == 3
    bot.tell(citizen, text=digits("2", language))
    assert installation.wait_for_cases(2)[1].said() == [digits("2", language)], "asked once, rated once"
