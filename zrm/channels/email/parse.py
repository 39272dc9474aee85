"""One mail understood as far as the mail alone allows: who, when, about what, in which thread, with which files.

Pure: no clock, no network, no database. The whole mail is kept by the house as it was received, so no copy of it is
made here; what is too much to show (text over a million characters, parts beyond the bounds) becomes a file, the
contact gets the label `cut_short`, and nothing is dropped. Archives are kept closed, always.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from zrm.channels.contract import (
    AddressKind,
    Inbound,
    InboundFile,
    Parsed,
    RawContact,
    Sender,
    Thread,
    Unparseable,
)
from zrm.channels.email import authentication, bounces, calendar_part, robots, winmail
from zrm.channels.email.charset import declared_in, to_text
from zrm.channels.email.filetypes import is_program, true_type
from zrm.channels.email.headers import (
    Headers,
    addresses,
    date,
    decode_words,
    is_address,
    message_ids,
    parameters,
    split_head,
)
from zrm.channels.email.htmltext import words_of
from zrm.channels.email.mailboxes import Delivery, Mailboxes
from zrm.channels.email.mime import Part, Splitter
from zrm.kit.text import clean, clean_line, latin_digits

_TEXT_LIMIT: Final = 1_000_000  # characters
_HTML_LIMIT: Final = 2_000_000
_TITLE_LIMIT: Final = 500
_MOST_REFERENCES: Final = 50
_MOST_TOKENS: Final = 20
_LARGEST_BLANK: Final = 65_536  # bytes without a letter that are no message; more than that is one, whatever it is

_TO: Final = frozenset({"to", "cc", "delivered-to", "x-original-to", "envelope-to"})
_SUBJECT_TOKEN: Final = re.compile(r"\[#([A-Za-z0-9][A-Za-z0-9._-]{0,63})\]")
_SUBJECT_CODE: Final = re.compile(r"\[\u200e?#?(\d{4})[- ]?(\d{4})[- ]?(\d{4})\]")


def parse_mail(raw: RawContact, mailboxes: Mailboxes, trusted: frozenset[str] = frozenset()) -> Parsed:
    """The mail in `raw.body`: an Inbound, or a Report for a bounce of ours.

    `trusted` are the names (lower case) of the servers whose word about senders is believed.
    Errors: Unparseable, only for a body without one header field or letter.
    """
    if "not_handed_over" in raw.envelope:
        raise Unparseable("the mail server could not hand this message over; it is still in the mailbox there")
    headers, at = split_head(raw.body)
    body = memoryview(raw.body)[at:]
    if not headers and not bytes(body[:_LARGEST_BLANK]).strip() and len(body) <= _LARGEST_BLANK:
        raise Unparseable("the message is empty")
    fields = _first_by_name(headers)
    parts = list(Splitter().leaves(headers, body))
    content = _Content()
    for part in parts:
        content.take(part)
    content.finish()
    mail_from = raw.envelope.get("mail_from")
    return_path = mail_from if isinstance(mail_from, str) else ""
    labels = robots.labels(fields, null_sender=mail_from == "")
    deliveries = list(_deliveries(headers, raw, mailboxes))
    if bounces.is_bounce(fields, parts, robot="robot" in labels):
        returned = next((one.returned for one in deliveries if one.returned is not None), None)
        report = bounces.report(fields, parts, content.text, delivery=returned)
        if report is not None:
            return report
        labels |= {"robot", "bounce"}
    if content.cut_short or "whole_size" in raw.envelope:
        labels.add("cut_short")
    labels |= content.labels | authentication.labels(authentication.results(headers, trusted))
    return Inbound(
        senders=_senders(fields, return_path),
        text=content.text,
        title=clean_line(decode_words(fields.get("subject", "")))[:_TITLE_LIMIT],
        html=content.html,
        sent_at=date(fields["date"]) if "date" in fields else None,
        files=tuple(content.files),
        thread=_thread(fields, deliveries),
        headers=tuple((name, clean(decode_words(value))) for name, value in headers),
        labels=frozenset(labels),
    )


def _first_by_name(headers: Headers) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), value)
    return fields


class _Content:
    """Text, HTML and files, gathered leaf by leaf."""

    def __init__(self) -> None:
        self.text = ""
        self.html = ""
        self.files: list[InboundFile] = []
        self.cut_short = False
        self.labels: set[str] = set()
        self._texts: list[str] = []
        self._packed_texts: list[str] = []
        self._entries: list[str] = []
        self._htmls: list[tuple[str, set[int]]] = []  # with the alternatives each is part of
        self._alternatives_with_text: set[int] = set()

    def take(self, part: Part) -> None:
        disposition, place = parameters(part.header("content-disposition"))
        name = clean_line(place.get("filename") or part.parameters.get("name") or "")
        is_file = bool(part.cut or disposition == "attachment" or name)
        if part.media_type == "text/plain" and not is_file:
            self._take_text(part)
        elif part.media_type == "text/html" and not is_file:
            self._take_html(part)
        else:
            self._take_file(part, name, disposition)

    def _take_text(self, part: Part) -> None:
        text = to_text(part.content(), part.parameters.get("charset", ""))
        if part.parameters.get("format", "").lower() == "flowed":
            text = _unflow(text, part.parameters.get("delsp", "").lower() == "yes")
        text = clean(text).strip("\n")
        if text.strip():
            self._texts.append(text)
            self._alternatives_with_text.update(number for kind, number in part.path if kind == "alternative")

    def _take_html(self, part: Part) -> None:
        page = part.content()
        html = clean(to_text(page, part.parameters.get("charset", "") or declared_in(page)))
        if len(html) > _HTML_LIMIT:
            self.cut_short = True
            self.files.append(InboundFile("message.html", "text/html", html.encode(), role="original"))
            html = ""
        if html.strip():
            self._htmls.append((html, {number for kind, number in part.path if kind == "alternative"}))

    def _take_file(self, part: Part, name: str, disposition: str) -> None:
        data = part.content()
        if part.cut:
            self.cut_short = True
            self.files.append(InboundFile("rest-of-message.eml", "application/octet-stream", data, role="original"))
            return
        if winmail.is_winmail(part.media_type, name, data) and (packed := winmail.unpack(data)) is not None:
            self._take_packed(packed, name or "winmail.dat", data)
            return
        self._take_meaning(part, data)
        content_id = clean_line(part.header("content-id")).strip("<>")
        inline = disposition != "attachment" and bool(content_id) and part.media_type.startswith("image/")
        media_type, false = true_type(_safe_media_type(part.media_type), data)
        if false:
            self.labels.add("false_type")
        if is_program(media_type):
            self.labels.add("program")
        self.files.append(
            InboundFile(
                name or _name_for(part.media_type, data, len(self.files) + 1),
                media_type,
                data,
                role="inline" if inline else "attachment",
                content_id=content_id,
            )
        )

    def _take_meaning(self, part: Part, data: bytes) -> None:
        """What a file says about the mail it came with."""
        if part.media_type in ("application/pkcs7-signature", "application/x-pkcs7-signature"):
            self.labels.add("signed")
        elif part.media_type in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
            signed = part.parameters.get("smime-type", "").lower() == "signed-data"
            self.labels.add("signed" if signed else "encrypted")
        elif part.media_type == "text/calendar":
            self.labels.add("calendar")
            self._entries.append(calendar_part.summary(data))

    def _take_packed(self, packed: winmail.Packed, name: str, data: bytes) -> None:
        """The files and words of a winmail.dat, and itself as it came."""
        self.files.append(InboundFile(name, "application/vnd.ms-tnef", data, role="original"))
        for inner, content in packed.files:
            media_type, _ = true_type("application/octet-stream", content)
            if is_program(media_type):
                self.labels.add("program")
            self.files.append(InboundFile(inner, media_type, content))
        if packed.text.strip():
            self._packed_texts.append(clean(packed.text).strip())
        elif packed.html.strip():
            self._packed_texts.append(clean(words_of(clean(packed.html)[:_HTML_LIMIT])).strip())

    def finish(self) -> None:
        self.html = "\n".join(html for html, _ in self._htmls)
        unaccompanied = [html for html, where in self._htmls if not where & self._alternatives_with_text]
        words = [clean(words_of(html)).strip() for html in unaccompanied]
        written = self._texts + [one for one in words if one]
        # Outlook repeats in winmail.dat what it also wrote as plain text; without that it is all there is.
        self.text = "\n\n".join((written or self._packed_texts) + [one for one in self._entries if one])
        if len(self.text) > _TEXT_LIMIT:
            self.cut_short = True
            self.files.append(InboundFile("message.txt", "text/plain", self.text.encode(), role="original"))
            self.text = self.text[:_TEXT_LIMIT]


def _unflow(text: str, delete_space: bool) -> str:
    """RFC 3676: lines ending in a space go on in the next; quotation depth is kept, the signature is left alone."""
    out: list[list[str]] = []  # the pieces of each line, joined once: a paragraph may be as long as the mail
    going_on = False
    depth = ""
    for line in text.splitlines():
        marks = line[: len(line) - len(line.lstrip(">"))]
        rest = line[len(marks) :]
        rest = rest[1:] if rest.startswith(" ") else rest
        flows = rest.endswith(" ") and rest != "-- "
        shown = rest[:-1] if flows and delete_space else rest
        if going_on and marks == depth and rest != "-- ":
            out[-1].append(shown)
        else:
            out.append([f"{marks} {shown}" if marks else shown])
        going_on, depth = flows, marks
    return "\n".join(line if line == "-- " else line.rstrip(" ") for line in map("".join, out))


def _name_for(media_type: str, data: bytes, number: int) -> str:
    """A name for a file that came without one; a forwarded mail is named after its subject."""
    if media_type == "message/rfc822":
        fields = _first_by_name(split_head(data[:65_536])[0])
        subject = clean_line(decode_words(fields.get("subject", ""))).replace("/", " ")
        return f"{subject[:80] or 'message'}.eml"
    suffix = _SUFFIXES.get(media_type, "")
    return f"file-{number}{suffix}"


_SUFFIXES: Final = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "application/pdf": ".pdf", "text/plain": ".txt",
    "text/html": ".html", "text/calendar": ".ics", "message/delivery-status": ".txt", "text/csv": ".csv",
    "audio/mpeg": ".mp3", "audio/amr": ".amr", "application/zip": ".zip", "text/vcard": ".vcf", "text/rfc822-headers": ".txt",
}  # fmt: skip
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")


def _safe_media_type(value: str) -> str:
    return value if _MEDIA_TYPE.fullmatch(value) else "application/octet-stream"


def _senders(fields: dict[str, str], return_path: str) -> tuple[Sender, ...]:
    """From first, then Reply-To; Sender and the envelope speak only when nobody else does."""
    found: dict[str, Sender] = {}

    def add(pairs: Iterable[tuple[str, str]]) -> None:
        for name, address in pairs:
            found.setdefault(address.lower(), Sender(AddressKind.EMAIL, clean(address), clean_line(name)))

    add(addresses(fields.get("from", "")))
    if "list-id" not in fields:  # a list's Reply-To is the list
        add(addresses(fields.get("reply-to", "")))
    if not found:
        add(addresses(fields.get("sender", "")))
    if not found and is_address(return_path):
        add([("", return_path)])
    return tuple(found.values())


def _thread(fields: dict[str, str], deliveries: Iterable[Delivery]) -> Thread:
    own = message_ids(fields.get("message-id", ""))
    # The nearest ancestor first: what it answers, then the references from the last to the first.
    near = message_ids(fields.get("in-reply-to", "")) + message_ids(fields.get("references", ""))[::-1]
    return Thread(
        message_id=clean_line(own[0]) if own else "",
        references=tuple(dict.fromkeys(clean_line(one) for one in near))[:_MOST_REFERENCES],
        tokens=_tokens(fields, deliveries),
    )


def _deliveries(headers: Headers, raw: RawContact, mailboxes: Mailboxes) -> Iterator[Delivery]:
    """Our addresses with something after the plus sign, from the envelope first, then from the header."""
    recipients = raw.envelope.get("rcpt_tos")
    written = [one for one in recipients if isinstance(one, str)] if isinstance(recipients, list) else []
    for name, value in headers:
        if name.lower() in _TO and "+" in value:
            written += [address for _, address in addresses(value)]
    for address in written:
        delivery = mailboxes.find(address) if "+" in address else None
        if delivery is not None:
            yield delivery


def _tokens(fields: dict[str, str], deliveries: Iterable[Delivery]) -> tuple[str, ...]:
    tokens = dict.fromkeys(delivery.token for delivery in deliveries if delivery.token)
    subject = decode_words(fields.get("subject", ""))
    if "[" in subject:
        readable = latin_digits(subject[:1000])
        tokens.update(dict.fromkeys(_SUBJECT_TOKEN.findall(readable)))
        tokens.update(dict.fromkeys("".join(code) for code in _SUBJECT_CODE.findall(readable)))
    return tuple(tokens)[:_MOST_TOKENS]
