"""The stand-in follows the description, and enforces it."""

from __future__ import annotations

import httpx
import pytest

from tests.lab import telegram_contract as contract
from tests.lab.telegram import Citizen, TelegramStandIn

SARA = Citizen(1, "Sara")


def call(telegram: TelegramStandIn, token: str, method: str, **fields: object) -> httpx.Response:
    return httpx.post(f"{telegram.url}/bot{token}/{method}", json=fields, timeout=10, trust_env=False)


def test_an_update_is_kept_until_the_offset_passes_it() -> None:
    with TelegramStandIn() as telegram:
        bot = telegram.bot("info")
        first, second = (bot.tell(SARA, text=text)["update_id"] for text in ("one", "two"))
        for _ in range(2):
            found = call(telegram, bot.token, "getUpdates").json()["result"]
            assert [update["update_id"] for update in found] == [first, second]
        found = call(telegram, bot.token, "getUpdates", offset=second).json()["result"]
        assert [update["message"]["text"] for update in found] == ["two"]
        assert call(telegram, bot.token, "getUpdates", offset=second + 1).json()["result"] == []
        assert bot.waiting == []


def test_a_webhook_and_asking_exclude_each_other() -> None:
    with TelegramStandIn() as telegram:
        bot = telegram.bot("info")
        call(telegram, bot.token, "setWebhook", url="http://127.0.0.1:1/", secret_token="s")
        assert call(telegram, bot.token, "getUpdates").status_code == 409
        call(telegram, bot.token, "deleteWebhook")
        assert call(telegram, bot.token, "getUpdates").json() == {"ok": True, "result": []}


@pytest.mark.parametrize(
    ("method", "fields", "sentence"),
    [
        ("sendMessage", {"chat_id": 1}, "sendMessage.text: missing"),
        ("sendMessage", {"chat_id": 1, "text": "x", "colour": "red"}, "sendMessage.colour: there is no such field"),
        ("sendMessage", {"chat_id": 1, "text": 5}, "sendMessage.text: expected String"),
        ("sendMessage", {"chat_id": 1, "text": "x" * 4097}, "sendMessage.text: message is too long"),
        (
            "sendMessage",
            {
                "chat_id": 1,
                "text": "x",
                "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "x" * 65}]]},
            },
            "BUTTON_DATA_INVALID",
        ),
        ("setWebhook", {"url": "x", "secret_token": "a b"}, "setWebhook.secret_token: unallowed characters"),
        ("sendPigeon", {}, "no method sendPigeon"),
    ],
)
def test_misuse_is_refused_and_remembered(method: str, fields: dict[str, object], sentence: str) -> None:
    with TelegramStandIn(strict=False) as telegram:
        bot = telegram.bot("info")
        bot.tell(SARA, text="/start")
        assert call(telegram, bot.token, method, **fields).json()["ok"] is False
        assert telegram.violations == [sentence]


def test_the_errors_are_the_messengers_own() -> None:
    with TelegramStandIn() as telegram:
        bot = telegram.bot("info")
        answers = [
            call(telegram, "1:wrong", "getMe"),
            call(telegram, bot.token, "sendMessage", chat_id=5, text="x"),
            call(telegram, bot.token, "getFile", file_id="x"),
        ]
        assert [(answer.status_code, answer.json()["description"]) for answer in answers] == [
            (401, "Unauthorized"),
            (400, "Bad Request: chat not found"),
            (400, "Bad Request: invalid file_id"),
        ]


def test_what_the_description_does_not_know_is_no_update() -> None:
    with TelegramStandIn() as telegram, pytest.raises(AssertionError, match="hologram"):
        telegram.bot("info").tell(SARA, hologram={})


def test_descriptions_are_read_as_written() -> None:
    fields = contract.fields(contract.METHODS["getUpdates"])
    assert fields["allowed_updates"] == contract.Field(("*String",), required=False)
    assert contract.breaches(contract.TYPES["User"], {"id": 1, "is_bot": False, "first_name": "x"}, "User") == []
    assert contract.breaches(contract.TYPES["User"], {"id": "1", "is_bot": 1}, "User") == [
        "User.first_name: missing",
        "User.id: expected Integer",
        "User.is_bot: expected Boolean",
    ]
