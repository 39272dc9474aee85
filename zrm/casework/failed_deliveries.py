"""Answers that did not arrive, and what a person does about each: send it again, by another way, or settle it.

The old delivery is never revived: sending again is a new delivery of the same answer, and the old one is settled. So
an answer whose fate is unknown is sent twice only because a person said so.
"""

from __future__ import annotations

from uuid import UUID

from zrm.casestore import contact as contacts
from zrm.casestore import history, live
from zrm.casestore.history import AnswerSentAgain, AnswerSentAnotherWay, FailedDeliverySettled, by_agent
from zrm.casestore.person import opted_out
from zrm.casework.case_actions import queue_delivery
from zrm.casework.reply_routes import ReplyRoute
from zrm.errors import Conflict, NotAllowed, NotFound
from zrm.kit.db import Cursor
from zrm.kit.ids import new_id
from zrm.kit.mail_addresses import own_message_id


def send_again(cursor: Cursor, agent_id: UUID, delivery_id: UUID) -> UUID:
    """Queue the same answer to the same address once more; returns the new delivery's id.

    Errors: NotFound; Conflict when the delivery is not in trouble or somebody has dealt with it; NotAllowed when the
    citizen asked us not to write there.
    """
    contact_id, case_id, way, trace = _lock(cursor, delivery_id)
    if opted_out(cursor, way.channel, way.address):
        raise NotAllowed("they asked us not to write there")
    return _send(cursor, agent_id, delivery_id, contact_id, case_id, way, trace, AnswerSentAgain)


def send_by(cursor: Cursor, agent_id: UUID, delivery_id: UUID, way: ReplyRoute, *, domain: str) -> UUID:
    """Queue the same answer by another way; returns the new delivery's id. `domain` as for `handling.reply`.

    Errors: as `send_again`; NotAllowed for a way that is barred, or cannot carry what the answer has.
    """
    contact_id, case_id, _, trace = _lock(cursor, delivery_id)
    cursor.execute(
        "SELECT length(c.text), c.title, c.message_id, k.title,"
        " EXISTS (SELECT FROM attachments a WHERE a.contact_id = c.id AND a.role <> 'rendition')"
        " FROM contacts c JOIN cases k ON k.id = c.case_id WHERE c.id = %s",
        [contact_id],
    )
    row = cursor.fetchone()
    if row is None:
        raise NotFound("no such answer")
    length, title, message_id, case_title, has_files = row
    if way.barred or (has_files and not way.files) or (way.max_text is not None and length > way.max_text):
        raise NotAllowed("not by this way")
    if way.channel == "email" and not message_id:
        # It becomes a mail only now: without a Message-ID of ours no answer to it would find the case.
        fresh = own_message_id(contact_id, domain)
        contacts.name_message(cursor, contact_id, case_id, fresh, title=title or case_title)
    return _send(cursor, agent_id, delivery_id, contact_id, case_id, way, trace, AnswerSentAnotherWay)


def _send(
    cursor: Cursor,
    agent_id: UUID,
    old: UUID,
    contact_id: UUID,
    case_id: UUID,
    way: ReplyRoute,
    trace: str,
    sent: type[AnswerSentAgain | AnswerSentAnotherWay],
) -> UUID:
    _settle(cursor, agent_id, old)
    fresh = new_id()
    queue_delivery(cursor, fresh, contact_id, case_id, way, trace)
    payload = sent(delivery_id=fresh, replaced_delivery_id=old, channel=way.channel)
    history.append(cursor, case_id, by_agent(agent_id), payload)
    _announce(cursor, case_id, old)
    return fresh


def trace_of(cursor: Cursor, delivery_id: UUID) -> str:
    """The trace of a delivery: that of the contact it answers, also when it is sent again."""
    cursor.execute("SELECT trace FROM deliveries WHERE id = %s", [delivery_id])
    row = cursor.fetchone()
    return row[0] if row else ""


def mark_handled(cursor: Cursor, agent_id: UUID, delivery_id: UUID) -> None:
    """Record that the agent has dealt with the trouble in another way. Errors: as `send_again`."""
    _, case_id, way, _ = _lock(cursor, delivery_id)
    _settle(cursor, agent_id, delivery_id)
    settled = FailedDeliverySettled(delivery_id=delivery_id, channel=way.channel)
    history.append(cursor, case_id, by_agent(agent_id), settled)
    _announce(cursor, case_id, delivery_id)


def _lock(cursor: Cursor, delivery_id: UUID) -> tuple[UUID, UUID, ReplyRoute, str]:
    cursor.execute(
        "SELECT contact_id, case_id, channel, account, address, trace, state, settled_by FROM deliveries"
        " WHERE id = %s FOR UPDATE",
        [delivery_id],
    )
    row = cursor.fetchone()
    if row is None:
        raise NotFound("no such delivery")
    contact_id, case_id, channel, account, address, trace, state, settled_by = row
    if state not in ("failed", "unknown") or settled_by is not None:
        raise Conflict("not in trouble any more")
    return contact_id, case_id, ReplyRoute(channel, account, address), trace


def _settle(cursor: Cursor, agent_id: UUID, delivery_id: UUID) -> None:
    cursor.execute("UPDATE deliveries SET settled_by = %s WHERE id = %s", [agent_id, delivery_id])


def _announce(cursor: Cursor, case_id: UUID, delivery_id: UUID) -> None:
    live.publish_change(cursor, "delivery", [delivery_id])
    live.publish_change(cursor, "case", [case_id])
