"""From as people and their programs write it: the right mailbox, or none, and never an address nobody wrote.

Field: zammad#3066 (a bracket that is not closed), zammad#1790 (a comma without quotes, words glued to an address),
zammad#1749, #2456, #913, #1193 (commas, letters, signs in names).
"""

from __future__ import annotations

import base64
import re
import unicodedata
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.channels.email.corpus import Mail
from tests.channels.email.installation import MailInstallation, mail
from tests.channels.email.test_parse import understand
from zrm.channels.email.encoded_words import decode_words
from zrm.channels.email.headers import addresses

ALI = "ali@people.example"


def b(text: str) -> str:
    return f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="


FIELDS: dict[str, list[tuple[str, str]]] = {
    # ---- brackets
    f"Fabian Test <{ALI}": [("Fabian Test", ALI)],
    f"Ahana Test<{ALI}": [("Ahana Test", ALI)],
    f"Fabian Test {ALI}>": [("Fabian Test", ALI)],
    f"{ALI}>": [("", ALI)],
    f"<<{ALI}>>": [("", ALI)],
    f"Ali <<{ALI}>>": [("Ali", ALI)],
    f"Ali < <{ALI}>": [("Ali", ALI)],
    f"Ali <ali <{ALI}>": [("Ali ali", ALI)],
    f"{ALI} <{ALI}": [("", ALI)],
    f"Ali < {ALI} >": [("Ali", ALI)],
    f"<mailto:{ALI}>": [("", ALI)],
    f"Ali <mailto:{ALI}?subject=x>": [("Ali", ALI)],
    f"Ali [mailto:{ALI}]": [("Ali", ALI)],
    f"<'{ALI}'>": [("", ALI)],
    f'<"{ALI}">': [("", ALI)],
    f"<@relay.example:{ALI}>": [("", ALI)],
    f"Ali ＜{ALI}＞": [("Ali", ALI)],
    # ---- names
    f'"{ALI}" <{ALI}>': [("", ALI)],
    f"boss@bank.example <{ALI}>": [("boss@bank.example", ALI)],
    f"Ali Rezaei {ALI}": [("Ali Rezaei", ALI)],
    f"{ALI} Ali Rezaei": [("Ali Rezaei", ALI)],
    f"'Ali Rezaei' <{ALI}>": [("Ali Rezaei", ALI)],
    f'"Ali <{ALI}>': [("Ali", ALI)],
    f'"Ali <{ALI}>"': [("Ali", ALI)],
    f"Ali (Tehran <{ALI}>": [("Ali (Tehran", ALI)],
    f"Ali (Tehran) <{ALI}>": [("Ali (Tehran)", ALI)],
    f"{ALI} (Ali (of Tehran) Rezaei)": [("Ali (of Tehran) Rezaei", ALI)],
    f"Ali ({ALI})": [("Ali", ALI)],
    # ---- commas
    "some name, some name2@people.example": [("some name, some", "name2@people.example")],
    f"Doe, John <{ALI}>": [("Doe, John", ALI)],
    f"رضایی، علی <{ALI}>": [("رضایی، علی", ALI)],
    f"=?utf-8?Q?Doe,_John?= <{ALI}>": [("Doe, John", ALI)],
    f"{b('Doe, John')} <{ALI}>": [("Doe, John", ALI)],
    f"<Doe, John {ALI}>": [("Doe, John", ALI)],
    f"{ALI}; ": [("", ALI)],
    f"{ALI}, sara@people.example": [("", ALI), ("", "sara@people.example")],
    f"{ALI}، sara@people.example": [("", ALI), ("", "sara@people.example")],
    f"{ALI}؛": [("", ALI)],
    f"friends: {ALI}, sara@people.example;": [("", ALI), ("", "sara@people.example")],
    "undisclosed-recipients:;": [],
    # ---- encoded words
    b(f"علی <{ALI}>"): [("علی", ALI)],
    b(ALI): [("", ALI)],
    f"Ali {b(f'<{ALI}>')}": [("Ali", ALI)],
    "=?utf-8?Q?ali?=@people.example": [("", ALI)],
    f"Ali =?utf-8?Q?=3C?={ALI}=?utf-8?Q?=3E?=": [("Ali", ALI)],
    f"=?utf-8?Q?boss=40bank.example?= <{ALI}>": [("boss@bank.example", ALI)],
    "=?utf-8?Q?a?= =?utf-8?Q?li@people.example?=": [("", ALI)],
    # ---- other alphabets, marks, dots
    "ali＠people．example": [("", ALI)],
    f"\u200e{ALI}\u200f": [("", ALI)],
    "<\u202aali@peo\u200cple.example\u202c>": [("", ALI)],
    f"Ali\u00a0<{ALI}>": [("Ali", ALI)],
    "علی@نامه\u200cای.ایران": [("", "علی@نامه\u200cای.ایران")],
    f"{ALI}.": [("", ALI)],
    "ali..x@docomo.example": [("", "ali..x@docomo.example")],
    "a@[192.0.2.1]": [("", "a@[192.0.2.1]")],
    '"ali.x"@people.example': [("", '"ali.x"@people.example')],
    # ---- two, and none
    f"<{ALI}><sara@people.example>": [("", ALI), ("", "sara@people.example")],
    f"{ALI}/sara@people.example": [("", ALI), ("", "sara@people.example")],
    "ali@people.examplesara@people.example": [],
    "Ali <ali>": [],
    "ali@": [],
    "<@people.example>": [],
    "ali @people.example": [],
    "ali@ people.example": [],
    "<ali @people.example>": [],
    "ali(home)@people.example": [],
    "ali@people..example": [],
    "MAILER-DAEMON <>": [],
    "=?utf-8?Q?@Doe, John?=": [],
    "=?utf-8?Q?Doe, John?=ali@people.example": [("Doe", "Johnali@people.example")],
    "=?utf-8?Q?Doe, John?= <ali@people.example>": [("Doe, John", "ali@people.example")],
    "=?utf-8?Q?eve@people.example, John?= <ali@people.example>": [("eve@people.example, John", "ali@people.example")],
    "=?utf-8?Q?Ali?= <a?=b@people.example>": [("Ali", "a?=b@people.example")],
    r'"Ali\\ali@people.example"': [("", "ali@people.example")],
    r'"ali@people.example\\Ali"': [("", "ali@people.example")],
    '"Ali"<@people.example': [],
    '"Ali">@people.example': [],
    "ali@people.example=?utf-8?Q?=?utf-8?Q?a?=?=": [("?utf-8?Q?a?=", "ali@people.example")],
    "a?=b@people.example": [("", "a?=b@people.example")],
    "=?utf-8?Q?ali@people.example, John?=": [("", "ali@people.example")],
    "": [],
}


@pytest.mark.parametrize("field", FIELDS)
def test_the_mailboxes_of_a_field(field: str) -> None:
    assert addresses(field) == FIELDS[field]


PIECES = st.sampled_from(
    [
        "Ali", "Doe, John", "ali", "@", "people.example", ALI, "sara@other.example", "<", ">", "<<", ",", ";", ":", "،", "؛", '"', "(", ")",
        "[", "]", "'", "\\", " ", "  ", ".", "..", "mailto:", "=?utf-8?Q?", "?=", "=?utf-8?Q?a?=", b(ALI), b("Ali <"), b(">"), "＠", "\u200c",
        "\u200e", "\u202e", "علی", "نمونه.ایران", "/", "+", "-", "\t",
    ]
)  # fmt: skip


def as_read(field: str) -> str:
    """The field as a person reads it: decoded, without marks, in plain width."""
    shown = unicodedata.normalize("NFKC", decode_words(unicodedata.normalize("NFKC", field)))
    return re.sub("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]", "", shown)


@given(st.lists(PIECES, max_size=14).map("".join))
@example("some name, some name2@people.example")
@example("=?utf-8?Q?a?= =?utf-8?Q?li@people.example?=")
@example("ali@people.example=?utf-8?Q?a?= =?utf-8?Q?a?=")
@example("=?utf-8?Q?@Doe, John?=")
@example("=?utf-8?Q?a?= =?utf-8?Q?li?=@people.example")
@example("=?utf-8?Q?Doe, John?=ali@people.example")
@example('"Ali"<@Ali')
@example("ali@people.example=?utf-8?Q?=?utf-8?Q?a?=?=")
@example('"Ali\\\\ali@people.example"')
def test_every_address_stands_in_the_field_as_it_is(field: str) -> None:
    shown = as_read(field)
    for _, address in addresses(field):
        wanted = re.sub("[\u200c\u200d]", "", unicodedata.normalize("NFKC", address))
        places = [match.start() for match in re.finditer(re.escape(wanted), shown)]
        assert any(
            not shown[at - 1 : at].isalnum() and not shown[at + len(wanted) : at + len(wanted) + 1].isalnum()
            for at in places
        )


def test_a_list_that_counts_its_bounces_is_no_citizen() -> None:
    """Two people of one list became one person, who was sent the acknowledgement."""
    for local in (
        "bounce+1", "bounces-12", "news-bounces", "owner-news", "news-owner", "news-request", "b+1", "info+ali=people.example", "prvs=12=ali",
        "SRS0=x=y=people.example=ali", "returns", "no-reply", "mailer-daemon",
    ):  # fmt: skip
        found = understand(Mail(b"Subject: x\r\n\r\nx", mail_from=f"{local}@lists.example"))
        assert not found.senders, local
    for local in ("ali", "ali.rezaei", "sara+zrm", "bouncer", "nobounce1980", "ali-1980"):
        (sender,) = understand(Mail(b"Subject: x\r\n\r\nx", mail_from=f"{local}@people.example")).senders
        assert sender.raw == f"{local}@people.example"
    assert not understand(Mail(b"List-Id: <news.lists.example>\r\n\r\nx", mail_from=ALI)).senders


@pytest.mark.parametrize(
    ("field", "address", "name"),
    [
        ("Fabian Test <fabian@people.example", "fabian@people.example", "Fabian Test"),
        ("Ahana Test<ahana@people.example", "ahana@people.example", "Ahana Test"),
        ("some name, some name2@people.example", "name2@people.example", "some name, some"),
    ],
)
def test_a_broken_from_is_the_citizen_and_not_the_envelope(
    mail_installation: MailInstallation, field: str, address: str, name: str
) -> None:
    body = f"From: {field}\r\nTo: info@zrm.example\r\nSubject: Lamp\r\nMessage-ID: <case@mail.example>\r\n\r\nThe lamp is dark.\r\n"
    contact = mail_installation.take(body, mail_from="bounce+1@lists.example")
    ((value, person),) = mail_installation.ask(
        "SELECT a.value, p.name FROM contacts c JOIN persons p ON p.id = c.person_id JOIN addresses a ON a.person_id = p.id"
        " WHERE c.id = %s",
        contact,
    )
    assert (value, person) == (address, name)
    assert mail_installation.ask("SELECT address FROM deliveries") == [(address,)], (
        "the acknowledgement goes to the citizen"
    )


def test_the_spellings_of_an_address_are_one_person(mail_installation: MailInstallation) -> None:
    spellings = (
        "ali@xn--fsq.example", "Ali@例.example", "ALI@XN--FSQ.example.", "ali@例。example",
    )  # fmt: skip
    contacts = [
        mail_installation.take(mail(f"matter {spelling}", sender=spelling), mail_from=spelling)
        for spelling in spellings
    ]
    persons = mail_installation.ask("SELECT DISTINCT person_id FROM contacts WHERE id = ANY(%s)", contacts)
    assert len(persons) == 1
    assert isinstance(persons[0][0], UUID)
    assert mail_installation.ask("SELECT kind, value FROM addresses") == [("email", "ali@例.example")]
    assert {to for (to,) in mail_installation.ask("SELECT address FROM deliveries")} == {"ali@例.example"}
