"""Five hundred and more mails that differ: every pathology we know of, times alphabets, programs and writers.

`python -m tests.channels.email.replay FOLDER` writes them as .eml files; the tests send them through the installation. The
same seed gives the same mails.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.channels.email.corpus import PAYLOADS, b64
from tests.channels.email.notifications import FREE_TEXT, dsn, free_text
from tests.channels.email.tnef import winmail

SEED = 1405
WORDS = {
    "fa": ("سلام، چراغ خیابان ما خراب است.", "آب محله از دیروز قطع است؛ لطفاً رسیدگی کنید.", "چاله‌ای جلوی خانهٔ ما است."),
    "ar": ("مرحبا، المصباح في شارعنا معطل.", "انقطع الماء عن الحي منذ أمس.", "نرجو إصلاح الطريق."),
    "en": ("The street lamp is broken.", "No water since yesterday.", "There is a hole in our road."),
    "de": ("Die Straßenlaterne ist kaputt.", "Kein Wasser seit gestern.", "Ein Schlagloch vor unserem Haus."),
    "fr": ("Le réverbère est cassé.", "Pas d'eau depuis hier.", "Un trou dans la chaussée."),
}  # fmt: skip
CHARSETS = {
    "fa": ("utf-8", "cp1256", "utf-16"),
    "ar": ("utf-8", "cp1256", "iso-8859-6"),
    "en": ("us-ascii", "utf-8", "iso-8859-1"),
    "de": ("utf-8", "iso-8859-1", "cp1252"),
    "fr": ("utf-8", "iso-8859-15", "cp1252"),
}
CLAIMS = ("", "utf-8", "iso-8859-1", "windows-1256", "x-unknown", "us-ascii")
QUOTES = (
    "\r\n\r\nOn Mon, 2 Nov 2026 at 10:00, Info <info@example.org> wrote:\r\n> earlier\r\n> words\r\n",
    "\r\n\r\nدر تاریخ دوشنبه ۲ نوامبر ۲۰۲۶، مرکز نوشت:\r\n> پیام پیشین\r\n",
    "\r\n\r\n-----Original Message-----\r\nFrom: info@example.org\r\nSent: Monday\r\nTo: a\r\nSubject: x\r\n\r\nearlier\r\n",
    "\r\n\r\nAm 02.11.2026 um 10:00 schrieb Info:\r\n> früher\r\n",
    "\r\n-- \r\nAli\r\n+98 21 1234\r\n",
    "",
)  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(30)
FILES = (
    ("lamp.png", "image/png", PNG),
    ("نامهٔ من.pdf", "application/pdf", b"%PDF-1.4\n%x"),
    ("a.exe", "image/jpeg", b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0L\x01" + bytes(99)),
    ("", "application/octet-stream", bytes(range(256))),
    ("winmail.dat", "application/ms-tnef", winmail(b"packed words", [(b"inner.txt", b"inside")])),
    ("winmail.dat", "application/ms-tnef", winmail(b"cut", [(b"inner.txt", b"inside")])[:60]),
    ("smime.p7s", "application/pkcs7-signature", bytes(64)),
    ("invite.ics", "text/calendar", b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:visit\r\nDTSTART:20261123T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"),
    ("invite.ics", "text/calendar", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:99999999\r\nRRULE:FREQ=\r\n"),
    ("bomb.zip", "application/zip", b"PK\x03\x04" + bytes(80)),
)  # fmt: skip


def _plain(number: int, chance: random.Random) -> bytes:
    """A small mail in some alphabet that it claims, does not claim, or claims wrongly."""
    language = chance.choice(sorted(WORDS))
    charset = chance.choice(CHARSETS[language])
    claim = chance.choice((charset, charset, *CLAIMS))
    text = chance.choice(WORDS[language]) + f" {number}" + chance.choice(QUOTES)
    content_type = f"text/plain{f'; charset={claim}' if claim else ''}{chance.choice(('', '; format=flowed'))}"
    encoding = chance.choice(("8bit", "base64"))
    body = text.encode(charset, "replace")
    head = _head(number, chance, f"Content-Type: {content_type}", f"Content-Transfer-Encoding: {encoding}")
    return head + (b64(body) if encoding == "base64" else body)


def _with_files(number: int, chance: random.Random) -> bytes:
    """Text, HTML and up to five files, boundaries sometimes damaged."""
    language = chance.choice(sorted(WORDS))
    words = chance.choice(WORDS[language])
    parts = [f"Content-Type: text/plain; charset=utf-8\r\n\r\n{words} {number}".encode()]
    if chance.random() < 0.5:
        parts.append(f"Content-Type: text/html; charset=utf-8\r\n\r\n<p>{words}</p><script>x()</script>".encode())
    for name, media_type, data in chance.sample(FILES, chance.randint(1, 5)):
        head = f'Content-Type: {media_type}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
        head += "Content-Disposition: attachment\r\n" if chance.random() < 0.5 else ""
        parts.append(head.encode() + b"\r\n" + b64(data))
    if chance.random() < 0.2:
        parts.append(b"Content-Type: message/rfc822\r\n\r\n" + _plain(number, chance))
    kind = chance.choice(("mixed", "alternative", "related", "signed", "unheard-of"))
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + chance.choice((b"--b--\r\n", b"", b"--b"))
    return _head(number, chance, f'MIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary="b"') + body


def _page(number: int, chance: random.Random) -> bytes:
    """HTML alone, many times more tags than words, that its mail and its own head declare rightly, wrongly or not."""
    language = chance.choice(sorted(WORDS))
    charset = chance.choice(CHARSETS[language][:2])
    meta = chance.choice(("", "utf-8", "windows-1256", "iso-8859-1"))
    head = f'<meta http-equiv="Content-Type" content="text/html; charset={meta}">' if meta else ""
    style = '<style>p.MsoNormal{margin:0cm;font-family:"Calibri",sans-serif}</style>'
    words = chance.choice(WORDS[language])
    body = f'<html><head>{head}{style}</head><body><p class="MsoNormal" dir="auto">{words} {number}</p></body></html>'
    claim = chance.choice((charset, *CLAIMS))
    content_type = f"text/html{f'; charset={claim}' if claim else ''}"
    return _head(number, chance, f"Content-Type: {content_type}") + body.encode(charset, "replace")


def _asking(number: int, chance: random.Random) -> bytes:
    """Mails that ask the installation itself something, or nearly: codes, STOP, START, digits."""
    words = ("123456789012", "۱۲۳۴-۵۶۷۸-۹۰۱۲", "status 123456789012", "START", "لغو", "5", "123456789012 چه شد؟", "")
    fields = (
        f"From: asking{number}@example.com", "To: info@example.org", f"Message-ID: <asking{number}@example.com>",
        f"Subject: {chance.choice(('', 'کد', '[1234-5678-9012]', 'lamp'))}", "Content-Type: text/plain; charset=utf-8",
    )  # fmt: skip
    return "\r\n".join(fields).encode() + f"\r\n\r\n{chance.choice(words)}\r\n".encode()


def _robot(number: int, chance: random.Random) -> bytes:
    """Machines of all kinds; the bounces are of nothing of ours."""
    lines = (
        "Auto-Submitted: auto-replied", "Precedence: bulk", "X-Autoreply: yes", "List-Id: <l.example.com>", "Subject: پاسخ خودکار: چراغ",
        "Subject: Out of Office", "X-Auto-Response-Suppress: All", "List-Unsubscribe: <mailto:x@y.z>", "Auto-Submitted: no",
    )  # fmt: skip
    match chance.randint(0, 3):
        case 0:
            body = chance.choice(sorted(FREE_TEXT))
            return FREE_TEXT[body].replace("0193-answer", f"nobody-{number}").encode()
        case 1:
            return dsn(
                chance.choice(("failed", "delayed", "delivered")), original=f"Message-ID: <n{number}@zrm.test>"
            ).encode()
        case 2:
            return (
                free_text("Warning: delayed", "It will be retried.").replace("0193-answer", f"nobody-{number}").encode()
            )
        case _:
            return _head(number, chance, chance.choice(lines)) + b"machine words"


def _damaged(number: int, chance: random.Random) -> bytes:
    """Another mail, cut, with bytes changed, or with its head and body run together."""
    mail = bytearray(chance.choice((_plain, _with_files))(number, chance))
    for _ in range(chance.randint(1, 30)):
        mail[chance.randrange(len(mail))] = chance.randrange(256)
    if chance.random() < 0.5:
        del mail[chance.randrange(len(mail)) :]
    return bytes(mail) or b"x"


def _head(number: int, chance: random.Random, *lines: str) -> bytes:
    sender = chance.choice(
        (
            f"ali{number % 40}@example.com",
            f'"علی" <ali{number % 40}@example.com>',
            f"=?utf-8?B?2LnZhNuM?= <a{number}@example.net>",
            "",
            "garbage",
        )
    )
    fields = [
        f"From: {sender}" if sender else "X-No-From: yes",
        "To: info@example.org",
        f"Message-ID: <{chance.choice(('same', str(number)))}@example.com>",
        f"Date: {chance.choice(('Mon, 2 Nov 2026 10:00:00 +0330', 'yesterday', ''))}",
        *(
            f"Subject: {words}"
            for words in [chance.choice(("lamp", "چراغ", "=?utf-8?Q?broken", "Re: [1234-5678-9012]"))]
        ),
        *lines,
    ]
    return "\r\n".join(fields).encode("utf-8", "surrogateescape") + b"\r\n\r\n"


def mails(count: int = 640) -> Iterator[tuple[str, bytes]]:
    """(name, mail): the whole corpus first, then `count` generated ones; no two alike."""
    for name, payload in PAYLOADS.items():
        if len(payload.body) <= 200_000:
            yield f"corpus {name}", payload.body
    chance = random.Random(SEED)  # the same mails every time
    makers = (_plain, _plain, _page, _with_files, _with_files, _robot, _asking, _damaged)
    for number in range(count):
        maker = makers[number % len(makers)]
        yield f"{maker.__name__.strip('_')} {number}", maker(number, chance)


def main(folder: Path) -> None:
    """Write all mails into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, (_, body) in enumerate(mails()):
        (folder / f"{place:04}.eml").write_bytes(body)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
