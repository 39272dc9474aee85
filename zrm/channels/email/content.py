"""Which parts of a mail are its text, and which its files.

* A text part (plain or HTML) without a name is text. One with a name is text when it is the mail's first, because many
  programs name the body; one that is marked as an attachment only when it comes first without a name of its own, or when the
  mail has no other text: then its text is shown and it stays a file.
* Of several plain alternatives one is shown: HTML source is skipped, and so is one that adds nothing to another.
* HTML source in a plain part is HTML. A mail that consists of messages (a digest, a forward without words) shows theirs.
* Files keep their bytes. Archives are never opened.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from zrm.channels.email import calendar_part, tnef
from zrm.channels.email.charset import alphabet_of, declared_in, to_text
from zrm.channels.email.filetypes import is_program, true_type
from zrm.channels.email.headers import decode_words, first_by_name, parameters, split_head
from zrm.channels.email.htmltext import words_of
from zrm.channels.email.mime import MimePart, Splitter
from zrm.channels.email.pictures import Picture, put_in_place
from zrm.contract.files import InboundFile
from zrm.contract.inbound import TEXT_LIMIT
from zrm.kit.file_names import file_name
from zrm.kit.media_types import usual_name
from zrm.kit.text import clean, clean_line, fold

_HTML_LIMIT: Final = 2_000_000  # characters
_LONGEST_ATTACHED: Final = 4 * TEXT_LIMIT  # bytes of an attached text that is shown
_MOST_ENCLOSED: Final = 20
_ENCLOSED_DEPTH: Final = 3
_COMPARED: Final = 20_000  # characters of two alternatives that are compared
_MOST_RIVALS: Final = 8  # alternatives that one is compared with
_PLAIN: Final = frozenset({"text/plain", "text", "plain/text", "text/text", "text/markdown", "text/x-markdown"})
_PAGE: Final = frozenset({"text/html", "html", "application/xhtml+xml", "text/xhtml"})
_NOT_READ: Final = frozenset(
    {
        "text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/css", "text/javascript", "text/xml",
        "text/rtf", "text/rfc822-headers", "text/x-amp-html",
    }
)  # fmt: skip
_BODY_NAME: Final = re.compile(
    r"(?i)(?:body|message|mail|e-?mail|text|content|untitled|unnamed|noname|part|att)[ _.-]?[0-9]*\.(?:txt|text|html?)"
)
# HTML that was sent as plain text begins with a tag of a page and closes one.
_SOURCE: Final = re.compile(
    r"(?is)\s*(?:<!doctype\s+html\b|<\?xml\b|<(?:html|head|body|meta|style|div|p|span|table|font|center|h[1-6]|br|b|i|a)\b)"
)
_CLOSED_TAG: Final = re.compile(r"(?i)</(?:html|body|div|p|span|table|font|center|h[1-6]|b|i|a)\s*>|<br\s*/?>")


@dataclass(eq=False)
class _WrittenMail:
    """A part that people read: its text if it is plain, its page if it is HTML, and its position."""

    text: str = ""
    html: str = ""
    alternatives: tuple[int, ...] = ()  # the numbers of the alternatives it is part of, outermost first
    part: MimePart | None = None  # to be listed among the files as well, where it is not the only text
    name: str = ""

    @cached_property
    def words(self) -> str:
        return self.text or clean(words_of(self.html[:_HTML_LIMIT])).strip()

    @cached_property
    def compared(self) -> list[str]:
        return fold(self.words[:_COMPARED]).split()


class Content:
    """Text, HTML and files, collected leaf by leaf: `take` each, then `finish`, then read them.

    `enclosed` is the text of messages within a mail that has no text of its own.
    """

    def __init__(self, depth: int = 0) -> None:
        self.text = ""
        self.html = ""
        self.enclosed = ""
        self.files: list[InboundFile] = []
        self.cut_short = False
        self.labels: set[str] = set()
        self._depth = depth
        self._written: list[_WrittenMail] = []
        self._attached: list[MimePart] = []  # files that are texts
        self._enclosed: list[bytes] = []
        self._packed_texts: list[str] = []
        self._entries: list[str] = []
        self._pictures: list[Picture] = []

    def take(self, part: MimePart) -> None:
        """One leaf, in the order of the mail."""
        disposition, place = parameters(part.header("content-disposition"))
        name = file_name(place.get("filename") or part.parameters.get("name") or "")
        marked = disposition == "attachment"
        if part.cut or not (part.media_type in _PLAIN or part.media_type in _PAGE):
            if part.media_type.startswith("text/") and part.media_type not in _NOT_READ and not part.cut:
                self._attached.append(part)
            self._take_file(part, name, marked=marked)
        elif self._is_body(name, marked=marked):
            self._take_words(part, name)
        else:
            self._attached.append(part)
            self._take_file(part, name, marked=marked)

    def _is_body(self, name: str, *, marked: bool) -> bool:
        if not marked and not name:
            return True
        first = not self._written
        return first and (not marked or not name or _BODY_NAME.fullmatch(name) is not None)

    def _take_words(self, part: MimePart, name: str = "") -> None:
        written = _read(part)
        if len(written.html) > _HTML_LIMIT:
            self.cut_short = True
            self.files.append(InboundFile("message.html", "text/html", written.html.encode(), role="original"))
        if written.text or written.html.strip():
            written.part, written.name = (part, name) if name else (None, "")
            self._written.append(written)
        elif name:
            self._take_file(part, name, marked=False)

    def _take_file(self, part: MimePart, name: str, *, marked: bool) -> None:
        data = part.content()
        if part.cut:
            self.cut_short = True
            self.files.append(InboundFile("rest-of-message.eml", "application/octet-stream", data, role="original"))
            return
        if tnef.is_winmail(part.media_type, name, data) and (packed := tnef.unpack(data)) is not None:
            self._take_packed(packed, name or "winmail.dat", data)
            return
        self._take_meaning(part, data)
        media_type, false = true_type(_safe_media_type(part.media_type), data)
        if false:
            self.labels.add("false_type")
        if is_program(media_type):
            self.labels.add("program")
        content_id = clean_line(part.header("content-id")).strip("<> ")
        is_picture = media_type.startswith("image/")
        if is_picture:
            media_type = usual_name(media_type)
            location = clean_line(part.header("content-location"))
            self._pictures.append(Picture(len(self.files), content_id, location, name))
        inline = not marked and bool(content_id) and is_picture
        self.files.append(
            InboundFile(
                name or _name_for(media_type, data, len(self.files) + 1),
                media_type,
                data,
                role="inline" if inline else "attachment",
                content_id=content_id,
            )
        )

    def _take_meaning(self, part: MimePart, data: bytes) -> None:
        """What a file says about the mail it came with."""
        if part.media_type in ("application/pkcs7-signature", "application/x-pkcs7-signature"):
            self.labels.add("signed")
        elif part.media_type in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
            signed = part.parameters.get("smime-type", "").lower() == "signed-data"
            self.labels.add("signed" if signed else "encrypted")
        elif part.media_type == "text/calendar":
            self.labels.add("calendar")
            self._entries.append(calendar_part.summary(data))
        elif part.media_type == "message/rfc822" and len(self._enclosed) < _MOST_ENCLOSED:
            self._enclosed.append(data)

    def _take_packed(self, packed: tnef.Packed, name: str, data: bytes) -> None:
        """The files and texts of a winmail.dat, and the file itself."""
        self.files.append(InboundFile(name, "application/vnd.ms-tnef", data, role="original"))
        for inner, content in packed.files:
            media_type, _ = true_type("application/octet-stream", content)
            if is_program(media_type):
                self.labels.add("program")
            self.files.append(InboundFile(file_name(inner) or f"file-{len(self.files) + 1}", media_type, content))
        if packed.text.strip():
            self._packed_texts.append(clean(packed.text).strip())
        elif packed.html.strip():
            self._packed_texts.append(clean(words_of(clean(packed.html)[:_HTML_LIMIT])).strip())

    def finish(self) -> None:
        """After all leaves: choose the text, and the place of everything shown."""
        shown = _one_of_each_alternative(self._written)
        if not (self._packed_texts or any(one.text for one in shown) or any(one.words for one in shown)):
            attached = (_read(part) for part in self._attached if len(part.raw) <= _LONGEST_ATTACHED)
            shown += islice((one for one in attached if one.words), 1)
        for one in shown if len(shown) > 1 else ():
            if one.part is not None:
                self._take_file(one.part, one.name, marked=False)
        pages = [one.html for one in shown if one.html and len(one.html) <= _HTML_LIMIT]
        self.html = put_in_place("\n".join(pages), self.files, self._pictures) if pages else ""
        with_text = {number for one in shown if one.text for number in one.alternatives}
        written = [one.words for one in shown if one.text or not with_text.intersection(one.alternatives)]
        # Outlook repeats in winmail.dat what it also wrote as plain text; without plain text it is all there is.
        said = [one for one in written if one] or self._packed_texts
        self.text = "\n\n".join([*said, *(one for one in self._entries if one)])
        if len(self.text) > TEXT_LIMIT:
            self.cut_short = True
            self.files.append(InboundFile("message.txt", "text/plain", self.text.encode(), role="original"))
            self.text = self.text[:TEXT_LIMIT]
        if not self.text and self._depth < _ENCLOSED_DEPTH:
            found = (_words_of_message(message, self._depth + 1) for message in self._enclosed)
            self.enclosed = "\n\n".join(one for one in found if one)[:TEXT_LIMIT]


def alphabet_of_text(parts: Sequence[MimePart]) -> str:
    """The charset of a mail's first text that needs one, by its declaration or its letters; "" if there is none."""
    for part in parts:
        if part.media_type in _PLAIN or part.media_type in _PAGE:
            data = part.written().data
            if not data.isascii():
                return alphabet_of(data, part.parameters.get("charset", "") or declared_in(data))
    return next((part.parameters["charset"] for part in parts if part.parameters.get("charset")), "")


def _read(part: MimePart) -> _WrittenMail:
    """A text part as people read it."""
    written = part.written()
    data = written.data.replace(b"\r\r\n", b"\r\n")  # line ends that were written twice
    alternatives = tuple(number for kind, number in part.path if kind == "alternative")
    charset = part.parameters.get("charset", "")
    if part.media_type in _PAGE:
        return _WrittenMail(html=clean(to_text(data, charset or declared_in(data))), alternatives=alternatives)
    text = to_text(data, charset)
    if part.parameters.get("format", "").lower() == "flowed":
        text = _unflow(text, part.parameters.get("delsp", "").lower() == "yes")
    text = clean(text).strip("\n")
    if _is_source(text):
        return _WrittenMail(html=text, alternatives=alternatives)
    if written.below:
        text = f"{text}\n\n{clean(to_text(written.below, charset))}"
    if written.above:
        text = f"{clean(to_text(written.above, charset))}\n\n{text}"
    return _WrittenMail(text if text.strip() else "", alternatives=alternatives)


def _is_source(text: str) -> bool:
    return _SOURCE.match(text) is not None and _CLOSED_TAG.search(text) is not None


def _one_of_each_alternative(written: Sequence[_WrittenMail]) -> list[_WrittenMail]:
    """Without alternatives that are a page's source beside text, or that add nothing to another."""
    kept: list[_WrittenMail] = []
    for one in written:
        rivals = [other for other in kept if _are_rivals(one, other)][-_MOST_RIVALS:]
        if any(_says_all(other, one) for other in rivals):
            continue
        kept = [other for other in kept if not (other in rivals and _says_all(one, other))]
        kept.append(one)
    return kept


def _are_rivals(one: _WrittenMail, other: _WrittenMail) -> bool:
    same = bool(one.alternatives) and one.alternatives[-1] == (other.alternatives or (0,))[-1]
    return same and bool(one.html) is bool(other.html)


def _says_all(one: _WrittenMail, other: _WrittenMail) -> bool:
    """Whether every word of the one is among the words of the other."""
    return len(other.compared) <= len(one.compared) and set(other.compared) <= set(one.compared)


def _words_of_message(data: bytes, depth: int) -> str:
    """A message within a mail as text: its sender, subject and words."""
    headers, at = split_head(data)
    fields = first_by_name(headers)
    content = Content(depth)
    for part in Splitter().leaves(headers, data[at:]):
        content.take(part)
    content.finish()
    head = [f"{name}: {value}" for name in ("From", "Date", "Subject") if (value := _line_of(fields, name.lower()))]
    words = content.text or content.enclosed
    return "\n".join([*head, "", words] if words else head)


def _line_of(fields: dict[str, str], name: str) -> str:
    return clean_line(decode_words(fields.get(name, "")[:500]))


def _unflow(text: str, delete_space: bool) -> str:
    """RFC 3676: lines ending in a space continue in the next; quotation depth is kept, the signature is left alone."""
    out: list[str] = []
    paragraph: list[str] = []  # joined once: it may be as long as the mail
    going_on = False
    depth = ""
    for line in text.splitlines():
        marks = line[: len(line) - len(line.lstrip(">"))]
        rest = line[len(marks) :]
        rest = rest[1:] if rest.startswith(" ") else rest
        flows = rest.endswith(" ") and rest != "-- "
        shown = rest[:-1] if flows and delete_space else rest
        if going_on and marks == depth and rest != "-- ":
            paragraph.append(shown)
        else:
            out.append("".join(paragraph))
            paragraph = [f"{marks} {shown}" if marks else shown]
        going_on, depth = flows, marks
    out.append("".join(paragraph))
    return "\n".join(line if line == "-- " else line.rstrip(" ") for line in out[1:])


def _name_for(media_type: str, data: bytes, number: int) -> str:
    """A name for a file that came without one; a forwarded mail is named after its subject."""
    if media_type == "message/rfc822":
        fields = first_by_name(split_head(data[:65_536])[0])
        subject = clean_line(decode_words(fields.get("subject", ""))).replace("/", " ").replace("\\", " ")
        return f"{file_name(subject[:80]) or 'message'}.eml"
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
