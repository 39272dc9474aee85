"""Messages that come in parts: in any order, twice, hours apart, or never whole (jasmin#1232).

Each part is a raw contact, durable before it was acknowledged. A part waits in the outbox until the others are there;
whichever completes the message files it, the others are settled as its parts. When its time is over the first of those
that wait files what there is, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.contract import Ignored, MessagePart, RawContact, Unparseable
from zrm.kit.clock import now
from zrm.kit.db import Cursor, insert_rows
from zrm.normalizer.interpretation import Command, Interpretation, PartOf, Raw, raw_contact

Join = Callable[[Raw, Sequence[RawContact | None]], object]
"""Reads the parts of the message as one. Errors: StoreUnavailable, for now."""

_APART: Final = timedelta(hours=6)
"""Parts further apart than this belong to different messages: networks use their few reference numbers again."""

_GENERATIONS: Final = 20


class Reassembly:
    """Puts messages together; one per filer."""

    def __init__(self, join: Join) -> None:
        self._join = join

    def hold(self, cursor: Cursor, parts: Sequence[PartOf]) -> None:
        """Until the commit nobody else works on these messages. Taken before any row is, so that nobody waits crosswise."""
        if parts:
            keys = [f"{part.raw.contact.channel}/{part.part.key}" for part in parts]
            cursor.execute(
                "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(value, 1) AS key "
                "FROM unnest(%s::text[]) AS value ORDER BY 1) AS keys",
                [keys],
            )

    def take(self, cursor: Cursor, arrived: PartOf) -> Interpretation | Command | Ignored | Unparseable | float | None:
        """What becomes of a part: the message it completes, nothing (it came twice), or seconds to wait for the others.

        None if another part of this very transaction has taken it into its message already.
        """
        raw, part = arrived.raw, arrived.part
        cursor.execute("SELECT filed_as FROM message_parts WHERE raw_id = %s", [raw.id])
        if (row := cursor.fetchone()) is not None and row[0] not in (None, raw.id):
            return None
        group = self._group(cursor, raw, part)
        if group is None:
            return Ignored("a part that came twice")
        key, present = group
        age = (now() - raw.received_at).total_seconds()
        if len(present) < part.total and age < part.wait and not self._late(cursor, raw, key):
            return max(1.0, part.wait - age)
        return self._whole(cursor, raw, part, key, present)

    def _group(self, cursor: Cursor, raw: Raw, part: MessagePart) -> tuple[str, dict[int, UUID]] | None:
        """The key with its generation and the waiting parts by number, this one too; None if this one came twice.

        Two messages may have the same reference: a part whose number is taken by other words begins the next generation.
        """
        for generation in range(_GENERATIONS):
            key = f"{part.key}/{generation}"
            cursor.execute(
                "SELECT raw_id, number, digest, coalesce(filed_as <> %s, false) FROM message_parts "
                "WHERE channel = %s AND key = %s AND received_at BETWEEN %s AND %s",
                [raw.id, raw.contact.channel, key, raw.received_at - _APART, raw.received_at + _APART],
            )
            rows = cursor.fetchall()
            mine = any(row[0] == raw.id for row in rows)
            same = [row for row in rows if row[1] == part.number and row[0] != raw.id]
            if not mine and any(digest == part.digest for _, _, digest, _ in same):
                return None
            if not mine and same:
                continue
            if not mine:
                columns = ("raw_id", "channel", "key", "number", "digest", "received_at")
                row = (raw.id, raw.contact.channel, key, part.number, part.digest, raw.received_at)
                insert_rows(cursor, "message_parts", columns, [row])
            return key, {number: raw_id for raw_id, number, _, filed in rows if not filed} | {part.number: raw.id}
        return None

    def _late(self, cursor: Cursor, raw: Raw, key: str) -> bool:
        """Whether the message was filed already without this part."""
        cursor.execute(
            "SELECT EXISTS (SELECT FROM message_parts WHERE channel = %s AND key = %s AND filed_as <> %s "
            "AND received_at BETWEEN %s AND %s)",
            [raw.contact.channel, key, raw.id, raw.received_at - _APART, raw.received_at + _APART],
        )
        row = cursor.fetchone()
        return bool(row and row[0])

    def _whole(
        self, cursor: Cursor, raw: Raw, part: MessagePart, key: str, present: Mapping[int, UUID]
    ) -> Interpretation | Command | Ignored | Unparseable:
        others = [raw_id for raw_id in present.values() if raw_id != raw.id]
        raws = _load(cursor, others) | {raw.id: raw}
        ordered = [present.get(number) for number in range(1, part.total + 1)]
        pieces = [raws[raw_id].contact if raw_id in raws else None for raw_id in ordered]
        outcome = self._join(raw, pieces)
        cursor.execute(
            "UPDATE message_parts SET filed_as = %s WHERE channel = %s AND key = %s AND raw_id = ANY(%s)",
            [raw.id, raw.contact.channel, key, [*raws]],
        )
        cursor.execute(
            "UPDATE raw_contacts SET state = 'joined', reason = %s, settled_at = now() WHERE id = ANY(%s)",
            [f"a part of {raw.id}", [*raws.keys() - {raw.id}]],
        )
        for other in raws.keys() - {raw.id}:
            outbox.withdraw(cursor, Topic.FILE, other)
        if isinstance(outcome, Interpretation | Command | Ignored | Unparseable):
            return outcome
        return Unparseable("its parts together are no message")


def _load(cursor: Cursor, ids: Sequence[UUID]) -> dict[UUID, Raw]:
    """The other parts as T1 took them; small by nature, so always in the row."""
    cursor.execute(
        "SELECT w.body, w.id, w.received_at, r.code, w.channel, w.account, w.kind, w.media_type, w.envelope, w.files, "
        "w.trace FROM raw_contacts w JOIN receipts r ON r.contact_id = w.id WHERE w.id = ANY(%s)",
        [list(ids)],
    )
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return {raw.id: raw for body, *rest in rows for raw in [raw_contact(tuple(rest), body or b"")]}
