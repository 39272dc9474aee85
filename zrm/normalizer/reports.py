"""Delivery reports: a provider's word moves a delivery forward, never back."""

from __future__ import annotations

from dataclasses import replace

from zrm.casestore import live, outbox
from zrm.casestore.outbox import Topic
from zrm.casestore.person import doubt
from zrm.contract import Report
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import Cursor, insert_rows
from zrm.kit.ids import new_id

_RANK = {"queued": 0, "sending": 1, "unknown": 1, "sent": 2, "failed": 3, "delivered": 4}


def apply(cursor: Cursor, channel: str, report: Report) -> bool:
    """Move a delivery forward by a provider's word, never back; False if no delivery has that reference.

    One whose reference we never learned, because we died while sending it, is found by our own id, and so is the one
    a report without a reference names. A word that moves nothing (delayed, relayed) is added to the history.
    """
    whole = _whole(cursor, channel, report)
    if whole is None:
        return True
    report = whole
    cursor.execute(
        "SELECT id FROM deliveries WHERE channel = %(channel)s AND provider_ref = %(ref)s AND provider_ref <> '' "
        "UNION SELECT id FROM deliveries WHERE channel = %(channel)s AND id = %(id)s "
        "AND (provider_ref = '' OR %(ref)s = '')",
        {"channel": channel, "ref": report.provider_ref, "id": report.reply_id},
    )
    found = sorted(row[0] for row in cursor.fetchall())
    cursor.execute(
        "UPDATE deliveries SET provider_ref = %s WHERE id = ANY(%s) AND provider_ref = ''",
        [report.provider_ref, found],
    )
    cursor.execute(
        "SELECT id, case_id, state, address FROM deliveries WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [found]
    )
    rows = cursor.fetchall()
    if not rows:
        return _apply_to_self_answer(cursor, channel, report)
    detail = log.redact(report.detail)[:500]
    for delivery_id, case_id, state, address in rows:
        moves = _RANK[report.state] > _RANK[state]
        if moves:
            cursor.execute(
                "UPDATE deliveries SET state = %s, error = %s, changed_at = now() WHERE id = %s",
                [report.state, detail if report.state == "failed" else "", delivery_id],
            )
            if report.state == "failed":
                outbox.add(cursor, Topic.NOTIFY, [(delivery_id, "")])
                if report.unreachable:
                    doubt(cursor, address)
        if moves or (report.state == state and detail):
            columns = ("id", "delivery_id", "at", "state", "detail")
            insert_rows(cursor, "delivery_events", columns, [(new_id(), delivery_id, now(), report.state, detail)])
            live.announce(cursor, "case", [case_id])
            live.announce(cursor, "delivery", [delivery_id])
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
    first = next(iter(states))
    if _RANK[report.state] > _RANK[states[report.provider_ref]]:
        states[report.provider_ref] = report.state
        cursor.execute(
            "UPDATE delivery_parts SET state = %s WHERE channel = %s AND provider_ref = %s",
            [report.state, channel, report.provider_ref],
        )
    if report.state == "failed" or all(state == report.state for state in states.values()):
        return replace(report, provider_ref=first)
    return None


def _apply_to_self_answer(cursor: Cursor, channel: str, report: Report) -> bool:
    cursor.execute(
        "SELECT id, state FROM self_answers WHERE channel = %s AND "
        "(provider_ref = %s AND provider_ref <> '' OR id = %s AND provider_ref = '') FOR UPDATE",
        [channel, report.provider_ref, report.reply_id],
    )
    row = cursor.fetchone()
    if row is None:
        return False
    if _RANK[report.state] > _RANK[row[1]]:
        cursor.execute(
            "UPDATE self_answers SET state = %s, error = %s, provider_ref = %s, changed_at = now() WHERE id = %s",
            [report.state, report.detail if report.state == "failed" else "", report.provider_ref, row[0]],
        )
    return True
