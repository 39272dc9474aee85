"""Answers into the chat, and every way in which one may not arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lab.process import free_port
from tests.lab.telegram import Bot, Citizen, Cut, Fail, Flood, Hold, TelegramStandIn
from zrm.channels.channel import Installation
from zrm.channels.telegram.channel import BaleChannel, TelegramChannel
from zrm.channels.telegram.config import BaleConfig, TelegramConfig
from zrm.channels.telegram.send import split, units
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientUnreachable,
    Rejected,
    ReplyInvalid,
    SendError,
    Throttled,
)
from zrm.contract.files import StoredFile
from zrm.contract.outbound import Reply
from zrm.kit.blobs import BlobStore
from zrm.kit.ids import new_id

SARA = Citizen(4001, "Sara", "en")


def channel(telegram: TelegramStandIn, bot: Bot, folder: Path, **changed: Any) -> TelegramChannel:
    installation = Installation(
        {"fa": "", "en": ""}, "en", "Asia/Tehran", "IR", "https://hub.example.org", str(folder), "secret"
    )
    settings = {"token": bot.token, "base_url": telegram.url} | changed
    config = TelegramConfig.model_validate({"timeout": 2, "bots": {"info": settings}})
    return TelegramChannel(config, installation)


@pytest.fixture
def chat(bot: Bot) -> Bot:
    """The bot, once Sara has written to it."""
    bot.tell(SARA, text="/start")
    return bot


def reply(text: str = "Done.", *, to: str = "4001", account: str = "info", files: tuple[StoredFile, ...] = ()) -> Reply:
    return Reply(new_id(), account, to, text, "en", files=files, in_reply_to="telegram:info:4001:7")


def test_an_answer_is_plain_text_in_reply_to_the_citizens_message(
    telegram: TelegramStandIn, chat: Bot, tmp_path: Path
) -> None:
    sent = channel(telegram, chat, tmp_path).send(reply("<b>1 < 2</b> & _so_ *on*\nسلام 🎈"))
    (said,) = chat.said(SARA)
    assert said.text == "<b>1 < 2</b> & _so_ *on*\nسلام 🎈"
    assert "parse_mode" not in said.fields
    assert said.fields["reply_parameters"] == {"message_id": 7, "allow_sending_without_reply": True}
    assert (sent.provider_ref, sent.final) == (f"4001:{said.message_id}", True)


@pytest.mark.parametrize(
    ("in_reply_to", "references", "quoted"),
    [
        ("telegram:info:4001:7", (), 7),
        ("telegram:water:4001:8", ("telegram:info:4001:3", "telegram:info:4001:5", "telegram:water:4001:8"), 5),
        ("bale:info:4001:9", (), None),
        ("telegram:info:4002:9", (), None),
        ("<telegram:info:4001:9@mail.example>", (), None),
        ("<x@mail.example:25>:9", ("<x@mail.example:25>:9",), None),
        ("", (), None),
    ],
)
def test_only_a_message_of_the_same_chat_with_the_same_bot_is_quoted(
    telegram: TelegramStandIn,
    chat: Bot,
    tmp_path: Path,
    in_reply_to: str,
    references: tuple[str, ...],
    quoted: int | None,
) -> None:
    """Field 2.12: zammad#2379, seen from the other side: what bot 1 says does not quote what bot 2 was told.

    Messages are counted anew in every chat: message 9 of another one is some other message here.
    """
    answer = Reply(new_id(), "info", "4001", "Done.", "en", in_reply_to=in_reply_to, references=references)
    channel(telegram, chat, tmp_path).send(answer)
    (said,) = chat.said(SARA)
    assert said.fields.get("reply_parameters", {}).get("message_id") == quoted


def test_a_long_answer_is_cut_between_paragraphs_and_files_follow(
    telegram: TelegramStandIn, chat: Bot, tmp_path: Path
) -> None:
    key, size = BlobStore(tmp_path / "blobs").put(b"%PDF")
    text = "\n\n".join(f"{number} " + "پاسخ " * 300 for number in range(6))
    channel(telegram, chat, tmp_path).send(reply(text, files=(StoredFile(key, size, "نامه.pdf", "application/pdf"),)))
    *texts, file = chat.said(SARA)
    assert len(texts) == 3
    assert "\n\n".join(said.text for said in texts).split() == text.split()
    assert (file.upload.name, file.upload.data) == ("نامه.pdf", b"%PDF")
    assert ["reply_parameters" in said.fields for said in (*texts, file)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("behaviour", "error", "retryable"),
    [
        (Flood(17), Throttled, True),
        (Fail(403, "Forbidden: bot was blocked by the user"), RecipientUnreachable, False),
        (Fail(403, "Forbidden: user is deactivated"), RecipientUnreachable, False),
        (Fail(400, "Bad Request: chat not found"), RecipientUnreachable, False),
        (Fail(400, "Bad Request: something else"), Rejected, False),
        (Fail(401, "Unauthorized"), ConfigInvalid, False),
        (Fail(404, "Not Found"), ConfigInvalid, False),
        (Fail(500, "Internal Server Error"), OutcomeUnknown, False),
        (Fail(502, "Bad Gateway"), OutcomeUnknown, False),
        (Cut(accepted=True), OutcomeUnknown, False),
        (Cut(accepted=False), OutcomeUnknown, False),
        (Hold(), OutcomeUnknown, False),
    ],
    ids=lambda value: "Hold" if isinstance(value, Hold) else str(value),  # its text names a place in memory
)
def test_what_the_messenger_says_is_one_of_our_errors(
    telegram: TelegramStandIn,
    chat: Bot,
    tmp_path: Path,
    behaviour: Flood | Fail | Cut | Hold,
    error: type[SendError],
    retryable: bool,
) -> None:
    telegram.next(behaviour)
    with pytest.raises(error) as raised:
        channel(telegram, chat, tmp_path).send(reply())
    assert type(raised.value) is error
    assert raised.value.retryable is retryable
    assert raised.value.retry_after == (17 if error is Throttled else None)
    assert chat.token not in str(raised.value)


def test_a_messenger_that_is_not_there_has_surely_not_taken_it(
    telegram: TelegramStandIn, chat: Bot, tmp_path: Path
) -> None:
    with pytest.raises(ConnectionFailed):
        channel(telegram, chat, tmp_path, base_url=f"http://127.0.0.1:{free_port()}").send(reply())


def test_a_wrong_token_is_for_an_operator(telegram: TelegramStandIn, chat: Bot, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        channel(telegram, chat, tmp_path, token="123456:not-the-token-of-anybody").send(reply())


def test_who_never_wrote_to_this_bot_cannot_be_reached_by_it(
    telegram: TelegramStandIn, chat: Bot, tmp_path: Path
) -> None:
    other = telegram.bot("other")
    with pytest.raises(RecipientUnreachable):
        channel(telegram, other, tmp_path).send(reply())
    with pytest.raises(RecipientUnreachable):
        channel(telegram, chat, tmp_path).send(reply(to="999"))


def test_half_an_answer_is_finished_after_a_short_wait(telegram: TelegramStandIn, chat: Bot, tmp_path: Path) -> None:
    answered = Hold()
    answered.release()
    telegram.next(answered, Flood(1))
    channel(telegram, chat, tmp_path).send(reply("word " * 1500))
    assert len(chat.said(SARA)) == 2


@pytest.mark.parametrize("behaviour", [Cut(accepted=False), Fail(400, "Bad Request: no"), Flood(300)], ids=str)
def test_half_an_answer_is_never_begun_again(
    telegram: TelegramStandIn, chat: Bot, tmp_path: Path, behaviour: Cut | Fail | Flood
) -> None:
    answered = Hold()
    answered.release()
    telegram.next(answered, behaviour)
    with pytest.raises(OutcomeUnknown, match="Only a part"):
        channel(telegram, chat, tmp_path).send(reply("word " * 1500))
    assert len(chat.said(SARA)) == 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (reply(account="gone"), ConfigInvalid),
        (reply(to="+989121234567"), ReplyInvalid),
        (reply(to="-100123"), ReplyInvalid),
        (reply(to="٤٠٠١"), ReplyInvalid),
        (reply(" \n"), ReplyInvalid),
        (reply("ن" * 16_001), ReplyInvalid),
        (reply(files=(StoredFile("0" * 64, 5, "gone.pdf"),)), ReplyInvalid),
        (reply(files=(StoredFile("0" * 64, 60_000_000, "film.mkv"),)), ReplyInvalid),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_leaves(
    telegram: TelegramStandIn, chat: Bot, tmp_path: Path, wrong: Reply, error: type[SendError]
) -> None:
    with pytest.raises(error):
        channel(telegram, chat, tmp_path).send(wrong)
    assert chat.said(SARA) == []


@pytest.mark.parametrize("text", ["🎈" * 3000, "a" * 5000, "a b " * 2000, "line\n" * 1200, "x" * 4096, "", "  \n"])
def test_every_piece_fits_and_nothing_is_lost(text: str) -> None:
    pieces = split(text)
    assert all(0 < units(piece) <= 4096 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_secrets_are_hidden_and_the_two_messengers_keep_apart(
    telegram: TelegramStandIn, bot: Bot, tmp_path: Path
) -> None:
    hooked = channel(telegram, bot, tmp_path, mode="webhook", secret="a-secret-of-the-webhook")
    assert set(hooked.redact()) == {bot.token, bot.token.partition(":")[2], "a-secret-of-the-webhook"}
    assert (TelegramChannel.can.address_kind, BaleChannel.can.address_kind) == ("telegram", "bale")


def test_the_check_says_what_keeps_the_messenger_from_us(telegram: TelegramStandIn, bot: Bot, tmp_path: Path) -> None:
    installation = Installation(
        {"fa": "", "en": ""}, "en", "Asia/Tehran", "IR", "http://hub.example.org", str(tmp_path), "secret"
    )
    token, secret = "123456:not-the-token-of-anybody", "a-secret-of-the-webhook"
    hooked = TelegramConfig.model_validate({"bots": {"a": {"token": token, "mode": "webhook", "secret": secret}}})
    (problem,) = TelegramChannel(hooked, installation).check()
    assert "public_url is not https" in problem
    assert not {token, secret} & set(problem.split())
    (problem,) = BaleChannel(BaleConfig(), installation).check()
    assert "channels.bale.bots is empty" in problem
    assert channel(telegram, bot, tmp_path).check() == []


@pytest.mark.parametrize(
    ("kind", "section", "message"),
    [
        (TelegramConfig, {"a": {"token": "1:x"}}, "token"),
        (TelegramConfig, {"a": {"token": "12345:abcdefgh-1", "mode": "webhook"}}, "needs a secret"),
        (TelegramConfig, {k: {"token": "12345:abcdefgh-1"} for k in "ab"}, "the same token"),
        (
            TelegramConfig,
            {k: {"token": f"1234{k}:abcdefgh-1", "mode": "webhook", "secret": "s" * 16} for k in "12"},
            "the same secret",
        ),
        (TelegramConfig, {"a/b": {"token": "12345:abcdefgh-1"}}, "expected letters"),
        (TelegramConfig, {"a": {"token": "12345:abcdefgh-1", "base_url": "ftp://x"}}, "expected an http"),
        (BaleConfig, {"a": {"token": "12345:abcdefgh-1", "mode": "webhook", "secret": "s" * 16}}, "polling"),
    ],
)
def test_a_wrong_section_is_refused(kind: type[TelegramConfig], section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind.model_validate({"bots": section})
