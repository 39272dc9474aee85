"""Who writes again: the same citizen joins the case, a stranger with its token does not, and a person decides."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.citizens import Town, new_address
from tests.journeys.desk import PATIENCE, Desk

pytestmark = [pytest.mark.peer("browser"), pytest.mark.timeout(240)]


def answered_mail(town: Town, desk: Desk, sender: str, subject: str, answer: str) -> tuple[str, str, str]:
    """A citizen's mail, answered on the open desk: the case, the address to reply to, the answer's id."""
    town.write(sender, subject, "It has been so for a week.")
    case = town.case_of(sender)
    desk.visit(f"cases/{case}")
    desk.claim()
    desk.answer(answer)
    headers = town.mail_to(sender, answer).message
    found = re.search(r"[\w.]+\+[a-z0-9]+@[\w.]+", headers["Reply-To"])
    assert found is not None
    return case, found[0], headers["Message-ID"]


def test_the_citizens_reply_joins_the_open_case_at_once(town: Town, daniel: Desk) -> None:
    sender = new_address()
    case, reply_to, message_id = answered_mail(town, daniel, sender, "Broken bench", "We will look at it.")
    town.write(sender, "Re: Broken bench", "Thank you, it is the one by the pond.", to=reply_to, in_reply_to=message_id)
    daniel.arrives("the one by the pond")
    assert town.case_of(sender) == case


def test_a_reply_by_its_token_alone_joins_too(town: Town, maryam: Desk) -> None:
    sender = new_address()
    case, reply_to, _ = answered_mail(town, maryam, sender, "نیمکت شکسته", "بررسی می‌کنیم.")
    town.write(sender, "باز هم من", "نیمکت کنار حوض است.", to=reply_to)
    maryam.arrives("نیمکت کنار حوض است.")
    assert town.case_of(sender) == case


@pytest.mark.parametrize("decision", ["kept", "dismissed"])
def test_a_stranger_with_the_token_opens_a_related_case_and_a_person_decides(
    decision: str, town: Town, daniel: Desk
) -> None:
    citizen, stranger = new_address(), new_address()
    case, reply_to, message_id = answered_mail(town, daniel, citizen, "Noise at night", "We measure it this week.")
    town.write(stranger, "Re: Noise at night", "What did they write to you?", to=reply_to, in_reply_to=message_id)
    other = town.case_of(stranger)
    assert other != case
    related = daniel.page.locator(f"#live-aside a[href='/desk/cases/{other}']")
    expect(related).to_be_visible(timeout=PATIENCE)  # on the open page of the case that was quoted
    expect(daniel.page.locator("#live-timeline")).not_to_contain_text("What did they write to you?")
    daniel.visit(f"cases/{other}")
    daniel.arrives("What did they write to you?")
    daniel.page.click(f"button[name=decision][value={decision}]")
    word = {"kept": "Linked", "dismissed": "Dismissed"}[decision]
    expect(daniel.page.locator("#live-aside .z-badge", has_text=word)).to_be_visible(timeout=PATIENCE)
    expect(daniel.page.locator("button[name=decision]")).to_have_count(0)
