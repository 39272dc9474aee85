"""What a described provider's stored requests say. Pure: the bytes as they came and the description."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from zrm.channels.contract import (
    JSON,
    AddressKind,
    Ignored,
    Inbound,
    Parsed,
    RawContact,
    Report,
    Sender,
    Thread,
    Unparseable,
)
from zrm.channels.sms.gateway.config import HttpGateway, Receiving, Reporting
from zrm.channels.sms.gateway.fields import Unreadable, at, raw_field, read_fields, words_at

_UTF16 = ("2", "8")


def read_message(raw: RawContact, gateway: HttpGateway, language: str) -> Inbound:
    """A citizen's message. Errors: Unparseable."""
    how = gateway.receive
    if how is None:
        raise Unparseable("the provider is not described as one that receives")
    fields = _fields(raw, how)
    sender = words_at(fields, how.from_).strip()
    if not sender:
        raise Unparseable(f"the message does not say who sent it (no {how.from_})")
    shown = [(name, words_at(fields, name)[:500]) for name in (how.id, how.to, how.time) if name]
    return Inbound(
        senders=(Sender(AddressKind.PHONE, sender),),
        text=_words(raw, how, fields),
        language=language,
        thread=Thread(open_line=True),
        headers=tuple((name, value) for name, value in shown if value),
    )


def read_reports(name: str, raw: RawContact, gateway: HttpGateway) -> list[Parsed]:
    """The reports in one request; states we were not told of are ignored. Errors: Unparseable."""
    how = gateway.report
    if how is None:
        raise Unparseable("the provider is not described as one that reports")
    fields = _fields(raw, how)
    items: JSON = fields if how.each is None else at(fields, how.each)
    if how.each is not None and not isinstance(items, list):
        raise Unparseable(f"no list of reports at {how.each}")
    found = [_report(name, how, item) for item in (items if isinstance(items, list) and how.each else [fields])]
    reports: list[Parsed] = [report for report in found if isinstance(report, Report)]
    return reports or [next(iter(found), Ignored("an empty list of reports"))]


def _report(name: str, how: Reporting, fields: JSON) -> Report | Ignored:
    reference, ours, state = (words_at(fields, path).strip() for path in (how.id, how.our_id, how.state))
    known: Literal["sent", "delivered", "failed"] | None = next(
        (meaning for meaning, values in how.states.items() if state in values), None
    )
    if known is None:
        return Ignored(f"message state {state[:32]}")
    reply_id = _uuid(ours)
    if not reference and reply_id is None:
        raise Unparseable("the report names no message")
    detail = words_at(fields, how.reason)[:200] if known == "failed" else ""
    return Report(f"{name}:{reference}" if reference else "", known, detail, reply_id)


def _words(raw: RawContact, how: Receiving, fields: JSON) -> str:
    if how.coding is None or how.body == "json" or words_at(fields, how.coding) not in _UTF16:
        return words_at(fields, how.text)
    return raw_field(raw.body, how.text).decode("utf-16-be", "replace").replace("\0", "")


def _fields(raw: RawContact, how: Receiving | Reporting) -> JSON:
    try:
        return read_fields(raw.body, how.body, how.charset)
    except Unreadable as error:
        raise Unparseable(f"not a {how.body} of the provider's: {error}") from None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
