"""Where the last message of a case's citizen came from, which is where an answer goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from zrm.kit.db import Cursor, record

_MOST_COPYING: Final = 50
_MOST_COPIED: Final = 20


@dataclass(frozen=True, slots=True)
class LastInbound:
    """Where the citizen's last message came from: its channel, our account, their address.

    `reply_to` is where that message wants its answer. `vouched_for`: an impostor cannot have put it there, because the
    sender's domain vouches for the mail, or because its person came with the case's first message and each one since
    has named the same. `copied` are the other recipients of the case's messages, the latest first.
    """

    channel: str
    account: str
    address: str
    reply_to: tuple[str, ...] = ()
    vouched_for: bool = False
    copied: tuple[str, ...] = ()


def last_inbound(cursor: Cursor, case_id: UUID) -> LastInbound | None:
    """Where the citizen's last message came from; a robot's message counts only if there is no other."""
    for also_robots in (False, True):
        cursor.execute(
            """
            SELECT channel, account, address, reply_to, 'dmarc_pass' = ANY(labels) OR (
                cardinality(reply_to) > 0 AND coalesce(p.created_at = (
                    SELECT min(at) FROM contacts WHERE case_id = %(case)s AND direction = 'in'), false)
                AND NOT EXISTS (SELECT FROM contacts o WHERE o.case_id = %(case)s AND o.direction = 'in'
                    AND NOT (o.automatic OR 'robot' = ANY(o.labels)) AND o.reply_to <> c.reply_to)) AS vouched_for
            FROM contacts c LEFT JOIN persons p ON p.id = c.person_id WHERE case_id = %(case)s AND direction = 'in'
            AND (%(also_robots)s OR NOT (automatic OR 'robot' = ANY(labels))) ORDER BY at DESC, c.id DESC LIMIT 1
            """,
            {"case": case_id, "also_robots": also_robots},
        )
        if found := record(cursor, LastInbound):
            return replace(found, reply_to=tuple(found.reply_to), copied=_copied(cursor, case_id))
    return None


def _copied(cursor: Cursor, case_id: UUID) -> tuple[str, ...]:
    cursor.execute(
        "SELECT copied FROM contacts WHERE case_id = %s AND direction = 'in' AND copied <> '{}'"
        " ORDER BY at DESC, id DESC LIMIT %s",
        [case_id, _MOST_COPYING],
    )
    return tuple(dict.fromkeys(address for (copied,) in cursor for address in copied))[:_MOST_COPIED]
