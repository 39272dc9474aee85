"""The ways an answer can go, best first."""

from __future__ import annotations

import pytest

from zrm.casework.reply_routes import ReplyRoute, RouteOrigin, SendingAccount, reply_routes

MAIL = SendingAccount("email", "contact@city.example", "email")
OTHER_MAIL = SendingAccount("email", "water@city.example", "email")
TEXT = SendingAccount("sms", "+982112345", "phone", 600)
INFO_BOT, WATER_BOT = (SendingAccount("telegram", bot, "telegram", 16_000) for bot in ("info", "water"))
BALE_BOT = SendingAccount("bale", "info", "bale", 16_000)
EMAIL, PHONE = ("email", "sara@home.example"), ("phone", "+989121234567")

ROWS = [
    (RouteOrigin("email", "contact@city.example", "sara@home.example"), [EMAIL], [MAIL, TEXT],
     ("email", "contact@city.example", "sara@home.example"), "an e-mail is answered by e-mail"),
    (RouteOrigin("email", "water@city.example", "sara@home.example"), [EMAIL], [MAIL, OTHER_MAIL],
     ("email", "water@city.example", "sara@home.example"), "from the mailbox it came to"),
    (RouteOrigin("email", "contact@city.example", "work@firm.example"), [EMAIL], [MAIL],
     ("email", "contact@city.example", "work@firm.example"), "to the address it came from, known or not"),
    (RouteOrigin("sms", "+982112345", "+989121234567"), [EMAIL, PHONE], [MAIL, TEXT],
     ("sms", "+982112345", "+989121234567"), "a text is answered by a text"),
    (RouteOrigin("voice_ivr", "100", "+989121234567"), [PHONE], [MAIL, TEXT],
     ("sms", "+982112345", "+989121234567"), "a call is answered by a text to its number"),
    (RouteOrigin("fax", "200", "+982188880000"), [], [MAIL],
     ("web", "web", ""), "a fax without anything to send by is answered on the tracking page"),
    (RouteOrigin("web", "form", ""), [EMAIL], [MAIL, TEXT],
     ("email", "contact@city.example", "sara@home.example"), "a form with an address is answered there"),
    (RouteOrigin("web", "form", ""), [], [MAIL, TEXT],
     ("web", "form", ""), "a form without an address is answered on the tracking page"),
    (RouteOrigin("telegram", "water", "1001"), [("telegram", "1001"), PHONE], [TEXT, INFO_BOT, WATER_BOT, BALE_BOT],
     ("telegram", "water", "1001"), "a chat is answered by the bot that was written to"),
    (RouteOrigin("telegram", "water", "1001"), [], [TEXT, BALE_BOT],
     ("web", "web", ""), "a messenger's number is no telephone's, and none of another messenger's"),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "addresses", "senders", "best", "meaning"), ROWS, ids=[row[4] for row in ROWS])
def test_the_best_way(
    origin: RouteOrigin,
    addresses: list[tuple[str, str]],
    senders: list[SendingAccount],
    best: tuple[str, str, str],
    meaning: str,
) -> None:
    found = reply_routes(origin, addresses, senders)
    assert (found[0].channel, found[0].account, found[0].address) == best, meaning
    assert found[-1].channel == "web", "the tracking page is always possible"


def test_a_ways_limit_is_its_senders() -> None:
    found = reply_routes(RouteOrigin("sms", "+982112345", "+989121234567"), [PHONE], [TEXT])
    assert found[0] == ReplyRoute("sms", "+982112345", "+989121234567", 600)


@pytest.mark.parametrize(
    ("preferred", "barred", "doubtful", "order", "meaning"),
    [
        ("", [], [], ["email", "sms", "web"], "the way the citizen came"),
        ("sms", [], [], ["sms", "email", "web"], "the channel they prefer comes first"),
        ("web", [], [], ["web", "email", "sms"], "also if it is the tracking page"),
        ("fax", [], [], ["email", "sms", "web"], "a preference that cannot be met changes nothing"),
        ("sms", [("sms", PHONE[1])], [], ["email", "web", "sms"], "where we must not write comes last"),
        ("", [], [EMAIL[1]], ["sms", "email", "web"], "an address that returns mail comes after others"),
        ("email", [], [EMAIL[1]], ["sms", "email", "web"], "even if it is preferred"),
        ("", [("email", EMAIL[1]), ("sms", PHONE[1])], [], ["web", "email", "sms"], "nowhere but the tracking page"),
    ],
)
def test_wishes(
    preferred: str, barred: list[tuple[str, str]], doubtful: list[str], order: list[str], meaning: str
) -> None:
    origin = RouteOrigin("email", "contact@city.example", EMAIL[1])
    found = reply_routes(origin, [EMAIL, PHONE], [MAIL, TEXT], preferred=preferred, barred=barred, doubtful=doubtful)
    assert [way.channel for way in found] == order, meaning
    assert [(way.channel, way.address) for way in found if way.barred] == sorted(barred, key=lambda one: one[0])
    assert [way.address for way in found if way.doubtful] == doubtful
