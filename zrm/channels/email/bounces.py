"""Mail servers' notifications about our mail: RFC 3464 delivery status notifications, and older ones in free text.

What makes a mail one (`kind_of`), by its header alone wherever that is enough:
* a delivery status, or a report of no other type;
* a mail server's own name as its sender, or the field `X-Failed-Recipients`;
* an empty sender or a postmaster, and a subject about a failure or a delay;
* words of a failure with a code or the returned mail, from an empty sender; or below such a subject, from any sender;
* the return address of one delivery of ours, and any of those words or words that `second_opinion` knows: mail comes to that
  address only as an answer to that delivery.
Absence notes, read receipts and feedback reports never count.

Which of our deliveries is meant, by the first of these that is present:
* the address it came to: every answer leaves with an envelope sender of its own, `info+b=<delivery>@…` (VERP);
* `Original-Envelope-Id`, which we gave the server with the message (RFC 3461);
* the Message-ID of the returned message, or of what the notification answers.

A failure makes the delivery failed; a delay and a relay are added to its history; without any mark of ours the
notification stays a mail with labels, for filing to decide. `refusals` decides whether the address is at fault. Free
text without a code is a failure unless it, or `second_opinion`, tells of a delay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from zrm.channels.email import automatic_mail, machine_subjects
from zrm.channels.email.headers import addresses, decode_words, message_ids, parameters, split_head
from zrm.channels.email.mime import MimePart
from zrm.channels.email.reasons import MAILBOX_FULL
from zrm.channels.email.refusals import blames_address, says_full, status_in, without_addresses
from zrm.channels.email.second_opinion import second_opinion
from zrm.contract.errors import RECEIVER_SAYS
from zrm.contract.inbound import Report
from zrm.contract.reasons import Reason

_LONGEST: Final = 65_536  # characters of a notification that are read
_READ: Final = 20_000  # of which so many are searched for words
_DETAIL: Final = 300
_POSTMASTER: Final = re.compile(
    r"(?:post[-_.]?master|mail[-_.]?admin(?:istrator)?|\"?system administrator\"?|mail[-_.]?(?:system|delivery))"
    r"(?:[^a-z].*)?|[^@]*smtp[^@]*(?:service|gateway)[^@]*",
    re.IGNORECASE,
)
_POSTMASTERS_NAME: Final = re.compile(
    r"\b(?:mail(?:er)?[- ]?d(?:ae|e)mon|mail delivery (?:sub)?system|mail delivery service|post[- ]?master|system administrator|"
    r"mail administrator)\b",
    re.IGNORECASE,
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
# Where the returned copy begins in free text: the words below are ours, not the server's.
_COPY: Final = re.compile(
    r"^[> \t]*(?:-{2,40}.{0,40}(?:copy of|original message|returned (?:mail|message)|message header|undelivered message|unsent message).*"
    r"|(?:Return-Path|Received|Message-ID|MIME-Version|DKIM-Signature):.*)$",
    re.IGNORECASE | re.MULTILINE,
)

_FAILED_WORDS: Final = tuple(
    machine_subjects.plain(words)
    for words in (
        "permanent error", "permanent fatal error", "permanently fail", "fatal error", "could not be delivered", "couldn't be delivered",
        "could not deliver", "couldn't deliver", "cannot be delivered", "can't be delivered", "cannot deliver", "wasn't able to deliver",
        "was not able to deliver", "unable to deliver", "not able to deliver", "undeliverable", "undelivered", "not delivered",
        "delivery failed", "delivery has failed", "delivery failure", "failed to deliver", "failed recipients", "not reach",
        "delivery to the following recipient", "user unknown", "unknown user", "no such user", "no such recipient", "mailbox unavailable",
        "mailbox not found", "no mailbox", "does not exist", "doesn't exist", "address rejected", "recipient rejected", "recipient unknown",
        "unknown recipient", "invalid recipient", "user not found", "account has been disabled", "mailbox is full", "mailbox full",
        "over quota", "quota exceeded", "i've given up", "giving up on", "host unknown", "host not found", "unrouteable address",
        "address couldn't be found", "rejected your message", "message was rejected", "returned to you", "bounced",
        "nicht zugestellt", "unzustellbar", "existiert nicht", "n'a pas pu être", "non remis", "non distribué", "no se pudo entregar",
        "no se ha podido entregar", "no existe", "non è stato possibile", "non recapitabile", "não foi possível entregar", "não existe",
        "kunde inte levereras", "kunne ikke leveres", "ei voitu toimittaa", "nie można dostarczyć", "nie mogła zostać", "nelze doručit",
        "nem kézbesíthető", "не доставлено", "не удалось доставить", "не может быть доставлено", "не существует", "не вдалося доставити",
        "teslim edilemedi", "iletilemedi", "无法投递", "无法送达", "退信", "不存在", "無法傳遞", "配信できません", "配信不能", "送信できません", "存在しません",
        "배달할 수 없", "배달되지", "전송하지 못", "תחזור", "לא ניתן למסור",
        "تحویل داده نشد", "تحویل نشد", "وجود ندارد", "صندوق پر است", "لم يتم تسليم", "تعذر تسليم", "تعذر التسليم", "غير موجود",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Verdict:
    state: Literal["sent", "delivered", "failed"]
    detail: str
    unreachable: bool = False
    full: bool = False

    @property
    def reason(self) -> Reason | None:
        """What the receiving server says, in its own words."""
        if not self.detail:
            return None
        return MAILBOX_FULL(words=self.detail) if self.full else RECEIVER_SAYS(words=self.detail)


BounceCertainty = Literal["", "likely", "sure"]


def kind_of(
    fields: Mapping[str, str], parts: Sequence[MimePart], text: str, *, mail_from: str | None, returned: bool
) -> BounceCertainty:
    """Whether a mail server wrote this about another mail; *likely* is believed only if the mail it returns is ours.

    `text` is the mail's own plain text; `mail_from` the envelope's sender, None where no envelope is known; `returned`
    says that it came to the return address of a delivery of ours.
    """
    kind, about = parameters(fields.get("content-type", ""))
    report_type = about.get("report-type", "").lower() if kind == "multipart/report" else None
    if report_type == "delivery-status":
        return "sure"
    if automatic_mail.is_other_report(fields, parts):
        return ""
    nobody = automatic_mail.from_nobody(fields, mail_from)
    status = [part for part in parts if part.media_type in _STATUS_PARTS]
    if report_type == "" or any(nobody or (part.path and part.path[-1][0] == "report") for part in status):
        return "sure"
    if automatic_mail.from_server(fields) or "x-failed-recipients" in fields:
        return "sure"
    if automatic_mail.is_absence_note(fields, text):
        return ""
    subject = machine_subjects.subject_of(fields.get("subject", ""))
    passed_on = machine_subjects.is_passed_on(subject)
    postmaster = _postmaster(fields)
    # The more certain it is that the sender is no person, the more a subject may contain besides.
    speaks = _speaks(
        subject, at_start=not (postmaster == "address" or (nobody and automatic_mail.takes_no_answers(fields)))
    )
    if (
        (nobody and postmaster == "address")
        or (postmaster and status)
        or (speaks and (nobody or postmaster) and not passed_on)
    ):
        return "sure"
    evidence = bool(status) or _proves(parts, text)
    if nobody and evidence:
        return "sure"
    if returned and (_speaks(subject) or evidence) and (nobody or not passed_on):
        return "sure"
    if returned and nobody and (_fails(words := _explanation(text)) or second_opinion(words)):
        return "sure"
    return "likely" if evidence and (postmaster or speaks) else ""


def _postmaster(fields: Mapping[str, str]) -> Literal["address", "name", ""]:
    """Where the sender shows a mail server's notification: its address, only its name (also if empty), or nowhere."""
    found = addresses(fields.get("from", ""))
    if not found:
        return "name"
    name, address = found[0]
    if _POSTMASTER.fullmatch(address.rpartition("@")[0]) is not None:
        return "address"
    return "name" if _POSTMASTERS_NAME.search(name) is not None else ""


def _speaks(subject: str, *, at_start: bool = False) -> bool:
    return machine_subjects.says_failed(subject, at_start=at_start) or machine_subjects.says_delayed(
        subject, at_start=at_start
    )


def _proves(parts: Sequence[MimePart], text: str) -> bool:
    """Whether the words are a failure's, together with a code or the returned mail."""
    words = _explanation(text)
    if not _fails(words):
        return False
    return bool(status_in(words)) or any(part.media_type in _RETURNED for part in parts) or len(words) < len(text)


def _fails(words: str) -> bool:
    compared = machine_subjects.plain(words)
    return any(mark in compared for mark in _FAILED_WORDS)


def _explanation(text: str) -> str:
    """The server's own words: the text above the copy of our mail."""
    text = text[:_READ]
    copy = _COPY.search(text)
    return text[: copy.start()] if copy is not None else text


def report(
    fields: Mapping[str, str],
    parts: Sequence[MimePart],
    text: str,
    *,
    delivery: UUID | None,
    kind: BounceCertainty = "sure",
) -> Report | None:
    """What a bounce (see `kind_of`) says about one delivery of ours; None if it carries no mark of ours.

    `text` is the mail's own plain text; `delivery` the one whose return address it came to.
    """
    status = next((part for part in parts if part.media_type in _STATUS_PARTS), None)
    groups = _groups(status) if status is not None else []
    delivery = delivery or _envelope_id(groups)
    reference = "" if delivery is not None else _original(fields, parts, text, near=kind == "sure")
    if delivery is None and not reference:
        return None
    verdict = _by_status(groups, text) or _by_words(fields, text)
    return Report(
        reference,
        verdict.state,
        verdict.reason,
        reply_id=delivery,
        unreachable=verdict.unreachable,
    )


def _groups(part: MimePart) -> list[dict[str, str]]:
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
    """A delivery's id as written in an envelope (32 hex digits); None if it is none."""
    return UUID(text) if re.fullmatch(r"[0-9a-fA-F]{32}", text) else None


def _original(fields: Mapping[str, str], parts: Sequence[MimePart], text: str, *, near: bool) -> str:
    """The Message-ID of the mail this is about; `near`: also of what it answers, if it returns none."""
    for part in parts:
        if part.media_type in _RETURNED:
            headers, _ = split_head(part.content()[:_LONGEST])
            for name, value in headers:
                if name.lower() == "message-id" and (found := message_ids(value)):
                    return found[0]
    quoted = _MESSAGE_ID_LINE.search(text[:_LONGEST])
    if quoted is not None:
        return quoted.group(1)
    if not near:
        return ""
    answered = message_ids(fields.get("in-reply-to", "")) + message_ids(fields.get("references", ""))[::-1]
    return answered[0] if answered else ""


def _by_status(groups: Sequence[Mapping[str, str]], text: str) -> _Verdict | None:
    """The worst result of any recipient; each of our messages has only one."""
    actions = {group["action"].split()[0].strip().lower(): group for group in groups if group.get("action", "").strip()}
    for action in ("failed", "delayed", "relayed", "expanded", "delivered"):
        group = actions.get(action)
        if group is None:
            continue
        diagnostic = group.get("diagnostic-code", "")
        said = decode_words((diagnostic.partition(";")[2] or diagnostic)[:2000])
        status = next(iter(group.get("status", "").split()), "")[:12]
        code, words = status or status_in(diagnostic), _without_addresses(said)
        detail = f"{action} {code}: {words}".rstrip(": ") if words or code else action
        if action == "failed":
            blamed = blames_address(status, said or _failing_lines(_explanation(text)))
            return _Verdict("failed", detail[:_DETAIL], blamed, says_full(status, said))
        return _Verdict("delivered" if action == "delivered" else "sent", detail[:_DETAIL])
    return None


def _by_words(fields: Mapping[str, str], text: str) -> _Verdict:
    """A notification in free text: delayed if it says so, else failed, the usual purpose of such mails.

    A subject of a failure without a code below it may be a delay all the same: "Delivery attempts will continue".
    """
    subject = machine_subjects.subject_of(fields.get("subject", ""))
    explained = _explanation(text)
    delayed = machine_subjects.says_delayed(subject)
    if not delayed and not machine_subjects.says_failed(subject):
        delayed = machine_subjects.says_delayed(machine_subjects.plain(explained))
    lines = _failing_lines(explained)
    shown = status_in(lines)
    if delayed or (not shown and second_opinion(explained) == "delayed"):
        return _Verdict("sent", "delayed")
    apart = lines.split("\n")
    first = next((line for line in apart if status_in(line)), "") or next((line for line in apart if _fails(line)), "")
    detail = " ".join(f"failed {shown}: {_without_addresses(first)}".rstrip(": ").split())
    return _Verdict("failed", detail[:_DETAIL], blames_address("", lines), says_full("", lines))


def _failing_lines(text: str) -> str:
    """The lines of an explanation with a code or words of a failure, and their continuations; all lines if none has."""
    lines = text.split("\n")
    found = [place for place, line in enumerate(lines) if status_in(line[:500]) or _fails(line[:500])]
    near = sorted({one for place in found for one in (place, place + 1) if one < len(lines)})
    return "\n".join(lines[place].strip() for place in near) if near else text


def _without_addresses(text: str) -> str:
    return without_addresses(decode_words(text[:2000]))
