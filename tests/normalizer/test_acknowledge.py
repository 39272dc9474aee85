"""The first word back, channel by channel: with the code, once, in the citizen's language, never to a machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.normalizer.test_filing import Desk
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casestore.template import Wording, add
from zrm.casework.reply_routes import SendingAccount as Account
from zrm.config import Settings
from zrm.contract.addresses import EMAIL, PHONE, Sender
from zrm.contract.inbound import Inbound, Parsed, RawContact, Thread
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.gsm import cost
from zrm.kit.ids import new_id
from zrm.kit.text import fold
from zrm.normalizer.filing import Filer

ADDRESSES = {
    "email": (EMAIL, "sara@home.example"),
    "sms": (PHONE, "+989121234567"),
    "telegram": ("telegram", "4711"),
    "bale": ("bale", "4712"),
    "web": (EMAIL, "sara@home.example"),
    "voice_ivr": (PHONE, "+989121234567"),
    "fax": (PHONE, "+982188880000"),
}
ANSWERING = ("email", "sms", "telegram", "bale")
"""The others tell the code at the door (form, call), or have no way back (fax)."""


class SmallInstallation(Desk):
    """A desk to which every channel leads."""

    senders: tuple[Account, ...] = ()

    def file(self) -> int:
        parsers: dict[str, Callable[[RawContact], list[Parsed]]] = dict.fromkeys(ADDRESSES, self.parse)
        filer = Filer(self.database, self.blobs, parsers, self.settings, senders=self.senders)
        with self.database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.FILE, limit=100, lease=30)
        filer(tasks)
        return len(tasks)

    def acknowledged(self) -> list[tuple[object, ...]]:
        """(channel, address, text, code, language) of every acknowledgement that will be sent."""
        return self.ask(
            "SELECT d.channel, d.address, c.text, k.code, c.language FROM deliveries d JOIN contacts c"
            " ON c.id = d.contact_id JOIN cases k ON k.id = d.case_id"
            " JOIN outbox o ON o.ref = d.id AND o.topic = 'deliver' WHERE c.automatic ORDER BY d.created_at"
        )


@pytest.fixture
def installation(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings) -> SmallInstallation:
    return SmallInstallation(database, inbox, blobs, settings)


def said(channel: str, words: str = "چراغ کوچهٔ ما از دوشنبه خاموش است.") -> Inbound:
    kind, value = ADDRESSES[channel]
    thread = Thread(message_id=f"<{new_id()}@x>") if channel == "email" else Thread(open_line=True)
    return Inbound((Sender(kind, value, "Sara"),), words, thread=thread)


@pytest.mark.parametrize("channel", ADDRESSES)
@pytest.mark.parametrize(
    ("words", "language"),
    [("چراغ کوچهٔ ما از دوشنبه خاموش است.", "fa"), ("The lamp in our street is dark since Monday.", "en")],
)
def test_a_first_contact_is_told_its_code(
    installation: SmallInstallation, channel: str, words: str, language: str
) -> None:
    installation.send(said(channel, words), channel=channel)
    answers = installation.acknowledged()
    if channel not in ANSWERING:
        assert answers == []
        return
    ((by, to, text, code, written),) = answers
    assert (by, to, written) == (channel, ADDRESSES[channel][1], language)
    digits = "".join(sign for sign in fold(str(text)) if sign.isdigit())
    assert str(code) in digits
    if channel == "sms":
        assert cost(str(text)).segments <= 2


@pytest.mark.parametrize("channel", ANSWERING)
def test_once_is_enough(installation: SmallInstallation, channel: str) -> None:
    (contact,) = installation.send(said(channel), channel=channel)
    _, _, token = installation.case_of(contact)
    again = said(channel, "و هنوز خاموش است.")
    if channel == "email":
        again = replace(again, thread=Thread(message_id="<second@x>", tokens=(token,)))
    installation.send(again, channel=channel)
    assert installation.ask("SELECT count(*) FROM cases") == [(1,)]
    assert len(installation.acknowledged()) == 1


@pytest.mark.parametrize("channel", ANSWERING)
def test_who_knows_the_code_already_is_not_told_again(installation: SmallInstallation, channel: str) -> None:
    installation.send(replace(said(channel), code_told=True), channel=channel)
    assert installation.acknowledged() == []


@pytest.mark.parametrize("channel", ANSWERING)
@pytest.mark.parametrize("label", ["robot", "bounce", "list", "newsletter"])
def test_a_machine_is_never_answered(installation: SmallInstallation, channel: str, label: str) -> None:
    installation.send(replace(said(channel), labels=frozenset({label})), channel=channel)
    assert installation.acknowledged() == []


@pytest.mark.parametrize("channel", ANSWERING)
def test_who_asked_us_not_to_write_is_not_written_to(installation: SmallInstallation, channel: str) -> None:
    with installation.database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO opt_outs VALUES (%s, %s, 'info', %s, true, now())", [new_id(), channel, ADDRESSES[channel][1]]
        )
    installation.send(said(channel), channel=channel)
    assert installation.acknowledged() == []
    assert installation.ask("SELECT count(*) FROM cases") == [(1,)]


@pytest.mark.parametrize("channel", ANSWERING)
def test_the_operator_may_keep_a_channel_silent(installation: SmallInstallation, channel: str) -> None:
    installation.settings = installation.settings.model_copy(update={"acknowledge": []})
    installation.send(said(channel), channel=channel)
    assert installation.acknowledged() == []


@pytest.mark.parametrize("channel", ANSWERING)
@pytest.mark.parametrize(
    ("units", "expected"),
    [([None], "Everybody's"), ([None, "contact-centre"], "Its own"), (["roads"], "")],
)
def test_a_unit_has_first_words_of_its_own(
    installation: SmallInstallation, channel: str, units: list[str | None], expected: str
) -> None:
    with installation.database.cursor() as cursor:
        cursor.execute("SELECT key, id FROM units")
        known = dict(cursor.fetchall())
        for key in units:
            whose = "Its own" if key else "Everybody's"
            words = whose + " {code} {organisation} {name}"
            add(
                cursor,
                Wording(
                    known[key] if key else None,
                    "acknowledgement",
                    {"fa": "x", "en": "x"},
                    {"fa": "فا {code}", "en": words},
                ),
                None,
            )
    installation.send(said(channel, "The lamp in our street is dark since Monday."), channel=channel)
    ((_, _, text, code, _),) = installation.acknowledged()
    shown = f"{str(code)[:4]}-{str(code)[4:8]}-{str(code)[8:]}"
    assert str(shown) in str(text)
    assert (f"{expected} {shown} Test Centre {{name}}" == text) is bool(expected), "no word of the citizen's"


ACCOUNTS = (Account("email", "info", "email"), Account("sms", "3000123", "phone"))
MAIL, MOBILE = "sara@home.example", "+989121234567"


def typed(
    installation: SmallInstallation, *addresses: str, words: str = "The lamp in our street is dark.", **more: object
) -> None:
    senders = [Sender(EMAIL if "@" in one else PHONE, one, "Buy pills", claimed=True) for one in addresses]
    installation.senders = ACCOUNTS
    installation.send(replace(Inbound(tuple(senders), words), **more), channel="web")  # type: ignore[arg-type]  # its fields


@pytest.mark.parametrize(
    ("addresses", "way"),
    [
        ((MAIL, MOBILE), ("email", MAIL)),
        ((MOBILE,), ("sms", MOBILE)),
        (("+982188880000",), None),  # no mobile telephone
        (("+4915112345678",), None),  # not of our country
        ((), None),
    ],
)
def test_who_wrote_by_the_form_gets_the_code_where_they_typed(
    installation: SmallInstallation, addresses: tuple[str, ...], way: tuple[str, str] | None
) -> None:
    typed(installation, *addresses)
    answers = installation.acknowledged()
    assert [answer[:2] for answer in answers] == ([way] if way else [])
    for _, _, text, code, _ in answers:
        assert str(code) in "".join(sign for sign in str(text) if sign.isdigit())
        assert not any(word in str(text) for word in ("lamp", "pills"))
        assert ("If it was not you" in str(text)) is (way == ("email", MAIL)), "a text has no room for more"


def test_the_form_is_no_cannon(installation: SmallInstallation) -> None:
    for _ in range(installation.settings.automatic.typed_per_day + 2):
        typed(installation, MAIL)
    assert len(installation.acknowledged()) == installation.settings.automatic.typed_per_day
    assert installation.ask("SELECT count(*) FROM case_events WHERE kind = 'code_not_sent'") == [(2,)]
    limits = installation.settings.automatic.model_copy(
        update={"typed_per_hour": installation.settings.automatic.typed_per_day + 1}
    )
    installation.settings = installation.settings.model_copy(update={"automatic": limits})
    for number in range(3):
        typed(installation, f"other-{number}@home.example")
    assert len(installation.acknowledged()) == limits.typed_per_hour, "in all"


def test_nobody_is_written_to_for_a_program_or_where_the_door_told_the_code(installation: SmallInstallation) -> None:
    typed(installation, MAIL, labels=frozenset({"robot"}))
    typed(installation, MAIL, code_told=True)
    installation.settings = installation.settings.model_copy(update={"acknowledge": ["email", "sms"]})
    typed(installation, MAIL)
    assert installation.acknowledged() == []
