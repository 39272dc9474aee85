"""Delivery reports: a provider's report moves a delivery forward, never back; only a mail may still bounce once it has
arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from zrm.casestore import outgoing
from zrm.casestore.delivery import DeliveryState
from zrm.casestore.person import mark_undeliverable
from zrm.contract.capabilities import kind_of_address, of_channel
from zrm.contract.inbound import Report
from zrm.kit.db import Cursor, records
from zrm.kit.text import digits

_COMPARED: Final = 8  # last digits of a number: networks write country and trunk prefixes differently
_LIFE: Final = timedelta(days=14)  # longer than any network tries; after that an id belongs to another message
_RANK = {"queued": 0, "sending": 1, "unknown": 1, "sent": 2, "failed": 3, "delivered": 4}


def apply_delivery_report(cursor: Cursor, channel: str, report: Report, *, late: bool = False) -> bool:
    """Update a delivery from a provider's report; False if no delivery has that reference.

    A delivery whose reference we never learned, because we died while sending it, is found by our own id, and so is one
    that a report without a reference names. A report that changes no state (delayed, relayed) is added to the history.
    `late`: the message with the first reference would be known by now, so the other references count too.
    """
    if report.otherwise is None and _apply(cursor, channel, report):
        return True
    references = [*([report.provider_ref] if report.otherwise is not None else ()), *(report.perhaps if late else ())]
    reference = _reference_to(cursor, channel, references, report.to)
    return reference is not None and _apply(cursor, channel, replace(report, provider_ref=reference))


def _reference_to(cursor: Cursor, channel: str, references: Sequence[str], to: str) -> str | None:
    """The first of the references that a late delivery to an address has, of a whole message or of a part."""
    number = digits(to)[-_COMPARED:]
    if not references or len(number) < _COMPARED:
        return None
    cursor.execute(
        """
        SELECT wanted.ref FROM unnest(%(refs)s::text[]) WITH ORDINALITY AS wanted (ref, place)
        JOIN LATERAL (
            SELECT address, created_at FROM deliveries WHERE channel = %(channel)s AND provider_ref = wanted.ref
            UNION ALL SELECT d.address, d.created_at FROM delivery_parts p JOIN deliveries d ON d.id = p.delivery_id
            WHERE p.channel = %(channel)s AND p.provider_ref = wanted.ref
        ) AS known ON right(regexp_replace(known.address, '[^0-9]', '', 'g'), %(compared)s) = %(number)s
        WHERE known.created_at > now() - %(life)s ORDER BY wanted.place LIMIT 1
        """,
        {"refs": list(references), "channel": channel, "number": number, "compared": _COMPARED, "life": _LIFE},
    )
    row = cursor.fetchone()
    return row[0] if row is not None else None


class _ReportedDelivery(NamedTuple):
    """The delivery that a report is about."""

    id: UUID
    state: str
    address: str


def _apply(cursor: Cursor, channel: str, report: Report) -> bool:
    whole = _whole(cursor, channel, report)
    if whole is None:
        return True
    report = whole
    found = _newest(cursor, channel, report)
    if found is None:
        return False
    outgoing.set_reference(cursor, found, report.provider_ref, unless_known=True)
    cursor.execute("SELECT id, state, address FROM deliveries WHERE id = %s FOR UPDATE", [found])
    for delivery in records(cursor, _ReportedDelivery):
        # A mail accepted by one server may be refused by the next. A network's reports about an SMS only come out of order.
        bounced = of_channel(channel).bounces and (delivery.state, report.state) == ("delivered", "failed")
        moves = bounced or _RANK[report.state] > _RANK[delivery.state]
        if moves:
            outgoing.set_state(
                cursor, delivery.id, DeliveryState(report.state), report.reason, keeps_reason=report.state == "failed"
            )
            if report.state == "failed" and report.unreachable:
                mark_undeliverable(cursor, kind_of_address(channel, delivery.address), delivery.address)
        elif report.state == delivery.state and report.reason is not None:
            outgoing.add_remark(cursor, delivery.id, DeliveryState(delivery.state), report.reason)
    return True


def _whole(cursor: Cursor, channel: str, report: Report) -> Report | None:
    """A report about one part as a report about the message: delivered when all parts are, failed when one is; None
    until then.

    jasmin#424: the reports of long messages were lost; here each part's report counts.
    """
    if not report.provider_ref:
        return report
    cursor.execute(
        "SELECT delivery_id FROM delivery_parts WHERE channel = %s AND provider_ref = %s",
        [channel, report.provider_ref],
    )
    row = cursor.fetchone()
    if row is None:
        return report
    cursor.execute(
        "SELECT provider_ref, state FROM delivery_parts WHERE delivery_id = %s ORDER BY number FOR UPDATE", [row[0]]
    )
    states: dict[str, str] = dict(cursor.fetchall())
    if _RANK[report.state] > _RANK[states[report.provider_ref]]:
        states[report.provider_ref] = report.state
        outgoing.move_part(cursor, channel, report.provider_ref, report.state)
    if report.state == "failed" or all(state == report.state for state in states.values()):
        return replace(report, provider_ref="", reply_id=row[0])
    return None


def _newest(cursor: Cursor, channel: str, report: Report) -> UUID | None:
    """The delivery that a report is about.

    Our own id names one message. A provider's id names the newest message that has it: networks reuse their ids, and
    yesterday's answer must not take today's report (jasmin#729).
    """
    cursor.execute(
        """
        SELECT id FROM (
            SELECT id, created_at, false AS ours FROM deliveries
            WHERE channel = %(channel)s AND provider_ref = %(ref)s AND provider_ref <> ''
            UNION ALL SELECT id, created_at, true FROM deliveries
            WHERE channel = %(channel)s AND id = %(id)s AND (provider_ref = '' OR %(ref)s = '')
        ) AS found ORDER BY ours DESC, created_at DESC, id DESC LIMIT 1
        """,
        {"channel": channel, "ref": report.provider_ref, "id": report.reply_id},
    )
    row = cursor.fetchone()
    return row[0] if row else None
