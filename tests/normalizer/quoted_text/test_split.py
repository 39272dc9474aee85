"""What is new in a message, and what is only repeated."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.normalizer.quoted_text.programs import ATTRIBUTIONS, BLOCKS
from zrm.normalizer.quoted_text import split as split_module
from zrm.normalizer.quoted_text.split import SplitText, split_quotation, without_signature

# (what the row shows, what stays new, what is quoted)
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
    ("telephone Persian 3", "دوباره\n", "از آیفون من ارسال شده است\n"),
    ("telephone Chinese", "又坏了\n", "从我的 iPhone 发送\n"),
    ("telephone Chinese 2", "又坏了\n", "发自我的华为手机\n"),
    ("telephone Czech", "Zase nesvítí\n", "Odesláno z iPhonu\n"),
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
    ("a list of the writer's", "My reasons are:\n> the lamp is dark\n> the bin is full\n", ""),
    ("a list of the writer's in Persian", "دلایل من:\n\n> چراغ خاموش است\n> سطل پر است\n", ""),
    ("whom the writer quotes", "The law says:\n> every street is lit\n", ""),
    ("greater than in prose", "if a > b then\nc\n", ""),
    ("a bare dash line between two matters", "First matter: the lamp is broken.\n--\nSecond matter: the bin was not emptied.\n", ""),
    ("a long dash between two matters", "The lamp is broken.\n—\nThe bin was not emptied for three weeks.\n", ""),
    ("a long dash and a name", "The lamp is broken.\n—\nAli Rezaei\n", ""),
    ("sentences below the signature's line", "The lamp is broken.\n-- \nThe bin was not emptied for three weeks either.\n", ""),
    ("a name below it, then sentences", "Broken.\n-- \nAli Rezaei\n\nP.S. The bin was not emptied for three weeks.\n", ""),
    ("a long paragraph below it", "Broken.\n-- \nAli\n" + "The bin was not emptied for three weeks either. " * 10 + "\n", ""),
    ("a signature of several lines", "Broken.\n\n", "-- \nAli Rezaei\nHead of the SmallInstallation Committee\n+98 21 8888 7777\nali@example.org\n"),
    ("a Persian signature", "چراغ خراب است.\n", "-- \nعلی رضایی\nمدیر ساختمان\n۰۲۱-۸۸۸۸۷۷۷۷\n"),
    ("Persian sentences below it", "چراغ خراب است.\n-- \nسطل زباله هم سه هفته است که خالی نشده\n", ""),
    ("sent by post", "My request is open.\n\nSent via registered post on 12 May, receipt 4471.\n", ""),
    ("sent by post in Persian", "درخواست من بی‌پاسخ است.\n\nارسال شده با پست سفارشی، شماره رهگیری ۴۴۷۱\n", ""),
    ("sent from an old address", "Hello.\n\nSent from my old address by mistake, please delete the first copy.\n", ""),
    ("a photo sent from a telephone, Persian", "سلام.\n\nاز آیفون من عکس فرستاده شده است، لطفا ببینید.\n", ""),
    ("sent by a program with an excuse", "Hello.\n\nSent from my iPhone, the photos follow tomorrow.\n", ""),
    ("sent from a number", "سلام\nارسال شده از تلفن همراه ۰۹۱۲۱۲۳۴۵۶۷\n", ""),
    ("a file sent by Outlook", "The scan was\nsent from Outlook to your office on 12 May.\n", ""),
    ("a telephone of an unknown kind", "Hello.\n\nSent from my desk, which is broken.\n", ""),
    ("a scanner's line below", "My answer.\n\n", "On Mon, 3 Mar 2025 at 10:15, Desk <d@example.org> wrote:\n> old\n\nVirus-free. www.scanner.example\n"),
    ("a scanner's line in French below", "Ma réponse.\n\n", "> vieux\n\nL'absence de virus a été vérifiée par le logiciel antivirus Avast. www.avast.com\n"),
    ("a notice below", "My answer.\n\n", "> old\n\nThis e-mail is confidential and intended solely for the addressee.\n"),
    ("a long notice below", "My answer.\n\n", "> old\n\nCONFIDENTIALITY NOTICE: " + "This message is for the intended recipient only. " * 12 + "\n"),
    ("a Persian notice below", "پاسخ من.\n\n", "> قبلی\n\nاین ایمیل محرمانه است و تنها برای گیرنده آن فرستاده شده است.\n"),
    ("a device's line below", "My answer.\n\n", "> old\n\nSent from my iPhone\n"),
    ("a list's lines below", "My answer.\n\n", "> old\n\n_______________\nlamps mailing list\nlamps@lists.example.org\nhttps://lists.example.org/lamps\n"),
    ("a notice, then a signature below", "My answer.\n\n", "> old\n\n-- \nAli\n\nThis message is confidential and for the addressee.\n"),
    ("a writer who asks for secrecy", "> old\n\nThis message is confidential, please do not tell my landlord.\n", ""),
    ("a writer who names a virus", "> old\n\nThis email of yours had a virus, I have not opened it.\n", ""),
    ("a notice without a quotation", "This e-mail is confidential and intended solely for the addressee.\nMy matter.\n", ""),
    ("broken by the sending program", "My answer.\n\n", "> Dear citizen, your request of last week has been handed over to the unit\nfor roads.\n> which street?\n"),
    ("broken in Persian", "پاسخ من.\n\n", "> شهروند گرامی، درخواست هفتهٔ گذشتهٔ شما به ادارهٔ راه‌های شهرداری سپرده شده\nاست.\n> کدام خیابان؟\n"),
    ("broken and never decoded", "My answer.\n\n", "> Please let us know of your availability for Tuesday or the next Wednesda=\ny\n> next week.\n"),
    ("an answer where a line was broken", "> Dear citizen, your request of last week has been handed over to the unit\nOak Street 4\n", "> which street?\n"),
    ("an answer below a question as long", "> Dear citizen, which street do you mean, and since when is the lamp dark?\nfor three weeks\n", "> Regards\n"),
    ("an answer in Persian where it was not broken", "> لطفاً نشانی دقیق و شماره پلاک محل خرابی چراغ را برای ما بنویسید تا پیگیری کنیم\nخیابان بهار پلاک ۴\n", "> با احترام\n"),
    ("an answer between, unmarked above", "On 3 Mar 2025 10:15 B <b@example.org> wrote:\n> first?\nyes\n> second?\nno\n", ""),
    ("the address ends in the next line", "Takk.\n\n", "tir. 18. apr. 2017 kl. 13:09 skrev Test user <test@example.com\n>:\n\n> Ok.\n"),
    ("on the writer's line", "reply ", "On Wed, Apr 4, 2012 at 3:59 PM, bob@example.org wrote:\n> Hi\n"),
    ("on the writer's line, behind dashes", "it is broken ", "--- On Wed, Apr 4, 2012 at 3:59 PM, bob@example.org wrote:\n> Hi\n"),
    ("an address set apart", "Mine.\n\n", "On Tue, Apr 11, 2017 at 10:07 PM B\n\n<\nmailto:B <b@example.org>\n> wrote:\nold\n"),
    ("date first", "Mine.\n\n", "Date: Mon, 3 Mar 2025 10:15:00 +0330\nSubject: Re: request\nFrom: info@example.org\nTo: c@example.com\n\nold\n"),
    ("two lines to the second", "Mine.\n\n", "Date: Wed, 16 May 2012 00:15:02 -0600\nTo: info@example.org\n\nold\n"),
    ("two lines of a person", "Mine.\n\nFrom: info@example.org\nDate: 3 March\n\nthat mail I mean.\n", ""),
    ("a list of data", "My data\nName: Ali\nE-mail: ali@example.org\nBorn: 3.3.1980\nStreet: Oak Street 4\n", ""),
    ("a ruled list of data", "My data\n--------\nName: Ali\nE-mail: ali@example.org\nFlat: 12\n", ""),
    ("minutes", "Minutes\n\n----\nDate: 3 March 2025 10:15\nPlace: Town hall\nSubject: lamp\nPresent: all\n\nWe decided.\n", ""),
    ("minutes in Persian", "صورتجلسه\n\n-----\nتاریخ: ۱۴۰۳/۱۲/۱۳ ۱۰:۱۵\nموضوع: چراغ\nحاضران: همه\n\nتصمیم گرفتیم.\n", ""),
    ("hours", "Dark\n\n________________________________\nFrom: 10:15\nTo: 11:15\nDate: 3 March 2025 10:15\n\nThe lamp was dark.\n", ""),
    ("hours in Persian", "خاموش\n\n-----\nاز: ۱۰:۱۵\nبه: ۱۱:۱۵\nتاریخ: ۱۴۰۳/۱۲/۱۳\n\nچراغ خاموش بود.\n", ""),
    ("a journey", "My trip\n\n-----\nFrom: home\nTo: work\nDate: 3.3.2025 10:15\nSubject: bus\n\nNo bus came.\n", ""),
    ("who told something", "سلام\nدر تاریخ ۱۴۰۳/۱۲/۱۳ ساعت ۱۰:۱۵ اداره <info@example.org> پاسخ داد:\n\nفردا\n\nکسی نیامد.\n", ""),
    ("an appointment", "Invitation:\n\nDate: Wednesday 3, October 2011\nTime: 7:00\nAddress: 130 Fox St\n\nBring your passport.\n", ""),
    ("a telephone above the header lines", "Mine.\nTel: 0912\n", "From: Ali <ali@example.org>\nSent: Monday, 2 November 2026 10:20\nTo: Info\nSubject: x\n\nold\n"),
    ("recipients over several lines", "Mine.\n\n", "From: Ali <ali@example.org>\nSent: 2 November 2026\nTo: One <one@example.org>;\n Two <two@example.org>\nSubject: x\n\nold\n"),
    ("announced by a colon", "The tax office sent me this:\n\nFrom: Tax <t@example.org>\nSent: 2 November 2026\nTo: me\nSubject: fine\n\npay\n", ""),
    ("a salutation alone", "Hello,\n\nOn 2 Nov 2026, at 10:20, Ali <ali@example.org> wrote:\n\nWhich street?\n\nOak Street.\n", ""),
    ("answers below", "See my answers below.\n\nOn 2 Nov 2026, at 10:20, Ali <ali@example.org> wrote:\n\nWhich street?\nOak Street.\n", ""),
    ("answers below in Persian", "سلام، پاسخ‌ها در زیر آمده است.\n\nاز: علی <a@example.org>\nارسال شده: ۱۱ آبان ۱۴۰۵\nبه: ما\nموضوع: چراغ\n\nکدام خیابان؟\nبهار\n", ""),
    ("a forward below marked lines", "Mine.\n> old\n\nBegin forwarded message:\n\nFrom: a@example.org\n\n> quoted there\n", ""),
    ("Apple's forward", "See this.\n\n> Begin forwarded message:\n>\n> From: Landlord <l@example.org>\n> Date: 3 March 2025\n>\n> no heating\n", ""),
    ("a forward within the quotation", "Mine.\n\n", "-----Original Message-----\nFYI\n---------- Forwarded message ----------\nFrom: b@example.org\n\nold\n"),
    ("an unknown kind of forward", "Mine.\n\n-------- Doorverwesen berig --------\nHeating off.\n", ""),
    ("it begins with header lines", "Od: Jan <jan@example.org>\nWysłano: 1 marca 2023\nDo: Anna\nTemat: x\n\nCześć, lampa.\n\n", "Dnia 28 lutego 2023 14:00 Anna <a@example.org> napisał(a):\n> stare\n"),
    ("empty", "", ""),
    ("blank", "\n\n \n", ""),
]  # fmt: skip


OURS = frozenset({"info@zrm.example"})


@pytest.mark.parametrize(("new", "quoted"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_new_and_what_is_quoted(new: str, quoted: str) -> None:
    assert split_quotation(new + quoted) == SplitText(new, quoted)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        # Header lines of somebody else's mail: an agent may not have seen it.
        ("See this.\n\nFrom: Landlord <l@home.example>\nSent: 3 March 2025 10:15\nTo: me\nSubject: h\n\noff\n\nI object.\n", ""),
        ("See this.\n\n-----Original Message-----\nFrom: Landlord <l@home.example>\nSent: 3 March 2025\n\noff\n", ""),
        ("See this.\n\nOn 3 Mar 2025, at 10:15, Landlord <l@home.example> wrote:\n\noff\n\nI object.\n", ""),
        ("See this.\n\nOn 3 Mar 2025, at 10:15, Landlord <l@home.example> wrote:\n> off\n", ""),
        ("See this.\n\n> On 3 Mar 2025, at 10:15, Landlord <l@home.example> wrote:\n>\n> off\n", ""),
        # The writer's own mail to us, which may never have come.
        ("Any news?\n\nFrom: C <c@citizen.example>\nSent: 3 March 2025\nTo: info@zrm.example\nSubject: h\n\nmy request\n", ""),
        ("Any news?\n\n________\nFrom: C\nSent: 3 March 2025\nTo: info@zrm.example\nSubject: h\n\nmy request\n", ""),
        # A letter that somebody wrote to somebody.
        ("Any news?\n\nFrom: Ali\nTo: tax@tax.example\nDate: 3 March 2025\nSubject: fine\n\nI object.\n", ""),
        ("چه شد؟\n\nاز: علی رضایی\nبه: شهرداری\nتاریخ: ۱۴۰۳/۱۲/۱۳\nموضوع: چراغ\nایمیل: c@citizen.example\n\nچراغ خراب است.\n", ""),
        ("Any news?\n\n--------\nSent to: info@zrm.example\nAt: 3 March 2025 10:15\nTopic: lamp\n\nIt is dark.\n", ""),
        # Below a mail that is pasted in, everything is shown, a quotation of ours as well.
        (
            "See this.\n\nFrom: Tax <t@tax.example>\nSent: 3 March 2025\nTo: me\nSubject: h\n\npay\n\n"
            "From: Desk <info@zrm.example>\nSent: 2 March 2025\nTo: me\nSubject: h\n\nold\n\nI object.\n",
            "",
        ),
        # Ours, by whatever address of ours.
        ("Yes.\n\n", "On 3 Mar 2025, at 10:15, Desk <info+abc234@zrm.example> wrote:\n\nold\n"),
        ("Yes.\n\n", "From: Desk <INFO@zrm.example>\nSent: 3 March 2025\nTo: me\nSubject: h\n\nold\n"),
        ("Yes.\n\n", "________\nFrom: Desk\nSent: 3 March 2025\nTo: c@citizen.example\nSubject: h\n\nold\n"),
        ("Yes.\n\n", "> On 3 Mar 2025, at 10:15, Desk <info@zrm.example> wrote:\n>\n> old\n"),
        ("Yes.\n\n", "On 3 Mar 2025 at 10:15, Desk wrote:\n> old\n"),
    ],
)  # fmt: skip
def test_a_quotation_of_somebody_elses_mail_stays_visible(text: str, quoted: str) -> None:
    assert split_quotation(text + quoted, OURS) == SplitText(text, quoted)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("STOP\n\nSent from my iPhone\n", "STOP\n\n"),
        ("1234-5678-9012\n-- \nAli\n", "1234-5678-9012\n"),
        ("-- \nAli\n+98 21 1234 567\n", ""),
        ("STOP\n> old\n", "STOP\n> old\n"),
        ("STOP\n\nOn 3 Mar 2025, at 10:15, B <b@example.org> wrote:\n\nold", "STOP\n\nOn 3 Mar 2025, at 10:15, B <b@example.org> wrote:\n\nold"),
    ],
)  # fmt: skip
def test_a_signature_alone_can_be_taken_away(text: str, without: str) -> None:
    assert without_signature(text) == without


PIECES = st.sampled_from(
    [
        "\n", "> ", ">", "-- ", "--", "On ", "2 Nov 10:20", "wrote:", "a@b.c", "From: ", "Sent: 2", "To: x", "Subject: y", "____________",
        "-----Original Message-----", "Sent from my iPhone", "در تاریخ ", "نوشت:", "از: ", "سلام", "\u202b", "\u200f", " ", "text", "\r", "x" * 500,
        "---------- Forwarded message ---------", "<", ">:", "2026", "Virus-free. www.a.b", "This e-mail is confidential, recipient", "=", "：", "写道",
        "My answers below", "(http://a.b) >",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=300), st.sampled_from([frozenset(), OURS]))
def test_nothing_is_ever_lost(text: str, ours: frozenset[str]) -> None:
    split = split_quotation(text, ours)
    assert split.new + split.quoted == text
    assert bool(split.new.strip()) or not split.quoted
    assert text.startswith(without_signature(text))


OWN_WORDS = st.lists(
    st.sampled_from(
        [
            "Oak Street, number 4.", "No, since last week.", "The lamp is broken", "چراغ خراب است.", "خیابان بهار، پلاک ۴", "Seit drei Wochen.", "ok",
            "3 March 2025 at 10:15", "Please call +98 912 123 4567", "路灯坏了", "Sent via registered post", "--", "—", "On 12 March he wrote:", "1) yes",
        ]
    ),
    min_size=1,
    max_size=4,
).map("\n".join)  # fmt: skip
MARKED = st.tuples(
    st.sampled_from([row for rows in ATTRIBUTIONS.values() for row in rows]),
    st.lists(st.sampled_from(["> Dear citizen,", ">", "> which street?", ">> my request", "> > older"]), min_size=1, max_size=5),
).map(lambda parts: "\n".join((parts[0], *parts[1])))  # fmt: skip
FOREIGN = st.sampled_from([row for rows in BLOCKS.values() for row in rows]).map(
    lambda row: f"{row.format(desk='Tax Office <tax@tax.example>')}\n\nYou must pay."
)


@given(OWN_WORDS, MARKED, OWN_WORDS, st.sampled_from([frozenset(), OURS]))
def test_own_words_below_marked_lines_stay(above: str, quotation: str, below: str, ours: frozenset[str]) -> None:
    text = f"{above}\n\n{quotation}\n\n{below}\n"
    assert split_quotation(text, ours) == SplitText(text)


@given(OWN_WORDS, FOREIGN, OWN_WORDS)
def test_own_words_below_a_pasted_mail_stay(above: str, pasted: str, below: str) -> None:
    text = f"{above}\n\n{pasted}\n\n{below}\n"
    assert split_quotation(text, OURS) == SplitText(text)


PEOPLE = (
    "your inspector",
    "the mayor",
    "my neighbour",
    "he",
    "Sara from your office",
    "کارشناس شما",
    "مأمور شهرداری",
    "همسایهٔ ما",
    "Ihr Prüfer",
    "l'agent",
)
WHEN = (
    "On 12 March at 10:30 ",
    "On 12 March 2025, 10:30, ",
    "At 10:30 on Monday ",
    "در تاریخ ۱۲ اسفند ۱۴۰۳ ساعت ۱۰:۳۰ ",
    "روز دوشنبه ساعت ۱۰:۳۰ ",
    "Am 12.03.2025 um 10:30 schrieb ",
    "Le 12/03/2025 à 10h30 ",
)
SAID = (" wrote:", " wrote to me:", " said and wrote:", " نوشت:", " گفت و نوشت:", " schrieb:", ":", " a écrit :", " wrote that")  # fmt: skip


@given(
    st.tuples(st.sampled_from(WHEN), st.sampled_from(PEOPLE), st.sampled_from(SAID)).map("".join),
    OWN_WORDS,
    st.lists(OWN_WORDS, min_size=1, max_size=3).map("\n\n".join),
)
def test_a_sentence_that_says_who_wrote_when_folds_nothing(sentence: str, above: str, below: str) -> None:
    text = f"{above}\n\n{sentence}\n\n{below}\n"
    assert split_quotation(text, OURS) == SplitText(text)


def steps(text: str) -> int:
    """Lines of the package's own code executed for a text."""
    count = 0
    package = str(Path(split_module.__file__).parent)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(package):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        split_quotation(text)
    finally:
        sys.settrace(before)
    return count


ALL = None


@pytest.mark.parametrize(
    ("piece", "kept"),
    [
        (">\n", 2), ("> a\n\n", 2), ("-- \n", 2), ("On \n", ALL), ("On 1 wrote:\n", ALL), ("On 2 Nov 10:20\n", ALL), ("From: a\n", ALL),
        ("From: a@b\nSent: 2\n", ALL), ("________\n", ALL), ("________\n\n", ALL), ("\n", ALL), ("-----Original Message", ALL), ("a" * 50, ALL),
        ("Sent from my iPhone\n", 2), ("> a\nOn 1 wrote:\nx\n", ALL), ("On " * 20, ALL), ("در تاریخ ۲\n", ALL), ("To: a\n", ALL),
        ("-- \n> a\nx\n", ALL), ("a: 1\n", ALL), ("From: x\na: 1\n", ALL), ("On 2 Nov 2026 10:20 B <b@c.d> wrote\n", ALL), ("> a\n\nx: y\n", ALL),
        ("On 2 Nov 2026 10:20 B <b@c.d> wrote:\n> a\n", 2), ("This e-mail is confidential, recipient\n\n> a\n\n", 4), ("Ali Rezaei\n", ALL),
        ("-----Original Message-----\n", 2), ("---------- Forwarded message ---------\n", ALL), ("-- \nAli\n", 2), ("> " + "a b " * 18 + "\nx y\n", ALL),
    ],
)  # fmt: skip
def test_work_grows_with_length_and_nothing_else(piece: str, kept: int | None) -> None:
    short, long = (f"Hello there\n\n{piece * times}" for times in (100, 400))
    assert steps(long) <= 4.2 * steps(short) + 300
    new = long if kept is ALL else "".join(long.splitlines(keepends=True)[:kept])
    assert split_quotation(long) == SplitText(new, long[len(new) :])
