"""Quotations of HTML mail, by program: what the text says of them, and that nothing else is marked."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.email import htmlquotes
from zrm.channels.email.htmltext import words_of
from zrm.normalizer.quoted_text.split import split_quotation

OURS = frozenset({"info@zrm.example"})
DESK = 'Desk &lt;<a href="mailto:info@zrm.example">info@zrm.example</a>&gt;'
WROTE = f"On Mon, 3 Mar 2025 at 10:15, {DESK} wrote:"
HEADER = "<b>From:</b> {desk}<br><b>Sent:</b> Monday, March 3, 2025 10:15 AM<br><b>To:</b> Citizen<br><b>Subject:</b> Re: my request"
NAMED = HEADER.format(desk="Desk &lt;info@zrm.example&gt;")
BAR = "margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex"

REPLIES = {
    "Gmail": f'<div dir="ltr">Mine.</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{WROTE}<br></div>'
    f'<blockquote class="gmail_quote" style="{BAR}"><div dir="ltr">which street?</div></blockquote></div>',
    "Gmail in Persian": '<div dir="rtl">Mine.</div><br><div class="gmail_quote"><div dir="rtl" class="gmail_attr">در تاریخ دوشنبه ۳ مارس ۲۰۲۵،&rlm; ۱۰:۱۵ '
    f'{DESK} نوشت:<br></div><blockquote class="gmail_quote" style="margin:0px 0.8ex"><div dir="rtl">which street?</div></blockquote></div>',
    "Gmail without a blockquote": f'Mine.<div class="gmail_quote"><div class="gmail_quote">{WROTE}<div>which street?</div></div></div>',
    "Gmail on iOS": f'<div dir="auto">Mine.</div><div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{WROTE}<br></div>'
    f'<blockquote class="gmail_quote" style="{BAR}">which street?</blockquote></div></div>',
    "Apple Mail": f'<html><body>Mine.<br><div><br><blockquote type="cite"><div>{WROTE}</div><br class="Apple-interchange-newline"><div>which street?</div>'
    "</blockquote></div><br></body></html>",
    "iPhone": '<html><body dir="auto">Mine.<br><br><div dir="ltr">Sent from my iPhone</div><div dir="ltr"><br><blockquote type="cite">'
    f'{WROTE}<br><br></blockquote></div><blockquote type="cite"><div dir="ltr">which street?<br></div></blockquote></body></html>',
    "Outlook on the web": '<div class="elementToProof">Mine.</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1">'
    f'<div id="divRplyFwdMsg" dir="ltr"><font face="Calibri">{NAMED}</font><div>&nbsp;</div></div><div>which street?</div>',
    "Outlook on the web in Persian": '<div dir="rtl">Mine.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg" dir="rtl"><b>از:</b> Desk &lt;info@zrm.example&gt;<br>'
    "<b>ارسال شده:</b> دوشنبه ۱۳ اسفند ۱۴۰۳ ۱۰:۱۵<br><b>به:</b> شهروند<br><b>موضوع:</b> پاسخ: درخواست</div><div>which street?</div>",
    "Outlook": "<div class=WordSection1><p class=MsoNormal>Mine.<o:p></o:p></p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in'>"
    f"<p class=MsoNormal>{HEADER.format(desk='Desk')}<o:p></o:p></p></div></div><p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>which street?</p></div>",
    "Outlook 2003": "<div>Mine.</div><DIV class=OutlookMessageHeader dir=ltr align=left><FONT>-----Original Message-----<BR><B>From:</B> Desk [mailto:info@zrm.example]"
    "<BR><B>Sent:</B> Monday, March 03, 2025 10:15 AM<BR><B>To:</B> Citizen<BR><B>Subject:</B> RE: x<BR><BR></FONT></DIV>which street?",
    "Outlook on a telephone": '<div dir="ltr">Mine.</div><div id="ms-outlook-mobile-signature">Get <a href="https://aka.ms/x">Outlook for iOS</a></div>'
    f'<div id="mail-editor-reference-message-container"><hr><div id="divRplyFwdMsg">{NAMED}</div>which street?</div>',
    "Yahoo": f'<div class="ydp1"><div dir="ltr">Mine.</div></div><div id="yahoo_quoted_12" class="yahoo_quoted"><div><div>{WROTE}</div><div><br></div><div>which street?</div></div></div>',
    "Thunderbird": '<body>Mine.<br><br><div class="moz-cite-prefix">On 3/3/25 10:15, Desk wrote:<br></div><blockquote type="cite" cite="mid:1@zrm.example"><p>which street?</p>'
    "</blockquote></body>",
    "Thunderbird in Czech": '<body>Mine.<br><br><div class="moz-cite-prefix">Dne 03. 03. 25 v 10:15 Desk napsal(a):<br></div><blockquote cite="mid:1@zrm.example"><p>which street?</p>'
    "</blockquote></body>",
    "Thunderbird in a language that is not known": '<body>Mine.<br><br><div class="moz-cite-prefix">03/03/2025 10:15-&#x10D6;&#x10D4; Desk &#x10EC;&#x10D4;&#x10E0;&#x10E1;:<br></div>'
    '<blockquote type="cite" cite="mid:1@zrm.example"><p>which street?</p></blockquote></body>',
    "Samsung": "<div>Mine.</div><div><br></div><div><!-- originalMessage --><div>-------- Original message --------</div><div>From: Desk &lt;info@zrm.example&gt; </div>"
    "<div>Date: 3/3/25  10:15  (GMT+03:30) </div><div>To: c@citizen.example </div><div>Subject: Re: x </div><div><br></div></div>which street?",
    "Samsung in Persian": "<div>Mine.</div><div>-------- پیام اصلی --------</div><div>از: Desk &lt;info@zrm.example&gt; </div><div>تاریخ: ۱۴۰۳/۱۲/۱۳ ۱۰:۱۵ (GMT+03:30) </div>"
    "<div>به: c@citizen.example </div><div>موضوع: پاسخ </div><div><br></div>which street?",
    "K-9": f'<div dir="auto">Mine.</div><br><br><div class="gmail_quote"><div dir="auto">On 3 March 2025 10:15:00 GMT+03:30, {DESK} wrote:</div>'
    '<blockquote class="gmail_quote" style="margin: 0pt 0pt 0pt 0.8ex"><pre class="k9mail">which street?</pre></blockquote></div>',
    "Roundcube": '<p>Mine.</p><p id="reply-intro">On 2025-03-03 10:15, Desk wrote:</p><blockquote type="cite" style="border-left: #1010ff 2px solid"><div>which street?</div></blockquote>',
    "Roundcube in Persian": '<p>Mine.</p><p id="reply-intro">در تاریخ ۱۴۰۳-۱۲-۱۳ ۱۰:۱۵، مرکز پاسخ‌گویی نوشت:</p><blockquote type="cite"><div>which street?</div></blockquote>',
    "Horde in Persian": '<p>Mine.</p><p>مرکز پاسخ‌گویی &lt;info@zrm.example&gt; نوشت:</p><blockquote type="cite" style="border-left:2px solid blue">which street?</blockquote>',
    "Zimbra in Persian": '<div dir="rtl">Mine.<br><hr id="zwchr"><b>از: </b>"Desk" &lt;info@zrm.example&gt;<br><b>به: </b>"c" &lt;c@citizen.example&gt;<br>'
    "<b>ارسال شده: </b>دوشنبه, 3 مارس 2025 10:15:00<br><b>موضوع: </b>Re: x<br><br>which street?</div>",
    "Proton": f'<div>Mine.</div><div class="protonmail_quote">{WROTE}<br><blockquote class="protonmail_quote" type="cite">which street?</blockquote></div>',
    "Zoho": '<div>Mine.</div><div class="zmail_extra"><div>---- On Mon, 03 Mar 2025 10:15:00 +0330 <b>Desk &lt;info@zrm.example&gt;</b> wrote ---<br></div><br>'
    '<blockquote style="margin: 0px;"><div>which street?</div></blockquote></div>',
    "Yandex": '<div>Mine.</div><div>03.03.2025, 10:15, "Desk" &lt;info@zrm.example&gt;:</div><blockquote><p>which street?</p></blockquote>',
    "Mail.ru": '<p>Mine.</p><blockquote style="border-left:1px solid #0857A6;margin:10px;padding:0 0 0 10px;">Понедельник, 3 марта 2025, 10:15 +03:00 от Desk '
    "&lt;info@zrm.example&gt;:<br><div>which street?</div></blockquote>",
    "no line above": '<p>Mine.</p><blockquote type="cite"><p>which street?</p></blockquote>',
    "Gmail's class alone": '<p>Mine.</p><blockquote class="gmail_quote"><p>which street?</p></blockquote>',
    "a bare blockquote": "<p>Mine.</p><blockquote><p>which street?</p></blockquote>",
    "one in another": '<p>Mine.</p><blockquote type="cite">which street?<blockquote type="cite">my request</blockquote></blockquote>',
    "renamed by the quoting program": '<p>Mine.</p><blockquote class="x_gmail_quote"><p>which street?</p></blockquote>',
    "in a table for the layout": f'<table><tr><td><p>Mine.</p><p>{WROTE}</p><blockquote type="cite">which street?</blockquote></td></tr></table>',
    "a scanner's line below": f'<p>Mine.</p><p>{WROTE}</p><blockquote type="cite">which street?</blockquote><p>Virus-free. <a href="https://www.avast.com">www.avast.com</a></p>',
}  # fmt: skip

SHOWN = {
    "an answer below": f'<p>Hello,</p><p>{WROTE}</p><blockquote type="cite"><p>Which street?</p></blockquote><p>Mine: Oak Street.</p>',
    "answers between": f'<p>{WROTE}</p><blockquote type="cite">Which street?</blockquote><p>Mine: Oak Street.</p><blockquote type="cite">Since when?</blockquote><p>Mine: since May.</p>',
    "an answer below Outlook's lines": f"<p>Hello,</p><hr><div id='divRplyFwdMsg'>{NAMED}</div><p>Which street?</p><p>Mine: Oak Street.</p>",
    "moved to the right in Gmail": '<div>Mine.<blockquote style="margin:0 0 0 40px;border:none;padding:0px"><div>Mine too.</div></blockquote></div>',
    "moved to the right in Outlook": '<div>Mine.</div><blockquote style="margin-top:0;margin-bottom:0"><div>Mine too.</div></blockquote>',
    "the law, by Gmail's button": f'<div>Mine</div><blockquote class="gmail_quote" style="{BAR}"><div class="gmail_default">Mine too: article 5.</div></blockquote>',
    "passed on by Gmail": '<div>Mine.</div><div class="gmail_quote"><div dir="ltr" class="gmail_attr">---------- Forwarded message ---------<br>From: L &lt;l@home.example&gt;<br>'
    "Date: Mon, 3 Mar 2025<br>Subject: h<br>To: c<br></div><br>Heating off</div>",
    "passed on by Yahoo": '<div>Mine.</div><div class="yahoo_quoted" id="yahoo_quoted_1"><div>----- Forwarded message -----</div><div><b>From:</b> L &lt;l@home.example&gt;</div>'
    "<div><b>Sent:</b> Monday, March 3, 2025</div><div>Heating off</div></div>",
    "passed on by Apple": '<div>Mine.</div><blockquote type="cite"><div>Begin forwarded message:</div><div><b>From: </b>L &lt;l@home.example&gt;</div><div>Heating off</div></blockquote>',
    "somebody else's mail": '<div>Mine.</div><div>On Mon, 3 Mar 2025 at 10:15, L &lt;l@home.example&gt; wrote:</div><blockquote type="cite">Heating off</blockquote>',
    "in a row of several cells": '<table><tr><td><blockquote type="cite">Which street?</blockquote></td><td>Mine: Oak Street.</td></tr></table>',
    "only a quotation": '<blockquote type="cite">Which street?</blockquote>',
}  # fmt: skip


@pytest.mark.parametrize("program", REPLIES)
def test_what_programs_quote_in_html_is_quoted(program: str) -> None:
    text = words_of(REPLIES[program])
    split = split_quotation(text, OURS)
    assert split.new + split.quoted == text
    assert split.new.strip() == "Mine."
    assert "which street?" in split.quoted


@pytest.mark.parametrize("what", SHOWN)
def test_the_writers_words_in_html_are_shown(what: str) -> None:
    text = words_of(SHOWN[what])
    assert split_quotation(text, OURS).new == text


def test_a_quotation_is_marked_line_by_line_and_shows_its_place() -> None:
    html = "<p>Hello</p><blockquote type=cite><p>one</p><p>two</p></blockquote>below<hr>end"
    assert words_of(html) == f"Hello\n\n> one\n>\n> two\n\nbelow\n{'_' * 32}\nend"


def test_the_signs_of_the_layout_are_never_shown() -> None:
    forged = "<p>mine &#xfdd0;</p><p>&#xfdd1;</p><p>\ufdd0</p><blockquote type=cite>theirs</blockquote>\ufdd1 below"
    text = words_of(forged)
    assert not set(text) & {"\ufdd0", "\ufdd1"}
    assert "below" in text


TAGS = st.sampled_from(
    ["<p>", "</p>", "<blockquote type=cite>", "<blockquote>", '<blockquote style="margin:40px">', "</blockquote>", "<div class=gmail_quote>", "</div>", "<hr>",
     "<table><tr><td>", "</td><td>", "</td></tr></table>", "<br>", "word ", "On 3 Mar 10:15 a@b.c wrote:", "<!-- x -->", '<div style="border-top:solid 1px">',
     "<div class=yahoo_quoted>", "<pre>", "\n", "&#xfdd0;", "&#xfdd1;"]
)  # fmt: skip


@given(st.lists(TAGS, max_size=40))
def test_no_word_is_lost_whatever_the_structure(pieces: list[str]) -> None:
    text = words_of("x" + "".join(pieces))
    assert text.count("word") == pieces.count("word ")
    assert not set(text) & {"\ufdd0", "\ufdd1"}


def steps(html: str) -> int:
    """Lines of the module's own code executed for a page."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename != htmlquotes.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        words_of(html)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    ("piece", "line"),
    [
        ("<blockquote type=cite>a</blockquote>", "> a"), ("<blockquote style=x>a</blockquote>", "a"), ("<blockquote style=x><i></i></blockquote>b<br>", "b"),
        ("<div style='border-top:solid'>a</div>", "a"), ("<hr>", "_" * 32), ("<div class=yahoo_quoted>a</div>", "> a"), ("<p>On 3.3. a@b.c:</p>", "On 3.3. a@b.c:"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a  b"),
    ],
)  # fmt: skip
def test_work_grows_with_length_and_nothing_else(piece: str, line: str) -> None:
    short, long = (f"<p>Hello</p>{piece * times}" for times in (50, 200))
    assert steps(long) <= 4.2 * steps(short) + 300
    assert words_of(long).split("\n").count(line) == 200
