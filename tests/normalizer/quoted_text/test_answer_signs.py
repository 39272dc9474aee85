"""Which mails can repeat one of ours, and whose words in them are ours."""

from __future__ import annotations

import pytest

from zrm.contract.addresses import EMAIL, Sender
from zrm.contract.inbound import Inbound, Thread
from zrm.normalizer.quoted_text.answer_signs import answers, our_addresses


def mail(subject: str, *, headers: tuple[tuple[str, str], ...] = (), **thread: object) -> Inbound:
    return Inbound(
        (Sender(EMAIL, "c@citizen.example"),),
        "text",
        title=subject,
        thread=Thread(message_id="<1@citizen.example>", **thread),  # type: ignore[arg-type]  # a test names the fields
        headers=headers,
    )


@pytest.mark.parametrize(
    "subject",
    [
        "Re: lamp", "RE: lamp", "Re[2]: lamp", "RE : lampe", "Re：灯", "AW: Lampe", "Antw: lamp", "SV: lampa", "Odp: lampa", "ODP: lampa", "YNT: lamba",
        "Ответ: лампа", "Отв: лампа", "Відп: лампа", "RES: lâmpada", "RIF: lampada", "R: lampada", "答复: 灯", "回复：灯", "回覆: 燈", "返信: 電灯", "답장: 등",
        "회신: 등", "השב: מנורה", "پاسخ: چراغ", "رد: مصباح", "جواب: چراغ", "Cav: lampa", "Vá: lámpa", "[EXTERNAL] Re: lamp", "Re: Fwd: lamp",
        "Re: FW: Heating",
    ],
)  # fmt: skip
def test_the_prefix_of_an_answer_is_a_sign(subject: str) -> None:
    assert answers(mail(subject), "")


@pytest.mark.parametrize(
    "subject",
    [
        "lamp",
        "",
        "Regarding: lamp",
        "Reply to your notice",
        "Report: lamp",
        "چراغ خراب است",
        "Request re: lamp",
        "12:30",
        ": lamp",
    ],
)
def test_without_a_sign_it_is_a_first_contact(subject: str) -> None:
    assert not answers(mail(subject), "")
    assert answers(mail(subject, references=("<ours@zrm.example>",)), "")
    assert answers(mail(subject, tokens=("abc234",)), "")


@pytest.mark.parametrize(
    "subject",
    [
        "FW: Heating", "Fwd: Heating", "FWD: Heating", "WG: Heizung", "TR: chauffage", "RV: calefacción", "ENC: aquecimento", "I: riscaldamento", "PD: ogrzewanie",
        "Перес: отопление", "Пересл: отопление", "İLT: ısıtma", "VB: värme", "VS: varme", "VL: lämmitys", "转发: 暖气", "轉寄: 暖氣", "転送: 暖房", "전달: 난방",
        "הועבר: חימום", "ارجاع: گرمایش", "هدایت: گرمایش", "إعادة توجيه: تدفئة", "Doorst: verwarming", "Fwd: Re: Heating", "[EXT] FW: Heating", "FW : Heating",
    ],
)  # fmt: skip
def test_what_is_passed_on_answers_nothing_whatever_it_refers_to(subject: str) -> None:
    assert not answers(mail(subject, references=("<ours@zrm.example>",), tokens=("abc234",)), "text")


def test_vs_is_an_answer_where_the_mail_below_is_in_finnish() -> None:
    assert answers(mail("VS: asia"), "Kiitos.\n\nLähettäjä: Desk\nLähetetty: 3.3.2025\n")
    assert not answers(mail("VS: sak"), "Se her.\n\nFra: Desk\nSendt: 3.3.2025\n")


def test_ours_are_the_accounts_addresses_else_those_the_mail_went_to() -> None:
    headers = (("To", "Landlord <l@home.example>"), ("Cc", "info+abc234@zrm.example"), ("From", "c@citizen.example"))
    own = frozenset({"info@zrm.example", "water@zrm.example"})
    assert our_addresses(mail("Re: x", headers=headers), own) == own
    assert our_addresses(mail("Re: x", headers=headers), ()) == {"l@home.example", "info@zrm.example"}
    assert our_addresses(mail("Re: x"), own) == frozenset()
