"""What a stored webhook says. Pure: reads only the form's bytes, by Twilio's documentation."""

from __future__ import annotations

import re
from mimetypes import guess_extension
from typing import Final, Literal
from uuid import UUID

from zrm.channels.sms import messages
from zrm.channels.sms.form import read_form
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Ignored, Inbound, RawContact, Report, SelfServiceCommand, Thread
from zrm.contract.reasons import Reason

_SAFE: Final = re.compile(r"[^A-Za-z0-9]")
_MEDIA: Final = re.compile(r"MediaUrl([0-9]{1,2})")
_SHOWN: Final = (
    "MessageSid", "To", "NumSegments", "NumMedia", "MessagingServiceSid", "FromCity", "FromState", "FromZip",
    "FromCountry", "OptOutType",
)  # fmt: skip
_OPT_OUT_TYPES: Final[dict[str, Literal["stop", "start", "help"]]] = {"STOP": "stop", "START": "start", "HELP": "help"}
_STATES: Final[dict[str, Literal["sent", "delivered", "failed"]]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "failed": "failed",
    "undelivered": "failed",
    "canceled": "failed",
}


def read_opt_out(raw: RawContact, inbound: Inbound) -> SelfServiceCommand | None:
    """The command that Twilio itself recognised and answered (STOP, START, HELP of its opt-out service), None if
    none.
    """
    kind = _OPT_OUT_TYPES.get(_fields(raw).get("OptOutType", "").upper())
    return None if kind is None else SelfServiceCommand(kind, inbound.senders[0], inbound.language, answered=True)


def read_message(raw: RawContact, language: str) -> Inbound:
    """A citizen's message; its pictures are stored at Twilio and fetched later. Errors: Unparseable."""
    fields = _fields(raw)
    sender = fields.get("From", "").strip()
    if not sender:
        raise Unparseable(messages.NO_SENDER_FIELD(field="From"))
    network, colon, _ = sender.partition(":")
    if colon:
        raise Unparseable(messages.OTHER_NETWORK(network=network[:20]))
    headers = [(name, _clean(fields[name])) for name in _SHOWN if fields.get(name)]
    media = sorted((int(match[1]), name) for name in fields if (match := _MEDIA.fullmatch(name)))
    files = tuple(
        _file(_clean(fields.get(f"MediaContentType{number}", "")), _clean(fields[name])) for number, name in media
    )
    promised = fields.get("NumMedia", "").strip()
    missing = promised.isascii() and promised.isdigit() and len(promised) < 4 and int(promised) > len(files)
    return Inbound(
        senders=(Sender(PHONE, _clean(sender)),),
        text=_clean(fields.get("Body", "")),
        language=language,
        thread=Thread(open_line=True),
        files=files,
        headers=tuple(headers),
        labels=frozenset({"file_missing"} if missing else ()),
    )


def _file(kind: str, address: str) -> InboundFile:
    """A file at Twilio, named by its id there and Twilio's media type."""
    kind = kind.partition(";")[0].strip().lower()
    stem = _SAFE.sub("", address.partition("?")[0].rpartition("/")[2])[:40] or "file"
    return InboundFile(f"{stem}{guess_extension(kind) or ''}", kind or "application/octet-stream", remote=address)


def read_status(raw: RawContact) -> Report | Ignored:
    """Twilio's report on a message of ours; states before "sent" are ignored. Errors: Unparseable."""
    fields = _fields(raw)
    reference = fields.get("MessageSid") or fields.get("SmsSid") or ""
    state = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    if not reference or not state:
        raise Unparseable(messages.REPORT_INCOMPLETE)
    report = report_of(_clean(reference), state, fields.get("ErrorCode", ""), _reply_id(raw))
    return report or Ignored(messages.OTHER_STATE(state=_clean(state)[:32]))


def report_of(reference: str, state: str, code: str, reply_id: UUID | None = None) -> Report | None:
    """Twilio's status as ours; None for states before "sent"."""
    known = _STATES.get(state)
    if known is None:
        return None
    return Report(reference, known, _reason(code) if known == "failed" else None, reply_id)


def _reason(code: str) -> Reason | None:
    if code in ("", "0"):
        return None
    return messages.FAILURES.get(code, messages.TWILIO_ERROR(number=_clean(code)[:16]))


def _fields(raw: RawContact) -> dict[str, str]:
    try:
        return dict(read_form(raw.body))
    except ValueError as error:
        raise Unparseable(messages.NOT_TWILIO(words=type(error).__name__)) from None


def _clean(text: str) -> str:
    """Without NUL, which PostgreSQL's text cannot hold."""
    return text.replace("\0", "")


def _reply_id(raw: RawContact) -> UUID | None:
    """Our own delivery's id from the callback address; None if it has none."""
    value = raw.envelope.get("reply")
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
