"""All readers of untrusted text: every parser, sanitizer, folding function and redactor, with its largest input.

Each place calls the installation's own functions, with inputs up to the limit of its door, and lists the pieces of its
grammar, from which `bench.hostile` makes repeats. Contacts go through their channel's `parse` and all later steps of
interpretation.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus
from uuid import UUID

from starlette.requests import Request

from zrm.agent_api.pages.reason_sentences import worded
from zrm.casestore.search_words import contact_key, excerpt, marked, parse
from zrm.casework.templating import fill, unknown_placeholders
from zrm.channels.channel import Channel
from zrm.channels.email import identity
from zrm.channels.email.direction import html_lines
from zrm.channels.email.htmltext import words_of
from zrm.channels.fax.record import TIFF
from zrm.channels.web.body import BadForm, Limits, read_form
from zrm.channels.web.form_validation import check_text, clean_media_type, read_entry
from zrm.contract.errors import RECEIVER_SAYS, Unparseable
from zrm.contract.inbound import JSON, TEXT_LIMIT, RawContact
from zrm.inbox import code
from zrm.inbox.content import content_of
from zrm.installation import load_config
from zrm.kit import log
from zrm.kit.direction import isolate_codes, isolate_numbers, reading_direction
from zrm.kit.file_names import file_name
from zrm.kit.phones import e164, flaw
from zrm.kit.text import clean, clean_line, fold
from zrm.normalizer.html import sanitise
from zrm.normalizer.interpretation import Raw
from zrm.normalizer.interpretation import read as read_contact
from zrm.normalizer.language import detect
from zrm.normalizer.quoted_text.split import split_quotation, without_signature
from zrm.security import browsers, guessing
from zrm.ui.i18n import accepted_language
from zrm.ui.labels import paragraphs

MAIL: Final = 52_428_800
FIELDS: Final = 1_000_000
_OURS: Final = "info@zrm.example"
_WHEN: Final = datetime(2026, 11, 2, tzinfo=UTC)
_HEAD: Final = (
    "From: Ali <ali@example.org>\r\nTo: info@zrm.example\r\nSubject: Re: lamp\r\nReferences: <1@zrm.example>\r\n"
)

# fmt: off
_BLANKS: Final = (" ", "\n", "\t", "\r\n", "\u200c", "\u00a0")
_WORDS: Final = ("w№ ", "a", "چراغ ", "The lamp is dark. ", "é", "İ", "ﷺ", "\u064b", "\u202b", "😀", "\x00", "1")
_QUOTES: Final = (
    "From: a№@b.example\n", "On 2 Nov 10:№, a№@b.example wrote:\n> ", ">", "> ", "> > ", "On 2 Nov 10:20 ",
    "On Mon, 2 Nov 2026 at 10:20, Ali <a@example.org> wrote:\n", "wrote:", "From: a\n", "Sent: 2 Nov 2026 10:20\n",
    "-----Original Message-----\n", "-- \n", "--", "____", "a@b.example", "<", "[mailto:", ": ", "نوشت:\n",
    "Sent from my iPhone\n", "http://a.example/", "*", "(", ",", "10:20", "2026-11-02",
)
_ADDRESSES: Final = (
    "a№@b.example, ", "№ <a№@b.example>;", "<", ">", '"', "(", ")", ",", ";", ":", "\\", "@", ".", "a@b.example", " ",
    "=?utf-8?q?a?=", "=?", "?=", "'", "«", "x",
)
_HTML: Final = (
    "<t№>", "</t№>", '<img src="cid:c№">', " a№=b", "<p id=x№>", "<a name=№>", "<", ">", "</", "/>", "<!--", "-->",
    "<![CDATA[", "]]>", "<?", "<b>", "</b>", "<p>", "<div>", "</div>", "<script>", "</script>", "<style>", "<title>",
    "<a href=", '"', "'", "=", "&", "&#", "&amp;", "&#x1F600;", ";", "<table>", "<tr>", "<td>", "</td>",
    "<blockquote type=cite>", "<blockquote>", '<div class="gmail_quote">', "<img src=", "cid:a", '<p style="a:b;">',
    "<font a b c>", "<svg>", "<math>", "<template>", "<select>", "<option>", "<textarea>", "<li>", "<ul>", "<hr>",
    "<br>", "<main>", "<h1>", "<o:p>", "<plaintext>",
)
_HEADER: Final = (
    "X-№: a\r\n", "To: a№@b.example\r\n", "Received: by №; ", "X-A: a\r\n", "X-A:", "\r\n", "\r", "\n", " ", "\t",
    "=?utf-8?q?a?=", "=?utf-8?b?YQ==?=", "=?x?q?", "?=", ":", "a", "Received: ", "From ", ">From ", "\udcc3",
    "\udcff", "Message-ID: <a@b>\r\n", "To: a@b.example\r\n", "Authentication-Results: ", "dkim=pass;", "(",
)
_PARAMETERS: Final = (
    ";a№=b", ";a*№*=b", ";", "=", '"', "'", "%", "%41", "*", "a*0*=", "a*1=", "name=", "filename*=utf-8''", "\\", " ",
    "a", "=?utf-8?q?a?=", "(", ")",
)
_MULTIPART: Final = (
    "Content-Type: multipart/mixed; boundary=b№\r\n\r\n--b№\r\n",
    "--b0\r\nContent-Type: image/png\r\nContent-ID: <c№>\r\n\r\na\r\n",
    "--b0\r\nContent-Type: message/rfc822\r\n\r\nSubject: №\r\n\r\na\r\n",
    "--b0\r\nContent-Type: text/plain; name=a№.txt\r\n\r\nw№\r\n", "--b№\r\n", "--b0\r\n", "--b0", "--b0--\r\n", "--",
    "\r\n", "\n", "Content-Type: multipart/mixed; boundary=b0\r\n\r\n", "Content-Type: text/html\r\n\r\n",
    "Content-Type: message/rfc822\r\n\r\n", "Content-Transfer-Encoding: base64\r\n\r\n",
    "Content-Type: text/calendar\r\n\r\n", "a", "YQ==", "Content-Type: image/png\r\nContent-ID: <a>\r\n\r\n",
    "Content-Type: text/plain\r\n\r\n",
)
_BYTES: Final = (
    "=", "=\r\n", "=3D", "YQ==", "QUJD", "\r\n", "\n", "\r", " ", "a", "\udcff", "\udc80", "\udcc3", "\x1b$B",
    "\x1b(B", "\x00", "+", "~{", ".", "begin ", "M",
)
# An attachment's beginning, its bytes, its title, the message's properties: level, attribute, type, length, bytes, checksum.
_TNEF: Final = (
    "\x02\x02\udc90\x06\x00\x0e\x00\x00\x00" + "\x00" * 16, "\x02\x0f\udc80\x06\x00\x01\x00\x00\x00a\x61\x00",
    "\x01\x03\udc90\x06\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x02\x10\x01\x30\udcff\udcff\udcff\x7f\x00\x00",
    "\x02\x10\udc80\x01\x00\x02\x00\x00\x00a\x00\x61\x00", "\x01\x03\udc90\x06\x00\x04\x00\x00\x00" + "\x00" * 6,
)
_CALENDAR: Final = (
    ";X№=a", "SUMMARY:№\r\n", "BEGIN:VCALENDAR\r\n", "BEGIN:VEVENT\r\n", "END:VEVENT\r\n", "END:VCALENDAR\r\n",
    "SUMMARY:", "SUMMARY;X=", ";X=\"a\"", '"', ":", ",", "\\", "DTSTART;TZID=a:20261102T102000\r\n",
    "RRULE:FREQ=SECONDLY\r\n", "BEGIN:VTIMEZONE\r\n", "\r\n ", "\r\n", "a", "^", "=",
)
_BOUNCE: Final = (
    "Status: 5.1.№\r\n", "<a№@b.example>: 550 5.1.1\r\n", "Final-Recipient: rfc822; a@b.example\r\n",
    "Action: failed\r\n", "Status: 5.1.1\r\n", "550 5.1.1 ", "<a@b.example>: ", "\r\n", "\r\n\r\n", " ",
    "Message-ID: <a@b>\r\n", "-----", "User unknown", "--- Below this line is a copy of the message.\r\n", "> ", "a",
    "@", "<", "5.", "Original-Envelope-Id: ",
)
_JSON: Final = (
    '"k№":1,', "[", "]", "{", "}", '{"a":', '"', '"a"', ",", ":", "1", "1e", "\\u0000", "\\ud800", "\\", "null", " ",
    "-", "a",
)
_RECEIPT: Final = (
    "id:", "id: 1 ", "stat:", "stat:DELIVRD ", "err:", "sub:001 ", "dlvrd:001 ", "submit date:", "done date:",
    "text:", " ", "1", "a", "\n", "26",
)
_NUMBERS: Final = (
    "091200000№ ", "1234-5678-№", "1", "12", "۰", "+", "-", " ", "(", ")", ".", "a", "0912", "@", "/", ":", "\u2066",
)
_FORM: Final = ("a№=b&", "&", "=", "%", "%D8%A7", "%FF", "+", "a", ";", "%26", "a=b&", "Body=")
_LOG: Final = (
    "a№@b ", "123456№ ", "1", "12 ", "1-", "+", "a@b", "@", "@@", " ", "<", '"', "=", "a", "۰", "-", "/", "\n", "eyJ",
    ".", "[secret]",
)
_TEMPLATE: Final = ("{", "}", "{name}", "{code}", "{x}", " ", "\u00a0", "چ", "a", "\n", "{title", "[", "]")
# fmt: on


@dataclass(frozen=True, slots=True)
class Place:
    """`limit` is the largest input: bytes where a door counts, characters where its caller cuts.

    `contact` makes the contact that a channel would keep, for places of a channel.
    """

    name: str
    limit: int
    pieces: tuple[str, ...]
    read: Callable[[str], object]
    contact: Callable[[str], RawContact] | None = None


def places(folder: Path) -> list[Place]:
    """All places; their installation is made below `folder`."""
    return [*contacts(channels(folder)), *_texts(), *_doors()]


# ------------------------------------------------------------ contacts, by their channel's parser


def contacts(channels: Mapping[str, Channel]) -> list[Place]:
    """Contacts of every channel, interpreted as in filing."""

    def place(
        name: str,
        limit: int,
        pieces: tuple[str, ...],
        channel: str,
        body: Callable[[str], bytes],
        media_type: str = "application/json",
        *,
        account: str = "info",
        report: bool = False,
        **envelope: JSON,
    ) -> Place:
        def contact(text: str) -> RawContact:
            return RawContact(
                channel, account, "x", body(text), media_type, envelope, kind="report" if report else "contact"
            )

        def read(text: str) -> None:
            raw = contact(text)
            content_of(raw)
            with suppress(Unparseable):
                read_contact(
                    Raw(UUID(int=1), _WHEN, raw, "123456789012"), channels[channel].parse, region="IR", own=(_OURS,)
                )

        return Place(name, limit, pieces, read, contact)

    def mail(
        name: str,
        pieces: tuple[str, ...],
        before: str,
        after: str = "\r\n\r\nHello\r\n",
        *,
        mail_from: str = "ali@example.org",
    ) -> Place:
        def body(text: str) -> bytes:
            return f"{before}{text}{after}".encode("utf-8", "surrogateescape")

        return place(f"mail: {name}", MAIL, pieces, "email", body, "message/rfc822", mail_from=mail_from)

    def around(before: str, after: str) -> Callable[[str], bytes]:
        return lambda text: f"{before}{text}{after}".encode("utf-8", "surrogateescape")

    words = (*_NUMBERS, *_WORDS, *_BLANKS)
    rest = "To: info@zrm.example\r\nSubject: lamp\r\n\r\nHello\r\n"
    boundary = f'{_HEAD}Content-Type: multipart/mixed; boundary="b0"\r\n\r\n'
    report = f"{_HEAD}Content-Type: multipart/report; report-type=delivery-status; boundary=b0\r\n\r\n--b0\r\n"
    status = "Content-Type: message/delivery-status\r\n\r\n"
    from_nobody = "From: MAILER-DAEMON@example.org\r\nSubject: Undelivered Mail Returned to Sender\r\n\r\n"
    return [
        mail("header", _HEADER, _HEAD),
        mail("From", _ADDRESSES, "From: ", f"\r\n{rest}"),
        mail("To", _ADDRESSES, "From: ali@example.org\r\nTo: info@zrm.example, ", f"\r\n{rest}"),
        mail("subject", (*_HEADER, "Re: ", "[", "]", "#", "Automatic reply: ", "Undelivered"), "From: ali@example.org\r\nSubject: ", f"\r\n{rest}"),
        mail("References", ("<№@b>", "<", ">", "<a@b>", " ", "@", "a", "(", "\r\n "), "From: ali@example.org\r\nReferences: ", f"\r\n{rest}"),
        mail("Content-Type", _PARAMETERS, f"{_HEAD}Content-Type: multipart/mixed; boundary="),
        mail("file name", _PARAMETERS, f"{_HEAD}Content-Disposition: attachment; filename="),
        mail("plain text", (*_QUOTES, *_BLANKS, *_WORDS), f"{_HEAD}\r\n", ""),
        mail("flowed text", (*_QUOTES, *_BLANKS, " \r\n", "> \r\n"), f"{_HEAD}Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\n", ""),
        mail("HTML", _HTML, f"{_HEAD}Content-Type: text/html; charset=utf-8\r\n\r\n", ""),
        mail("quoted-printable", _BYTES, f"{_HEAD}Content-Transfer-Encoding: quoted-printable\r\n\r\n", ""),
        mail("base64", _BYTES, f"{_HEAD}Content-Transfer-Encoding: base64\r\n\r\n", ""),
        mail("uuencode", _BYTES, f"{_HEAD}Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n", ""),
        mail("bytes of no alphabet", _BYTES, f"{_HEAD}\r\n", ""),
        mail("bytes called Japanese", _BYTES, f"{_HEAD}Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n", ""),
        mail("bytes called UTF-7", _BYTES, f"{_HEAD}Content-Type: text/plain; charset=utf-7\r\n\r\n", ""),
        mail("multipart", _MULTIPART, boundary, ""),
        mail("pictures", ('<img src="cid:c№">', "<img src=c№>", '<img src="http://a.example/c№.png">', "\r\n--b0\r\nContent-Type: image/png\r\nContent-ID: <c№>\r\n\r\na", "\r\n--b0\r\nContent-Type: image/png; name=c№.png\r\nContent-Location: http://a.example/c№.png\r\n\r\na", " ", "<p>"), f"{boundary}--b0\r\nContent-Type: text/html\r\n\r\n", ""),
        mail("multipart in base64", _BYTES, f"{_HEAD}Content-Type: multipart/mixed; boundary=b0\r\nContent-Transfer-Encoding: base64\r\n\r\n", ""),
        mail("a mail in a mail", (*_HEADER, *_MULTIPART), f"{boundary}--b0\r\nContent-Type: message/rfc822\r\n\r\n", "\r\n--b0--\r\n"),
        mail("calendar", _CALENDAR, f"{_HEAD}Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n", "\r\nEND:VCALENDAR\r\n"),
        mail("winmail.dat", (*_TNEF, *_BYTES), f"{_HEAD}Content-Type: application/ms-tnef\r\n\r\n\x78\udc9f\x3e\x22\x00\x00", ""),
        mail("delivery status", _BOUNCE, f"{report}{status}", "\r\n--b0--\r\n", mail_from=""),
        mail("returned mail", _BOUNCE, from_nobody, "", mail_from=""),
        place("text message, Twilio", 128 * 1024, _FORM, "sms", lambda text: f"From=%2B989121234567&Body={text}".encode("ascii", "replace"), account="1"),
        place("text message, its words", 128 * 1024, words, "sms", lambda text: f"From=%2B989121234567&Body={quote_plus(text, errors='replace')}".encode(), account="1"),
        place("text message, gateway's JSON", 128 * 1024, _JSON, "sms", around('{"from": "0912", "text": ', "}"), account="2", gateway="json"),
        place("text message, SMPP", 65_000, (*_RECEIPT, *_WORDS[:3]), "sms", _deliver_sm, account="3", gateway="smpp"),
        place("report, SMPP", 65_000, _RECEIPT, "sms", _deliver_sm, account="3", gateway="smpp", report=True),
        place("Telegram, words", 1_048_576, words, "telegram", _update, role="message"),
        place("Telegram, JSON", 1_048_576, _JSON, "telegram", around('{"update_id": 1, "message": ', "}"), role="message"),
        place("form, words", 200_000, words, "web", _payload, account="portal"),
        place("form, JSON", FIELDS, _JSON, "web", around('{"text": ', "}"), account="portal"),
        place("letter", 200_000, words, "letter", _payload, account="", agent=str(UUID(int=2))),
        place("fax", 33_554_432, ("\x00", "\x01", "\udcff", "II*\x00", "\x08\x00\x00\x00", "a"), "fax", around("II*\x00\x08\x00\x00\x00", ""), TIFF),
        place("call", 16_384, _JSON, "voice_ivr", around('{"takes": [1], "caller": ', "}")),
    ]  # fmt: skip


_CONFIG: Final = """
organisation: {name: {fa: "م", en: "C"}, language: fa, calendar: solar, timezone: Asia/Tehran, region: IR}
public_url: https://zrm.example
data_dir: var
default_unit: contact-centre
mail_domain: zrm.example
channels:
  web: {}
  email: {port: 2525, mailboxes: {info: {address: info@zrm.example}}, submit: {folder: out}}
  voice_ivr: {port: 4573}
  fax: {token: "token-of-the-bench-0123", spool: spool}
  telegram: {bots: {info: {token: "123456789:AAbb-cc-token-of-the-bench-0123456789", mode: polling}}}
  sms:
    folder: out
    accounts:
      "1": {account_sid: AC00000000000000000000000000000001, auth_token: of-the-bench}
      "2": {gateway: json}
      "3": {gateway: smpp}
    gateways:
      json:
        kind: http
        send: {url: "https://sms.example/", method: POST, body: json, fields: {to: "{to}", text: "{text}"}}
        receive: {body: json, from: from, text: text, id: id, token: {header: X-Token, value: "token-of-the-bench-0123"}, answer: OK}
      smpp: {kind: smpp, host: 127.0.0.1, port: 2775, system_id: hub, password: secret}
"""


def channels(folder: Path) -> Mapping[str, Channel]:
    """All channels of an installation in `folder`; none of them listens."""
    file = folder / "config.yaml"
    file.write_text(_CONFIG, encoding="utf-8")
    return load_config(file, begin=False).channels


def _deliver_sm(text: str) -> bytes:
    words = text.encode("latin-1", "replace")
    payload = (0x0424).to_bytes(2) + len(words).to_bytes(2) + words
    fixed = b"\0\1\1989121234567\0\1\1" + b"3\0" + b"\0\0\0" + b"\0\0" + b"\0\0\3\0\0"
    return (16 + len(fixed + payload)).to_bytes(4) + (5).to_bytes(4) + bytes(4) + (1).to_bytes(4) + fixed + payload


def _update(text: str) -> bytes:
    sender = {"from": {"id": 7, "is_bot": False, "first_name": "Sara"}, "chat": {"id": 7, "type": "private"}}
    return json.dumps(
        {"update_id": 1, "message": {"message_id": 3, "date": 1_790_000_000, **sender, "text": text}}
    ).encode()


def _payload(text: str) -> bytes:
    return json.dumps({"text": f"a{text}", "name": text[:320], "phone": text[:40], "email": text[:200]}).encode()


# ------------------------------------------------------------ functions on texts


def _texts() -> list[Place]:
    texts = (*_QUOTES, *_BLANKS, *_WORDS)
    query = parse("چراغ 0912 000 0777 lamp a@b.example", "IR")

    def text(name: str, limit: int, pieces: tuple[str, ...], *reads: Callable[[str], object]) -> Place:
        def read(given: str) -> None:
            for each in reads:
                each(given)

        return Place(name, limit, pieces, read)

    return [
        text("cleaning and folding", TEXT_LIMIT, texts, clean, clean_line, fold),
        text("telling the language", 2_000, texts, detect),
        text("folding quotations", TEXT_LIMIT, texts, split_quotation, without_signature),
        text("HTML to words", 2_000_000, _HTML, words_of),
        text("HTML made harmless", 500_000, _HTML, sanitise),
        text("keys for searching", TEXT_LIMIT, texts, contact_key),
        text("what is searched for", 100_000, (*_NUMBERS, *texts), lambda typed: parse(typed, "IR"), code.read),
        text("what was found", 20_000, (*texts, "lamp", "0777"), lambda said: (excerpt(said, query.terms), marked(said, query.terms))),
        text("paragraphs on a page", TEXT_LIMIT, (*texts, *_NUMBERS), paragraphs),
        text("directions", TEXT_LIMIT, (*_NUMBERS, *_WORDS, "Re: ", "[", "]", "\n"), isolate_codes, reading_direction, lambda said: isolate_numbers(said, "fa"), lambda said: html_lines(said, "fa")),
        text("templates", 100_000, _TEMPLATE, unknown_placeholders, lambda said: fill(said, {"name": "", "code": "1", "title": "چ"})),
        text("telephone numbers", 10_000, _NUMBERS, lambda number: (e164(number, "IR"), flaw(number, "IR"))),
        text("file names", 100_000, (*_WORDS, ".", "/", "\\", "con", ":", " ", "a.", "http://", "%"), file_name),
        text("reasons", 10_000, ("%(words)s", "1", ": ", "a", "\n", "%"), lambda words: worded(RECEIVER_SAYS(words=words), "fa")),
        text("redaction", FIELDS, _LOG, log.redact),
    ]  # fmt: skip


# ------------------------------------------------------------ read by the doors themselves


def _doors() -> list[Place]:
    form = 'Content-Disposition: form-data; name="text"'
    multipart = (
        "--b0\r\n",
        "--b0",
        "\r\n",
        "\r",
        "--",
        f"{form}\r\n\r\n",
        ";",
        '"',
        "a",
        "=",
        ":",
        "\\",
        "filename=",
        "\udcff",
    )
    headers = ("a", ",", ";", "q=", "0.5", "-", " ", "*", "fa", "=", "~", "Chrome/", "/", "(")
    entry: dict[str, Callable[[str], list[str]]] = {
        name: lambda text: [text] for name in ("text", "name", "phone", "email")
    }
    return [
        Place("door: form of fields", FIELDS, _FORM, _posted("application/x-www-form-urlencoded", "")),
        Place("door: form with files", 50_000_000, multipart, _posted("multipart/form-data; boundary=b0", f"--b0\r\n{form}\r\n\r\n")),
        Place("door: header of a part", FIELDS, multipart, _posted("multipart/form-data; boundary=b0", "--b0\r\nContent-Disposition: ")),
        Place("door: fields of a form", FIELDS, (*_NUMBERS, *_WORDS, *_BLANKS), lambda text: check_text(read_entry({name: make(text) for name, make in entry.items()}).text, 20_000)),
        Place("door: media types", 65_536, ("a", "/", ";", ".", "+", " "), clean_media_type),
        Place("door: identity of a mail", MAIL, (*_HEADER, *_MULTIPART), lambda text: identity.external_id("info", text.encode("utf-8", "surrogateescape"))),
        Place("door: headers of a request", 65_536, headers, lambda text: (accepted_language(text), browsers.read(text), browsers.Marks.read(text))),
        Place("door: new passwords", 1_000, (*_NUMBERS, "a", "س", "pass", "@", "4", "$"), lambda text: guessing.guesses(text, own=("Sara Ahmadi",))),
    ]  # fmt: skip


def _posted(content_type: str, before: str) -> Callable[[str], object]:
    """A posted form as it arrives, in pieces of 64 kB."""

    async def read(body: bytes) -> None:
        pieces = iter([body[at : at + 65_536] for at in range(0, len(body), 65_536)])

        async def receive() -> dict[str, object]:
            piece = next(pieces, None)
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        request = Request({"type": "http", "headers": [(b"content-type", content_type.encode())]}, receive)
        with suppress(BadForm):
            (await read_form(request, Limits(50_000_000, 20_000_000))).close()

    return lambda text: asyncio.run(read(f"{before}{text}".encode("utf-8", "surrogateescape")))
