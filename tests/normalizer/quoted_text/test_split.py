"""What is new in a message, and what is only repeated."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zrm.normalizer.quoted_text.split import SplitText, split_quotation

# (what the row shows, what stays fresh, what is folded)
ROWS = [
    ("nothing to fold", "Hello\nthe lamp is broken.\n", ""),
    ("Gmail in English", "Thanks!\n\n", "On Mon, 2 Nov 2026 at 10:20, Ali <ali@example.org> wrote:\n\n> old\n> text\n"),
    (
        "an attribution over two lines",
        "Thanks!\n\n",
        "On Mon, 2 Nov 2026 at 10:20, A Very Long Name Indeed\n<ali@example.org> wrote:\n> old\n",
    ),
    ("no marks below", "Fine.\n", "On 2 Nov 2026, at 10:20, Ali <ali@example.org> wrote:\n\nold text\nmore\n"),
    ("Gmail in Persian", "سپاس\n\n", "در تاریخ دوشنبه ۲ نوامبر ۲۰۲۶،\u200f ۱۰:۲۰ علی <ali@example.org> نوشت:\n\n> متن قبلی\n"),
    ("Persian with marks", "سپاس\n", "\u202bدر دوشنبه ۱۱ آبان ۱۴۰۵ ساعت ۱۰:۲۰، علی <a@example.org> نوشت:\u202c\n> قبلی\n"),
    ("Persian typed Arabic", "سپاس\n", "در تاريخ ۲ نوامبر ۱۰:۲۰ علي <a@example.org> نوشته است:\n> متن\n"),
    ("Gmail in Arabic", "شكرا\n\n", "في الاثنين، 2 نوفمبر 2026 في 10:20 ص تمت كتابة ما يلي بواسطة علي <a@example.org>:\n\n> نص\n"),
    ("Arabic wrote", "شكرا\n", "بتاريخ 2 نوفمبر 2026، كتب علي <a@example.org>:\n> نص\n"),
    ("German", "Danke\n", "Am 02.11.2026 um 10:20 schrieb Hans <h@example.org>:\n> alt\n"),
    ("French", "Merci\n", "Le lun. 2 nov. 2026 à 10:20, Luc <l@example.org> a écrit :\n> vieux\n"),
    ("Dutch", "Dank\n", "Op ma 2 nov 2026 om 10:20 schreef Jan <j@example.org>:\n> oud\n"),
    ("Outlook", "See below.\n\n", "From: Ali <ali@example.org>\nSent: Monday, 2 November 2026 10:20\nTo: Info\nSubject: RE: lamp\n\nold\n"),
    ("Outlook ruled", "Ok.\n", "________________________________\nFrom: Ali\nSent: Monday, 2 November 2026 10:20\nTo: Info\nSubject: x\n\nold\n"),
    ("Outlook original", "Ok.\n", "-----Original Message-----\nFrom: Ali\nold\n"),
    ("Outlook German", "Gut.\n", "Von: Hans <h@example.org>\nGesendet: Montag, 2. November 2026\nAn: Info\nBetreff: x\n\nalt\n"),
    ("Outlook Persian", "خوب\n", "از: علی <a@example.org>\nارسال شده: دوشنبه ۱۱ آبان\nبه: اطلاعات\nموضوع: چراغ\n\nقدیمی\n"),
    ("Outlook Arabic", "حسنا\n", "من: علي <a@example.org>\nتم الإرسال: الاثنين 2 نوفمبر\nإلى: معلومات\nالموضوع: مصباح\n\nقديم\n"),
    ("Persian original", "خوب\n", "-----پیام اصلی-----\nقدیمی\n"),
    ("signature", "Please repair it.\n", "-- \nAli Rezaei\n0912\n"),
    ("signature then quote", "Yes.\n", "-- \nAli\n\nOn 2 Nov 2026 10:20 B <b@example.org> wrote:\n> old\n"),
    ("quote then signature", "Yes.\n", "On 2 Nov 2026 10:20 B <b@example.org> wrote:\n> old\n\n-- \nAli\n"),
    ("telephone English", "Broken again\n\n", "Sent from my iPhone\n"),
    ("telephone Persian", "دوباره خراب شد\n\n", "ارسال شده از iPhone من\n"),
    ("telephone Persian 2", "دوباره\n", "فرستاده شده از آیفون من\n"),
    ("telephone then quote", "ok\n", "Get Outlook for Android\nOn 2 Nov 2026 10:20 B <b@example.org> wrote:\n> old\n"),
    ("bare quote", "I agree\n", "> old\n> older\n"),
    ("quote of quote", "I agree\n", "> > older\n> old\n>\n"),
    ("answer below the quotation", "On 2 Nov 2026 10:20 B <b@example.org> wrote:\n> old\n\nmy answer\n", ""),
    ("answers between", "> first?\nyes\n> second?\nno\n", ""),
    ("answers between, then the rest", "> first?\nyes\n", "> second?\n> third?\n"),
    ("only a quotation", "> old\n", ""),
    ("only a forward", "---------- Forwarded message ---------\nFrom: a@example.org\nDate: 2 Nov\nSubject: x\nTo: b\n\nlook\n", ""),
    ("a forward with a word", "Please see:\n---------- Forwarded message ---------\nFrom: a@example.org\nDate: 2\nTo: b\n\nl\n", ""),
    ("a Persian letterhead", "بسمه تعالی\nاز: علی\nبه: شهرداری\nتاریخ: ۱۴۰۵/۸/۱۱\nموضوع: چراغ\nسلام\n", ""),
    ("he wrote", "On 2 occasions the mayor wrote:\nnothing will be done.\nI object.\n", ""),
    ("two dashes in prose", "a\n--\n" + "line\n" * 40, ""),
    ("greater than in prose", "if a > b then\nc\n", ""),
    ("empty", "", ""),
    ("blank", "\n\n \n", ""),
]  # fmt: skip


@pytest.mark.parametrize(("fresh", "folded"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_fresh_and_what_is_folded(fresh: str, folded: str) -> None:
    assert split_quote(fresh + folded) == (fresh, folded)


PIECES = st.sampled_from(
    [
        "\n", "> ", ">", "-- ", "--", "On ", "2 Nov 10:20", "wrote:", "a@b.c", "From: ", "Sent: 2", "To: x", "Subject: y", "____________",
        "-----Original Message-----", "Sent from my iPhone", "در تاریخ ", "نوشت:", "از: ", "سلام", "\u202b", "\u200f", " ", "text", "\r", "x" * 500,
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=300))
@settings(max_examples=300)
def test_nothing_is_ever_lost(text: str) -> None:
    fresh, folded = split_quote(text)
    assert fresh + folded == text
    assert bool(fresh.strip()) or not folded


def steps(text: str) -> int:
    """Lines of the scanner's own code executed for a text."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename != quotes.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        split_quote(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "piece",
    [
        ">\n", "> a\n\n", "-- \n", "On \n", "On 1 wrote:\n", "On 2 Nov 10:20\n", "From: a\n", "From: a@b\nSent: 2\n", "________\n", "________\n\n",
        "\n", "-----Original Message", "Sent from my x\n", "> a\nOn 1 wrote:\n-- \n", "a" * 50, "On " * 20, "در تاریخ ۲\n", "To: a\n", "-- \n> a\nx\n",
    ],
)  # fmt: skip
def test_work_grows_with_length_and_nothing_else(piece: str) -> None:
    small, large = steps("hello\n" + piece * 200), steps("hello\n" + piece * 800)
    assert large <= 4.2 * small + 200
