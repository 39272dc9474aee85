"""Text whose alphabet is missing or untrue.

Field 2.11: osTicket#6925 (iso-8859 from Outlook), nextcloud/mail#12055 (Arabic read as Latin, with Latin words in between),
fusionpbx PR#7182 and #7183 (windows-1256 in mail-to-fax), nextcloud/mail#12776 (windows-1257), osTicket#633 (cut short).
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.corpus import AR, FR, mail, multipart, text
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


@given(st.text(st.sampled_from("abc xyz <p>éüß"), max_size=200))
def test_latin_words_with_their_accents_stay_latin(words: str) -> None:
    joined = f"Grüße {words.replace('é', 'né').replace('ü', 'hü').replace('ß', 'aß')}"
    assert to_text(joined.encode("cp1252"), "iso-8859-1") == joined


@given(st.binary(max_size=300))
def test_any_bytes_are_some_text_and_some_declaration_or_none(data: bytes) -> None:
    assert isinstance(to_text(data, declared_in(data)), str)
    assert isinstance(to_text(data, declared_in(b"<meta charset=" + data)), str)
