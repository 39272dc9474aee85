"""Everything that goes out is a delivery; only this file writes deliveries, their history and their parts.

A text in a case is in its contact; a text that belongs to no contact (a self-service answer, a proof link) is in the
delivery. Every change of state is a line of the history, and is announced to the desks that show the case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from zrm.casestore import live, outbox, timers
from zrm.casestore.delivery import DeliveryKind, DeliveryState
from zrm.casestore.outbox import Topic
from zrm.contract.reasons import Reason
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import Cursor, insert_records
from zrm.kit.ids import new_id

_NEEDS_AGENT: Final = (DeliveryState.FAILED, DeliveryState.UNKNOWN)
_NO_PARAMS: Final = Jsonb({})


@dataclass(frozen=True, slots=True)
class OwnWords:
    """The text of a delivery without a contact. `in_reply_to`: the Message-ID of the mail it answers."""

    text: str
    language: str
    title: str = ""
    in_reply_to: str = ""


_NO_WORDS: Final = OwnWords("", "")


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """What is to go out, by which channel and account of ours, and to which address.

    Either a contact of the case holds the text (`contact_id`) or the delivery has its own (`says`). A self-service
    answer belongs to no case: `question_id` is the raw contact with the `command`, which gets exactly one answer.
    """

    kind: DeliveryKind
    channel: str
    account: str
    address: str
    case_id: UUID | None = None
    contact_id: UUID | None = None
    question_id: UUID | None = None
    command: str = ""
    says: OwnWords | None = None
    trace: str = ""
    id: UUID = field(default_factory=new_id)
    at: datetime = field(default_factory=now)


class _DeliveryRecord(NamedTuple):
    """A delivery as it is first stored; the fields are the columns."""

    id: UUID
    kind: str
    channel: str
    account: str
    address: str
    case_id: UUID | None
    contact_id: UUID | None
    question_id: UUID | None
    command: str
    language: str
    title: str
    text: str | None
    in_reply_to: str
    state: str
    trace: str
    created_at: datetime
    changed_at: datetime


class _DeliveryEventRecord(NamedTuple):
    """A line of a delivery's history; the fields are the columns."""

    id: UUID
    delivery_id: UUID
    at: datetime
    state: str
    reason_code: str = ""
    reason_params: Jsonb = _NO_PARAMS


def queue(cursor: Cursor, deliveries: Iterable[NewDelivery], *, hold: float = 0) -> None:
    """Store deliveries, the first line of each one's history, and the tasks that send them `hold` seconds later."""
    queued = [_row(one) for one in deliveries]
    if queued:
        insert_records(cursor, "deliveries", queued)
        insert_records(
            cursor,
            "delivery_events",
            [_DeliveryEventRecord(new_id(), one.id, one.created_at, one.state) for one in queued],
        )
        timers.add(cursor, Topic.DELIVER, [(one.id, one.trace) for one in queued], after=hold)


def _row(one: NewDelivery) -> _DeliveryRecord:
    says = one.says or _NO_WORDS
    return _DeliveryRecord(
        id=one.id,
        kind=one.kind.value,
        channel=one.channel,
        account=one.account,
        address=one.address,
        case_id=one.case_id,
        contact_id=one.contact_id,
        question_id=one.question_id,
        command=one.command,
        language=says.language,
        title=says.title,
        text=None if one.says is None else says.text,
        in_reply_to=says.in_reply_to,
        state=DeliveryState.QUEUED.value,
        trace=one.trace,
        created_at=one.at,
        changed_at=one.at,
    )


def queue_again(
    cursor: Cursor, delivery_id: UUID, *, channel: str, account: str, address: str, title: str = ""
) -> UUID:
    """Queue an older delivery's text once more, to this address; returns the new delivery's id.

    `title` is for a text of its own that had none. The old delivery stays as it is.
    """
    fresh = new_id()
    cursor.execute(
        "INSERT INTO deliveries (id, kind, channel, account, address, case_id, contact_id, language, title, text,"
        " in_reply_to, state, trace, created_at, changed_at)"
        " SELECT %s, kind, %s, %s, %s, case_id, contact_id, language,"
        " CASE WHEN text IS NULL OR title <> '' THEN title ELSE %s END, text, in_reply_to, %s, trace, now(), now()"
        " FROM deliveries WHERE id = %s RETURNING trace",
        [fresh, channel, account, address, title, DeliveryState.QUEUED.value, delivery_id],
    )
    trace = cursor.fetchall()[0][0]
    insert_records(
        cursor, "delivery_events", [_DeliveryEventRecord(new_id(), fresh, now(), DeliveryState.QUEUED.value)]
    )
    outbox.add(cursor, Topic.DELIVER, [(fresh, trace)])
    return fresh


def set_state(
    cursor: Cursor,
    delivery_id: UUID,
    state: DeliveryState,
    reason: Reason | None = None,
    code: str = "",
    *,
    keeps_reason: bool = True,
) -> None:
    """Move a delivery to a state. `reason` says why, `code` is the provider's own code.

    `keeps_reason`: the desk shows the reason at the delivery, not only in its history. Starting (`sending`) counts as
    an attempt. Agents are told of a failed delivery of a case.
    """
    reason_code, reason_params = _stored(reason if keeps_reason else None)
    cursor.execute(
        "UPDATE deliveries SET state = %(state)s, reason_code = %(reason_code)s, reason_params = %(reason_params)s,"
        " error_code = %(code)s, changed_at = now(), attempts = attempts + %(attempts)s"
        " WHERE id = %(id)s RETURNING case_id",
        {
            "state": state.value, "reason_code": reason_code, "reason_params": reason_params, "code": code,
            "attempts": int(state is DeliveryState.SENDING), "id": delivery_id,
        },
    )  # fmt: skip
    for (case_id,) in cursor.fetchall():
        _add_event(cursor, delivery_id, case_id, state, reason)
        if case_id is not None and state in _NEEDS_AGENT:
            outbox.add(cursor, Topic.NOTIFY, [(delivery_id, "")])


def add_remark(cursor: Cursor, delivery_id: UUID, state: DeliveryState, reason: Reason) -> None:
    """Add a line to the history of a delivery whose state does not change."""
    cursor.execute("SELECT case_id FROM deliveries WHERE id = %s", [delivery_id])
    for (case_id,) in cursor.fetchall():
        _add_event(cursor, delivery_id, case_id, state, reason)


def _stored(reason: Reason | None) -> tuple[str, Jsonb]:
    """A reason's code and parameters as they are stored, without secrets."""
    if reason is None:
        return "", _NO_PARAMS
    return reason.code, Jsonb(log.redacted(reason).stored_params())


def _add_event(
    cursor: Cursor, delivery_id: UUID, case_id: UUID | None, state: DeliveryState, reason: Reason | None
) -> None:
    code, params = _stored(reason)
    insert_records(
        cursor,
        "delivery_events",
        [_DeliveryEventRecord(new_id(), delivery_id, now(), DeliveryState(state).value, code, params)],
    )
    if case_id is not None:
        live.publish_change(cursor, "delivery", [delivery_id])
        live.publish_change(cursor, "case", [case_id])


def withdraw(cursor: Cursor, delivery_id: UUID) -> bool:
    """Withdraw a delivery that has not been started; False if it has. A worker takes the same row lock before it
    starts.
    """
    cursor.execute("SELECT state, attempts FROM deliveries WHERE id = %s FOR UPDATE", [delivery_id])
    if cursor.fetchone() != (DeliveryState.QUEUED.value, 0):
        return False
    cursor.execute(
        "UPDATE deliveries SET state = %s, changed_at = now() WHERE id = %s",
        [DeliveryState.WITHDRAWN.value, delivery_id],
    )
    insert_records(
        cursor, "delivery_events", [_DeliveryEventRecord(new_id(), delivery_id, now(), DeliveryState.WITHDRAWN.value)]
    )
    timers.withdraw(cursor, Topic.DELIVER, delivery_id)
    return True


def settle(cursor: Cursor, delivery_id: UUID, agent_id: UUID) -> None:
    """Record that the agent has handled the failure of a delivery."""
    cursor.execute("UPDATE deliveries SET settled_by = %s WHERE id = %s", [agent_id, delivery_id])


def set_reference(cursor: Cursor, delivery_id: UUID, provider_ref: str, *, unless_known: bool = False) -> None:
    """Store the provider's id of the message, which its reports name; `unless_known`: only if there is none yet."""
    cursor.execute(
        "UPDATE deliveries SET provider_ref = %s WHERE id = %s AND (provider_ref = '' OR NOT %s)",
        [provider_ref, delivery_id, unless_known],
    )


def set_parts(cursor: Cursor, delivery_id: UUID, channel: str, provider_ref: str, part_refs: Sequence[str]) -> None:
    """Store the references of a message's parts. Networks reuse their ids after some months: the newest message has
    them, also one that is whole (`provider_ref` without parts).
    """
    if not part_refs:
        cursor.execute("DELETE FROM delivery_parts WHERE channel = %s AND provider_ref = %s", [channel, provider_ref])
        return
    cursor.executemany(
        "INSERT INTO delivery_parts (channel, provider_ref, delivery_id, number) "
        "VALUES (%(channel)s, %(ref)s, %(delivery)s, %(number)s) "
        "ON CONFLICT (channel, provider_ref) DO UPDATE SET delivery_id = excluded.delivery_id, "
        "number = excluded.number, state = 'sent'",
        [
            {"channel": channel, "ref": ref, "delivery": delivery_id, "number": number}
            for number, ref in enumerate(part_refs, 1)
        ],
    )


def move_part(cursor: Cursor, channel: str, provider_ref: str, state: str) -> None:
    """Store the outcome of one part."""
    cursor.execute(
        "UPDATE delivery_parts SET state = %s WHERE channel = %s AND provider_ref = %s", [state, channel, provider_ref]
    )


def take_unreported(cursor: Cursor, *, hours: float, most: int) -> list[tuple[UUID, str]]:
    """(id, trace) of deliveries of cases that were sent this long ago and have no report; each is returned once."""
    cursor.execute(
        "WITH unreported AS MATERIALIZED (SELECT id FROM deliveries WHERE state = 'sent' AND asked_at IS NULL "
        "AND case_id IS NOT NULL AND changed_at < %s LIMIT %s FOR UPDATE SKIP LOCKED) "
        "UPDATE deliveries SET asked_at = now() FROM unreported WHERE deliveries.id = unreported.id RETURNING deliveries.id, trace",
        [now() - timedelta(hours=hours), most],
    )
    return cursor.fetchall()


def remark_silence(cursor: Cursor, delivery_id: UUID, reason: Reason) -> None:
    """Record for a delivery that is still only sent that no report has come."""
    cursor.execute(
        "UPDATE deliveries SET reason_code = %s, reason_params = %s WHERE id = %s AND state = 'sent' RETURNING case_id",
        [*_stored(reason), delivery_id],
    )
    for (case_id,) in cursor.fetchall():
        _add_event(cursor, delivery_id, case_id, DeliveryState.SENT, reason)


def lock_unsent(cursor: Cursor, contact_ids: Sequence[UUID]) -> list[UUID]:
    """Lock the deliveries of contacts, and the answers to them, for this transaction; returns the ids of those not sent
    yet.
    """
    of_them = "FROM deliveries WHERE (contact_id = ANY(%(ids)s) OR question_id = ANY(%(ids)s))"
    given = {"ids": list(contact_ids)}
    cursor.execute(f"SELECT {of_them} ORDER BY id FOR UPDATE", given)
    # Asked once they are locked: somebody who held a lock may have sent one again.
    cursor.execute(f"SELECT id {of_them} AND state IN ('queued', 'sending')", given)
    return [row[0] for row in cursor]


def erase(cursor: Cursor, contact_ids: Sequence[UUID], agent_id: UUID) -> None:
    """Erase the addresses of these deliveries and the providers' reports on them, and the answers without a case. The
    agent has thereby handled those that failed: they cannot be sent again.
    """
    cursor.execute(
        "UPDATE deliveries SET settled_by = CASE WHEN state IN ('failed', 'unknown') THEN coalesce(settled_by, %(agent)s) "
        "ELSE settled_by END, address = '', title = '', text = CASE WHEN text IS NOT NULL THEN '' END, "
        "reason_code = '', reason_params = '{}', erased_at = now() WHERE erased_at IS NULL AND (contact_id = ANY(%(ids)s) OR question_id = ANY(%(ids)s)) RETURNING id",
        {"ids": list(contact_ids), "agent": agent_id},
    )
    erased = [row[0] for row in cursor]
    cursor.execute(
        "UPDATE delivery_events SET reason_code = '', reason_params = '{}' WHERE delivery_id = ANY(%s) AND reason_code <> ''",
        [erased],
    )
