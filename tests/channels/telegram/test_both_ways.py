"""A message becomes a case, the agent's answer arrives in the chat: by webhook and by polling, on Telegram and Bale."""

from __future__ import annotations

import httpx
import pytest

from tests.channels.telegram.conftest import OpenInstallation
from tests.channels.telegram.installation import SECRET
from tests.lab.process import wait_until
from tests.lab.telegram import Bot, Citizen, Cut, Flood, TelegramStandIn
from zrm.channels.telegram.channel import BaleChannel, BotChannel, TelegramChannel
from zrm.channels.telegram.webhook import MAX_BODY, SECRET_HEADER
from zrm.ui.i18n import format_code

SARA = Citizen(1001, "سارا", "fa", "کریمی")
JOHN = Citizen(1002, "John", "en")


@pytest.mark.parametrize(
    ("kind", "mode"), [(TelegramChannel, "webhook"), (TelegramChannel, "polling"), (BaleChannel, "polling")]
)
def test_a_message_becomes_a_case_and_the_answer_comes_back(
    bot: Bot, open_installation: OpenInstallation, kind: type[BotChannel], mode: str
) -> None:
    installation = open_installation(bot, mode=mode, kind=kind)
    bot.tell(SARA, text="چراغ خیابان ما سه شب است که خاموش است.")
    case = installation.wait_for_cases()[0]
    assert (case.channel, case.account, case.language) == (installation.channel.kind, "info", "fa")
    assert case.said() == ["چراغ خیابان ما سه شب است که خاموش است."]
    assert installation.ask("SELECT kind, value, claimed FROM addresses") == [
        (installation.channel.kind, "1001", False)
    ]
    assert installation.ask("SELECT name FROM persons") == [("سارا کریمی",)]
    shown = format_code(case.code, "fa")
    assert shown in bot.wait_for_said(SARA)[0].text, "the acknowledgement tells the code"
    installation.answer(case, "فردا درست می‌شود.")
    said = bot.wait_for_said(SARA, 2)[1]
    assert said.text == "فردا درست می‌شود."
    assert said.fields["reply_parameters"]["message_id"] == 1
    assert {state for state, _ in installation.deliveries()} == {"delivered"}
    bot.tell(SARA, text="سپاس")
    bot.wait_until_done()
    installation.work()
    assert [case.said() for case in installation.cases()] == [["چراغ خیابان ما سه شب است که خاموش است.", "سپاس"]]


@pytest.mark.parametrize("mode", ["webhook", "polling"])
def test_the_same_update_twice_is_one_contact(bot: Bot, open_installation: OpenInstallation, mode: str) -> None:
    installation = open_installation(bot, mode=mode)
    update = bot.tell(SARA, text="once")
    bot.wait_until_done()
    again = {key: value for key, value in update.items() if key != "update_id"}
    bot.update(again, update_id=update["update_id"])
    bot.wait_until_done()
    bot.tell(SARA, text="and another")
    installation.wait_for_cases()
    bot.wait_until_done()
    installation.work()
    assert [case.said() for case in installation.cases()] == [["once", "and another"]]
    assert installation.states() == {"filed": 1, "joined": 1}


def test_what_bot_2_was_told_is_never_filed_under_bot_1(
    telegram: TelegramStandIn, open_installation: OpenInstallation
) -> None:
    """Field 2.12: zammad#2379, messages of bot 2 were filed under bot 1."""
    water, roads = telegram.bot("water"), telegram.bot("roads")
    installation = open_installation(water, roads, mode="webhook")
    water.tell(SARA, text="no water")
    roads.tell(SARA, text="a hole in the road")
    cases = {case.account: case for case in installation.wait_for_cases(2)}
    assert {account: case.said() for account, case in cases.items()} == {
        "water": ["no water"],
        "roads": ["a hole in the road"],
    }
    assert len(installation.ask("SELECT id FROM persons")) == 1, "one person, known by the number that both bots see"
    acknowledged = {bot.name: len(bot.wait_for_said(SARA)) for bot in (water, roads)}
    assert acknowledged == {"water": 1, "roads": 1}
    installation.answer(cases["roads"], "We shall fill it.")
    assert [said.text for said in roads.wait_for_said(SARA, 2)][1:] == ["We shall fill it."]
    assert len(water.said(SARA)) == 1
    # a citizen's message to one bot with the other's secret is nobody's
    update = {"update_id": 1, "message": water.message(SARA, text="forged")}
    assert water.deliver(update, secret=f"{SECRET}-roads") == 401


def test_one_trace_leads_from_the_door_to_the_answer(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    bot.tell(SARA, text="چراغ خیابان ما خاموش است.")
    case = installation.wait_for_cases()[0]
    bot.wait_for_said(SARA)
    installation.answer(case, "فردا درست می‌شود.")
    bot.wait_for_said(SARA, 2)
    installation.close_case(installation.cases()[0])
    installation.work()
    ((trace,),) = installation.ask("SELECT trace FROM raw_contacts")
    assert len(trace) == 16
    assert installation.ask("SELECT trace FROM deliveries") == 3 * [(trace,)], "first word, answer and last word"


def test_a_flood_is_waited_out_and_an_answer_whose_fate_is_unknown_is_not_repeated(
    telegram: TelegramStandIn, bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot)
    bot.tell(SARA, text="The lamp is dark")
    case = installation.wait_for_cases()[0]
    bot.wait_for_said(SARA)
    telegram.next(Flood(1))
    installation.answer(case, "Tomorrow.")
    assert installation.deliveries()[-1][0] == "queued"
    assert len(bot.said(SARA)) == 1

    def sent() -> bool:
        installation.work()
        return len(bot.said(SARA)) == 2

    wait_until(sent, "the flood to be over")
    assert installation.deliveries()[-1] == ("delivered", "")
    telegram.next(Cut(accepted=True))
    installation.answer(installation.cases()[0], "It is done.")
    installation.work()
    assert installation.deliveries()[-1][0] == "unknown"
    assert [said.text for said in bot.said(SARA)][1:] == ["Tomorrow.", "It is done."]


def test_an_outage_of_ours_replays(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    bot.tell(SARA, text="before")
    bot.wait_until_done()
    installation.stop_listening()
    for number in range(5):
        bot.tell(SARA, text=f"during {number}")
    installation.listen()
    bot.tell(SARA, text="after")
    bot.wait_until_done()
    installation.work()
    assert [case.said() for case in installation.cases()] == [["before", *(f"during {n}" for n in range(5)), "after"]]


def test_an_outage_of_the_messenger_is_waited_out(
    telegram: TelegramStandIn, bot: Bot, open_installation: OpenInstallation
) -> None:
    telegram.away.set()
    installation = open_installation(bot)
    bot.tell(SARA, text="while you could not hear")
    telegram.away.clear()
    assert installation.wait_for_cases()[0].said() == ["while you could not hear"]


def test_updates_that_nobody_can_read_stop_nobody(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    with bot.telegram.changed:
        bot.waiting.append({"update_id": 1, "message": {"from": 7}})
        bot.waiting.append({"update_id": 2, "message": "?", "more": ["\x00", "\ud800", 10**400]})
    bot.tell(SARA, text="between them")
    bot.wait_until_done()
    installation.work()
    assert installation.states() == {"quarantined": 2, "filed": 1}


def test_a_wrong_secret_is_refused_and_recorded(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot, mode="webhook")
    bot.wait_for_webhook()
    assert bot.webhook["secret_token"] == f"{SECRET}-info"
    update = {"update_id": 5, "message": bot.message(SARA, text="forged")}
    assert [bot.deliver(update, secret=secret) for secret in ("", "wrong", "ü", f"{SECRET}-inf")] == [401] * 4
    reasons = [reason for (reason,) in installation.ask("SELECT reason_code FROM refusals ORDER BY at")]
    assert reasons == ["refusal.no_secret", *["refusal.wrong_secret"] * 3]
    assert installation.states() == {}


@pytest.mark.parametrize("declared", [True, False])
def test_more_than_any_update_is_refused_and_the_limit_said(
    bot: Bot, open_installation: OpenInstallation, declared: bool
) -> None:
    installation = open_installation(bot, mode="webhook")
    body = b'{"update_id": 5, "message": "' + b"x" * MAX_BODY + b'"}'
    answer = httpx.post(
        f"{installation.base}/hooks/telegram/info",
        content=body if declared else iter([body[:700_000], body[700_000:]]),
        headers={SECRET_HEADER: f"{SECRET}-info"},
        trust_env=False,
    )
    assert answer.status_code == 413
    assert str(MAX_BODY) in answer.text
    assert installation.states() == {}


def test_the_language_of_a_case_is_the_citizens(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    bot.tell(JOHN, text="The street lamp has been dark for three nights, please repair it.")
    assert installation.wait_for_cases()[0].language == "en"
    assert "tracking code" in bot.wait_for_said(JOHN)[0].text


@pytest.mark.parametrize(
    ("profile", "text", "language"),
    [
        ("fa", "ok", "fa"),
        ("fa-IR", "👍", "fa"),
        ("en", "👍", "en"),
        ("en-GB", "ok", "en"),
        ("de", "?", "en"),  # a third language is answered in English
        ("en", "سلام", "fa"),  # a telephone set to English, in Persian hands
        ("fa", "I need help with the lamp.", "en"),
        ("", "👍", "fa"),  # the installation's own
    ],
)
def test_where_words_are_too_few_the_profile_tells_the_language(
    bot: Bot, open_installation: OpenInstallation, profile: str, text: str, language: str
) -> None:
    installation = open_installation(bot)
    citizen = Citizen(1003, "Robin", profile)
    bot.tell(citizen, text=text)
    assert installation.wait_for_cases()[0].language == language
    said = bot.wait_for_said(citizen)[0].text
    assert ("tracking code" in said) is (language == "en")
