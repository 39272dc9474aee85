"""What an agent reads of cases. Each function checks the grant first. A case of a unit the agent does not see answers
like an unknown one, and addresses are masked for agents who may not see them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Literal
from uuid import UUID

from zrm.casestore import case_list, timeline
from zrm.casestore.agent import Permission
from zrm.casestore.case import case_of, unit_of
from zrm.casestore.case_list import FILTERS, CaseRow, NextCase, PageKey, View
from zrm.casestore.last_inbound import last_inbound
from zrm.casestore.person import opted_out_of
from zrm.casestore.search import Hit, Reach, find
from zrm.casestore.search_words import Query
from zrm.casestore.timeline import CaseHead, CasePage, TimelineKey
from zrm.casework import audience
from zrm.casework.audience import Unreached
from zrm.casework.context import ActingAgent, InputFlaw, SendingSetup, invalid
from zrm.casework.reply_routes import WEB, ReplyRoute, RouteOrigin, reply_routes
from zrm.errors import Conflict, NotFound
from zrm.kit.db import Cursor
from zrm.security.masking import masked


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """An address of the person; `barred`: the citizen asked us not to write there."""

    kind: str
    value: str
    claimed: bool
    doubtful_at: datetime | None
    barred: bool


@dataclass(frozen=True, slots=True)
class SeenRoute:
    """A reply route, and its address as the agent may see it."""

    route: ReplyRoute
    address: str


@dataclass(frozen=True, slots=True)
class SeenCase:
    """A case as an agent may see it: every address in it is masked where they may not see addresses.

    Its timeline was read `before` a place (None: the newest entries). `barred_deliveries` went to addresses where the
    citizen has asked us not to write any more.
    """

    page: CasePage
    before: TimelineKey | None
    open_addresses: bool
    addresses: list[SeenAddress]
    routes: list[SeenRoute]
    barred_deliveries: frozenset[UUID]


def head(cursor: Cursor, actor: ActingAgent, case_id: UUID) -> CaseHead:
    """The case alone. Errors: NotFound."""
    found = timeline.head(cursor, case_id)
    if found is None or not actor.sees(found.unit_id):
        raise NotFound("no such case")
    return found


def unreached_mentions(cursor: Cursor, actor: ActingAgent, case_id: UUID, note_id: UUID) -> list[Unreached]:
    """The names in the agent's own note of which nobody is told, as things stand now. Errors: NotFound."""
    unit_id = head(cursor, actor, case_id).unit_id
    cursor.execute(
        "SELECT text FROM contacts WHERE id = %s AND case_id = %s AND direction = 'note' AND agent_id = %s",
        [note_id, case_id, actor.agent_id],
    )
    row = cursor.fetchone()
    return audience.unreached(cursor, row[0], unit_id) if row else []


def page(
    cursor: Cursor,
    actor: ActingAgent,
    case_id: UUID,
    sending: SendingSetup,
    *,
    before: TimelineKey | None = None,
    delivery_id: UUID | None = None,
) -> SeenCase:
    """Everything on the case's page; with `delivery_id` the part of its timeline that has the answer of that delivery.

    Errors: NotFound.
    """
    found = timeline.load(cursor, case_id, before=before)
    if found and delivery_id and not _shows(found, delivery_id):
        before = timeline.behind_delivery(cursor, case_id, delivery_id)
        found = timeline.load(cursor, case_id, before=before)
    if found is None or not actor.sees(found.head.unit_id):
        raise NotFound("no such case")
    open_addresses = actor.may(Permission.VIEW_ADDRESSES, found.head.unit_id)
    shown = _as_it_is if open_addresses else masked
    possible = routes_of(cursor, found.head, sending)
    barred = {(route.channel, route.address) for route in possible if route.barred}
    return SeenCase(
        page=found if open_addresses else _masked(found),
        before=before,
        open_addresses=open_addresses,
        addresses=[
            SeenAddress(
                one.kind, shown(one.value), one.claimed, one.doubtful_at, any(one.value == to for _, to in barred)
            )
            for one in found.addresses
        ],
        routes=[SeenRoute(route, shown(route.address)) for route in possible],
        barred_deliveries=frozenset(
            delivery.id
            for contact in found.contacts
            for delivery in contact.deliveries
            if (delivery.channel, delivery.address) in barred
        ),
    )


def listing(
    cursor: Cursor, actor: ActingAgent, view: View, *, limit: int, after: PageKey | None = None
) -> list[CaseRow]:
    """Up to `limit` lines of a list, newest first, beginning after a place; of the units whose cases the agent sees."""
    rows = case_list.page(cursor, view, actor.agent_id, actor.visible, limit=limit, after=after)
    return [_line(actor, row) for row in rows]


@dataclass(frozen=True, slots=True)
class Match:
    """Which changed cases belong in an agent's list; the same rule as `listing`'s. `assignee` None: whoever has them; an
    empty one: nobody does.
    """

    statuses: tuple[str, ...]
    assignee: UUID | Literal[""] | None = None


def match_of(actor: ActingAgent, view: View) -> Match:
    """Which changed cases, of those the agent is told of, belong in their list."""
    rule = FILTERS[view]
    return Match(rule.statuses, {"": None, "nobody": "", "reader": actor.agent_id}[rule.assignee])


def next_case(cursor: Cursor, actor: ActingAgent, *, but: UUID) -> NextCase | None:
    """The case for the agent to go on with: their own that waits longest, else an unassigned one; never `but`."""
    return case_list.next_case(cursor, actor.agent_id, actor.visible, but=but)


def sees_case(cursor: Cursor, actor: ActingAgent, case_id: UUID) -> bool:
    """Whether the agent sees the case; it may just have moved to another unit."""
    unit_id = unit_of(cursor, case_id)
    return unit_id is not None and actor.sees(unit_id)


def by_code(cursor: Cursor, actor: ActingAgent, code: str) -> UUID | None:
    """The case with this tracking code; None if there is none that the agent sees."""
    case_id = case_of(cursor, code)
    return case_id if case_id and sees_case(cursor, actor, case_id) else None


def search(
    cursor: Cursor, actor: ActingAgent, query: Query, *, limit: int, after: PageKey | None = None
) -> list[tuple[CaseRow, Hit]]:
    """Up to `limit` lines of cases that the query finds, newest first, beginning after a place; of the units whose cases the
    agent sees, and by addresses only where they may see addresses. Errors: psycopg.errors.QueryCanceled after 5 s.
    """
    reach = Reach(actor.visible, actor.grants.both(Permission.VIEW_CASES, Permission.VIEW_ADDRESSES))
    hits = find(cursor, query, reach, limit=limit, after=after)
    found = rows(cursor, actor, [hit.case_id for hit in hits])
    return [(found[hit.case_id], hit) for hit in hits if hit.case_id in found]


def searches_all_addresses(actor: ActingAgent) -> bool:
    """Whether the agent's search finds cases of every unit by addresses too."""
    return actor.grants.both(Permission.VIEW_CASES, Permission.VIEW_ADDRESSES) is None


class Sight(Enum):
    """What an agent may be told of a changed case: all, all but its address, that it left their units, or nothing."""

    OPEN = auto()
    MASKED = auto()
    GONE = auto()
    NONE = auto()


def sight_of(actor: ActingAgent, row: CaseRow) -> Sight:
    """What the agent may be told of a case that has changed."""
    if actor.sees(row.unit_id):
        return Sight.OPEN if actor.may(Permission.VIEW_ADDRESSES, row.unit_id) else Sight.MASKED
    return Sight.GONE if row.came_from is not None and actor.sees(row.came_from) else Sight.NONE


def rows(cursor: Cursor, actor: ActingAgent, case_ids: Iterable[UUID]) -> dict[UUID, CaseRow]:
    """Of these cases, the list lines of those that the agent sees, by case."""
    return {row.id: _line(actor, row) for row in case_list.rows(cursor, list(case_ids)) if actor.sees(row.unit_id)}


def routes_of(cursor: Cursor, case: CaseHead, sending: SendingSetup) -> list[ReplyRoute]:
    """The case's reply routes, the best first: back the way the citizen wrote last, or to another address of theirs.

    Barred ones are listed too, so that the agent sees why they cannot be chosen.
    """
    last = last_inbound(cursor, case.id)
    addresses = timeline.addresses(cursor, case.person_id)
    origin = (
        RouteOrigin(last.channel, last.account, last.address, last.reply_to, last.copied, last.vouched_for)
        if last
        else RouteOrigin(case.channel, case.account, "")
    )
    known = [(one.kind, one.value) for one in addresses]
    values = {origin.address, *origin.reply_to, *origin.copied, *(value for _, value in known)}
    channels = sorted({one.channel for one in sending.senders})
    return reply_routes(
        origin,
        known,
        sending.senders,
        preferred=case.preferred_channel,
        barred=opted_out_of(cursor, [(channel, value) for channel in channels for value in sorted(values)]),
        doubtful={one.value for one in addresses if one.doubtful_at is not None},
        claimed={one.value for one in addresses if one.claimed},
        own=sending.own_addresses,
    )


def usable_route(
    cursor: Cursor, case: CaseHead, sending: SendingSetup, wanted: ReplyRoute, *, length: int, with_files: bool
) -> ReplyRoute:
    """The case's reply route with the same channel, account and address as `wanted`, if it can carry an answer of `length`
    characters (`with_files`) now.

    Errors: Conflict if there is no such route; InvalidInput if it is barred or cannot carry that.
    """
    for route in routes_of(cursor, case, sending):
        same_place = (route.channel, route.address) == (wanted.channel, wanted.address)
        if same_place and route.account in (wanted.account, route.account if route.channel == WEB else ""):
            break
    else:
        raise Conflict("that reply route is not there any more")
    if route.barred:
        raise invalid("route", InputFlaw.ROUTE_BARRED)
    if with_files and not route.files:
        raise invalid("route", InputFlaw.ROUTE_WITHOUT_FILES)
    if route.max_text is not None and length > route.max_text:
        raise invalid("route", InputFlaw.TOO_LONG_FOR_ROUTE, most=route.max_text)
    return route


def _shows(found: CasePage, delivery_id: UUID) -> bool:
    return any(one.id == delivery_id for contact in found.contacts for one in contact.deliveries)


def _line(actor: ActingAgent, row: CaseRow) -> CaseRow:
    return row if actor.may(Permission.VIEW_ADDRESSES, row.unit_id) else with_masked_address(row)


def with_masked_address(row: CaseRow) -> CaseRow:
    """A line for an agent who may not see its address."""
    return replace(row, address=masked(row.address))


def _as_it_is(address: str) -> str:
    return address


def _masked(found: CasePage) -> CasePage:
    """The page with every address masked, and without the headers, which contain many of them."""
    contacts = [
        replace(
            contact,
            address=masked(contact.address),
            reply_to=[masked(one) for one in contact.reply_to],
            copied=[masked(one) for one in contact.copied],
            headers=[],
            deliveries=[replace(one, address=masked(one.address)) for one in contact.deliveries],
        )
        for contact in found.contacts
    ]
    return replace(
        found, contacts=contacts, addresses=[replace(one, value=masked(one.value)) for one in found.addresses]
    )
