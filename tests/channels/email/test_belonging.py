"""Which senders may join a case, which are its citizen, and where the answer can go: by mail, through T1, T2 and T4.

Field 7: a stranger's mail is appended to another person's case (zammad#2444, #5064, freescout#2375). A contact form's
mail is answered to ourselves (zammad#203, #678, #2551, faveo-helpdesk#72, handesk#295).
"""

from __future__ import annotations

import re
import smtplib
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest

from tests.channels.email.desk import open_door
from tests.channels.email.installation import ALI
from tests.channels.email.test_self_service import AnsweringInstallation, answering, body
from zrm.casestore import timeline
from zrm.casestore.last_inbound import last_inbound
from zrm.casework.reply_routes import ReplyRoute, RouteOrigin, SendingAccount, reply_routes
from zrm.contract.errors import ReplyInvalid
from zrm.contract.outbound import Reply
from zrm.frontdesk.desk import front_desk
from zrm.kit.ids import new_id

__all__ = ["answering"]

EVE = "eve@stranger.example"
MAILBOX = SendingAccount("email", "info", "email", files=True)


def take(
    installation: AnsweringInstallation,
    *lines: str,
    text: str = "Please tell me how this stands.",
    to: str = "info@example.org",
) -> UUID:
    """A mail with just these header lines, from an envelope that says nothing, and what it makes."""
    AnsweringInstallation.count += 1
    head = (f"Message-ID: <b{installation.count}@stranger.example>", "Content-Type: text/plain; charset=utf-8", *lines)
    contact = installation.take("\r\n".join((*head, "", text, "")), mail_from="www-data@web1.example", to=to)
    installation.deliver()
    return contact


def citizens_case(installation: AnsweringInstallation) -> tuple[UUID, EmailMessage, str]:
    """Ali's case, our acknowledgement to him, and the case's reply token."""
    case = installation.case_of(installation.write("My street lamp has been dark since Monday.", "Subject: my request"))
    ((token,),) = installation.ask("SELECT reply_token FROM cases WHERE id = %s", case)
    return case, installation.sent()[-1], str(token)


def offered(installation: AnsweringInstallation, case: UUID) -> list[ReplyRoute]:
    """The ways the composer offers, the chosen one first."""
    with installation.database.cursor() as cursor:
        head = timeline.head(cursor, case)
        last = last_inbound(cursor, case)
        assert head is not None
        assert last is not None
        known = timeline.addresses(cursor, head.person_id)
    return reply_routes(
        RouteOrigin(last.channel, last.account, last.address, last.reply_to, last.copied, last.vouched_for),
        [(one.kind, one.value) for one in known],
        [MAILBOX],
        claimed={one.value for one in known if one.claimed},
        own=installation.channel.own_addresses(),
    )


# Each names Ali without coming from him.
STRANGERS = {
    "Reply-To": (f"From: Eve <{EVE}>", f"Reply-To: <{ALI}>"),
    "Reply-To, From after it": (f"Reply-To: <{ALI}>", f"From: Eve <{EVE}>"),
    "two addresses in From": (f"From: Eve <{EVE}>, Ali <{ALI}>",),
    "two addresses in From, his first": (f"From: Ali <{ALI}>, Eve <{EVE}>", f"Sender: <{EVE}>"),
    "two From fields": (f"From: Ali <{ALI}>", f"From: Eve <{EVE}>"),
    "a group in From": (f"From: us: {ALI}, {EVE};",),
    "his address as the name": (f'From: "{ALI}" <{EVE}>',),
    "his address in a comment": (f"From: {EVE} ({ALI})",),
    "only Sender": (f"Sender: <{ALI}>",),
    "From of our own": ("From: Site <info@example.org>", f"Reply-To: <{ALI}>"),
    "From of our own with a token": ("From: <info+b=0123@example.org>", f"Reply-To: <{ALI}>"),
    "From an alias of our own": ("From: <CONTACT@example.org>", f"Reply-To: <{ALI}>"),
    "From no-reply": ("From: <noreply@stranger.example>", f"Reply-To: <{ALI}>"),
    "no From": (f"Reply-To: <{ALI}>",),
    "copied in": (f"From: Eve <{EVE}>", f"Cc: <{ALI}>"),
    "a forged From": (f"From: <{ALI}>", "Authentication-Results: mx.example.org; dmarc=fail header.from=example.com"),
    "a From that the server in front reads differently": (
        f"From: {ALI} (x) @stranger.example",
        "Authentication-Results: mx.example.org; dmarc=pass header.from=stranger.example",
    ),
    "resent": (f"From: Eve <{EVE}>", f"Resent-From: <{ALI}>", f"Return-Path: <{ALI}>"),
}


@pytest.mark.parametrize("named", STRANGERS)
def test_whoever_does_not_write_from_a_citizens_address_is_not_let_in(
    answering: AnsweringInstallation, named: str
) -> None:
    case, acknowledgement, token = citizens_case(answering)
    before = answering.ask(
        "SELECT count(*), max(version) FROM contacts, cases WHERE case_id = %s AND cases.id = case_id", case
    )
    marks = (f"Subject: Re: my request [{answering.code()}]", f"In-Reply-To: {acknowledgement['Message-ID']}")
    contact = take(answering, *STRANGERS[named], *marks, to=f"info+{token}@example.org")
    assert answering.case_of(contact) != case
    assert answering.ask("SELECT case_id, other_case_id, reason FROM case_relations") == [
        (answering.case_of(contact), case, "quoted_by_stranger")
    ]
    now = answering.ask(
        "SELECT count(*), max(version) FROM contacts, cases WHERE case_id = %s AND cases.id = case_id", case
    )
    assert now == before
    assert {way.address for way in offered(answering, case)} == {ALI, ""}, (
        "nobody else is offered in the citizen's case"
    )
    again = take(answering, f"From: Eve <{EVE}>", f"In-Reply-To: {acknowledgement['Message-ID']}")
    assert answering.case_of(again) != case, "nor has anything of it opened the door for the next one"
    assert (
        answering.ask(
            "SELECT value FROM addresses WHERE value = %s AND person_id <> (SELECT person_id FROM cases WHERE id = %s) AND NOT claimed",
            ALI,
            case,
        )
        == []
    )


def test_nor_is_he_let_in_by_the_smtp_door(answering: AnsweringInstallation, tmp_path: Path) -> None:
    """Each stranger at the real door, with all that is known of the case at once: its token, its code, our Message-ID."""
    case, acknowledgement, token = citizens_case(answering)
    marks = (f"Subject: Re: my request [{answering.code()}]", f"In-Reply-To: {acknowledgement['Message-ID']}")
    desk = front_desk(answering.database, answering.blobs, answering.inbox, answering.settings, b"key", [])

    def mail(client: smtplib.SMTP, number: int, envelope: str, *lines: str) -> None:
        head = ("Content-Type: text/plain; charset=utf-8", f"Message-ID: <d{number}@stranger.example>", *lines, *marks)
        client.sendmail(envelope, [f"info+{token}@example.org"], "\r\n".join((*head, "", "Tell me all of it.", "")))

    with open_door(tmp_path, desk) as port, smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        for number, lines in enumerate(STRANGERS.values()):
            mail(client, number, EVE, *lines)
            mail(client, 100 + number, ALI, *lines)  # nor is the envelope believed
        mail(client, 1000, "www-data@web1.example", f"From: Ali <{ALI}>")
    answering.file()
    joined = answering.ask(
        "SELECT message_id FROM contacts WHERE case_id = %s AND direction = 'in' AND message_id LIKE '%%stranger.example%%'",
        case,
    )
    assert joined == [("<d1000@stranger.example>",)], "only what comes from his address"
    related = answering.ask("SELECT count(*) FROM case_relations WHERE other_case_id = %s", case)
    assert related == [(2 * len(STRANGERS),)], "a person sees each of them"
    assert {way.address for way in offered(answering, case)} == {ALI, ""}


def test_the_citizen_comes_in_by_any_mark(answering: AnsweringInstallation) -> None:
    case, acknowledgement, token = citizens_case(answering)
    mine = f"From: Ali <{ALI}>"
    code = answering.code()
    found = [
        take(answering, mine, text="one", to=f"info+{token}@example.org"),
        take(answering, mine, f"In-Reply-To: {acknowledgement['Message-ID']}", text="two"),
        take(answering, mine, f"References: <x@y> {acknowledgement['Message-ID']}", text="three"),
        take(answering, mine, f"Subject: [{code}]", text="four"),
        take(answering, "From: ALI@EXAMPLE.com.", f"Subject: [{code}]", text="five"),
        take(answering, mine, "Reply-To: <work@firm.example>", f"Subject: [{code}]", text="six"),
    ]
    assert [answering.case_of(contact) for contact in found] == [case] * 6


def test_a_message_id_that_somebody_took_leads_the_citizen_to_their_own_case(answering: AnsweringInstallation) -> None:
    """Anybody can give their mail the id of ours; the case with that id is then not the only one."""
    case, acknowledgement, _ = citizens_case(answering)
    answering.take(f"From: <{EVE}>\r\nMessage-ID: {acknowledgement['Message-ID']}\r\n\r\nmine now\r\n", mail_from=EVE)
    mine = take(answering, f"From: <{ALI}>", f"In-Reply-To: {acknowledgement['Message-ID']}")
    assert answering.case_of(mine) == case


# ---------------------------------------------------------------- Reply-To


FORMS = {
    "our mailbox": "City site <info@example.org>",
    "our mailbox in other letters": "INFO@Example.ORG",
    "another mailbox of ours": "water@example.org",
    "an alias": "contact@example.org",
    "our role": "postmaster@example.org",
    "our address with a token": "<info+form@example.org>",
    "no-reply": "City site <noreply@forms.example>",
    "no-reply spelt otherwise": "City site <do_not_reply-forms@forms.example>",
    "no-reply with a detail": "City site <noreply+4711@forms.example>",
    "a web server's account": "www-data <www-data@web1.example>",
    "nobody": "",
}


@pytest.mark.parametrize("sender", FORMS)
def test_the_citizen_of_a_sites_form_is_its_reply_to(answering: AnsweringInstallation, sender: str) -> None:
    contacts = [
        take(answering, f"From: {FORMS[sender]}", f"Reply-To: {name} <{name}@people.example>", f"Subject: {name}", text=f"I am {name}. The pump leaks.")
        for name in ("anna", "bella")
    ]  # fmt: skip
    assert answering.ask("SELECT p.name, a.value, a.claimed FROM persons p JOIN addresses a ON a.person_id = p.id ORDER BY 1") == [
        ("anna", "anna@people.example", True),
        ("bella", "bella@people.example", True),
    ]  # fmt: skip
    assert [message["To"] for message in answering.sent()] == ["anna@people.example", "bella@people.example"]
    for contact, name in zip(contacts, ("anna", "bella"), strict=True):
        assert answering.labels(contact) == {"claimed_address"}
        first = offered(answering, answering.case_of(contact))[0]
        assert (first.address, first.claimed) == (f"{name}@people.example", True)
    anna = take(answering, "From: Anna <anna@people.example>", f"In-Reply-To: {answering.sent()[0]['Message-ID']}")
    assert answering.case_of(anna) == answering.case_of(contacts[0]), "who answers from there has proven it"
    assert answering.ask("SELECT claimed FROM addresses WHERE value = 'anna@people.example'") == [(False,)]


def test_our_own_mail_that_comes_back_is_nobodys_word(answering: AnsweringInstallation) -> None:
    case, acknowledgement, _ = citizens_case(answering)
    returned = answering.take(acknowledgement.as_bytes(), mail_from="info@example.org")
    by_hand = take(answering, "From: <info@example.org>", f"In-Reply-To: {acknowledgement['Message-ID']}")
    sent = len(answering.sent())
    for contact in (returned, by_hand):
        assert answering.case_of(contact) != case
        assert "own_address" in answering.labels(contact)
        assert answering.ask("SELECT address FROM contacts WHERE id = %s", contact) == [("",)]
    answering.deliver()
    assert len(answering.sent()) == sent, "we do not write to ourselves"
    assert answering.ask("SELECT count(*) FROM addresses WHERE value LIKE '%%@example.org'") == [(0,)]


@pytest.mark.parametrize("to", ["info@example.org", "Contact@Example.org", "info+b=1@example.org"])
def test_nothing_leaves_to_ourselves(answering: AnsweringInstallation, to: str) -> None:
    with pytest.raises(ReplyInvalid, match="our own addresses"):
        answering.channel.send(Reply(new_id(), "info", to, "text", "en"))


@pytest.mark.parametrize(
    ("line", "known", "chosen"),
    [
        ("", False, "work@firm.example"),  # met with this very mail: nothing of anybody's can be asked for
        ("", True, ALI),  # somebody who only writes under Ali's name would have his answers
        ("Authentication-Results: mx.example.org; dmarc=pass header.from=example.com", True, "work@firm.example"),
    ],
)
def test_where_the_answer_is_wanted_is_offered_and_chosen_where_nobody_can_be_robbed_by_it(
    answering: AnsweringInstallation, line: str, known: bool, chosen: str
) -> None:
    lines = [f"From: Ali <{ALI}>", "Reply-To: Work <work@firm.example>", *([line] if line else [])]
    if known:
        _, acknowledgement, _ = citizens_case(answering)
        lines.append(f"In-Reply-To: {acknowledgement['Message-ID']}")
    contact = take(answering, *lines)
    found = offered(answering, answering.case_of(contact))
    assert found[0].address == chosen
    assert {way.address: way.asked_for for way in found} == {ALI: False, "work@firm.example": True, "": False}
    assert answering.ask("SELECT value FROM addresses") == [(ALI,)], "it is no address of Ali's"
    assert answering.sent()[-1]["To"] == ALI
    other = take(answering, "From: <work@firm.example>", f"Subject: [{answering.code()}]")
    assert answering.case_of(other) != answering.case_of(contact), "it proves nothing either"


def test_a_citizen_who_always_asks_for_another_address_is_always_answered_there(
    answering: AnsweringInstallation,
) -> None:
    mine = (f"From: Ali <{ALI}>", "Reply-To: <work@firm.example>")
    case = answering.case_of(take(answering, *mine))
    mark = f"In-Reply-To: {answering.sent()[-1]['Message-ID']}"
    assert answering.case_of(take(answering, *mine, mark, text="And the next lamp too.")) == case
    assert offered(answering, case)[0].address == "work@firm.example"
    take(answering, f"From: Ali <{ALI}>", "Reply-To: <eve@stranger.example>", mark, text="Send it to me.")
    assert offered(answering, case)[0].address == ALI, "a second requested address may be somebody else's"
    take(answering, *mine, mark, text="I have not written that.")
    assert offered(answering, case)[0].address == ALI, "from then on a person decides"


def test_who_has_been_answered_where_they_write_from_is_not_robbed_later(answering: AnsweringInstallation) -> None:
    case, acknowledgement, _ = citizens_case(answering)
    forged = (f"From: <{ALI}>", f"Reply-To: <{EVE}>", f"In-Reply-To: {acknowledgement['Message-ID']}")
    for _ in range(2):
        assert answering.case_of(take(answering, *forged)) == case
        found = offered(answering, case)
        assert found[0].address == ALI
        assert [way.asked_for for way in found if way.address == EVE] == [True], "offered as what it is"


def test_a_reply_to_that_is_the_persons_own_address_is_chosen(answering: AnsweringInstallation) -> None:
    case, acknowledgement, _ = citizens_case(answering)
    answering.ask(
        "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at) SELECT uuidv7(), person_id, 'email',"
        " address, address, claimed, now() FROM cases, (VALUES ('ali@work.example', false), ('ali@typed.example', true))"
        " AS other (address, claimed) WHERE cases.id = %s RETURNING 1",
        case,
    )
    mark = f"In-Reply-To: {acknowledgement['Message-ID']}"
    for wanted, chosen in (("ali@work.example", "ali@work.example"), ("ali@typed.example", ALI)):
        take(answering, f"From: <{ALI}>", f"Reply-To: <{wanted}>", mark)
        assert offered(answering, case)[0].address == chosen


def test_cc_and_further_recipients_are_kept_and_offered_but_never_chosen(answering: AnsweringInstallation) -> None:
    contact = take(
        answering,
        f"From: Ali <{ALI}>",
        "To: City <info@example.org>, Landlord <l@home.example>, water@example.org",
        "Cc: Union <union@home.example>, info+x@example.org",
        f"Cc: {ALI}",
    )
    assert answering.ask("SELECT copied FROM contacts WHERE id = %s", contact) == [
        (["l@home.example", "union@home.example"],)
    ]
    found = offered(answering, answering.case_of(contact))
    assert [(way.address, way.copied) for way in found] == [
        (ALI, False), ("", False), ("l@home.example", True), ("union@home.example", True),
    ]  # fmt: skip
    assert [message["To"] for message in answering.sent()] == [ALI], "nobody of them is written to by itself"
    stranger = take(answering, "From: <union@home.example>", f"In-Reply-To: {answering.sent()[0]['Message-ID']}")
    assert answering.case_of(stranger) != answering.case_of(contact), "not before an agent has written to them"


def test_without_a_sender_only_the_page_is_chosen(answering: AnsweringInstallation) -> None:
    contact = take(answering, "From: <info@example.org>", "Cc: <l@home.example>")
    assert [way.address for way in offered(answering, answering.case_of(contact))] == ["", "l@home.example"]


def test_a_claimed_sender_is_granted_no_wish_and_clears_no_doubt(answering: AnsweringInstallation) -> None:
    citizens_case(answering)
    answering.ask("UPDATE addresses SET doubtful_at = now() RETURNING id")
    form = ("From: <info@example.org>", f"Reply-To: <{ALI}>")
    stop = take(answering, *form, text="STOP")
    assert answering.state(stop) == ("filed", ""), "anybody can type his address and silence him"
    assert answering.ask("SELECT count(*) FROM opt_outs") == [(0,)]
    assert answering.ask("SELECT doubtful_at IS NULL FROM addresses WHERE NOT claimed") == [(False,)]
    assert answering.ask("SELECT count(DISTINCT person_id) FROM addresses") == [(1,)], (
        "his file, and said to be unproven"
    )
    assert "claimed_address" in answering.labels(stop)
    answering.write("It is me.")
    assert answering.ask("SELECT doubtful_at IS NULL FROM addresses WHERE NOT claimed") == [(True,)]


# ---------------------------------------------------------------- whatever we sent


def test_an_answer_to_the_closing_mail_finds_its_case_and_rates_it(answering: AnsweringInstallation) -> None:
    case, _, _ = citizens_case(answering)
    answering.close()
    closing = str(answering.sent()[-1]["Message-ID"])
    stranger = take(answering, f"From: <{EVE}>", f"Reply-To: <{ALI}>", f"In-Reply-To: {closing}", text="1")
    assert answering.case_of(stranger) != case
    assert answering.ask("SELECT count(*) FROM ratings") == [(0,)]
    rated = take(answering, f"From: <{ALI}>", f"In-Reply-To: {closing}", "Subject: Re: my request", text="3")
    assert answering.state(rated) == ("ignored", "done by the installation itself (rate)")
    assert answering.ask("SELECT case_id, score FROM ratings") == [(case, 3)]
    thanks = str(answering.sent()[-1]["Message-ID"])
    still = take(answering, f"From: <{ALI}>", f"In-Reply-To: {closing}", text="Still broken.")
    assert (answering.case_of(still), answering.ask("SELECT status FROM cases WHERE id = %s", case)) == (
        case,
        [("open",)],
    )
    last = take(answering, f"From: <{ALI}>", f"In-Reply-To: {thanks}", text="And the pavement.")
    assert answering.case_of(last) == case, "the thanks for a rating were about a case too"


def test_who_came_by_a_sites_form_rates_by_mail_and_reopens_nothing(answering: AnsweringInstallation) -> None:
    form = take(answering, "From: <info@example.org>", "Reply-To: <anna@people.example>", text="The pump leaks.")
    answering.close()
    digit = take(
        answering, "From: <anna@people.example>", f"In-Reply-To: {answering.sent()[-1]['Message-ID']}", text="5"
    )
    assert answering.state(digit) == ("ignored", "done by the installation itself (rate)")
    assert answering.ask("SELECT status FROM cases WHERE id = %s", answering.case_of(form)) == [("closed",)]


def test_an_answer_to_the_state_by_code_finds_the_case_of_its_own_citizen_only(
    answering: AnsweringInstallation,
) -> None:
    case, _, _ = citizens_case(answering)
    for sender, joins in ((ALI, True), (EVE, False)):
        take(answering, f"From: <{sender}>", text=answering.code())
        state = answering.sent()[-1]
        assert "بررسی" in body(state) or "turn" in body(state)
        contact = take(answering, f"From: <{sender}>", f"In-Reply-To: {state['Message-ID']}", text="And now?")
        assert (answering.case_of(contact) == case) is joins


def test_every_mail_of_ours_is_known_by_the_id_it_left_under(answering: AnsweringInstallation) -> None:
    citizens_case(answering)
    answering.write(answering.code())
    answering.close()
    ids = {str(message["Message-ID"]) for message in answering.sent()}
    assert len(ids) == 3
    assert all(re.fullmatch(r"<[0-9a-f-]{36}@zrm\.test>", one) for one in ids)
    assert ids <= {str(one) for (one,) in answering.ask("SELECT message_id FROM message_ids")}


def test_others_who_were_copied_in_are_not_asked_how_content_they_are(answering: AnsweringInstallation) -> None:
    case, _, _ = citizens_case(answering)
    answering.ask(
        "INSERT INTO contacts (id, case_id, direction, channel, account, address, text, at) "
        "SELECT gen_random_uuid(), id, 'out', 'email', 'info', 'union@home.example', 'x', now() FROM cases RETURNING 1"
    )
    other = take(answering, "From: <union@home.example>", f"Subject: [{answering.code()}]", text="We agree.")
    assert answering.case_of(other) == case, "an agent wrote to them"
    answering.close()
    assert answering.sent()[-1]["To"] == ALI
