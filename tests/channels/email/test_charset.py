"""Text whose alphabet is missing or untrue.

Field 2.11: osTicket#6925 (iso-8859 from Outlook), nextcloud/mail#12055 (Arabic read as Latin, with Latin words in between),
fusionpbx PR#7182 and #7183 (windows-1256 in mail-to-fax), nextcloud/mail#12776 (windows-1257), osTicket#633 (cut short).
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.corpus import AR, FR, Mail, mail, multipart, text
from tests.channels.email.test_parse import understand
from zrm.channels.email.charset import declared_in, to_text

PERSIAN = "سلام، پمپ آب چاه گرگان خراب است."
MIXED = "عيب مصنعي في الطاولة RY-1168 طاولة طعام Internet Explorer Company Limited"
GERMAN = "Grüße, die Straße ist gesperrt. Öffnen Sie bitte früher. Ärger!"


def page(words: str, meta: str = "") -> str:
    """HTML as Outlook writes it: many times more tags than words."""
    style = 'p.MsoNormal{margin:0cm;font-size:11.0pt;font-family:"Calibri",sans-serif;mso-fareast-language:EN-US}'
    return (
        f'<html xmlns:o="urn:schemas-microsoft-com:office:office"><head>{meta}<style>{style}</style></head>'
        f'<body lang="AR-SA" link="#0563C1"><div class="WordSection1"><p class="MsoNormal" dir="RTL">{words}</p></div></body></html>'
    )


META = '<meta http-equiv="Content-Type" content="text/html; charset={}">'


@pytest.mark.parametrize(
    ("declared", "meta", "really"),
    [
        ("", "windows-1256", "cp1256"),
        ("iso-8859-1", "windows-1256", "cp1256"),
        ("iso-8859-1", "", "cp1256"),
        ("", "", "cp1256"),
        ("us-ascii", "", "cp1256"),
        ("utf-8", "windows-1256", "cp1256"),
        ("windows-1256", "utf-8", "cp1256"),
        ("", "windows-1256", "utf-8"),
        ("iso-8859-1", "iso-8859-1", "utf-8"),
        ("iso-8859-6", "", "iso-8859-6"),
    ],
)
def test_a_page_is_read_whatever_it_and_its_mail_declare(declared: str, meta: str, really: str) -> None:
    written = page(AR, META.format(meta) if meta else "").encode(really)
    kind = "text/html" + (f"; charset={declared}" if declared else "")
    assert understand(mail(f"Content-Type: {kind}", written)).text == AR


@pytest.mark.parametrize(
    ("words", "really", "declared"),
    [
        (MIXED, "cp1256", "iso-8859-1"),
        (MIXED, "cp1256", ""),
        (PERSIAN, "cp1256", "iso-8859-1"),
        (GERMAN, "iso-8859-1", "iso-8859-1"),
        (GERMAN, "cp1252", ""),
        (GERMAN, "iso-8859-15", "iso-8859-15"),
        (FR, "cp1252", "iso-8859-1"),
        ("Årsmøte på søndag. ÆØÅ er bokstaver.", "iso-8859-1", ""),
        ("¿Dónde está el año? ¡Aquí!", "iso-8859-1", "iso-8859-1"),
        ("Dārta Keršule, Māris: Čau", "cp1257", "windows-1257"),
        ("zażółć gęślą jaźń", "iso-8859-2", "iso-8859-2"),
        ("à", "iso-8859-1", ""),
        ("Il faut un café", "iso-8859-1", ""),
    ],
)
@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_words_are_read_whole(words: str, really: str, declared: str, encoding: str) -> None:
    words = words.replace("ی", "ي") if really == "cp1256" else words  # windows-1256 has no Persian yeh
    found = understand(text(declared or '""', words.encode(really), encoding))
    assert found.text == words


def test_a_subject_and_a_files_name_in_a_false_alphabet() -> None:
    raw = "عيب مصنعي في الطاولة RY-1168".encode("cp1256")
    subject = f"=?iso-8859-1?B?{base64.b64encode(raw).decode()}?="
    part = f'Content-Type: application/pdf; name="{subject}"\n\nx'
    found = understand(multipart("mixed", "Content-Type: text/plain\n\nx", part))
    assert found.files[0].name == "عيب مصنعي في الطاولة RY-1168"
    assert understand(mail(f"Subject: {subject}")).title == "عيب مصنعي في الطاولة RY-1168"


WRITTEN = {
    "gb18030": ("路灯坏了", "您好，我家门口的路灯坏了，请派人修理。", "<p>路灯坏了，请修理</p>"),
    "big5": ("路燈壞了", "您好，我家門口的路燈壞了，請派人修理。"),
    "euc-kr": ("가로등이 고장났습니다", "안녕하세요, 우리 동네 가로등이 고장났습니다."),
    "shift_jis": ("街灯が壊れています", "ありがとうございます", "テスト"),
    "euc-jp": ("街灯が壊れています",),
    "koi8-r": ("Здравствуйте, у нас во дворе не горит фонарь.", "Не работает свет"),
    "cp1251": ("Здравствуйте, у нас во дворе не горит фонарь.", "Не работает свет"),
    "cp1254": ("Sokağımızdaki ışıklar yanmıyor", "Değerli yetkili, kaldırım kırık. Saygılarımla Ayşe"),
    "cp1255": ("הפנס ברחוב שבור",),
    "iso-8859-7": ("Ο λαμπτήρας είναι σπασμένος",),
    "cp1256": (AR, "سلام، چراغ كوچه خراب است"),
    "utf-16-le": ("The lamp is broken.", "سلام، چراغ خراب است.\nلطفا"),
    "utf-16-be": ("The lamp is broken.", "سلام، چراغ خراب است.\nلطفا"),
    "utf-16": ("路灯坏了", "سلام"),
    "iso2022_jp": ("こんにちは世界 テスト",),
    "iso2022_jp_ext": ("半角 ｶﾅ です",),
    "iso2022_kr": ("가로등이 고장났습니다",),
}  # fmt: skip


@pytest.mark.parametrize("claimed", ["", "us-ascii", "utf-8", "x-unknown", "iso-8859-1"])
@pytest.mark.parametrize("really", WRITTEN)
def test_an_alphabet_that_is_not_named_or_wrongly_is_told_by_its_letters(really: str, claimed: str) -> None:
    for words in WRITTEN[really]:
        assert to_text(words.encode(really), claimed).lstrip("\ufeff") == words


@pytest.mark.parametrize("really", WRITTEN)
def test_an_alphabet_that_is_named_rightly_is_believed(really: str) -> None:
    for words in WRITTEN[really]:
        assert to_text(words.encode(really), really).lstrip("\ufeff") == words


@pytest.mark.parametrize(
    ("really", "claimed"),
    [
        ("cp1251", "koi8-r"), ("koi8-r", "windows-1251"), ("gb18030", "big5"), ("cp1256", "gb2312"), ("big5", "euc-kr"),
        ("utf-8", "utf-16"), ("utf-16-le", "windows-1256"), ("iso2022_jp", "windows-1256"),
    ],
)  # fmt: skip
def test_a_false_name_does_not_stand_against_the_letters(really: str, claimed: str) -> None:
    words = WRITTEN.get(really, (PERSIAN,))[-1]
    assert to_text(words.encode(really), claimed) == words


def test_japanese_without_a_named_alphabet_is_shown_as_japanese() -> None:
    """zammad#6144: the escapes were stripped and the rest shown."""
    found = understand(mail("Content-Type: text/plain;", b"\x1b$B$3$s$K$A$O@$3&\x1b(B \x1b$B%F%9%H\x1b(B\r\n"))
    assert found.text == "こんにちは世界 テスト"
    subject = Mail(b"From: a@example.com\r\nSubject: \x1b$B%F%9%H\x1b(B\r\n\r\nx")
    assert understand(subject).title == "テスト"


@given(st.text(st.sampled_from("abc xyz <p>éüß"), max_size=200))
def test_latin_words_with_their_accents_stay_latin(words: str) -> None:
    joined = f"Grüße {words.replace('é', 'né').replace('ü', 'hü').replace('ß', 'aß')}"
    assert to_text(joined.encode("cp1252"), "iso-8859-1") == joined


@given(st.binary(max_size=300))
def test_any_bytes_are_some_text_and_some_declaration_or_none(data: bytes) -> None:
    assert isinstance(to_text(data, declared_in(data)), str)
    assert isinstance(to_text(data, declared_in(b"<meta charset=" + data)), str)
