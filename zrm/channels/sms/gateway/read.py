"""What a described provider's stored requests say. Pure: the bytes as they came and the description."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from zrm.channels.sms import messages
from zrm.channels.sms.alphabet import GAP
from zrm.channels.sms.gateway.config import HttpGateway, Message, Receiving, Reporting
from zrm.channels.sms.gateway.fields import Unreadable, at, part_of, raw_field, read_fields, words_at
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import RECEIVER_SAYS, Unparseable
from zrm.contract.inbound import JSON, Ignored, Inbound, MessagePart, Parsed, RawContact, Report, Thread

_UTF16 = ("2", "8")


def read_message(name: str, raw: RawContact, gateway: HttpGateway, language: str) -> Inbound | MessagePart:
    """A citizen's message, or a part of one. Errors: Unparseable."""
    how = _how(raw, gateway)
    fields = _fields(raw, how)
    place = part_of(how, fields)
    if place is None or how.part is None:
        return _message([(how, raw, fields)], language)
    reference, total, number = place
    key = f"{name}/{words_at(fields, how.from_)}/{words_at(fields, how.to)}/{reference}/{total}"
    digest = hashlib.sha256(words_at(fields, how.text).encode("utf-8", "surrogatepass")).hexdigest()
    return MessagePart(key[:200], number, total, digest, how.part.minutes * 60)


def join(parts: Sequence[RawContact | None], gateway: HttpGateway, language: str) -> Inbound:
    """The message of these parts in their order; None for one that never came. Errors: Unparseable."""
    read = [(how := _how(raw, gateway), raw, _fields(raw, how)) if raw is not None else None for raw in parts]
    return _message(read, language)


def _message(parts: Sequence[tuple[Message, RawContact, JSON] | None], language: str) -> Inbound:
    present = [part for part in parts if part is not None]
    how, _, fields = present[0]
    sender = words_at(fields, how.from_).strip()
    if not sender:
        raise Unparseable(messages.NO_SENDER_FIELD(field=how.from_))
    text = "".join(GAP if part is None else words_of(part[0], part[1].body, part[2]) for part in parts)
    shown = [(name, words_at(fields, name)[:500]) for name in (how.id, how.to, how.time) if name]
    shown += [("Parts", str(len(parts)))] if len(parts) > 1 else []
    return Inbound(
        senders=(Sender(PHONE, sender),),
        # A character split between two parts is whole again; the remaining half of one is dropped.
        text=text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"),
        language=language,
        thread=Thread(open_line=True),
        headers=tuple((name, value) for name, value in shown if value),
        labels=frozenset({"part_missing"} if len(present) < len(parts) else ()),
    )


def read_reports(name: str, raw: RawContact, gateway: HttpGateway) -> list[Parsed]:
    """The reports in one request; states missing from the description are ignored. Errors: Unparseable."""
    how = gateway.report
    if how is None:
        raise Unparseable(messages.REPORTS_NOT)
    fields = _fields(raw, how)
    items: JSON = fields if how.each is None else at(fields, how.each)
    if how.each is not None and not isinstance(items, list):
        raise Unparseable(messages.NO_REPORTS_AT(field=how.each))
    found = [_report(name, how, item) for item in (items if isinstance(items, list) and how.each else [fields])]
    reports: list[Parsed] = [report for report in found if isinstance(report, Report)]
    return reports or [next(iter(found), Ignored(messages.EMPTY_LIST))]


def _report(name: str, how: Reporting, fields: JSON) -> Report | Ignored:
    reference, ours, state = (words_at(fields, path).strip() for path in (how.id, how.our_id, how.state))
    known: Literal["sent", "delivered", "failed"] | None = next(
        (meaning for meaning, values in how.states.items() if state in values), None
    )
    if known is None:
        return Ignored(messages.OTHER_STATE(state=state[:32]))
    reply_id = _uuid(ours)
    if not reference and reply_id is None:
        raise Unparseable(messages.REPORT_WITHOUT_MESSAGE)
    words = words_at(fields, how.reason)[:200] if known == "failed" else ""
    return Report(
        f"{name}:{reference}" if reference else "", known, RECEIVER_SAYS(words=words) if words else None, reply_id
    )


def _how(raw: RawContact, gateway: HttpGateway) -> Message:
    how = gateway.inbox if raw.envelope.get("from") == "inbox" else gateway.receive
    if how is None:
        raise Unparseable(messages.RECEIVES_NOT)
    return how


def words_of(how: Message, body: bytes, fields: JSON) -> str:
    """The text of a message; `fields` are those of `body`."""
    coding = how.coding if isinstance(how, Receiving) and how.body != "json" else None
    if coding is None or words_at(fields, coding) not in _UTF16:
        return words_at(fields, how.text)
    # Halves of a character are kept: the other may be in the next part.
    octets = raw_field(body, how.text)
    words = octets[: len(octets) // 2 * 2].decode("utf-16-be", "surrogatepass") + "\ufffd" * (len(octets) % 2)
    return words.replace("\0", "")


def _fields(raw: RawContact, how: Message | Reporting) -> JSON:
    shape, charset = (how.body, how.charset) if isinstance(how, Receiving | Reporting) else ("json", "utf-8")
    try:
        return read_fields(raw.body, shape, charset)
    except Unreadable as error:
        raise Unparseable(messages.WRONG_SHAPE(shape=shape, words=str(error))) from None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
