"""Sending: every answer of Twilio's becomes one error of ours, and nothing is claimed that is not known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.channels.sms.hub import PUBLIC_URL, installation
from tests.lab.process import free_port
from tests.lab.twilio import FAIL, THROTTLE, Behaviour, Cut, Hold, Refuse, TwilioStandIn
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.channels.sms.provider import judge
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    ReplyInvalid,
    SendError,
    Throttled,
)
from zrm.contract.files import StoredFile
from zrm.contract.outbound import Reply
from zrm.kit.ids import new_id
from zrm.ui.i18n import gettext

NUMBER = "+982130001"


def reply(to: str = "+989121234567", text: str = "پاسخ شما", *, account: str = NUMBER) -> Reply:
    return Reply(id=new_id(), account=account, to=to, text=text, language="fa")


@pytest.fixture
def account() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as opened:
        yield opened


class Channels:
    """Makes channels and closes them at the end."""

    def __init__(self, account: TwilioStandIn) -> None:
        self.account = account
        self.made: list[SmsChannel] = []

    def __call__(self, *, timeout: float = 5, api_base: str = "", **line: str) -> SmsChannel:
        settings = {"account_sid": self.account.account, "auth_token": self.account.token} | line
        section = {"accounts": {NUMBER: settings}, "api_base": api_base or self.account.url, "timeout": timeout}
        self.made.append(SmsChannel(SmsConfig.model_validate(section), installation()))
        return self.made[-1]


@pytest.fixture
def channel_of(account: TwilioStandIn) -> Iterator[Channels]:
    channels = Channels(account)
    yield channels
    for channel in channels.made:
        channel.close()


def test_taken_message_is_sent_and_reports_will_come(account: TwilioStandIn, channel_of: Channels) -> None:
    answer = reply()
    sent = channel_of().send(answer)
    (message,) = account.outbound()
    assert (sent.provider_ref, sent.final) == (message.sid, False)
    assert (message.to, message.sender, message.body) == (answer.to, NUMBER, "پاسخ شما")
    assert message.status_callback == f"{PUBLIC_URL}/hooks/twilio/status/982130001?reply={answer.id}"


def test_sender_or_messaging_service_takes_the_numbers_place(account: TwilioStandIn, channel_of: Channels) -> None:
    channel_of(sender="3000123").send(reply())
    channel_of(messaging_service_sid="MG" + "0" * 32).send(reply())
    by_name, by_service = account.outbound()
    assert by_name.sender == "3000123"
    assert (by_service.sender, by_service.form["MessagingServiceSid"]) == ("", ["MG" + "0" * 32])


@pytest.mark.parametrize(
    ("behaviour", "error", "code"),
    [
        (Refuse(21211), RecipientUnreachable, "21211"),
        (Refuse(21614), RecipientUnreachable, "21614"),
        (Refuse(21610), RecipientOptedOut, "21610"),
        (Refuse(21606), ConfigInvalid, "21606"),
        (Refuse(21611), Throttled, "21611"),
        (Refuse(21617), ReplyInvalid, "21617"),
        (Refuse(20003, 401), ConfigInvalid, "20003"),
        (Refuse(20404, 404), ConfigInvalid, "20404"),
        (THROTTLE, Throttled, "20429"),
        (FAIL, OutcomeUnknown, "20500"),
        (Cut(accepted=True), OutcomeUnknown, ""),
        (Cut(accepted=False), OutcomeUnknown, ""),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)  # fmt: skip
def test_twilios_refusal_has_its_meaning(
    account: TwilioStandIn, channel_of: Channels, behaviour: Behaviour, error: type[SendError], code: str
) -> None:
    account.next(behaviour)
    with pytest.raises(error) as caught:
        channel_of().send(reply())
    assert type(caught.value) is error
    assert caught.value.code == code
    assert gettext("fa", str(caught.value)) != str(caught.value), "the agent reads it in Persian too"
    assert account.token not in str(caught.value)


def test_throttle_tells_how_long_to_wait(account: TwilioStandIn, channel_of: Channels) -> None:
    account.next(THROTTLE)
    with pytest.raises(Throttled) as caught:
        channel_of().send(reply())
    assert caught.value.retry_after == 1.0
    assert caught.value.retryable


def test_slow_answer_leaves_the_outcome_unknown(account: TwilioStandIn, channel_of: Channels) -> None:
    hold = Hold()
    account.next(hold)
    with pytest.raises(OutcomeUnknown):
        channel_of(timeout=0.2).send(reply())
    hold.release()
    assert len(account.outbound()) == 1


def test_connection_refused_has_surely_not_taken_it(account: TwilioStandIn, channel_of: Channels) -> None:
    channel = channel_of(api_base=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ConnectionFailed) as caught:
        channel.send(reply())
    assert caught.value.retryable


def test_wrong_token_is_the_operators_matter(account: TwilioStandIn, channel_of: Channels) -> None:
    with pytest.raises(ConfigInvalid):
        channel_of(auth_token="wrong-token").send(reply())


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (reply(text="x" * 1601), ReplyInvalid),
        (reply(text="🙏" * 801), ReplyInvalid),
        (reply(text=" \n"), ReplyInvalid),
        (reply(to=""), ReplyInvalid),
        (reply(to="Bank"), RecipientUnreachable),
        (reply(to="+98\r\n912"), RecipientUnreachable),
        (reply(account="+1"), ConfigInvalid),
    ],
    ids=["long", "long in UTF-16", "blank", "nobody", "a name", "two lines", "not our number"],
)
def test_what_cannot_be_sent_is_never_tried(
    account: TwilioStandIn, channel_of: Channels, bad: Reply, error: type[SendError]
) -> None:
    with pytest.raises(error):
        channel_of().send(bad)
    assert account.outbound() == []


def test_files_are_not_for_text_messages(account: TwilioStandIn, channel_of: Channels) -> None:
    with pytest.raises(ReplyInvalid):
        channel_of().send(
            Reply(
                id=new_id(), account=NUMBER, to="+98912345", text="x", language="fa", files=(StoredFile("0" * 64, 1),)
            )
        )


def test_longest_text_goes_through(account: TwilioStandIn, channel_of: Channels) -> None:
    channel_of().send(reply(text="ب" * 1600))
    assert len(account.outbound()[0].body) == 1600


def test_isolates_leave_as_marks_that_old_telephones_know(account: TwilioStandIn, channel_of: Channels) -> None:
    channel_of().send(reply(text="سلام \u2068Sara\u2069، کد \u20669814-9409\u2069"))
    assert account.outbound()[0].body == "سلام \u200f\u200eSara\u200e\u200f، کد \u200f\u200e9814-9409\u200e\u200f"


@pytest.mark.parametrize(
    ("status", "body", "headers", "error", "wait"),
    [
        (400, '{"code": 29999}', {}, Rejected, None),
        (400, "<html>", {}, Rejected, None),
        (400, "[" * 100_000, {}, Rejected, None),
        (403, "[]", {}, ConfigInvalid, None),
        (429, "", {"retry-after": "7"}, Throttled, 7.0),
        (429, "", {"retry-after": "soon"}, Throttled, None),
        (429, "", {"retry-after": "9" * 400}, Throttled, None),
        (503, "", {"retry-after": "30"}, Throttled, 30.0),
        (502, "", {}, OutcomeUnknown, None),
        (504, "{}", {}, OutcomeUnknown, None),
        (302, "", {}, ConfigInvalid, None),
    ],
)
def test_answers_that_are_not_twilios_own(
    status: int, body: str, headers: dict[str, str], error: type[SendError], wait: float | None
) -> None:
    judged = judge(status, body, headers)
    assert type(judged) is error
    assert judged.retry_after == wait


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    wait = judge(429, "", {"retry-after": later}).retry_after
    assert wait is not None
    assert 3000 < wait <= 3600


def test_a_laptop_writes_into_a_folder(tmp_path: Path) -> None:
    section = {"accounts": {NUMBER: {"account_sid": "AC" + "0" * 32, "auth_token": "0" * 32}}, "folder": "outgoing/sms"}
    laptop = SmsChannel(SmsConfig.model_validate(section), installation(data_dir=str(tmp_path)))
    answer = reply()
    assert {laptop.send(answer).final for _ in range(2)} == {False}, "handed over, and not yet with the citizen"
    assert not laptop.reports_on(NUMBER, laptop.send(answer).provider_ref), "nobody reports on a file"
    assert laptop.reports_on(NUMBER, "SM" + "0" * 32), "one that left by Twilio before"
    (written,) = (tmp_path / "outgoing" / "sms").iterdir()
    assert written.read_text("utf-8") == f"From: {NUMBER}\nTo: +989121234567\n\nپاسخ شما\n"
