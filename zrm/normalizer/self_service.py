"""Self-service in T2: a citizen's command is executed, and its answer queued, in the commit that settles the contact.

So it happens once, even if the message comes again or the worker dies in between; the answer leaves through T4 like any
other. Two robots must not answer each other for ever: an address gets a limited number of answers in an hour.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from zrm.casestore import outgoing, rating
from zrm.casestore.case import OwnCase, case_of, cases_of
from zrm.casestore.contact import lead
from zrm.casestore.delivery import DeliveryKind
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.casestore.person import opt, opted_out, proven_owner
from zrm.casework.reply_routes import WEB, ReplyRoute, SendingAccount, automatic_route
from zrm.casework.self_service_texts import SelfServiceAnswer, asked_for_by_form, codes_text, subject_of, text_of
from zrm.config import Settings
from zrm.contract.addresses import EMAIL
from zrm.contract.inbound import SelfServiceCommand
from zrm.contract.reasons import Reason
from zrm.inbox.code import read as read_code
from zrm.kit.clock import now
from zrm.kit.db import Cursor
from zrm.kit.mail_addresses import own_message_id
from zrm.languages import Language, language_for_answers
from zrm.normalizer import reasons
from zrm.normalizer.interpretation import Raw, ReceivedCommand
from zrm.normalizer.origin import NormalizedAddress

MOST_ANSWERS: Final = 10
"""Answers to one address within an hour; further commands are recorded and not answered."""

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_RATING_DAYS: Final = timedelta(days=7)
_RATING_BY_MAIL: Final = timedelta(days=30)  # mail is answered later, and quotes what it answers


@dataclass(frozen=True, slots=True)
class _Said:
    answer: SelfServiceAnswer
    code: str = ""
    status: str = ""
    case_id: UUID | None = None
    cases: Sequence[OwnCase] = ()


def execute(
    cursor: Cursor,
    settings: Settings,
    raw: Raw,
    command: SelfServiceCommand,
    asker: NormalizedAddress | None,
    held: Collection[UUID],
    *,
    senders: Sequence[SendingAccount] = (),
    message_id: str = "",
) -> Reason | None:
    """Execute the command and queue the answer; returns the reason to settle the contact with, None if the command fits
    nothing.

    `message_id` is that of the citizen's mail, so that the answer is threaded below it.

    The caller has locked the asker's address, so that a second command of the same citizen waits for the first, and the
    cases that `rateable` names (`held`). Without an asker (the tracking page) there is no address to answer: the page
    itself has answered. An asker who is only claimed (typed into the page) is answered by one of the `senders`, and
    only if the address was already theirs.
    """
    if asker is None:
        return (
            reasons.SELF_SERVICE(command=command.kind)
            if command.kind == "rate" and _rate_code(cursor, raw, command, held)
            else None
        )
    route = _route_to(raw, asker, settings, senders)
    if route is None:
        return None
    reason = reasons.SELF_SERVICE(command=command.kind)
    refused = _refusal(cursor, route, settings)
    said = _do(cursor, settings, raw, command, asker, held, refused=refused is not None)
    if said is None:
        return None
    if refused is not None:
        return reason(because=refused)
    if command.answered:
        return reason(because=reasons.ANSWERED_BY_PROVIDER)
    if command.kind != "stop" and opted_out(cursor, route.channel, route.address):
        return reason(because=reasons.NOT_ANSWERED)
    _queue(cursor, settings, raw, command, asker, route, said, message_id)
    return reason


def _route_to(
    raw: Raw, asker: NormalizedAddress, settings: Settings, senders: Sequence[SendingAccount]
) -> ReplyRoute | None:
    """Where the answer goes: back by the channel of the command, or for a typed address by one that reaches it, if any
    does.
    """
    if asker.claimed:
        return automatic_route([(asker.kind, asker.value)], senders, settings.organisation.region)
    return ReplyRoute(raw.contact.channel, raw.contact.account, asker.value)


def _refusal(cursor: Cursor, route: ReplyRoute, settings: Settings) -> Reason | None:
    """Why this address gets no more answers for now; None if it does. What strangers ask for has a limit of its own, so
    that they cannot use up the citizen's.
    """
    most, within = (settings.automatic.typed_per_day, _DAY) if route.claimed else (MOST_ANSWERS, _HOUR)
    cursor.execute(
        "SELECT count(*) FROM deliveries d JOIN raw_contacts w ON w.id = d.question_id WHERE d.kind = 'self_service' "
        "AND d.channel = %s AND d.address = %s AND d.created_at > %s AND (w.channel = %s) = %s",
        [route.channel, route.address, now() - within, WEB, route.claimed],
    )
    if (cursor.fetchone() or (0,))[0] < most:
        return None
    return reasons.TOO_MANY_A_DAY if route.claimed else reasons.TOO_MANY_AN_HOUR


def _do(
    cursor: Cursor,
    settings: Settings,
    raw: Raw,
    command: SelfServiceCommand,
    asker: NormalizedAddress,
    held: Collection[UUID],
    *,
    refused: bool,
) -> _Said | None:
    if asker.claimed:  # a typed address proves nothing: nothing is done, and the address is not told
        return _codes(cursor, settings, asker) if command.kind == "codes" else None
    match command.kind:
        case "help":
            return _Said("help")
        case "stop" | "start":
            contact = raw.contact
            opt(cursor, contact.channel, contact.account, asker.value, out=command.kind == "stop", at=raw.received_at)
            return _Said(command.kind)
        case "status":
            return _Said("unknown") if refused else _status(cursor, command.code)
        case "codes":
            return _codes(cursor, settings, asker) or _Said("no codes")
        case "rate":
            return _rate(cursor, raw, command, asker, held)


def _status(cursor: Cursor, typed: str) -> _Said:
    code = read_code(typed)
    cursor.execute(
        "SELECT coalesce(k.status, ''), k.id FROM tracking_codes r LEFT JOIN cases k ON k.id = r.case_id "
        "LEFT JOIN raw_contacts w ON w.id = r.contact_id AND w.kind = 'contact' AND w.state <> 'ignored' "
        "WHERE r.code = %s AND num_nonnulls(k.id, w.id) > 0",
        [code],
    )
    row = cursor.fetchone()
    if row is None:
        return _Said("unknown")
    status, case_id = row
    return _Said("status", code or "", status, case_id)


def _codes(cursor: Cursor, settings: Settings, asker: NormalizedAddress) -> _Said | None:
    """The cases in which the one person who has proven this address gave it. None if no person has proven it, or
    several have: an address that was only typed opens no person's file. Nor does a typed one from which our messages
    came back.

    Not all cases of that person: their file may hold what a stranger wrote in their name, or a stranger's address.
    """
    owner = proven_owner(cursor, asker.kind, asker.value)
    if owner is None or (owner.doubtful and asker.claimed):
        return None
    found = cases_of(
        cursor, owner.person_id, asker.value, closed_since=now() - timedelta(days=settings.threads.reopen_days)
    )
    return _Said("codes", cases=found) if found else _Said("no codes")


def rateable(cursor: Cursor, received: Sequence[ReceivedCommand]) -> set[UUID]:
    """The cases that these commands may rate, executed in order; to be locked before the first of them is."""
    ratings = [one for one in received if one.command.kind == "rate"]
    found: set[UUID] = set()
    for one in ratings:
        if one.asker is not None:
            found |= {row[0] for row in _unrated(cursor, one.raw, one.command, one.asker, most=len(ratings))}
        elif (case_id := case_of(cursor, one.command.code)) is not None:
            found.add(case_id)
    return found


def _rate_code(cursor: Cursor, raw: Raw, command: SelfServiceCommand, held: Collection[UUID]) -> bool:
    case_id = case_of(cursor, command.code)
    if case_id is None or case_id not in held:
        return False
    return rating.rate(cursor, case_id, channel=raw.contact.channel, score=command.score)


def _rate(
    cursor: Cursor, raw: Raw, command: SelfServiceCommand, asker: NormalizedAddress, held: Collection[UUID]
) -> _Said | None:
    """Only the case that was closed last at this address, recently, not rated since, and with no open case after it.

    A mail's digit is about the one case of this citizen whose mark it carries, or that our mail was about.
    """
    lately = _RATING_BY_MAIL if asker.kind == EMAIL else _RATING_DAYS
    for case_id, status, status_at in _unrated(cursor, raw, command, asker, most=1):
        closed_lately = status == "closed" and status_at >= raw.received_at - lately
        if closed_lately and case_id in held:
            rated = rating.rate(cursor, case_id, channel=raw.contact.channel, score=command.score)
            return _Said("rated", case_id=case_id) if rated else None
    return None


def _unrated(
    cursor: Cursor, raw: Raw, command: SelfServiceCommand, asker: NormalizedAddress, *, most: int
) -> list[tuple[UUID, str, datetime]]:
    """(id, status, since) of the citizen's cases at this address that are not rated in their current state, the latest
    first.

    By mail, of those it answers: a case is the citizen's too when we have written to them in it.
    """
    answered = command.otherwise.thread if command.otherwise is not None and asker.kind == EMAIL else None
    cursor.execute(
        """
        SELECT id, status, status_at FROM cases k
        WHERE channel = %(channel)s AND account = %(account)s AND person_id IN (
            SELECT person_id FROM addresses WHERE kind = %(kind)s AND value = %(value)s AND (NOT claimed OR (
                %(by_mail)s AND EXISTS (
                    SELECT FROM contacts WHERE case_id = k.id AND direction = 'out' AND address = %(value)s)))
        ) AND NOT EXISTS (SELECT FROM ratings WHERE case_id = k.id AND at >= k.status_at)
        AND (NOT %(by_mail)s OR reply_token = ANY(%(quoted)s) OR code = ANY(%(quoted)s)
            OR id IN (SELECT case_id FROM message_ids WHERE message_id = ANY(%(references)s)))
        ORDER BY last_contact_at DESC LIMIT %(most)s
        """,
        {
            "channel": raw.contact.channel,
            "account": raw.contact.account,
            "kind": asker.kind,
            "value": asker.value,
            "by_mail": answered is not None,
            "quoted": list(answered.tokens) if answered is not None else [],
            "references": list(answered.references) if answered is not None else [],
            "most": most,
        },
    )
    return cursor.fetchall()


def _queue(
    cursor: Cursor,
    settings: Settings,
    raw: Raw,
    command: SelfServiceCommand,
    asker: NormalizedAddress,
    route: ReplyRoute,
    said: _Said,
    message_id: str,
) -> None:
    language = _language(cursor, settings, route.channel, command, asker)
    name = settings.organisation.name.in_language(language)
    by_mail = asker.kind == EMAIL
    if said.answer == "codes":
        text = codes_text(said.cases, language, settings, by_mail=by_mail)
    else:
        text = text_of(said.answer, language, name=name, code=said.code, status=said.status, by_mail=by_mail)
    if by_mail and asker.claimed:  # an SMS has no room for more
        text = f"{text}\n\n{asked_for_by_form(language)}"
    title = subject_of(said.answer, language) if by_mail else ""
    answer = NewDelivery(
        DeliveryKind.SELF_SERVICE, route.channel, route.account, route.address, question_id=raw.id, command=command.kind,
        says=OwnWords(text, language, title, message_id), trace=raw.contact.trace,
    )  # fmt: skip
    if by_mail and said.case_id is not None:
        lead(cursor, [(own_message_id(answer.id, settings.mail_domain), said.case_id)])
    outgoing.queue(cursor, [answer])


def _language(
    cursor: Cursor, settings: Settings, channel: str, command: SelfServiceCommand, asker: NormalizedAddress
) -> Language:
    """The language the citizen asked for; else that of their message; else the one they first wrote in; else the
    installation's.
    """
    cursor.execute(
        "SELECT p.preferred_language, p.language FROM addresses a JOIN persons p ON p.id = a.person_id "
        "WHERE a.kind = %(kind)s AND a.value = %(value)s AND NOT a.claimed UNION ALL "
        "(SELECT '', language FROM deliveries WHERE kind = 'self_service' AND channel = %(channel)s AND address = %(value)s "
        "ORDER BY created_at LIMIT 1)",
        {"kind": asker.kind, "value": asker.value, "channel": channel},
    )
    known = cursor.fetchall()
    asked_for = next((preferred for preferred, _ in known if preferred), "")
    first = next((language for _, language in known if language), "")
    return language_for_answers(asked_for or command.language or first, settings.organisation.language)
