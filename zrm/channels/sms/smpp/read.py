"""What stored deliver_sm packets say. Pure: a message, a part of one, several parts put together, or a report."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal

from zrm.channels.contract import (
    AddressKind,
    Ignored,
    Inbound,
    Parsed,
    Part,
    RawContact,
    Report,
    Sender,
    Thread,
    Unparseable,
)
from zrm.channels.sms.alphabet import GAP, decode_gsm
from zrm.channels.sms.smpp import pdu
from zrm.channels.sms.smpp.config import SmppGateway
from zrm.channels.sms.smpp.pdu import MESSAGE_STATE, RECEIPTED_ID, Delivered, read_delivered

_WORD: Final = re.compile(r"\b(id|stat|err):\s*(\S+)", re.IGNORECASE)
_STATES: Final[dict[str, Literal["sent", "delivered", "failed"]]] = {
    "DELIVRD": "delivered",
    "ACCEPTD": "sent",
    "ENROUTE": "sent",
    "EXPIRED": "failed",
    "DELETED": "failed",
    "UNDELIV": "failed",
    "REJECTD": "failed",
}
_STATE_NUMBERS: Final = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    8: "REJECTD",
}


def read_message(name: str, raw: RawContact, gateway: SmppGateway, language: str) -> Inbound | Part:
    """A message, or a part of one. Errors: Unparseable."""
    delivered = _delivered(raw)
    if delivered.part is None:
        return whole_of([delivered], gateway, language)
    reference, total, number = delivered.part
    key = f"{name}/{delivered.source}/{delivered.destination}/{reference}/{total}"
    digest = hashlib.sha256(bytes([delivered.data_coding]) + delivered.words).hexdigest()
    return Part(key[:200], number, total, digest, gateway.part_minutes * 60)


def join(parts: Sequence[RawContact | None], gateway: SmppGateway, language: str) -> Inbound:
    """The message of these parts in their order; None for one that never came. Errors: Unparseable."""
    return whole_of([_delivered(raw) if raw is not None else None for raw in parts], gateway, language)


def whole_of(parts: Sequence[Delivered | None], gateway: SmppGateway, language: str) -> Inbound:
    """The text of parts. A character torn between two of them is whole again. Errors: Unparseable, nobody sent it."""
    present = [part for part in parts if part is not None]
    if not present or not present[0].source.strip():
        raise Unparseable("the message does not say who sent it")
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
        senders=(Sender(AddressKind.PHONE, _address(present[0].source)),),
        text=text.replace("\0", ""),
        language=language,
        thread=Thread(open_line=True),
        headers=(("To", present[0].destination), ("Parts", str(len(parts)))),
        labels=frozenset({"part_missing"} if len(present) < len(parts) else ()),
    )


def read_report(name: str, raw: RawContact, gateway: SmppGateway) -> list[Parsed]:
    """The SMSC's word about a part of a message of ours. Errors: Unparseable."""
    delivered = _delivered(raw)
    said = {word.lower(): value for word, value in _WORD.findall(delivered.words.decode("latin-1"))}
    state = said.get("stat", "").upper()
    if not state and (number := delivered.options.get(MESSAGE_STATE, b"")):
        state = _STATE_NUMBERS.get(number[0], "UNKNOWN")
    given = delivered.options.get(RECEIPTED_ID, b"").split(b"\0", 1)[0].decode("latin-1") or said.get("id", "")
    if not given:
        raise Unparseable("the report names no message")
    known = _STATES.get(state) or _STATES.get(next((full for full in _STATES if full.startswith(state[:5])), ""))
    if not state or known is None:
        return [Ignored(f"message state {state[:16]}")]
    failure = f"{state[:16]} {said.get('err', '')[:16]}".strip() if known == "failed" else ""
    return [Report(reference(name, given, gateway, report=True), known, failure)]


def fate_of(reference: str, answer: bytes) -> Report | None:
    """What an answer to query_sm says of a message; None while it is under way or the SMSC does not know."""
    try:
        reader = pdu.Reader(answer)
        reader.text()
        reader.text()
        number, error = reader.octets(2)
    except ValueError:
        return None
    state = _STATE_NUMBERS.get(number, "")
    known = _STATES.get(state)
    if known is None or known == "sent":
        return None
    return Report(reference, known, f"{state} {error or ''}".strip() if known == "failed" else "")


def spellings(name: str, provider_ref: str, gateway: SmppGateway) -> list[str]:
    """How the SMSC may have written the id behind a reference of ours when it took the message; none if it did not."""
    if not provider_ref.startswith(f"{name}:"):
        return []
    plain = provider_ref[len(name) + 1 :]
    if gateway.message_ids != "hex_then_decimal" or not (plain.isascii() and plain.isdigit()):
        return [plain]
    return list(dict.fromkeys((f"{int(plain):X}", f"{int(plain):x}")))


def reference(name: str, given: str, gateway: SmppGateway, *, report: bool) -> str:
    """The id by which an answer and its report meet, whatever base each is written in; an id is its gateway's own."""
    plain = given.strip()
    if gateway.message_ids != "as_given":
        hexadecimal = (gateway.message_ids == "hex_then_decimal") is not report
        with suppress(ValueError):  # not a number after all: compared as it is
            plain = str(int(plain, 16 if hexadecimal else 10))
    return f"{name}:{plain[:65]}".replace("\0", "")


def _delivered(raw: RawContact) -> Delivered:
    try:
        return read_delivered(raw.body)
    except ValueError as error:
        raise Unparseable(f"not a message of SMPP's: {error}") from None


def _decode(words: bytes, coding: int, gateway: SmppGateway) -> str:
    """By the data coding of 3GPP 23.038 and SMPP 5.2.19; what no rule fits is read as Latin-1 rather than lost."""
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
