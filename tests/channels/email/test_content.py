"""What of a mail is shown as its text, and what is a file: mails of programs that keep to no standard.

Field: javamail#309 (a blank after the transfer encoding), glpi#10622 and osTicket PR#482 (a body with a name), glpi#15641
(HTML source shown as text), osTicket#4854 (attached mails).
"""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.corpus import Mail, b64
from tests.channels.email.installation import MailInstallation
from tests.channels.email.test_parse import understand
from zrm.channels.email.transfer import Transfer, transfer_of
from zrm.contract.inbound import Inbound

FA = "سلام چراغ خراب است. لطفا رسیدگی کنید."
HEAD = "From: C <c@citizen.example>\r\nTo: info@zrm.example\r\nSubject: Lamp\r\nMIME-Version: 1.0\r\n"
UTF8 = "Content-Type: text/plain; charset=utf-8"
IN_BASE64 = b64(FA.encode()).decode()
IN_QUOTED = quopri.encodestring(FA.encode()).decode().replace("\n", "\r\n")
ALTERNATIVES = (
    f"--b\r\n{UTF8}\r\n\r\n{FA}\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>{FA}</p>\r\n--b--\r\n"
)


def read(lines: str, body: str, *, before: str = "") -> Inbound:
    return understand(Mail(f"{before}{HEAD}{lines}\r\n\r\n{body}".encode()))


def parts(kind: str, *pieces: str) -> Inbound:
    body = "".join(f"--b\r\n{piece}\r\n" for piece in pieces)
    return read(f"Content-Type: multipart/{kind}; boundary=b", f"{body}--b--\r\n")


def names(found: Inbound) -> list[str]:
    return [file.name for file in found.files]


# ---------------------------------------------------------------- transfer encodings


@pytest.mark.parametrize(
    "spelling",
    [
        "base64;", '"base64"', "base64 (comment)", "x-base64", "BASE64", "Base-64", "base 64", "base64, 8bit", "'base64'",
        "=?utf-8?Q?base64?=", "base64 charset=utf-8",
    ],
)  # fmt: skip
def test_base64_however_it_is_spelled(spelling: str) -> None:
    assert read(f"{UTF8}\r\nContent-Transfer-Encoding: {spelling}", IN_BASE64).text == FA


@pytest.mark.parametrize(
    "spelling", ["quoted printable", "Quoted-Printable;", "quoted_printable", '"quoted-printable"', "quoted-printable (8 bit)"]
)  # fmt: skip
def test_quoted_printable_however_it_is_spelled(spelling: str) -> None:
    assert read(f"{UTF8}\r\nContent-Transfer-Encoding: {spelling}", IN_QUOTED).text == FA
    assert read(f"{UTF8}\r\nContent-Transfer-Encoding: {spelling}", "Hello =3D pump\r\n").text == "Hello = pump"


@pytest.mark.parametrize("spelling", ["8-bit", "7 bit", "8bits", "binary;", "none", "x-unheard-of", "", ";;", '""'])
def test_plain_text_however_it_is_declared(spelling: str) -> None:
    for words in (FA, "Hello =3D pump", "width=20 height=10", "See you"):
        assert read(f"{UTF8}\r\nContent-Transfer-Encoding: {spelling}", words).text == words


@pytest.mark.parametrize("declared", ["7bit", "8bit", "x-unheard-of", ""])
@pytest.mark.parametrize("body", [IN_BASE64, IN_QUOTED])
def test_what_is_wrapped_beyond_doubt_is_unwrapped_undeclared(declared: str, body: str) -> None:
    assert read(f"{UTF8}\r\nContent-Transfer-Encoding: {declared}", body).text == FA


@pytest.mark.parametrize(
    "words", ["Hello, the pump is broken.", "Lamp", "Hello", "Yes", "Dear\n\nThe lamp is broken", "سلام", FA]
)
def test_plain_words_under_base64_stay_words(words: str) -> None:
    assert read(f"{UTF8}\r\nContent-Transfer-Encoding: base64", words.replace("\n", "\r\n")).text == words


def test_short_words_of_an_old_alphabet_in_base64() -> None:
    head = "Content-Type: text/plain; charset=windows-1256\r\nContent-Transfer-Encoding: base64"
    assert read(head, b64("سلام علي".encode("cp1256")).decode()).text == "سلام علي"


@pytest.mark.parametrize(
    "footer",
    [
        "\n\n-- \nchecked by the gateway in plain words", "\n_______________\nA list mailing list",
        "\nThis message was scanned by a machine", "\n\nchecked\nby the gateway in plain words", "\n\nhttps://list.example/leave",
        "\n\nاین پیام بررسی شده است",
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", ["سلام چراغ خراب است", f"{FA}."])
def test_a_plain_footer_below_base64(words: str, footer: str) -> None:
    written = base64.b64encode(words.encode()).decode().rstrip("=") + footer.replace("\n", "\r\n")
    found = read(f"{UTF8}\r\nContent-Transfer-Encoding: base64", written)
    assert found.text == f"{words}\n\n{footer.strip()}"


def test_base64_that_was_padded_in_between_is_read_to_its_end() -> None:
    lines = "\r\n".join(base64.b64encode(word.encode()).decode() for word in ("The lamp ", "is ", "broken", "!"))
    assert read(f"{UTF8}\r\nContent-Transfer-Encoding: base64", lines).text == "The lamp is broken!"
    assert read(f"{UTF8}\r\nContent-Transfer-Encoding: base64", "QQ==" * 20_000).text


def test_files_keep_their_bytes_whatever_stands_around_them() -> None:
    pdf = "Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
    see = "Content-Type: text/plain\r\n\r\nSee file"
    for transfer, body, data in (
        ("base64;", "JVBERi0xLjQgdGVzdA==", b"%PDF-1.4 test"),
        ("base64", "JVBERi0xLjQgdGVzdHMK\r\n\r\n-- \r\nplain words of a list", b"%PDF-1.4 tests\n"),
        ("base64", "%PDF-1.4 this was never encoded (at all)", b"%PDF-1.4 this was never encoded (at all)"),
        ("base64", "JVBERi0xLjQg*dGVzdCB0ZXN0IHRlc3QgdGVzdCB0ZXN0IHRlc3Q=", b"%PDF-1.4 test test test test test test"),
        ('"quoted-printable"', "%PDF=2D1.4", b"%PDF-1.4"),
    ):
        found = parts("mixed", see, f"{pdf}Content-Transfer-Encoding: {transfer}\r\n\r\n{body}")
        assert found.text == "See file"
        assert [file.data for file in found.files] == [data]


@pytest.mark.parametrize("below", ["", "\n-- \nScanned by the gateway, no virus found.\n"])
@pytest.mark.parametrize(
    "banner",
    ["[EXTERNAL] Do not click on links.\n\n", "Caution: this came from outside.\n", "هشدار: از بیرون آمده است\n\n"],
)
def test_a_plain_banner_above_base64(banner: str, below: str) -> None:
    written = (banner + base64.encodebytes((FA * 3).encode()).decode() + below).replace("\n", "\r\n")
    found = read("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64", written)
    assert found.text == "\n\n".join(filter(None, (banner.strip(), FA * 3, below.strip())))


def test_a_stray_sign_in_base64_does_not_make_words_of_what_is_around_it() -> None:
    lines = base64.encodebytes((FA * 5).encode()).decode().splitlines()
    lines[1] = f"{lines[1][:9]}!{lines[1][9:]}"
    found = read("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64", "\r\n".join(lines))
    assert found.text == FA * 5


def test_korean_with_its_shifts_in_base64() -> None:
    words = "가로등이 3주째 고장났습니다."
    for charset in ("iso-2022-kr", "utf-8"):
        head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64"
        assert read(head, base64.b64encode(words.encode("iso2022_kr")).decode()).text == words


@pytest.mark.parametrize(
    ("transfer", "body"),
    [
        ("base64", b64(ALTERNATIVES.encode()).decode()),
        ("", b64(ALTERNATIVES.encode()).decode()),
        ("quoted-printable", quopri.encodestring(ALTERNATIVES.encode()).decode()),
        ("base64", ALTERNATIVES),
    ],
)
def test_a_container_in_a_transfer_encoding(transfer: str, body: str) -> None:
    declared = f"\r\nContent-Transfer-Encoding: {transfer}" if transfer else ""
    found = read(f"Content-Type: multipart/alternative; boundary=b{declared}", body)
    assert (found.text, found.html) == (FA, f"<p>{FA}</p>")
    inner = f"Content-Type: multipart/alternative; boundary=b{declared}\r\n\r\n{body}"
    outer = f"--o\r\n{inner}\r\n--o\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--o--\r\n"
    assert read("Content-Type: multipart/mixed; boundary=o", outer).text == f"{FA}\n\nfooter"


def test_containers_within_encoded_containers_are_bounded() -> None:
    body = ALTERNATIVES
    for _ in range(6):
        body = f"--b\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quopri.encodestring(body.encode()).decode()}\r\n--b--\r\n"
    found = read(
        "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64", b64(body.encode()).decode()
    )
    assert found.text or found.files


@pytest.mark.parametrize("boundary", ["", "; boundary=another"])
def test_a_container_whose_boundary_is_missing_or_wrong(boundary: str) -> None:
    assert read(f"Content-Type: multipart/alternative{boundary}", ALTERNATIVES).text == FA
    assert read(f"Content-Type: multipart/alternative{boundary}", f"preamble\r\n{ALTERNATIVES}").text == FA


@given(st.text(max_size=60))
def test_any_spelling_is_some_transfer_encoding(value: str) -> None:
    assert transfer_of(value) in Transfer


@given(st.binary(max_size=200), st.sampled_from(["base64", "quoted-printable", "uuencode", "x", ""]))
def test_any_body_is_read_under_any_declaration(body: bytes, declared: str) -> None:
    head = f"{HEAD}{UTF8}\r\nContent-Transfer-Encoding: {declared}\r\n\r\n".encode()
    understand(Mail(head + body))


@given(st.text(alphabet="سلام چراغ\nabc .", min_size=1, max_size=300).filter(lambda text: bool(text.strip())))
def test_words_survive_each_encoding(text: str) -> None:
    expected = text.strip("\n")
    for declared, body in (("base64;", b64(text.encode())), ('"quoted-printable"', quopri.encodestring(text.encode()))):
        head = f"{HEAD}{UTF8}\r\nContent-Transfer-Encoding: {declared}\r\n\r\n".encode()
        assert understand(Mail(head + body)).text == expected


# ---------------------------------------------------------------- the header's beginning and its lines


@pytest.mark.parametrize(
    "before",
    [
        "   \r\n",
        "\r\n",
        "\t\r\n \r\n",
        " \n",
        "\r",
        "\ufeff",
        "\ufeff\r\n",
        "\u00a0\r\n",
        "\u3000 \u200f\r\n",
        "From ali Mon Nov  2 10:00:00 2026\r\n",
        ">From ali\r\n",
        ">",
    ],
)
def test_what_stands_before_the_header_is_skipped(before: str) -> None:
    found = read(UTF8, "The lamp is broken.\r\n", before=before)
    assert (found.title, found.text) == ("Lamp", "The lamp is broken.")
    assert found.senders[0].raw == "c@citizen.example"


def test_words_without_a_header_are_words_also_where_they_look_like_one() -> None:
    for words in ("From here on the road is dark.", "Note: the lamp is broken.", "> Note: quoted", "   indented words"):
        assert understand(Mail(f"\r\n{words}\r\n".encode())).text.strip() == words.strip()
    assert understand(Mail(b"From here on the road is dark.\r\n")).text == "From here on the road is dark."


@pytest.mark.parametrize("end", ["\r", "\n", "\r\r\n"])
def test_lines_end_in_whatever_the_program_writes(end: str) -> None:
    body = (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nLamp =\r\nis=3Dbroken\r\n\r\nline two\r\n--b\r\n"
        "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBE\r\nRi0x\r\n--b--\r\n"
    )
    found = understand(Mail((HEAD + body).replace("\r\n", end).encode()))
    assert (found.title, found.text) == ("Lamp", "Lamp is=broken\n\nline two")
    assert [file.data for file in found.files] == [b"%PDF-1"]


def test_lines_that_end_in_all_ways_at_once() -> None:
    found = understand(
        Mail(b"Received: a\r\nFrom: C <c@x.example>\rSubject: Lamp\nTo: x\r\n\rThe lamp.\rtwo\nthree\r\n")
    )
    assert (found.title, found.text, found.senders[0].raw) == ("Lamp", "The lamp.\ntwo\nthree", "c@x.example")


def test_a_line_of_blanks_ends_the_header_unless_a_program_went_on() -> None:
    found = understand(Mail(f"{HEAD}   \r\nNote: the lamp is broken\r\nmore\r\n".encode()))
    assert found.text == "Note: the lamp is broken\nmore"
    folded = f"From: C <c@x.example>\r\nSubject: Lamp\r\n \r\nMIME-Version: 1.0\r\n{UTF8}\r\n\r\nwords"
    assert understand(Mail(folded.encode())).text == "words"
    cut = f"From: C <c@x.example>\r\nSubject: =?utf-8?Q?La?=\r\n=?utf-8?Q?mp?=\r\nMIME-Version: 1.0\r\n{UTF8}\r\n\r\nwords"
    found = understand(Mail(cut.encode()))
    assert (found.title, found.text) == ("Lamp", "words")


@pytest.mark.parametrize(
    ("charset", "subject", "words"),
    [
        ("gb2312", "路灯坏了", "您好，我家门口的路灯坏了，请派人修理。"),
        ("big5", "路燈", "您好，我家門口的路燈壞了，請派人修理。"),
        ("koi8-r", "Лампа", "У нас во дворе не горит фонарь."),
        ("windows-1256", "مصباح", "المصباح في شارعنا معطل"),
        ("euc-kr", "가로등", "가로등이 고장났습니다"),
        ("shift_jis", "街灯", "街灯が壊れています"),
    ],
)
def test_raw_letters_in_the_header_are_in_the_bodys_alphabet(charset: str, subject: str, words: str) -> None:
    head = b"From: " + subject.encode(charset) + b" <c@x.example>\r\nSubject: " + subject.encode(charset) + b"\r\n"
    plain = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + words.encode(charset)
    found = understand(Mail(head + plain))
    assert (found.title, found.senders[0].name, found.text) == (subject, subject, words)
    inner = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + plain + b"\r\n--b--\r\n"
    assert understand(Mail(head + inner)).title == subject


# ---------------------------------------------------------------- text or file


@pytest.mark.parametrize(
    "lines",
    [
        'Content-Type: text/plain; charset=utf-8; name="body.txt"\r\nContent-Disposition: inline',
        'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: inline; filename="message.txt"',
        'Content-Type: text/plain; charset=utf-8; name="anything.txt"',
        "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment",
        'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename="message.txt"',
        'Content-Type: text/html; charset=utf-8; name="mail.html"',
        'Content-Type: text/html; charset=utf-8\r\nContent-Disposition: attachment; filename="ATT00001.htm"',
    ],
)
def test_a_body_with_a_name_is_the_body(lines: str) -> None:
    found = read(
        lines, "<p>The lamp is dark since Monday.</p>" if "html" in lines else "The lamp is dark since Monday."
    )
    assert (found.text, found.files) == ("The lamp is dark since Monday.", ())
    several = parts(
        "mixed", f"{lines}\r\n\r\n{'<p>The lamp</p>' if 'html' in lines else 'The lamp'}", "\r\nfooter of a list"
    )
    assert several.text == "The lamp\n\nfooter of a list"


def test_an_attached_text_is_shown_where_there_are_no_other_words_and_stays_a_file() -> None:
    attached = f'{UTF8}\r\nContent-Disposition: attachment; filename="complaint.txt"\r\n\r\n{FA}'
    alone = parts("mixed", attached)
    assert (alone.text, names(alone)) == (FA, ["complaint.txt"])
    beside = parts("mixed", attached, f"{UTF8}\r\n\r\nSee the file.")
    assert (beside.text, names(beside)) == ("See the file.", ["complaint.txt"])
    html = parts("mixed", "Content-Type: text/html\r\n\r\n<p> </p>", attached)
    assert (html.text, names(html)) == (FA, ["complaint.txt"])
    assert (
        parts("mixed", 'Content-Type: text/csv\r\nContent-Disposition: attachment; filename="a.csv"\r\n\r\n1,2').text
        == "1,2"
    )


def test_an_empty_text_with_a_name_is_a_file() -> None:
    found = parts("mixed", 'Content-Type: text/plain; name="empty.txt"\r\n\r\n', f"{UTF8}\r\n\r\nbody")
    assert (found.text, names(found)) == ("body", ["empty.txt"])


def test_named_texts_behind_the_body_are_files() -> None:
    found = parts("mixed", f"{UTF8}\r\n\r\nbody", 'Content-Type: text/plain; name="notes.txt"\r\n\r\nnotes')
    assert (found.text, names(found)) == ("body", ["notes.txt"])
    first = parts("mixed", 'Content-Type: text/plain; name="notes.txt"\r\n\r\nnotes', f"{UTF8}\r\n\r\nbody")
    assert (first.text, names(first)) == ("notes\n\nbody", ["notes.txt"]), "nothing is hidden, and the file can be had"


@pytest.mark.parametrize(
    "pieces",
    [
        ("The lamp is broken.", "<div>The lamp is broken.</div>"),
        ("<div>The lamp is broken.</div>", "The lamp is broken."),
        ("The lamp is broken.", "The  lamp is\r\nbroken."),
        ("The lamp", "The lamp is broken."),
        ("The lamp is broken.", "The lamp"),
    ],
)
def test_of_two_plain_alternatives_the_one_with_the_words_is_shown(pieces: tuple[str, str]) -> None:
    found = parts("alternative", *(f"Content-Type: text/plain\r\n\r\n{piece}" for piece in pieces))
    assert " ".join(found.text.split()) == "The lamp is broken."


def test_alternatives_that_say_different_things_are_both_shown() -> None:
    found = parts(
        "alternative", "Content-Type: text/plain\r\n\r\nThe lamp", "Content-Type: text/plain\r\n\r\nDas Licht"
    )
    assert found.text == "The lamp\n\nDas Licht"


def test_many_alternatives_are_compared_with_a_few() -> None:
    pieces = [f"Content-Type: text/plain\r\n\r\nwords {number} " + "x " * 100 for number in range(400)]
    assert parts("alternative", *pieces).text.count("words") == 400


@pytest.mark.parametrize(
    "lines", ["Content-Type: text/plain", "Content-Type: html", "Content-Type: text/html charset=utf-8", "X: y", "Content-Type: text/html (page)"]
)  # fmt: skip
def test_html_source_is_a_page_whatever_it_is_called(lines: str) -> None:
    found = read(lines, "<html><body><p>The lamp</p><p>is <b>dark</b></p></body></html>")
    assert " ".join(found.text.split()) == "The lamp is dark"
    assert "<p>The lamp</p>" in found.html


def test_words_with_signs_of_html_are_words() -> None:
    for words in ("a < b and c > d", "<p> is a tag", "I wrote </b> there", "<3 you"):
        assert read("Content-Type: text/plain", words).text == words


def test_a_digest_is_messages() -> None:
    one, two = ("\r\nFrom: a@b.example\r\nSubject: one\r\n\r\nfirst words", "\r\nSubject: a/b\r\n\r\nsecond words")
    found = parts("digest", one, two)
    assert names(found) == ["one.eml", "a b.eml"]
    assert found.text == "From: a@b.example\nSubject: one\n\nfirst words\n\nSubject: a/b\n\nsecond words"
    plain = parts("digest", one, "Content-Type: text/plain\r\n\r\nan introduction")
    assert (plain.text, names(plain)) == ("an introduction", ["one.eml"])


def test_a_forward_without_words_shows_those_it_forwards() -> None:
    inner = f"From: a@b.example\r\nSubject: old\r\n{UTF8}\r\nContent-Transfer-Encoding: base64\r\n\r\n{IN_BASE64}"
    for found in (
        read("Content-Type: message/rfc822", inner),
        parts("mixed", f"Content-Type: message/rfc822\r\n\r\n{inner}"),
        parts(
            "mixed",
            f"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{b64(inner.encode()).decode()}",
        ),
    ):
        assert (found.text, names(found)) == (f"From: a@b.example\nSubject: old\n\n{FA}", ["old.eml"])
    nested = inner
    for _ in range(30):
        nested = f"Subject: deep\r\nContent-Type: message/rfc822\r\n\r\n{nested}"
    assert read("Content-Type: message/rfc822", nested).text.count("Subject: deep") <= 4


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r'"C:\Users\ali\new\report.pdf"', "report.pdf"),
        (r'"C:\\Users\\ali\\report.pdf"', "report.pdf"),
        (r'"\\server\share\report.pdf"', "report.pdf"),
        ('"../../etc/report.pdf"', "report.pdf"),
        ('"https://x.example/a/my%20report.pdf?x=1"', "my report.pdf"),
        ('"fdp.\u202eexe"', "fdp.exe"),
        ('"con.pdf"', "_con.pdf"),
        ('".."', "file-1.pdf"),
        (r'"a \"b\".pdf"', 'a "b".pdf'),
        (r'"نامه‌ها\گزارش.pdf"', "گزارش.pdf"),
        ("utf-8''C%3A%5CUsers%5Creport.pdf", "report.pdf"),
    ],
)
def test_a_file_has_its_own_name_whatever_path_was_written(written: str, name: str) -> None:
    star = "*" if "''" in written else ""
    file = f"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename{star}={written}\r\n\r\n%PDF"
    assert names(parts("mixed", f"{UTF8}\r\n\r\nx", file)) == [name]


def test_text_below_the_limit_is_shown_and_longer_text_is_a_file_as_well() -> None:
    fits = read(UTF8, "w" * 1_000_000)
    assert (len(fits.text), fits.files, fits.labels) == (1_000_000, (), frozenset())
    longer = read(UTF8, "w" * 999_999 + "xyz")
    (whole,) = longer.files
    assert (len(longer.text), whole.role, len(whole.data or b"")) == (1_000_000, "original", 1_000_002)
    assert longer.labels == {"cut_short"}


def test_the_words_of_a_page_too_long_to_be_shown_are_shown() -> None:
    page = "<p>The lamp is dark.</p>" + "<p>x</p>" * 300_000
    found = read("Content-Type: text/html", page)
    assert found.text.startswith("The lamp is dark.")
    assert (found.html, names(found), set(found.labels)) == ("", ["message.html"], {"cut_short"})


def test_a_wish_in_a_named_body_is_granted(mail_installation: MailInstallation) -> None:
    head = "From: a@people.example\r\nMessage-ID: <stop@people.example>\r\nSubject: \r\nMIME-Version: 1.0\r\n"
    part = 'Content-Type: text/plain; charset=utf-8; name="body.txt"\r\nContent-Disposition: inline\r\n\r\nSTOP\r\n'
    mail_installation.take(head + part)
    assert mail_installation.ask("SELECT address, out FROM opt_outs") == [("a@people.example", True)]
