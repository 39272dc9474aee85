"""Messages that did not arrive, and what a person does about each: send it again, use another route, or mark it handled.

The old delivery is never revived: sending again makes a new delivery of the same answer, and the old one is marked
handled. So an answer with unknown delivery status is sent twice only because a person decided it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from zrm.casestore import contact as contacts
from zrm.casestore import history, live, outgoing, timeline, worklists
from zrm.casestore.agent import Permission
from zrm.casestore.history import by_agent
from zrm.casestore.history_payloads import (
    AnswerSentAgain,
    AnswerSentAnotherWay,
    DeliveryKindName,
    FailedDeliverySettled,
)
from zrm.casestore.person import opted_out
from zrm.casestore.worklists import FailedDelivery
from zrm.casework.case_reading import routes_of, usable_route
from zrm.casework.context import ActingAgent, SendingSetup
from zrm.casework.reply_routes import ReplyRoute
from zrm.contract.capabilities import of_channel
from zrm.errors import Conflict, NotAllowed, NotFound
from zrm.kit.db import Cursor, record
from zrm.kit.mail_addresses import own_message_id
from zrm.security.masking import masked
from zrm.ui.descriptions import title_of


def listing(cursor: Cursor, actor: ActingAgent) -> list[FailedDelivery]:
    """Failed deliveries of the units whose cases the agent sees and whose deliveries they handle; addresses are masked
    where they may not see them. Errors: NotFound for an agent who handles deliveries nowhere.
    """
    actor.grants.require_anywhere(Permission.HANDLE_DELIVERIES)
    units = actor.grants.both(Permission.VIEW_CASES, Permission.HANDLE_DELIVERIES)
    return [
        row if actor.may(Permission.VIEW_ADDRESSES, row.unit_id) else replace(row, address=masked(row.address))
        for row in worklists.failed_deliveries(cursor, units)
    ]


def case_of(cursor: Cursor, actor: ActingAgent, delivery_id: UUID) -> UUID:
    """The case of a delivery that the agent handles. Errors: NotFound, Forbidden."""
    found = worklists.delivery_case(cursor, delivery_id)
    if found is None:
        raise NotFound("no such case")
    actor.require(Permission.HANDLE_DELIVERIES, found.unit_id)
    return found.case_id


def routes(cursor: Cursor, actor: ActingAgent, delivery_id: UUID, sending: SendingSetup) -> list[ReplyRoute]:
    """The routes by which the answer could go instead, the best first. Errors: NotFound, Forbidden."""
    case = timeline.head(cursor, case_of(cursor, actor, delivery_id))
    return routes_of(cursor, case, sending) if case else []


def send_again(cursor: Cursor, actor: ActingAgent, delivery_id: UUID) -> UUID:
    """Queue the same answer to the same address once more; returns the new delivery's id.

    Errors: NotFound; Forbidden; Conflict when the delivery has not failed or is already handled; NotAllowed when the
    citizen asked us not to write there.
    """
    found = _lock(cursor, actor, delivery_id)
    if opted_out(cursor, found.channel, found.address):
        raise NotAllowed("they asked us not to write there")
    return _send(cursor, actor, found, found.route, AnswerSentAgain)


class _FailedAnswer(NamedTuple):
    """The text of a delivery that failed: its length in characters, its title, and its Message-ID if it has one."""

    length: int
    title: str
    message_id: str | None
    has_files: bool


def send_by(cursor: Cursor, actor: ActingAgent, delivery_id: UUID, route: ReplyRoute, sending: SendingSetup) -> UUID:
    """Queue the same answer by another of the case's routes; returns the new delivery's id.

    Errors: as `send_again`; Conflict for a route that does not exist (any more); InvalidInput for one that is barred,
    or cannot carry what the answer has.
    """
    found = _lock(cursor, actor, delivery_id)
    case = timeline.head(cursor, found.case_id)
    cursor.execute(
        "SELECT length(coalesce(c.text, d.text)) AS length, coalesce(c.title, d.title) AS title, c.message_id,"
        " EXISTS (SELECT FROM attachments a WHERE a.contact_id = d.contact_id AND a.role <> 'rendition') AS has_files"
        " FROM deliveries d LEFT JOIN contacts c ON c.id = d.contact_id"
        " WHERE d.id = %s AND coalesce(c.text, d.text) IS NOT NULL",
        [delivery_id],
    )
    answer = record(cursor, _FailedAnswer)
    if answer is None or case is None:
        raise NotFound("no such answer")
    case_title = title_of(case, case.language)
    route = usable_route(cursor, case, sending, route, length=answer.length, with_files=answer.has_files)
    if of_channel(route.channel).message_ids and found.contact_id is not None and not answer.message_id:
        # It becomes a mail only now: without a Message-ID of ours no reply to it would find the case.
        fresh = own_message_id(found.contact_id, sending.mail_domain)
        contacts.name_message(cursor, found.contact_id, found.case_id, fresh, title=answer.title or case_title)
    return _send(cursor, actor, found, route, AnswerSentAnotherWay, case_title)


def _send(
    cursor: Cursor,
    actor: ActingAgent,
    old: _Found,
    route: ReplyRoute,
    sent: type[AnswerSentAgain | AnswerSentAnotherWay],
    case_title: str = "",
) -> UUID:
    outgoing.settle(cursor, old.id, actor.agent_id)
    fresh = outgoing.queue_again(
        cursor, old.id, channel=route.channel, account=route.account, address=route.address, title=case_title
    )
    payload = sent(delivery_id=fresh, replaced_delivery_id=old.id, channel=route.channel, delivery_kind=old.kind)
    history.append(cursor, old.case_id, by_agent(actor.agent_id), payload)
    _announce(cursor, old.case_id, old.id)
    return fresh


def trace_of(cursor: Cursor, actor: ActingAgent, delivery_id: UUID) -> str:
    """The trace of a delivery that the agent handles: that of the contact it answers, also when it is sent again. Errors:
    NotFound, Forbidden.
    """
    case_of(cursor, actor, delivery_id)
    cursor.execute("SELECT trace FROM deliveries WHERE id = %s", [delivery_id])
    row = cursor.fetchone()
    return row[0] if row else ""


def mark_handled(cursor: Cursor, actor: ActingAgent, delivery_id: UUID) -> None:
    """Record that the agent has handled the failed delivery in another way. Errors: as `send_again`."""
    found = _lock(cursor, actor, delivery_id)
    outgoing.settle(cursor, delivery_id, actor.agent_id)
    settled = FailedDeliverySettled(delivery_id=delivery_id, channel=found.channel, delivery_kind=found.kind)
    history.append(cursor, found.case_id, by_agent(actor.agent_id), settled)
    _announce(cursor, found.case_id, delivery_id)


class _Found(NamedTuple):
    """A delivery of a case, locked. `contact_id`: the contact that holds the text; None if the delivery has its own."""

    id: UUID
    kind: DeliveryKindName
    contact_id: UUID | None
    case_id: UUID
    channel: str
    account: str
    address: str
    state: str
    settled_by: UUID | None

    @property
    def route(self) -> ReplyRoute:
        """Where it went."""
        return ReplyRoute(self.channel, self.account, self.address)


def _lock(cursor: Cursor, actor: ActingAgent, delivery_id: UUID) -> _Found:
    """The failed delivery, locked for this transaction. Errors: as `send_again`."""
    case_of(cursor, actor, delivery_id)
    cursor.execute(
        "SELECT id, kind, contact_id, case_id, channel, account, address, state, settled_by FROM deliveries"
        " WHERE id = %s AND case_id IS NOT NULL FOR UPDATE",
        [delivery_id],
    )
    found = record(cursor, _Found)
    if found is None:
        raise NotFound("no such delivery")
    if found.state not in ("failed", "unknown") or found.settled_by is not None:
        raise Conflict("not a failed one any more")
    return found


def _announce(cursor: Cursor, case_id: UUID, delivery_id: UUID) -> None:
    live.publish_change(cursor, "delivery", [delivery_id])
    live.publish_change(cursor, "case", [case_id])
