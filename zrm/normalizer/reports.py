"""Delivery reports: a provider's word moves a delivery forward, never back; only a mail may still bounce once it has arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from zrm.casestore import live, outbox
from zrm.casestore.outbox import Topic
from zrm.casestore.person import mark_undeliverable
from zrm.contract import Report
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import Cursor, insert_rows
from zrm.kit.ids import new_id
from zrm.kit.text import digits

_COMPARED: Final = 8  # last digits of a number: networks write the country's and the trunk's each in their own way
_LIFE: Final = timedelta(days=14)  # longer than any network tries; later an id is another message's
_RANK = {"queued": 0, "sending": 1, "unknown": 1, "sent": 2, "failed": 3, "delivered": 4}


def apply_delivery_report(cursor: Cursor, channel: str, report: Report, *, late: bool = False) -> bool:
    """Move a delivery by a provider's word; False if no delivery has that reference.

    One whose reference we never learned, because we died while sending it, is found by our own id, and so is the one
    a report without a reference names. A word that moves nothing (delayed, relayed) is added to the history.
    `late`: the message that has the first reference would be known by now, so what else may be meant counts too.
    """
    if report.otherwise is None and _apply(cursor, channel, report):
        return True
    references = [*([report.provider_ref] if report.otherwise is not None else ()), *(report.perhaps if late else ())]
    reference = _reference_to(cursor, channel, references, report.to)
    return reference is not None and _apply(cursor, channel, replace(report, provider_ref=reference))


def _reference_to(cursor: Cursor, channel: str, references: Sequence[str], to: str) -> str | None:
    """The first of the references that a late delivery to an address has, whether of a whole message or of a part."""
    number = digits(to)[-_COMPARED:]
    if not references or len(number) < _COMPARED:
        return None
    cursor.execute(
        """
        SELECT wanted.ref FROM unnest(%(refs)s::text[]) WITH ORDINALITY AS wanted (ref, place)
        JOIN LATERAL (
            SELECT address, created_at FROM deliveries WHERE channel = %(channel)s AND provider_ref = wanted.ref
            UNION ALL SELECT address, created_at FROM self_answers WHERE channel = %(channel)s AND provider_ref = wanted.ref
            UNION ALL SELECT d.address, d.created_at FROM delivery_parts p JOIN deliveries d ON d.id = p.delivery_id
            WHERE p.channel = %(channel)s AND p.provider_ref = wanted.ref
            UNION ALL SELECT s.address, s.created_at FROM delivery_parts p JOIN self_answers s ON s.id = p.delivery_id
            WHERE p.channel = %(channel)s AND p.provider_ref = wanted.ref
        ) AS known ON right(regexp_replace(known.address, '[^0-9]', '', 'g'), %(compared)s) = %(number)s
        WHERE known.created_at > now() - %(life)s ORDER BY wanted.place LIMIT 1
        """,
        {"refs": list(references), "channel": channel, "number": number, "compared": _COMPARED, "life": _LIFE},
    )
    row = cursor.fetchone()
    return row[0] if row is not None else None


def _apply(cursor: Cursor, channel: str, report: Report) -> bool:
    whole = _whole(cursor, channel, report)
    if whole is None:
        return True
    report = whole
    found = _newest(cursor, channel, report)
    if found is None:
        return False
    table, identifier = found
    if table == "self_answers":
        _apply_to_self_answer(cursor, identifier, report)
        return True
    cursor.execute(
        "UPDATE deliveries SET provider_ref = %s WHERE id = %s AND provider_ref = ''", [report.provider_ref, identifier]
    )
    cursor.execute("SELECT id, case_id, state, address FROM deliveries WHERE id = %s FOR UPDATE", [identifier])
    detail = log.redact(report.detail)[:500]
    for delivery_id, case_id, state, address in cursor.fetchall():
        # A mail that one server took may be refused by the next. A network's words about a text only come in disorder.
        bounced = channel == "email" and (state, report.state) == ("delivered", "failed")
        moves = bounced or _RANK[report.state] > _RANK[state]
        if moves:
            cursor.execute(
                "UPDATE deliveries SET state = %s, error = %s, changed_at = now() WHERE id = %s",
                [report.state, detail if report.state == "failed" else "", delivery_id],
            )
            if report.state == "failed":
                outbox.add(cursor, Topic.NOTIFY, [(delivery_id, "")])
                if report.unreachable:
                    mark_undeliverable(cursor, address)
        if moves or (report.state == state and detail):
            columns = ("id", "delivery_id", "at", "state", "detail")
            insert_rows(cursor, "delivery_events", columns, [(new_id(), delivery_id, now(), report.state, detail)])
            live.publish_change(cursor, "case", [case_id])
            live.publish_change(cursor, "delivery", [delivery_id])
    return True


def _whole(cursor: Cursor, channel: str, report: Report) -> Report | None:
    """A word about one part as a word about the message: delivered when all parts are, failed when one is; None until then.

    jasmin#424: the reports of long messages were lost; here each part's counts.
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
        cursor.execute(
            "UPDATE delivery_parts SET state = %s WHERE channel = %s AND provider_ref = %s",
            [report.state, channel, report.provider_ref],
        )
    if report.state == "failed" or all(state == report.state for state in states.values()):
        return replace(report, provider_ref="", reply_id=row[0])
    return None


def _newest(cursor: Cursor, channel: str, report: Report) -> tuple[str, UUID] | None:
    """(table, id) of the message a report speaks of.

    Our own id leads to one message. A provider's id is the newest message's that has it: networks use their ids again,
    and yesterday's answer must not take today's report (jasmin#729).
    """
    cursor.execute(
        """
        SELECT source, id FROM (
            SELECT 'deliveries' AS source, id, created_at, false AS ours FROM deliveries
            WHERE channel = %(channel)s AND provider_ref = %(ref)s AND provider_ref <> ''
            UNION ALL SELECT 'deliveries', id, created_at, true FROM deliveries
            WHERE channel = %(channel)s AND id = %(id)s AND (provider_ref = '' OR %(ref)s = '')
            UNION ALL SELECT 'self_answers', id, created_at, false FROM self_answers
            WHERE channel = %(channel)s AND provider_ref = %(ref)s AND provider_ref <> ''
            UNION ALL SELECT 'self_answers', id, created_at, true FROM self_answers
            WHERE channel = %(channel)s AND id = %(id)s AND (provider_ref = '' OR %(ref)s = '')
        ) AS found ORDER BY ours DESC, created_at DESC, id DESC LIMIT 1
        """,
        {"channel": channel, "ref": report.provider_ref, "id": report.reply_id},
    )
    row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def _apply_to_self_answer(cursor: Cursor, identifier: UUID, report: Report) -> None:
    cursor.execute("SELECT state, provider_ref FROM self_answers WHERE id = %s FOR UPDATE", [identifier])
    state, known = cursor.fetchone() or ("delivered", "")
    if _RANK[report.state] > _RANK[state]:
        cursor.execute(
            "UPDATE self_answers SET state = %s, error = %s, provider_ref = %s, changed_at = now() WHERE id = %s",
            [report.state, report.detail if report.state == "failed" else "", known or report.provider_ref, identifier],
        )
