"""What a citizen typed into a form: read, cleaned, and validated field by field. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from zrm.kit.mail_addresses import LONGEST_ADDRESS, is_email
from zrm.kit.phones import flaw
from zrm.ui.i18n import _
from zrm.ui.phone_flaws import sentence_of

NATURE_HINTS: Final = {
    "complaint": _("Something was done wrongly, or not done"),
    "request": _("You need a service or information"),
    "suggestion": _("You have an idea that would improve something"),
    "criticism": _("You disagree with a decision or a way of working"),
    "report": _("Something is broken, dangerous or in the way"),
}
"""Explanations, for citizens, of the natures that every installation begins with, by key."""
MAX_NAME: Final = 200
MAX_PHONE: Final = 40
MAX_EMAIL: Final = LONGEST_ADDRESS

_UNSHOWABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+\-]{1,63}/[A-Za-z0-9!#$&^_.+\-]{1,63}")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error: the field's name and an English msgid with its `%(name)s` values.

    `insist` is what the citizen may send back as `phone_as_is` to confirm what they typed.
    """

    field: str
    message: str
    values: Mapping[str, object] | None = None
    insist: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """The fields of the form, cleaned but not folded. `trap` is the honeypot field that only programs fill in.

    `phone_as_is` are the digits of a number that looks wrong to us and that the citizen confirmed.
    """

    nature: str = ""
    subject: str = ""
    text: str = ""
    name: str = ""
    phone: str = ""
    email: str = ""
    trap: str = ""
    phone_as_is: str = ""

    @property
    def anonymous(self) -> bool:
        """Whether the citizen has only the tracking code to return to the case."""
        return not (self.phone or self.email)


def read_entry(fields: Mapping[str, Sequence[str]]) -> Entry:
    """The entry in a posted form; a missing field is empty, of a repeated one the first counts."""

    def one(name: str) -> str:
        return clean_line(next(iter(fields.get(name, ())), ""))

    return Entry(
        nature=one("nature"),
        subject=one("subject"),
        text=clean_text(next(iter(fields.get("text", ())), "")),
        name=one("name"),
        phone=one("phone"),
        email=one("email"),
        trap=one("website"),
        phone_as_is=one("phone_as_is"),
    )


def fields_of(entry: Entry) -> dict[str, str]:
    """The entry as the form's fields again, for `read_entry`."""
    fields = asdict(entry)
    return {**fields, "website": fields.pop("trap")}


def check_entry(
    entry: Entry, *, natures: Collection[str], subject_keys: Collection[str], max_text: int, region: str
) -> list[FieldError]:
    """The errors, in the order of the page. `natures` and `subject_keys` are the keys to choose from, no natures
    meaning that they are not known at this moment; `region` is the ISO country of phone numbers without "+".
    """
    problems: list[FieldError] = []
    if natures and entry.nature not in natures:
        problems.append(FieldError("nature", _("Choose what kind of message this is")))
    if entry.subject and entry.subject not in subject_keys:
        problems.append(FieldError("subject", _("Choose a subject from the list, or leave it open")))
    problems += check_text(entry.text, max_text)
    if len(entry.name) > MAX_NAME:
        problems.append(FieldError("name", _("Name must be %(limit)s characters or fewer"), {"limit": MAX_NAME}))
    if entry.phone and (problem := _check_phone(entry, region)):
        problems.append(problem)
    if entry.email and not is_email(entry.email):
        problems.append(FieldError("email", _("Enter an e-mail address, such as name@example.org, or leave it empty")))
    return problems


def check_text(text: str, max_text: int) -> list[FieldError]:
    """What is wrong with a message's text: empty, or more than `max_text` characters."""
    if not text:
        return [FieldError("text", _("Write your message"))]
    if len(text) > max_text:
        values = {"limit": max_text, "count": len(text)}
        return [FieldError("text", _("Your message must be %(limit)s characters or fewer; it has %(count)s"), values)]
    return []


def _check_phone(entry: Entry, region: str) -> FieldError | None:
    """What looks wrong with the number. Numbering plans change, so a citizen may confirm it."""
    found = flaw(entry.phone, region)
    if found is None:
        return None
    if found.kind == "not_digits" or len(entry.phone) > MAX_PHONE:
        return FieldError("phone", _("Enter one telephone number in digits, such as 0912 345 6789, or leave it empty"))
    typed = "".join(c for c in latin_digits(entry.phone) if c.isdecimal())
    if entry.phone_as_is == typed:
        return None
    return FieldError("phone", sentence_of(found), {"count": found.digits} if found.digits > 1 else None, insist=typed)


def latin_digits(text: str) -> str:
    """`text` with every decimal digit of any script written as 0-9."""
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def clean_text(text: str) -> str:
    """Text of several lines without control characters and lone surrogates, which no store or screen accepts."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSHOWABLE.sub("", text).strip()


def clean_line(text: str) -> str:
    """As `clean_text`, on one line."""
    return " ".join(clean_text(text).split())


def clean_media_type(claimed: str) -> str:
    """The media type a browser declared, or application/octet-stream if it is not one."""
    return claimed.lower() if _MEDIA_TYPE.fullmatch(claimed) else "application/octet-stream"
