"""Mail servers' words about mail of ours: RFC 3464 delivery status notifications, and the older ones in free text.

Which of our deliveries is meant, by the first of these that is there:
* the address it came to: every answer leaves with an envelope sender of its own, `info+b=<delivery>@…` (VERP);
* `Original-Envelope-Id`, which we gave the server with the message (RFC 3461);
* the Message-ID of the returned message, or of what the notification answers.

A failure makes the delivery failed; a delay and a relay are added to its history; without any mark of ours the
notification stays a mail with labels, for filing to decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from zrm.channels.contract import Report
from zrm.channels.email.headers import addresses, decode_words, message_ids, parameters, split_head
from zrm.channels.email.mime import Part
from zrm.kit.text import clean_line, fold

_LONGEST: Final = 65_536  # characters of a notification that are looked at
_DETAIL: Final = 300
_SENDERS: Final = frozenset(
    {"mailer-daemon", "mailerdaemon", "postmaster", "mail-daemon", "mailer_daemon", "mmdf", "mdaemon"}
)
_RETURNED: Final = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/global",
    "message/global-headers",
    "message/rfc822-headers",
)
_STATUS_PARTS: Final = ("message/delivery-status", "message/global-delivery-status")
_MESSAGE_ID_LINE: Final = re.compile(r"^[> \t]*Message-ID:[ \t]*(<[^<>\s]{3,990}>)", re.IGNORECASE | re.MULTILINE)
_STATUS: Final = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_REPLY_CODE: Final = re.compile(r"\b([45]\d\d)[ -]")
_ADDRESS: Final = re.compile(r"<?[^\s<>@]{1,128}@[^\s<>]{1,255}>?")
_UNKNOWN_ADDRESS: Final = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4", "5.7.27"})

_FAILED_SUBJECTS: Final = tuple(
    fold(words)
    for words in (
        "Undelivered Mail Returned to Sender", "Mail delivery failed", "Delivery Status Notification (Failure)", "failure notice",
        "Undeliverable", "Returned mail", "Delivery Failure", "Delivery has failed", "Mail System Error", "Message not delivered",
        "Undelivered", "Mail could not be delivered", "Delivery Notification: Delivery has failed", "Nondeliverable mail",
        "Unzustellbar", "Non remis", "Onbestelbaar", "No se puede entregar", "Non recapitabile",
        "تحویل نشد", "عدم تحویل", "نامه تحویل نشد", "پیام تحویل نشد", "غیر قابل تحویل", "تعذر التسليم", "فشل التسليم",
    )
)  # fmt: skip
_DELAYED: Final = tuple(
    fold(words)
    for words in (
        "Delivery Status Notification (Delay)", "Delivery delayed", "delayed 24 hours", "has been delayed", "Warning: could not send",
        "this is a warning message only", "you do not need to resend", "will be retried", "will continue to try", "still being retried",
        "delivery attempts will continue",
    )
)  # fmt: skip
_FAILED_WORDS: Final = tuple(
    fold(words)
    for words in (
        "permanent error", "permanent fatal errors", "could not be delivered", "couldn't be delivered", "wasn't able to deliver",
        "was not able to deliver", "unable to deliver", "undeliverable", "delivery failed", "delivery to the following recipient",
        "user unknown", "unknown user", "no such user", "mailbox unavailable", "mailbox not found", "does not exist", "address rejected",
        "recipient rejected", "account has been disabled", "mailbox is full", "mailbox full", "over quota", "quota exceeded",
        "i've given up", "giving up on", "host unknown", "unrouteable address", "address couldn't be found", "message was not delivered",
        "تحویل داده نشد", "وجود ندارد", "صندوق پر است", "لم يتم تسليم", "تعذر تسليم",
    )
)  # fmt: skip
_NO_MAILBOX: Final = tuple(
    fold(words)
    for words in ("user unknown", "unknown user", "no such user", "mailbox not found", "does not exist", "address couldn't be found",
                  "unrouteable address", "host unknown", "account has been disabled", "no mailbox here by that name")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Verdict:
    state: Literal["sent", "delivered", "failed"]
    detail: str
    unreachable: bool = False


def is_bounce(fields: Mapping[str, str], parts: Sequence[Part], *, robot: bool) -> bool:
    """Whether a mail server wrote this about another mail."""
    kind, about = parameters(fields.get("content-type", ""))
    if any(part.media_type in _STATUS_PARTS for part in parts):
        return True
    if kind == "multipart/report" and about.get("report-type", "").lower() in ("delivery-status", ""):
        return True
    return robot and (_local_part(fields) in _SENDERS or "x-failed-recipients" in fields)


def report(fields: Mapping[str, str], parts: Sequence[Part], text: str, *, delivery: UUID | None) -> Report | None:
    """What a bounce (see `is_bounce`) says about one delivery of ours; None if it carries no mark of ours.

    `text` is the mail's own plain text; `delivery` the one whose return address it came to.
    """
    status = next((part for part in parts if part.media_type in _STATUS_PARTS), None)
    groups = _groups(status) if status is not None else []
    delivery = delivery or _envelope_id(groups)
    reference = "" if delivery is not None else _original(fields, parts, text)
    if delivery is None and not reference:
        return None
    verdict = _by_status(groups) or _by_words(fields, text)
    return Report(reference, verdict.state, verdict.detail, reply_id=delivery, unreachable=verdict.unreachable)


def _local_part(fields: Mapping[str, str]) -> str:
    sender = addresses(fields.get("from", "")) or addresses(fields.get("sender", ""))
    return sender[0][1].partition("@")[0].lower() if sender else ""


def _groups(part: Part) -> list[dict[str, str]]:
    """The fields of a delivery status: per message first, then per recipient (RFC 3464 2.1)."""
    groups: list[dict[str, str]] = []
    data = part.content()[:_LONGEST].replace(b"\r\n", b"\n")
    for block in re.split(rb"\n[ \t]*\n", data.strip(b"\n")):
        headers, _ = split_head(block.strip(b"\n") + b"\n\n")
        group: dict[str, str] = {}
        for name, value in headers:
            group.setdefault(name.lower(), value)
        if group:
            groups.append(group)
    return groups


def _envelope_id(groups: Sequence[Mapping[str, str]]) -> UUID | None:
    for group in groups:
        if "original-envelope-id" in group:
            return as_delivery(group["original-envelope-id"].strip())
    return None


def as_delivery(text: str) -> UUID | None:
    """A delivery's id as it stands in an envelope (32 hex digits); None if it is none."""
    return UUID(text) if re.fullmatch(r"[0-9a-fA-F]{32}", text) else None


def _original(fields: Mapping[str, str], parts: Sequence[Part], text: str) -> str:
    """The Message-ID of the mail this is about."""
    for part in parts:
        if part.media_type in _RETURNED:
            headers, _ = split_head(part.content()[:_LONGEST])
            for name, value in headers:
                if name.lower() == "message-id" and (found := message_ids(value)):
                    return found[0]
    quoted = _MESSAGE_ID_LINE.search(text[:_LONGEST])
    if quoted is not None:
        return quoted.group(1)
    near = message_ids(fields.get("in-reply-to", "")) + message_ids(fields.get("references", ""))[::-1]
    return near[0] if near else ""


def _by_status(groups: Sequence[Mapping[str, str]]) -> _Verdict | None:
    """The worst that happened to any recipient; each of our messages has one only."""
    actions = {group["action"].split()[0].strip().lower(): group for group in groups if group.get("action", "").strip()}
    for action in ("failed", "delayed", "relayed", "expanded", "delivered"):
        group = actions.get(action)
        if group is None:
            continue
        found = _STATUS.search(group.get("status", "")) or _STATUS.search(group.get("diagnostic-code", ""))
        code = found.group(1) if found else ""
        words = _without_addresses(
            group.get("diagnostic-code", "").partition(";")[2] or group.get("diagnostic-code", "")
        )
        detail = f"{action} {code}: {words}".rstrip(": ") if words or code else action
        if action == "failed":
            return _Verdict("failed", detail[:_DETAIL], code in _UNKNOWN_ADDRESS or (not code and _no_mailbox(words)))
        return _Verdict("delivered" if action == "delivered" else "sent", detail[:_DETAIL])
    return None


def _by_words(fields: Mapping[str, str], text: str) -> _Verdict:
    """A notification in free text: delayed if it says so, else failed, which is what such mails are for."""
    subject = fold(clean_line(decode_words(fields.get("subject", ""))))
    words = fold(text[:20_000])
    failed = any(mark in subject for mark in _FAILED_SUBJECTS)
    if not failed and any(mark in subject or mark in words for mark in _DELAYED):
        return _Verdict("sent", "delayed")
    code = _STATUS.search(text[:_LONGEST])
    shown = code.group(1) if code else ""
    if not shown and (plain := _REPLY_CODE.search(text[:_LONGEST])):
        shown = plain.group(1)
    line = next(
        (
            line.strip()
            for line in text[:_LONGEST].splitlines()
            if any(mark in fold(line[:500]) for mark in _FAILED_WORDS)
        ),
        "",
    )
    detail = " ".join(f"failed {shown}: {_without_addresses(line)}".rstrip(": ").split())
    return _Verdict("failed", detail[:_DETAIL], shown in _UNKNOWN_ADDRESS or _no_mailbox(words))


def _no_mailbox(words: str) -> bool:
    folded = fold(words)
    return any(mark in folded for mark in _NO_MAILBOX)


def _without_addresses(text: str) -> str:
    return clean_line(_ADDRESS.sub("…", decode_words(text[:2000])))
