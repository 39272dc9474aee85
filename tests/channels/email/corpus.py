"""Mail as the world writes it: each payload with what must be understood of it.

The mails are built here rather than kept as files, because half of them are wrong byte by byte and an editor, a
version control system or a well-meaning hook would repair them.
"""

from __future__ import annotations

import base64
import quopri
from collections.abc import Mapping
from dataclasses import dataclass, field

FA = "سلام، چاله‌ای در خیابان ولیعصر هست. لطفاً رسیدگی کنید."
AR = "مرحبا، المصباح في شارعنا معطل منذ أسبوع، نرجو إصلاحه."
FR = "Le réverbère de notre rue est cassé depuis mercredi dernier."


@dataclass(frozen=True)
class Mail:
    """A payload, its envelope, and the fields of the Inbound it must give."""

    body: bytes
    mail_from: str = "ali@example.com"
    rcpt_tos: tuple[str, ...] = ("info@example.org",)
    expected: Mapping[str, object] = field(default_factory=dict)


def b64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def mail(head: str, body: bytes | str = b"hello\r\n", **expected: object) -> Mail:
    base = "" if head.startswith("!") else "From: Ali <ali@example.com>\r\nTo: info@example.org\r\n"
    lines = head.lstrip("!").replace("\n", "\r\n")
    raw = body if isinstance(body, bytes) else body.encode()
    return Mail(
        (base + (lines + "\r\n" if lines else "") + "\r\n").encode("utf-8", "surrogateescape") + raw, expected=expected
    )


def text(charset: str, data: bytes, encoding: str = "8bit") -> Mail:
    coded = {"8bit": data, "base64": b64(data), "quoted-printable": quopri.encodestring(data)}[encoding]
    return mail(f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}", coded)


def expect(payload: Mail, **expected: object) -> Mail:
    return Mail(payload.body, payload.mail_from, payload.rcpt_tos, {**payload.expected, **expected})


def multipart(kind: str, *parts: str | bytes, extra: str = "", end: bool = True, before: str = "") -> Mail:
    raw = b"".join(
        b"--b0\r\n" + (part if isinstance(part, bytes) else part.replace("\n", "\r\n").encode()) + b"\r\n"
        for part in parts
    )
    return mail(
        f'MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary="b0"{extra}',
        before.encode() + raw + (b"--b0--\r\n" if end else b""),
    )


PLAIN = "Content-Type: text/plain; charset=utf-8\n\nplain words"
HTML = '<p dir="rtl">html <b>words</b></p><script>x()</script>'
HTML_PART = f"Content-Type: text/html; charset=utf-8\n\n{HTML}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PNG_PART = (
    b"Content-Type: image/png; name=a.png\r\nContent-ID: <p1@x>\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + b64(PNG)
)
ZIP_PART = (
    b'Content-Type: application/zip\r\nContent-Disposition: attachment; filename="bomb.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + b64(b"PK\x03\x04" + b"\0" * 64)
)


def nested(depth: int) -> Mail:
    raw = b"Content-Type: text/plain\r\n\r\ndeep words"
    for level in range(depth):
        mark = b"n%d" % level
        raw = (
            b'Content-Type: multipart/mixed; boundary="'
            + mark
            + b'"\r\n\r\n--'
            + mark
            + b"\r\n"
            + raw
            + b"\r\n--"
            + mark
            + b"--"
        )
    return Mail(b"From: ali@example.com\r\nTo: info@example.org\r\n" + raw + b"\r\n")


PAYLOADS: dict[str, Mail] = {
    # ---- alphabets
    "utf-8 as declared": expect(text("utf-8", FA.encode()), text=FA),
    "utf-8 in base64": expect(text("UTF-8", FA.encode(), "base64"), text=FA),
    "utf-8 in quoted-printable": expect(text("utf-8", FA.encode(), "quoted-printable"), text=FA),
    "utf-8 declared as ascii": expect(text("us-ascii", FA.encode()), text=FA),
    "utf-8 declared as latin-1": expect(text("iso-8859-1", FA.encode()), text=FA),
    "utf-8 undeclared": mail("", FA, text=FA),
    "utf-8 with one broken letter": expect(text("utf-8", FA.encode() + b"\xd9"), text=FA + "\ufffd"),
    "windows-1256 as declared": expect(text("windows-1256", AR.encode("cp1256")), text=AR),
    "windows-1256 undeclared": mail("", AR.encode("cp1256"), text=AR),
    "windows-1256 declared as utf-8": expect(text("utf-8", AR.encode("cp1256")), text=AR),
    "windows-1256 declared as latin-1": expect(text("iso-8859-1", AR.encode("cp1256")), text=AR),
    "windows-1256 declared as nonsense": expect(text("x-unknown", AR.encode("cp1256")), text=AR),
    "iso-8859-6": expect(text("iso-8859-6", AR.replace("،", "،").encode("iso-8859-6")), text=AR),
    "latin-1 as declared": expect(text("iso-8859-1", FR.encode("cp1252")), text=FR),
    "latin-1 undeclared": mail("", FR.encode("cp1252"), text=FR),
    "outlook's quotes under latin-1": expect(text("iso-8859-1", b"\x93quoted\x94 \x80"), text="\u201cquoted\u201d \u20ac"),
    "utf-16": expect(text("utf-16", FA.encode("utf-16"), "base64"), text=FA),
    "utf-7": expect(text("utf-7", FA.encode("utf-7")), text=FA),
    "iso-2022-jp": expect(text("iso-2022-jp", "道路".encode("iso-2022-jp")), text="道路"),
    "gb2312": expect(text("gb2312", "路灯坏了".encode("gb18030")), text="路灯坏了"),
    "koi8-r": expect(text("koi8-r", "фонарь".encode("koi8-r")), text="фонарь"),
    "a codec that is no alphabet": expect(text("unicode_escape", rb"\u0041"), text=r"\u0041"),
    "a codec that unpacks": expect(text("zlib_codec", b"abc"), text="abc"),
    # ---- encodings that are wrong
    "base64 with rubbish": mail("Content-Transfer-Encoding: base64", b"aGVs*!bG8g\r\nd29y bGQ", text="hello world"),
    "base64 cut short": mail("Content-Transfer-Encoding: base64", b"aGVsbG8gd29ybGQhI", text="hello world!"),
    "quoted-printable cut short": mail("Content-Transfer-Encoding: quoted-printable", b"a=3D=", text="a="),
    "an unknown transfer encoding": mail("Content-Transfer-Encoding: x-what", b"kept", text="kept"),
    "NUL in the text": mail("", b"a\x00b", text="ab"),
    "bare line feeds": Mail(b"From: a@example.com\nSubject: x\n\nline\nline\n", expected={"text": "line\nline", "title": "x"}),
    "flowed text": mail("Content-Type: text/plain; format=flowed", "one \r\ntwo\r\n> q \r\n> r\r\n-- \r\nAli", text="one two\n> q r\n-- \nAli"),
    # ---- headers
    "an encoded subject": mail("Subject: =?utf-8?B?" + base64.b64encode("چاله خطرناک".encode()).decode() + "?=", title="چاله خطرناک"),
    "a letter cut between two words": mail(
        "Subject: =?utf-8?B?" + base64.b64encode("چاله".encode()[:3]).decode() + "?=\n =?utf-8?B?" + base64.b64encode("چاله".encode()[3:]).decode() + "?=",
        title="چاله",
    ),
    "Q with spaces in it": mail("Subject: =?utf-8?Q?caf=C3=A9 noir?=", title="café noir"),
    "words without space between": mail("Subject: =?utf-8?Q?a?==?utf-8?Q?b?= c", title="ab c"),
    "words of two alphabets": mail("Subject: =?utf-8?Q?=C3=A9?= =?iso-8859-1?Q?=E9?=", title="éé"),
    "an unknown alphabet in a word": mail("Subject: =?x-none?Q?abc?=", title="abc"),
    "a word that never ends": mail("Subject: =?utf-8?B?abc", title="=?utf-8?B?abc"),
    "a raw utf-8 subject": mail("Subject: چاله", title="چاله"),
    "a raw windows-1256 subject": Mail(b"From: a@example.com\r\nSubject: " + "مصباح معطل".encode("cp1256") + b"\r\n\r\nx", expected={"title": "مصباح معطل"}),
    "a folded subject": mail("Subject: one\n  two\n\tthree", title="one two three"),
    "no subject": mail("", title="", text="hello"),
    "an override in the subject": mail("Subject: \u202egnp.exe", title="\u202egnp.exe\u202c"),
    "headers only": Mail(b"From: a@example.com\r\nSubject: x\r\n", expected={"text": "", "title": "x"}),
    "no empty line before the body": Mail(b"From: a@example.com\r\nthis is no field\r\n", expected={"text": "this is no field"}),
    "no header at all": Mail(b"\r\njust words\r\n", expected={"text": "just words", "senders": ["ali@example.com"]}),
    "only words": Mail(b"just words\r\n", expected={"text": "just words"}),
    "a mailbox file's first line": Mail(b"From ali Mon Nov  2\r\nFrom: b@example.com\r\n\r\nx", expected={"senders": ["b@example.com"]}),
    # ---- who
    "name and address": mail("", senders=["ali@example.com"], names=["Ali"]),
    "encoded name": mail("!From: =?utf-8?B?" + base64.b64encode("علی".encode()).decode() + "?= <a@example.com>", senders=["a@example.com"], names=["علی"]),
    "quoted name with a comma": mail('!From: "Rezaei, Ali" <a@example.com>', senders=["a@example.com"], names=["Rezaei, Ali"]),
    "name in a comment": mail("!From: a@example.com (Ali Rezaei)", senders=["a@example.com"], names=["Ali Rezaei"]),
    "an address as the name": mail('!From: "boss@example.net" <a@example.com>', senders=["a@example.com"]),
    "From, Reply-To and Sender": mail("!From: a@example.com\nReply-To: b@example.com\nSender: c@example.com", senders=["a@example.com"]),
    "only Sender": mail("!Sender: c@example.com", senders=["c@example.com"]),
    "only the envelope": mail("!Subject: x", senders=["ali@example.com"]),
    "rubbish in From": mail("!From: <<<>>>, \"", senders=["ali@example.com"]),
    "a group": mail("!From: friends: a@example.com, b@example.com;", senders=["a@example.com", "b@example.com"]),
    "nested comments without end": mail("!From: " + "(" * 5000, senders=["ali@example.com"]),
    "a thousand From lines": mail("!" + "\n".join(f"From: a{n}@example.com" for n in range(1000)), senders=[f"a{n}@example.com" for n in range(20)]),
    # ---- when
    "a date": mail("Date: Mon, 2 Nov 2026 10:00:00 +0330", sent_at="2026-11-02T06:30:00+00:00"),
    "a date without zone": mail("Date: Mon, 2 Nov 2026 10:00:00", sent_at="2026-11-02T10:00:00+00:00"),
    "no date": mail("", sent_at=None),
    "a date of nonsense": mail("Date: yesterday evening", sent_at=None),
    "a date out of range": mail("Date: Mon, 99 Nov 99999 10:00:00 +0330", sent_at=None),
    "a zone out of range": mail("Date: Mon, 2 Nov 2026 10:00:00 +9999999", sent_at=None),
    # ---- thread
    "in reply to": mail("Message-ID: <m@x>\nIn-Reply-To: <p@x>\nReferences: <r@x>\n <q@x> <p@x>", message_id="<m@x>", references=("<p@x>", "<q@x>", "<r@x>")),
    "a bare message id": mail("Message-ID: m@x", message_id="<m@x>"),
    "a token in the envelope": Mail(b"From: a@example.com\r\n\r\nx", rcpt_tos=("info+AbC-1@example.org",), expected={"tokens": ("AbC-1",)}),
    "a token in Delivered-To": mail("Delivered-To: info+T0K@example.org", tokens=("T0K",)),
    "a token at another's address": mail("Cc: someone+T0K@example.net", tokens=()),
    "a token in the subject": mail("Subject: Re: lamp [#T0K-1]", tokens=("T0K-1",)),
    "a code in the subject": mail("Subject: Re: lamp [1234-5678-9012]", tokens=("123456789012",)),
    "a code in Persian digits": mail("Subject: پاسخ [۱۲۳۴-۵۶۷۸-۹۰۱۲]", tokens=("123456789012",)),
    # ---- robots
    "auto-replied": mail("Auto-Submitted: auto-replied (vacation)", labels={"robot", "auto_reply"}),
    "auto-submitted no": mail("Auto-Submitted: No", labels=set()),
    "precedence in capitals": mail("Precedence: BULK", labels={"robot"}),
    "precedence first-class": mail("Precedence: first-class", labels=set()),
    "suppress all": mail("X-Auto-Response-Suppress: ALL", labels={"robot"}),
    "suppress mixed": mail("X-Auto-Response-Suppress: DR, OOF, AutoReply", labels={"robot"}),
    "suppress none": mail("X-Auto-Response-Suppress: None", labels=set()),
    "null sender": Mail(b"From: a@example.com\r\n\r\nx", mail_from="", expected={"labels": {"robot"}}),
    "a list": mail("List-Id: <news.example.com>\nReply-To: news@example.com", labels={"list"}, senders=["ali@example.com"]),
    "a bounce": expect(
        multipart(
            "report",
            "Content-Type: text/plain\n\nCould not deliver.",
            "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; x@example.com\nAction: failed\nStatus: 5.1.1",
            "Content-Type: message/rfc822\n\nSubject: our answer\n\nwords",
            extra="; report-type=delivery-status",
        ),
        labels={"robot", "bounce"},
        text="Could not deliver.",
        files=["file-1.txt", "our answer.eml"],
    ),
    # ---- structure
    "text and html": expect(multipart("alternative", PLAIN, HTML_PART), text="plain words", html=HTML),
    "html before text": expect(multipart("alternative", HTML_PART, PLAIN), text="plain words", html=HTML),
    "html only": expect(mail("Content-Type: text/html", HTML.encode()), text="html words", html=HTML),
    "empty text beside html": expect(multipart("alternative", "Content-Type: text/plain\n\n \n", HTML_PART), text="html words"),
    "an inline picture": expect(multipart("related", HTML_PART, PNG_PART), files=["a.png"], roles=["inline"], data=[PNG], content_ids=["p1@x"]),
    "an archive is kept closed": expect(multipart("mixed", PLAIN, ZIP_PART), files=["bomb.zip"], roles=["attachment"], text="plain words"),
    "a footer after the file": expect(multipart("mixed", PLAIN, ZIP_PART, "\nfooter words"), text="plain words\n\nfooter words"),
    "an RFC 2231 name": expect(
        multipart("mixed", PLAIN, "Content-Type: application/pdf\nContent-Disposition: attachment;\n filename*0*=utf-8''%D8%B3%D9%86;\n filename*1*=%D8%AF;\n filename*2=.pdf\n\nx"),
        files=["سند.pdf"],
    ),
    "an RFC 2047 name": expect(
        multipart("mixed", PLAIN, 'Content-Type: application/pdf; name="=?utf-8?B?' + base64.b64encode("سند.pdf".encode()).decode() + '?="\n\nx'),
        files=["سند.pdf"],
    ),
    "a raw utf-8 name": expect(multipart("mixed", PLAIN, 'Content-Disposition: attachment; filename="سند.pdf"\n\nx'), files=["سند.pdf"]),
    "a file of no bytes": expect(multipart("mixed", PLAIN, "Content-Disposition: attachment; filename=empty.txt\n"), files=["empty.txt"]),
    "an attached mail": expect(multipart("mixed", PLAIN, "Content-Type: message/rfc822\n\nSubject: old\n\nold words"), files=["old.eml"], text="plain words"),
    "no closing line": expect(multipart("mixed", PLAIN, ZIP_PART, end=False), files=["bomb.zip"], text="plain words"),
    "a preamble": expect(multipart("mixed", PLAIN, before="This is MIME.\r\n"), text="plain words"),
    "no boundary given": mail("Content-Type: multipart/mixed", "--x\r\n\r\nwords\r\n", text="--x\n\nwords"),
    "a boundary that never comes": mail("Content-Type: multipart/mixed; boundary=q", "words\r\n", text="words"),
    "no parts": expect(multipart("mixed"), text=""),
    "a broken content type": mail("Content-Type: ;;;=", text="hello"),
    "a calendar invitation": expect(multipart("mixed", PLAIN, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR"), files=["file-1.ics"]),
    "uuencode": expect(multipart("mixed", PLAIN, "Content-Type: image/gif; name=a.gif\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 a.gif\n#0V%T\n`\nend"), data=[b"Cat"]),
    "nested twenty deep": expect(nested(20), text="deep words", labels=set()),
    "nested a thousand deep": expect(nested(1000), text="", labels={"cut_short"}, files=["rest-of-message.eml"]),
    "three thousand parts": expect(multipart("mixed", *["Content-Disposition: attachment; filename=f.txt\n\nx"] * 3000), labels={"cut_short"}),
    "two million letters": expect(mail("", b"word " * 400_000), labels={"cut_short"}, files=["message.txt"]),
}  # fmt: skip
