"""Persian answers that stay readable, mixed with Latin words, numbers and marks.

Field 2.33: right-to-left breaks in composed or templated text (frappe/helpdesk#2671, zammad#5819: trigger mail scrambles
Arabic, chatwoot#7141, chatwoot#7407).
"""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.test_send import composed, reply
from zrm.casework.acknowledge import acknowledgement
from zrm.casework.templating import fill
from zrm.channels.email.direction import html_lines
from zrm.config import Settings
from zrm.contract.addresses import EMAIL
from zrm.kit.direction import isolate_numbers

LRI, PDI = "\u2066", "\u2069"


@pytest.mark.parametrize(
    ("language", "line", "shown"),
    [
        ("fa", "سلام", '<div dir="rtl">سلام</div>'),
        ("fa", "ZRM را ببینید", '<div dir="rtl"><span dir="ltr">ZRM</span> را ببینید</div>'),
        ("fa", "https://example.org/track", '<div dir="ltr">https://example.org/track</div>'),
        ("fa", "کد ۱۲۳۴-۵۶۷۸-۹۰۱۲ است", '<div dir="rtl">کد <span dir="ltr">۱۲۳۴-۵۶۷۸-۹۰۱۲</span> است</div>'),
        ("fa", "تلفن: 021-8888", '<div dir="rtl">تلفن: <span dir="ltr">021-8888</span></div>'),
        ("fa", "از +98 21 8888 زنگ بزنید", '<div dir="rtl">از <span dir="ltr">+98 21 8888</span> زنگ بزنید</div>'),
        ("fa", "زبان C++ و C#.", '<div dir="rtl">زبان <span dir="ltr">C++</span> و <span dir="ltr">C#</span>.</div>'),
        ("fa", "در Google Chrome.", '<div dir="rtl">در <span dir="ltr">Google Chrome</span>.</div>'),
        (
            "fa",
            "به info@example.org بنویسید",
            '<div dir="rtl">به <span dir="ltr">info@example.org</span> بنویسید</div>',
        ),
        ("fa", "۵ و ۱۰ و ۱۵", '<div dir="rtl">۵ و ۱۰ و ۱۵</div>'),
        ("fa", "    ۱۲۳۴-۵۶۷۸", '<div dir="rtl">    ۱۲۳۴-۵۶۷۸</div>'),
        ("fa", "", "<div><br></div>"),
        (
            "fa",
            f"پروندهٔ {LRI}۱۲۳۴-۵۶۷۸-۹۰۱۲{PDI} در ZRM",
            '<div dir="rtl">پروندهٔ <span dir="ltr">۱۲۳۴-۵۶۷۸-۹۰۱۲</span> در <span dir="ltr">ZRM</span></div>',
        ),
        ("en", "Dear \u2068علی (۲)\u2069, hello", '<div dir="ltr">Dear <span dir="rtl">علی (۲)</span>, hello</div>'),
        ("en", "Your name: علی", '<div dir="ltr">Your name: علی</div>'),
        ("en", "سلام", '<div dir="rtl">سلام</div>'),
        ("en", "1234-5678", '<div dir="ltr">1234-5678</div>'),
        ("fa", "<b> & «A<B»", '<div dir="ltr">&lt;b&gt; &amp; «A&lt;B»</div>'),
    ],
)  # fmt: skip
def test_each_line_has_its_direction_and_its_foreign_parts_are_set_apart(language: str, line: str, shown: str) -> None:
    assert html_lines(line, language) == shown


def test_a_persian_mail_says_its_language_and_direction_in_every_form(tmp_path: Path) -> None:
    text = "ZRM: سلام\n\nکد شما ۱۲۳۴-۵۶۷۸-۹۰۱۲ است.\nhttps://example.org/track"
    message = composed(reply(text=text), tmp_path)
    page, plain = message.get_body(("html",)), message.get_body(("plain",))
    assert page is not None
    assert plain is not None
    written = page.get_content()
    assert '<html lang="fa" dir="rtl">' in written
    assert '<body dir="rtl">' in written
    assert message["Content-Language"] == "fa"
    assert 'dir="auto"' not in written, "Outlook does not know it, and Latin at the beginning would turn all around"
    assert re.findall(r'<div dir="(\w+)">', written) == ["rtl", "rtl", "ltr"]
    lines = plain.get_content().splitlines()
    assert lines[2] == f"کد شما {LRI}۱۲۳۴-۵۶۷۸-۹۰۱۲{PDI} است."
    assert lines[3] == "https://example.org/track", "a link is left as it is, or programs would not find its end"


def test_templated_text_stays_readable_too(settings: Settings, tmp_path: Path) -> None:
    """zammad#5819: what was scrambled was the mail a trigger fills in."""
    template = "{name} گرامی، پروندهٔ {code} را در {track} ببینید."
    values = {"name": "علی", "code": "۱۲۳۴-۵۶۷۸-۹۰۱۲", "track": "https://example.org/track"}
    page = composed(reply(text=fill(template, values).text, automatic=True), tmp_path).get_body(("html",))
    assert page is not None
    assert '<span dir="ltr">۱۲۳۴-۵۶۷۸-۹۰۱۲</span>' in page.get_content()
    assert '<span dir="ltr">https://example.org/track</span>' in page.get_content()
    first = acknowledgement("123456789012", "fa", settings, kind=EMAIL)
    shown = composed(reply(text=first, automatic=True), tmp_path).get_body(("html",))
    assert shown is not None
    assert '<div dir="ltr">    http://127.0.0.1:8000/track</div>' in shown.get_content()


@pytest.mark.parametrize("title", ["چراغ ZRM-12 خیابان", "Lamp چراغ"])
def test_a_mixed_subject_is_kept_letter_by_letter(title: str, tmp_path: Path) -> None:
    assert composed(reply(title=title), tmp_path)["Subject"] == f"Re: {title}"


@pytest.mark.parametrize("piece", ["1", "1-", "+1 ", "a1", "A ", "a.", "+", "سلام 1"])
def test_a_long_line_is_written_in_one_pass(piece: str) -> None:
    """Tries that grow with the square of the length would not end here."""
    text = "س" + piece * (100_000 // len(piece))
    assert len(html_lines(text, "fa")) >= len(text)
    assert len(isolate_numbers(text, "fa")) >= len(text)


PIECES = st.lists(
    st.sampled_from(["سلام", "ZRM", "C++", "021-8888", "+98 21", "۱۲-۳۴", " ", "\n", "<b>", "&", ".", "a@b.c", LRI, "\u200f", "http://x/", "'"]), max_size=20
).map("".join)  # fmt: skip


@given(PIECES | st.text(max_size=60).filter(lambda text: "\r" not in text), st.sampled_from(["fa", "en", ""]))
def test_no_letter_is_lost_or_gained(text: str, language: str) -> None:
    written = html_lines(text, language)
    plain = "\n".join(
        re.findall(r"<div[^>]*>(.*?)</div>", written.replace("<div><br></div>", "<div></div>"), re.DOTALL)
    )
    assert [line.strip() for line in html.unescape(re.sub("<[^>]*>", "", plain)).split("\n")] == [
        line.strip() for line in text.split("\n")
    ]
    isolated = isolate_numbers(text, language)
    if LRI not in text and PDI not in text:
        assert isolated.replace(LRI, "").replace(PDI, "") == text
