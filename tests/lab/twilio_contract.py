"""The requests and answers of Twilio's Messages resource, as data.

Facts from Twilio's public OpenAPI description (repository twilio/twilio-oai, file spec/json/twilio_api_v2010.json, as of
2026-04-14): the form fields of POST Messages.json, the query fields of GET Messages.json, the statuses. The error codes
and the magic numbers are those of Twilio's public pages "Error and Warning Dictionary" and "Test Credentials".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["text", "number", "integer", "boolean", "url", "datetime", "sid", "choice"]


@dataclass(frozen=True)
class Field:
    """One field: its kind, for a sid its two letters, for a choice its words, and whether it may be repeated."""

    kind: Kind
    words: tuple[str, ...] = ()
    repeated: bool = False


CREATE_FIELDS: Mapping[str, Field] = {
    "To": Field("text"),
    "From": Field("text"),
    "FallbackFrom": Field("text"),
    "MessagingServiceSid": Field("sid", ("MG",)),
    "Body": Field("text"),
    "MediaUrl": Field("url", repeated=True),
    "ContentSid": Field("sid", ("HX",)),
    "ContentVariables": Field("text"),
    "StatusCallback": Field("url"),
    "ApplicationSid": Field("sid", ("AP",)),
    "MaxPrice": Field("number"),
    "ProvideFeedback": Field("boolean"),
    "Attempt": Field("integer"),
    "ValidityPeriod": Field("integer"),
    "ForceDelivery": Field("boolean"),
    "ContentRetention": Field("choice", ("retain", "discard")),
    "AddressRetention": Field("choice", ("retain", "obfuscate")),
    "SmartEncoded": Field("boolean"),
    "PersistentAction": Field("text", repeated=True),
    "TrafficType": Field("choice", ("free",)),
    "ShortenUrls": Field("boolean"),
    "ScheduleType": Field("choice", ("fixed",)),
    "SendAt": Field("datetime"),
    "SendAsMms": Field("boolean"),
    "RiskCheck": Field("choice", ("enable", "disable")),
}

LIST_FIELDS: Mapping[str, Field] = {
    "To": Field("text"),
    "From": Field("text"),
    "DateSent": Field("datetime"),
    "DateSent<": Field("datetime"),
    "DateSent>": Field("datetime"),
    "PageSize": Field("integer"),
    "Page": Field("integer"),
    "PageToken": Field("text"),
}

STATUSES = (
    "accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed",
    "receiving", "received", "read", "partially_delivered", "canceled",
)  # fmt: skip

ERRORS: Mapping[int, str] = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    21211: "Invalid 'To' Phone Number",
    21212: "Invalid 'From' Phone Number",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number provided is not a valid message-capable Twilio phone number",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "The 'To' phone number is not currently reachable using the 'From' phone number",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
}

MAGIC_TO: Mapping[str, int] = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
MAGIC_FROM: Mapping[str, int] = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}

LONGEST_BODY = 1600


def breaches(fields: Mapping[str, Field], form: Mapping[str, Sequence[str]]) -> list[str]:
    """How a form violates the contract, a sentence each; empty if it does not."""
    found = []
    for name, values in form.items():
        field = fields.get(name)
        if field is None:
            found.append(f"unknown field {name}")
            continue
        if len(values) > 1 and not field.repeated:
            found.append(f"field {name} given {len(values)} times")
        found += [f"field {name} is not a valid {field.kind}" for value in values if not _fits(field, value)]
    return found


def _fits(field: Field, value: str) -> bool:
    match field.kind:
        case "text":
            return True
        case "integer":
            return re.fullmatch(r"-?\d{1,10}", value, re.ASCII) is not None
        case "number":
            return re.fullmatch(r"-?\d+(\.\d+)?", value, re.ASCII) is not None
        case "boolean":
            return value.lower() in ("true", "false")
        case "url":
            return urlsplit(value).scheme in ("http", "https") and bool(urlsplit(value).netloc)
        case "datetime":
            return _is_datetime(value)
        case "sid":
            return re.fullmatch(field.words[0] + r"[0-9a-fA-F]{32}", value) is not None
        case "choice":
            return value in field.words


def _is_datetime(value: str) -> bool:
    if re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d))?", value, re.ASCII):
        return True
    try:
        parsedate_to_datetime(value)
    except ValueError:
        return False
    return True


def segments(body: str) -> int:
    """The number of parts of an SMS with this text."""
    if body.isascii():
        # An approximation of the seven-bit alphabet: its two-septet characters are counted once here.
        return 1 if len(body) <= 160 else -(-len(body) // 153)
    units = len(body.encode("utf-16-be")) // 2
    return 1 if units <= 70 else -(-units // 67)
