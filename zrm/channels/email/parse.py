"""One mail interpreted as far as the mail alone allows: sender, date, subject, thread, text and files.

Pure: no clock, no network, no database. The installation keeps the whole mail as received, so no copy is made here;
what exceeds the limits (text over a million characters, parts beyond the bounds) becomes a file, the contact gets the
label `cut_short`, and nothing is dropped. `content` decides what is text and what a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from zrm.channels.email import authentication, automatic_mail, bounces, reasons
from zrm.channels.email.content import Content, alphabet_of_text
from zrm.channels.email.headers import (
    Headers,
    addresses,
    date,
    decode_words,
    first_by_name,
    is_address,
    message_ids,
    split_head,
)
from zrm.channels.email.mailboxes import Mailboxes, MailboxMatch
from zrm.channels.email.mime import Splitter
from zrm.contract.addresses import EMAIL, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import Inbound, Parsed, RawContact, Thread
from zrm.kit.text import clean, clean_line, latin_digits

_TITLE_LIMIT: Final = 500
_MOST_REFERENCES: Final = 50
_MOST_TOKENS: Final = 20
_MOST_DECODED: Final = 500  # header fields that are shown with their encoded words read
_MOST_RECIPIENTS: Final = 100  # fields that may name our mailboxes
_MOST_COPIED: Final = 100
_MOST_SENDERS: Final = 20
_LARGEST_BLANK: Final = 65_536  # bytes without a letter that are no message; more than that always is one

_TO: Final = frozenset({"to", "cc", "delivered-to", "x-original-to", "envelope-to"})
_SUBJECT_TOKEN: Final = re.compile(r"\[#([A-Za-z0-9][A-Za-z0-9._-]{0,63})\]")
# Senders of bulk mail use an address of their own for bounces: it is no citizen's.
_RETURN_PATH: Final = re.compile(
    r"(?i)(?:.*[-+._])?(?:bounces?|returns?|return-path|verp|errors?|owner|request|mailer-daemon|postmaster|"
    r"no-?reply|do-?not-?reply|listserv|majordomo)(?:[-+._].*)?|.*=.*|.*\+\d+"
)
_SUBJECT_CODE: Final = re.compile(r"\[\u200e?#?(\d{4})[- ]?(\d{4})[- ]?(\d{4})\]")


def parse_mail(raw: RawContact, mailboxes: Mailboxes, trusted: frozenset[str] = frozenset()) -> Parsed:
    """The mail in `raw.body`: an Inbound, or a Report for a bounce of ours.

    `trusted` are the names (lower case) of the servers whose results about senders are believed. Errors: Unparseable,
    only for a body without one header field or letter.
    """
    if "not_handed_over" in raw.envelope:
        raise Unparseable(reasons.NOT_HANDED_OVER)
    headers, at = split_head(raw.body)
    body = memoryview(raw.body)[at:]
    if not headers and not bytes(body[:_LARGEST_BLANK]).strip() and len(body) <= _LARGEST_BLANK:
        raise Unparseable(reasons.EMPTY)
    parts = list(Splitter().leaves(headers, body))
    if not raw.body[:at].isascii():  # raw letters in the header are in the body's charset
        headers, at = split_head(raw.body, alphabet_of_text(parts))
    fields = first_by_name(headers)
    content = Content()
    for part in parts:
        content.take(part)
    content.finish()
    written = raw.envelope.get("mail_from")
    mail_from = written if isinstance(written, str) else None
    text = content.text or content.enclosed
    labels = automatic_mail.labels(fields, parts, text, mail_from=mail_from)
    deliveries = list(_deliveries(headers, raw, mailboxes))
    returned = next((one.returned for one in deliveries if one.returned is not None), None)
    bounce = bounces.kind_of(fields, parts, text, mail_from=mail_from, returned=returned is not None)
    if bounce:
        report = bounces.report(fields, parts, text, delivery=returned, kind=bounce)
        if report is not None:
            return report
        labels = labels - {"auto_reply"} | ({"robot", "bounce"} if bounce == "sure" else {"robot"})
    if content.cut_short or "whole_size" in raw.envelope:
        labels.add("cut_short")
    senders = _senders(headers, fields, mail_from or "")
    sender = senders[0].raw if senders and not senders[0].claimed else ""
    labels |= content.labels | authentication.labels(authentication.results(headers, trusted, sender))
    is_list = "list-id" in fields
    return Inbound(
        senders=senders,
        text=text,
        title=clean_line(decode_words(fields.get("subject", "")))[:_TITLE_LIMIT],
        html=content.html,
        sent_at=date(fields["date"]) if "date" in fields else None,
        files=tuple(content.files),
        thread=_thread(fields, deliveries),
        headers=tuple(
            (name, clean(decode_words(value) if place < _MOST_DECODED else value))
            for place, (name, value) in enumerate(headers)
        ),
        labels=frozenset(labels),
        # on a mailing list it is the list's
        reply_to=() if is_list else _named(headers, "reply-to", most=_MOST_SENDERS),
        copied=() if is_list else _named(headers, "to", "cc", most=_MOST_COPIED),
    )


def _senders(headers: Headers, fields: dict[str, str], return_path: str) -> tuple[Sender, ...]:
    """All addresses in From, of all its fields; Sender and the envelope, unproven, only where From has none."""
    if found := _named(headers, "from", most=_MOST_SENDERS):
        return found
    found = _named(headers, "sender", most=1)
    if not found and "list-id" not in fields and _is_persons(return_path):
        found = (Sender(EMAIL, clean(return_path)),)
    return tuple(replace(one, claimed=True) for one in found)


def _named(headers: Headers, *names: str, most: int) -> tuple[Sender, ...]:
    """The first mailboxes in the fields of these names, each once."""
    found: dict[str, Sender] = {}
    values = [value for name, value in headers if name.lower() in names]
    for value in values[:most]:
        for name, address in addresses(value):
            found.setdefault(address.lower(), Sender(EMAIL, clean(address), clean_line(name)))
    return tuple(found.values())[:most]


def _is_persons(return_path: str) -> bool:
    """Whether an envelope's sender may be a person, not a list or a service that counts its bounces."""
    return is_address(return_path) and _RETURN_PATH.fullmatch(return_path.rpartition("@")[0]) is None


def _thread(fields: dict[str, str], deliveries: Iterable[MailboxMatch]) -> Thread:
    own = message_ids(fields.get("message-id", ""))
    # The nearest ancestor first: the message it answers, then the references from the last to the first.
    near = message_ids(fields.get("in-reply-to", "")) + message_ids(fields.get("references", ""))[::-1]
    return Thread(
        message_id=clean_line(own[0]) if own else "",
        references=tuple(dict.fromkeys(clean_line(one) for one in near))[:_MOST_REFERENCES],
        tokens=_tokens(fields, deliveries),
        returned=next((one.returned for one in deliveries if one.returned is not None), None),
    )


def _deliveries(headers: Headers, raw: RawContact, mailboxes: Mailboxes) -> Iterator[MailboxMatch]:
    """Our addresses with text after the plus sign, from the envelope first, then from the header."""
    recipients = raw.envelope.get("rcpt_tos")
    written = [one for one in recipients if isinstance(one, str)] if isinstance(recipients, list) else []
    named = (value for name, value in headers if name.lower() in _TO and "+" in value)
    for value in islice(named, _MOST_RECIPIENTS):
        written += [address for _, address in addresses(value)]
    for address in written:
        delivery = mailboxes.find(address) if "+" in address else None
        if delivery is not None:
            yield delivery


def _tokens(fields: dict[str, str], deliveries: Iterable[MailboxMatch]) -> tuple[str, ...]:
    tokens = dict.fromkeys(delivery.token for delivery in deliveries if delivery.token)
    subject = decode_words(fields.get("subject", ""))
    if "[" in subject:
        readable = latin_digits(subject[:1000])
        tokens.update(dict.fromkeys(_SUBJECT_TOKEN.findall(readable)))
        tokens.update(dict.fromkeys("".join(code) for code in _SUBJECT_CODE.findall(readable)))
    return tuple(tokens)[:_MOST_TOKENS]
