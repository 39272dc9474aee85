"""What stored deliver_sm packets say. Pure: a message, one part, several parts joined, or a report."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Literal

from zrm.channels.sms import messages
from zrm.channels.sms.alphabet import GAP, decode_gsm
from zrm.channels.sms.smpp import pdu
from zrm.channels.sms.smpp.config import SmppGateway
from zrm.channels.sms.smpp.pdu import MESSAGE_STATE, RECEIPTED_ID, Delivered, read_delivered
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import RECEIVER_SAYS, Unparseable
from zrm.contract.inbound import Inbound, MessagePart, Parsed, RawContact, Report, Thread

# Appendix B of SMPP 3.4. The text after `text:` is the beginning of our own message, and is ignored.
_FIELD: Final = re.compile(r"\b(id|stat|err):\s*(\S+)", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"[0-9]{1,20}")
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]{1,16}")
_ECHO: Final = re.compile(r"\btext\s*:", re.IGNORECASE)
_RECEIPT: Final = re.compile(
    r"\s*id:\s*\S{1,65}\s+(?:sub:\s*\S{0,8}\s+)?(?:dlvrd:\s*\S{0,8}\s+)?(?:submit date:\s*[\d ]{1,20}\s+)?"
    r"done date:\s*[\d ]{1,20}\s+stat:\s*[A-Z]{2,20}(?:\s+err:\s*\S{0,20})?(?:\s*|\s+text\s*:.*)",
    re.IGNORECASE | re.DOTALL,
)
# By their prefix: SMSCs write the words in full, cut to seven letters, or nearly so.
_STATES: Final[dict[str, Literal["sent", "delivered", "failed"]]] = {
    "DELIV": "delivered",
    "DLVR": "delivered",
    "ACCEP": "sent",
    "ENROU": "sent",
    "SCHED": "sent",
    "BUFF": "sent",
    "EXPIR": "failed",
    "DELET": "failed",
    "UNDEL": "failed",
    "REJEC": "failed",
}
_LONGEST_NUMBER: Final = 4  # digits, with leading zeros
_STATE_NUMBERS: Final = {
    0: "SCHEDULED",
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
    9: "SKIPPED",
}


def read_message(name: str, raw: RawContact, gateway: SmppGateway, language: str) -> Inbound | MessagePart:
    """A message, or a part of one. Errors: Unparseable."""
    delivered = _delivered(raw)
    if delivered.part is None:
        return whole_of([delivered], gateway, language)
    reference, total, number = delivered.part
    key = f"{name}/{delivered.source}/{delivered.destination}/{reference}/{total}"
    digest = hashlib.sha256(bytes([delivered.data_coding]) + delivered.words).hexdigest()
    return MessagePart(key[:200], number, total, digest, gateway.part_minutes * 60)


def join(parts: Sequence[RawContact | None], gateway: SmppGateway, language: str) -> Inbound:
    """The message of these parts in their order; None for one that never came. Errors: Unparseable."""
    return whole_of([_delivered(raw) if raw is not None else None for raw in parts], gateway, language)


def whole_of(parts: Sequence[Delivered | None], gateway: SmppGateway, language: str) -> Inbound:
    """The text of parts. A character split between two of them is whole again. Errors: Unparseable, without a
    sender.
    """
    present = [part for part in parts if part is not None]
    if not present or not present[0].source.strip():
        raise Unparseable(messages.NO_SENDER)
    text, run, coding = "", b"", present[0].data_coding
    for part in parts:
        if part is None or part.data_coding != coding:
            text += _decode(run, coding, gateway)
            run = b""
        if part is None:
            text += GAP
            continue
        coding, run = part.data_coding, run + part.words
    text += _decode(run, coding, gateway)
    return Inbound(
        senders=(Sender(PHONE, _address(present[0].source)),),
        text=text.replace("\0", ""),
        language=language,
        thread=Thread(open_line=True),
        headers=(("To", present[0].destination), ("Parts", str(len(parts)))),
        labels=frozenset({"part_missing"} if len(present) < len(parts) else ()),
    )


def read_report(name: str, raw: RawContact, gateway: SmppGateway) -> list[Parsed]:
    """The SMSC's report on a part of a message of ours. Errors: Unparseable."""
    report = _report(name, _delivered(raw), gateway)
    if report is None:
        raise Unparseable(messages.REPORT_WITHOUT_MESSAGE)
    return [report]


def report_or(name: str, raw: RawContact, gateway: SmppGateway, message: Inbound) -> Report | None:
    """A message whose text is a receipt but that is not marked as one: a report if it names a delivery of ours, else
    `message`.

    Several SMSCs leave `esm_class` 0 (vumi#298, #637). A citizen who writes such a text can affect only their own
    delivery.
    """
    delivered = _delivered(raw)
    if delivered.part is not None or _RECEIPT.fullmatch(_words(delivered)) is None:
        return None
    report = _report(name, delivered, gateway)
    return report and replace(report, otherwise=message)


def _report(name: str, delivered: Delivered, gateway: SmppGateway) -> Report | None:
    words = _words(delivered)
    echo = _ECHO.search(words)
    said: dict[str, str] = {}
    for field, value in _FIELD.findall(words[: echo.start()] if echo is not None else words):
        said.setdefault(field.lower(), value)
    given = delivered.options.get(RECEIPTED_ID, b"").split(b"\0", 1)[0].decode("latin-1") or said.get("id", "")
    if not given.strip("\0 "):
        return None
    state = said.get("stat", "").upper()
    number = delivered.options.get(MESSAGE_STATE, b"")
    if number and _meaning(state) is None:
        state = _STATE_NUMBERS.get(number[0], "UNKNOWN")
    elif state.isascii() and state.isdigit() and len(state) <= _LONGEST_NUMBER:
        state = _STATE_NUMBERS.get(int(state), state)
    known = _meaning(state)
    # An unknown state changes nothing, and is kept in the delivery's history.
    words = "" if known in ("sent", "delivered") else f"{state[:16]} {said.get('err', '')[:16]}".strip()
    exact, *perhaps = references(name, given, gateway)
    return Report(
        exact,
        known or "sent",
        RECEIVER_SAYS(words=words) if words else None,
        perhaps=tuple(perhaps),
        to=_address(delivered.source),
    )


def _meaning(state: str) -> Literal["sent", "delivered", "failed"] | None:
    if "FAIL" in state:  # DELIVERY_FAILED begins like a delivery
        return "failed"
    return next((meaning for beginning, meaning in _STATES.items() if state.startswith(beginning)), None)


def _words(delivered: Delivered) -> str:
    """A receipt's text: ASCII whatever its coding says, except UCS-2."""
    return delivered.words.decode("utf-16-be" if delivered.data_coding == 8 else "latin-1", "replace")


def state_report(reference: str, answer: bytes) -> Report | None:
    """The state in an answer to query_sm; None while the message is under way or the SMSC does not know it."""
    try:
        reader = pdu.PduReader(answer)
        reader.text()
        reader.text()
        number, error = reader.octets(2)
    except ValueError:
        return None
    state = _STATE_NUMBERS.get(number, "")
    known = _meaning(state)
    if known is None or known == "sent":
        return None
    return Report(
        reference, known, RECEIVER_SAYS(words=f"{state} {error or ''}".strip()) if known == "failed" else None
    )


def spellings(name: str, provider_ref: str, gateway: SmppGateway) -> list[str]:
    """The possible SMSC ids behind a reference of ours, as written when it took the message; none if it gave no id."""
    if not provider_ref.startswith(f"{name}:"):
        return []
    plain = provider_ref[len(name) + 1 :]
    if gateway.message_ids == "hex_then_decimal" and plain.isascii() and plain.isdigit():
        return list(dict.fromkeys((f"{int(plain):X}", f"{int(plain):x}")))
    return list(dict.fromkeys((plain, plain.upper(), plain.zfill(8), plain.zfill(10))))


def reference(name: str, given: str, gateway: SmppGateway, *, report: bool) -> str:
    """The id under which an answer and its report match, whatever base, case and width each is written in.

    An id belongs to its gateway.
    """
    plain = given.strip().lower().replace("\0", "")
    plain = plain.lstrip("0") or plain[:1]
    if gateway.message_ids != "as_given":
        hexadecimal = (gateway.message_ids == "hex_then_decimal") is not report
        with suppress(ValueError):  # not a number after all: compared as it is
            plain = str(int(plain, 16 if hexadecimal else 10))
    return f"{name}:{plain[:65]}"


def references(name: str, given: str, gateway: SmppGateway) -> list[str]:
    """The reference of an id in a report, then the other possible ones where the id's format is not configured:

    as it is, and in the other base (jasmin#1086: taken as hexadecimal, reported as decimal).
    """
    found = [reference(name, given, gateway, report=True)]
    if gateway.message_ids == "as_given":
        plain = found[0][len(name) + 1 :]
        found.append(f"{name}:{given.strip()[:65]}".replace("\0", ""))
        if _DECIMAL.fullmatch(plain):
            found.append(f"{name}:{int(plain):x}")
        if _HEXADECIMAL.fullmatch(plain):
            found.append(f"{name}:{int(plain, 16)}")
    return list(dict.fromkeys(found))


def _delivered(raw: RawContact) -> Delivered:
    try:
        return read_delivered(raw.body)
    except ValueError as error:
        raise Unparseable(messages.NOT_SMPP(words=str(error))) from None


def _decode(words: bytes, coding: int, gateway: SmppGateway) -> str:
    """By the data coding of 3GPP 23.038 and SMPP 5.2.19; text of an unknown coding is read as Latin-1 rather than
    lost.
    """
    kind = coding
    if coding >> 4 in (0x0, 0x1, 0x2, 0x3) and coding > 0x0F:
        kind = 8 if coding & 0x0C == 0x08 else 0 if coding & 0x0C == 0 else 4
    elif coding >> 4 == 0xF:
        kind = 4 if coding & 0x04 else 0
    match kind:
        case 8:
            return words.decode("utf-16-be", "replace")
        case 0:
            return decode_gsm(words) if gateway.alphabet == "gsm" else words.decode(gateway.alphabet, "replace")
        case 1:
            return words.decode("ascii", "replace")
        case 6:
            return words.decode("iso8859-5", "replace")
        case 7:
            return words.decode("iso8859-8", "replace")
        case _:
            return words.decode("latin-1")


def _address(number: str) -> str:
    """A long bare number is an international one without its plus."""
    number = number.replace("\0", "").strip()
    return (
        f"+{number}" if number.isascii() and number.isdigit() and 10 < len(number) < 16 and number[0] != "0" else number
    )
