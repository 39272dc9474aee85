"""The web door's payload: what is written into `RawContact.body`, and how `parse` reads it. Pure.

    {"nature": "complaint", "subject": "roads", "text": "…", "name": "…", "phone": "…", "email": "…", "language": "fa"}

`phone_as_is` true says that a number which looks wrong is right. Every key but `text` may be missing, and so may `text` in a message that has files. `envelope` holds what only the door
knows: `conversation`, the tracking code that its holder has proven; `trap`, the honeypot field was filled in; `caller`,
the system that sent JSON and was answered with the code; `rates`, the code of the closed case that a rating is about,
with the body `{"score": 4}`; `asks`, "codes" for a request for lost codes, whose body has the typed `email` or `phone`
and else only the `language`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from zrm.channels.web.form_validation import MAX_EMAIL, MAX_NAME, MAX_PHONE, clean_line, clean_text
from zrm.contract.addresses import EMAIL, PHONE, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Inbound, RawContact, SelfServiceCommand, Thread
from zrm.contract.reasons import declare
from zrm.languages import Language

CODES: Final = "codes"
"""In the envelope: the request for lost codes of the address in the body."""

_TITLE_LENGTH: Final = 80
MAX_SUBJECT: Final = 200
MAX_KEY: Final = 100

StrippedLine = Annotated[str, StringConstraints(strip_whitespace=True)]


class Payload(BaseModel):
    """The fields of one contact as the form and the JSON door accept them. Lengths in characters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    nature: StrippedLine = Field(default="", max_length=MAX_KEY)
    subject: StrippedLine = Field(default="", max_length=MAX_SUBJECT)
    name: StrippedLine = Field(default="", max_length=MAX_NAME)
    phone: StrippedLine = Field(default="", max_length=MAX_PHONE)
    email: StrippedLine = Field(default="", max_length=MAX_EMAIL)
    language: Literal[""] | Language = ""
    phone_as_is: bool = False


class Written(Payload):
    """The same as our own forms write it: a message may consist of files alone."""

    text: StrippedLine = ""


class Rating(BaseModel):
    """The citizen's rating of how their case was handled: 1 is not at all satisfied, 5 is very satisfied."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: int = Field(ge=1, le=5)


class CodeRequest(BaseModel):
    """A request for lost codes: one of the addresses the citizen has written from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phone: StrippedLine = Field(default="", max_length=MAX_PHONE)
    email: StrippedLine = Field(default="", max_length=MAX_EMAIL)
    language: Literal[""] | Language = ""


FIELDS: Final = declare("web.fields", "not a web contact; look at: %(fields)s")
_NOTHING: Final = declare("web.nothing", "not a web contact; the text holds nothing that can be shown")
_NO_RATING: Final = declare("web.no_rating", "not a rating from 1 to 5")
_NO_ADDRESS: Final = declare("web.no_address", "not an address that has lost its codes")


def parse_payload(raw: RawContact) -> Inbound | SelfServiceCommand:
    """The contact or the command in a payload. Errors: Unparseable, naming the fields but never repeating their
    values.
    """
    rates = raw.envelope.get("rates")
    if isinstance(rates, str):
        return _rating(raw, rates)
    if raw.envelope.get("asks") == CODES:
        return _asking(raw)
    try:
        payload = Written.model_validate_json(raw.body)
    except ValidationError as error:
        fields = sorted({".".join(map(str, problem["loc"])) or "body" for problem in error.errors(include_input=False)})
        raise Unparseable(FIELDS(fields=", ".join(fields)[:400])) from None
    text = clean_text(payload.text)
    if not text and not raw.files:
        raise Unparseable(_NOTHING)
    conversation = raw.envelope.get("conversation")
    return Inbound(
        senders=_senders(payload),
        text=text,
        title=title_of(text),
        language=payload.language,
        files=tuple(InboundFile(file.name, file.media_type, stored=file, role=file.role) for file in raw.files),
        thread=Thread(conversation=conversation) if isinstance(conversation, str) else Thread(),
        labels=frozenset({"robot"}) if raw.envelope.get("trap") is True else frozenset(),
        nature=payload.nature,
        subject_key=clean_line(payload.subject),
        code_told="caller" in raw.envelope,
    )


def _rating(raw: RawContact, code: str) -> SelfServiceCommand:
    try:
        return SelfServiceCommand("rate", None, code=code, score=Rating.model_validate_json(raw.body).score)
    except ValidationError:
        raise Unparseable(_NO_RATING) from None


def _asking(raw: RawContact) -> SelfServiceCommand:
    try:
        asking = CodeRequest.model_validate_json(raw.body)
    except ValidationError:
        raise Unparseable(_NO_ADDRESS) from None
    email, phone = clean_line(asking.email), clean_line(asking.phone)
    kind, address = (EMAIL, email) if email else (PHONE, phone)
    if not address:
        raise Unparseable(_NO_ADDRESS)
    return SelfServiceCommand("codes", Sender(kind, address, claimed=True), asking.language)


def title_of(text: str) -> str:
    """The beginning of a message, at most 80 characters, cut between words if possible."""
    line = clean_line(text.split("\n", 1)[0])
    if len(line) <= _TITLE_LENGTH:
        return line
    head = line[:_TITLE_LENGTH]
    cut = head.rfind(" ")
    return f"{head[:cut] if cut > _TITLE_LENGTH // 2 else head[:-1]}…"


def _senders(payload: Payload) -> tuple[Sender, ...]:
    """A typed address is claimed: anyone can type any address."""
    name, phone, email = clean_line(payload.name), clean_line(payload.phone), clean_line(payload.email)
    senders = []
    if email:
        senders.append(Sender(EMAIL, email, name, claimed=True))
    if phone:
        senders.append(Sender(PHONE, phone, name, claimed=True))
    return tuple(senders)
