"""Whose contact it is: which addresses it came from, which are only claimed, where the answer goes, and what is ours."""

from __future__ import annotations

from typing import Final

import pytest

from zrm.contract.addresses import EMAIL, PHONE, Sender
from zrm.contract.inbound import Inbound
from zrm.normalizer.origin import CLAIMED, FORGED, FROM_OURSELVES, Origin, is_impersonal, known, origin_of

OWN = ("info@city.example", "+982112345")
TELEGRAM: Final = "telegram"
SARA, ALI, OURS = "sara@home.example", "ali@work.example", "info@city.example"


def mails(*addresses: str, claimed: bool = False, name: str = "") -> tuple[Sender, ...]:
    return tuple(Sender(EMAIL, address, name, claimed=claimed) for address in addresses)


def of(*senders: Sender, **rest: object) -> Origin:
    return origin_of(Inbound(senders, "text", **rest), region="IR", own=OWN)  # type: ignore[arg-type]  # a test names the fields


def shown(origin: Origin) -> list[tuple[str, bool]]:
    return [(one.value, one.claimed) for one in origin.addresses]


def test_one_writer_is_its_address() -> None:
    origin = of(*mails(SARA, name=" Sara\n  Karimi "))
    assert shown(origin) == [(SARA, False)]
    assert (origin.name, origin.reply_to, origin.copied, origin.labels) == ("Sara Karimi", (), (), frozenset())


def test_what_the_contact_came_from_stands_before_what_is_claimed() -> None:
    origin = of(*mails(ALI, claimed=True), Sender(PHONE, "0912 123 4567"))
    assert shown(origin) == [("+989121234567", False), (ALI, True)]
    assert origin.labels == {CLAIMED}


def test_of_several_writers_of_a_mail_none_is_proven_and_the_others_signed_it() -> None:
    origin = of(*mails(SARA, ALI))
    assert shown(origin) == [(SARA, True)]
    assert origin.copied == (ALI,)
    assert origin.labels == {CLAIMED}
    mixed = of(*mails(SARA), *mails(ALI, claimed=True))
    assert shown(mixed) == [(SARA, False), (ALI, True)]
    assert mixed.copied == ()


def test_a_sender_whose_domain_denies_it_is_only_claimed() -> None:
    origin = of(*mails(SARA), labels=frozenset({FORGED}))
    assert shown(origin) == [(SARA, True)]
    assert origin.labels == frozenset(), "the mail says it by its own label"


@pytest.mark.parametrize("writer", ["noreply@shop.example", OURS, "info+tag@city.example"])
def test_who_writes_by_a_program_or_by_us_is_found_where_the_answer_should_go(writer: str) -> None:
    origin = of(*mails(writer), reply_to=mails(SARA, ALI, name="Sara"))
    assert shown(origin) == [(SARA, True)]
    assert (origin.reply_to, origin.name, origin.labels - {FROM_OURSELVES}) == ((ALI,), "Sara", frozenset({CLAIMED}))


def test_a_persons_wish_for_another_address_is_a_wish() -> None:
    origin = of(*mails(SARA), reply_to=mails(ALI, SARA, OURS, ALI))
    assert shown(origin) == [(SARA, False)]
    assert origin.reply_to == (ALI,)
    claimed = of(*mails(SARA, claimed=True), reply_to=mails(ALI))
    assert shown(claimed) == [(ALI, True)], "nothing proves the one that is only claimed"


def test_our_own_mail_has_no_writer() -> None:
    origin = of(*mails(OURS), copied=mails(SARA))
    assert (origin.addresses, origin.copied, origin.labels) == ((), (SARA,), frozenset({FROM_OURSELVES}))
    assert of().labels == frozenset()
    assert shown(of(Sender(PHONE, "+982112345"))) == [("+982112345", False)], "a number may call itself"


def test_the_copied_are_others_each_once_and_not_without_end() -> None:
    many = mails(*(f"{number}@x.example" for number in range(60)))
    origin = of(*mails(SARA), reply_to=mails(ALI), copied=(*mails(ALI, SARA, OURS), *many, *many))
    assert origin.copied == tuple(f"{number}@x.example" for number in range(50))


def test_an_address_has_one_spelling_by_its_kind() -> None:
    senders = [
        Sender(PHONE, "۰۹۱۲۱۲۳۴۵۶۷"), Sender(PHONE, "+98 912 123 4567"), Sender(PHONE, "bank Melli"), Sender(PHONE, " "),
        *mails(" Sara@HOME.example "), Sender(TELEGRAM, "AbC"), Sender(TELEGRAM, SARA), Sender(EMAIL, "x" * 400 + "@a.example"),
    ]  # fmt: skip
    found = [(one.kind, one.value) for one in known(senders, "IR")]
    assert found[:3] == [(PHONE, "+989121234567"), (PHONE, "bankmelli"), (EMAIL, found[2][1])]
    assert found[2][1].endswith("@home.example")
    assert found[3:5] == [(TELEGRAM, "AbC"), (TELEGRAM, SARA)]
    assert all(len(value) <= 320 for _, value in found)


def test_a_name_is_the_first_that_is_given_and_not_too_long() -> None:
    origin = of(Sender(PHONE, "09121234567", " "), *mails(SARA, claimed=True, name="n" * 300))
    assert origin.name == "n" * 200


@pytest.mark.parametrize(
    ("kind", "value", "impersonal"),
    [
        (EMAIL, "noreply@a.example", True), (EMAIL, "do-not-reply@a.example", True), (EMAIL, "shop-no_reply@a.example", True),
        (EMAIL, "root@a.example", True), (EMAIL, "noreply-7@a.example", True), (EMAIL, "norepley@a.example", False),
        (EMAIL, "sara@noreply.example", False), (EMAIL, "ruth@a.example", False), (PHONE, "noreply@a.example", False),
    ],
)  # fmt: skip
def test_no_person_writes_from_an_address_of_programs(kind: str, value: str, impersonal: bool) -> None:
    address = next(iter(known([Sender(EMAIL, value)], "IR")))
    assert is_impersonal(type(address)(kind, address.value, address.raw)) is impersonal
