"""Messages that come in parts: in any order, twice, hours apart, or never whole (jasmin#1232).

Each part is a raw contact, durable before it was acknowledged. A part waits in the outbox until the others are there.
The part that completes the message files it, and the others are settled as its parts. When the time is over, the first
waiting part files what there is and labels it incomplete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import Ignored, MessagePart, RawContact
from zrm.inbox import message_parts, raw_contacts
from zrm.inbox.message_parts import StoredPart
from zrm.inbox.raw_contacts import Settled
from zrm.kit.clock import now
from zrm.kit.db import Cursor
from zrm.normalizer import reasons
from zrm.normalizer.interpretation import Interpretation, PartOf, Raw, ReceivedCommand, raw_contact

JoinParts = Callable[[Raw, Sequence[RawContact | None]], object]
"""Interprets the parts of a message as one. Errors: StoreUnavailable, a passing failure."""

_APART: Final = timedelta(hours=6)
"""Parts further apart than this belong to different messages: networks reuse their few reference numbers."""

_GENERATIONS: Final = 20


class Reassembly:
    """Puts messages together; one per filer."""

    def __init__(self, join: JoinParts) -> None:
        self._join = join

    def hold(self, cursor: Cursor, parts: Sequence[PartOf]) -> None:
        """Lock these messages until the commit. Taken before any row lock, so that no two transactions deadlock."""
        if parts:
            keys = [f"{part.raw.contact.channel}/{part.part.key}" for part in parts]
            cursor.execute(
                "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(value, 1) AS key "
                "FROM unnest(%s::text[]) AS value ORDER BY 1) AS keys",
                [keys],
            )

    def take(
        self, cursor: Cursor, arrived: PartOf
    ) -> Interpretation | ReceivedCommand | Ignored | Unparseable | float | None:
        """What happens to a part: the message it completes, nothing (it came twice), or the seconds to wait for the
        others.

        None if another part in this transaction has already included it in its message.
        """
        raw, part = arrived.raw, arrived.part
        if message_parts.filed_as(cursor, raw.id) not in (None, raw.id):
            return None
        group = self._group(cursor, raw, part)
        if group is None:
            return Ignored(reasons.PART_TWICE)
        key, present = group
        age = (now() - raw.received_at).total_seconds()
        if len(present) < part.total and age < part.wait and not self._late(cursor, raw, key):
            return max(1.0, part.wait - age)
        return self._whole(cursor, raw, part, key, present)

    def _group(self, cursor: Cursor, raw: Raw, part: MessagePart) -> tuple[str, dict[int, UUID]] | None:
        """The key with its generation and the waiting parts by number, this one too; None if this one came twice.

        Two messages may have the same reference: a part whose number is used by another text begins the next
        generation.
        """
        for generation in range(_GENERATIONS):
            key = f"{part.key}/{generation}"
            known = message_parts.near(cursor, raw.contact.channel, key, raw.received_at, within=_APART)
            mine = any(one.raw_id == raw.id for one in known)
            same = [one for one in known if one.number == part.number and one.raw_id != raw.id]
            if not mine and any(one.digest == part.digest for one in same):
                return None
            if not mine and same:
                continue
            if not mine:
                stored = StoredPart(raw.id, raw.contact.channel, key, part.number, part.digest, raw.received_at)
                message_parts.add(cursor, stored)
            waiting = {one.number: one.raw_id for one in known if one.filed_as in (None, raw.id)}
            return key, waiting | {part.number: raw.id}
        return None

    def _late(self, cursor: Cursor, raw: Raw, key: str) -> bool:
        """Whether the message was already filed without this part."""
        known = message_parts.near(cursor, raw.contact.channel, key, raw.received_at, within=_APART)
        return any(one.filed_as not in (None, raw.id) for one in known)

    def _whole(
        self, cursor: Cursor, raw: Raw, part: MessagePart, key: str, present: Mapping[int, UUID]
    ) -> Interpretation | ReceivedCommand | Ignored | Unparseable:
        others = [raw_id for raw_id in present.values() if raw_id != raw.id]
        # Parts are always small, so their bodies are in the row.
        raws = {stored.id: raw_contact(stored) for stored in raw_contacts.load(cursor, others)} | {raw.id: raw}
        ordered = [present.get(number) for number in range(1, part.total + 1)]
        pieces = [raws[raw_id].contact if raw_id in raws else None for raw_id in ordered]
        outcome = self._join(raw, pieces)
        message_parts.file_as(cursor, raw.contact.channel, key, raws, raw.id)
        joined = raws.keys() - {raw.id}
        raw_contacts.settle(
            cursor, [Settled(other, "joined", reasons.PART_OF(contact=str(raw.id))) for other in joined]
        )
        for other in joined:
            outbox.withdraw(cursor, Topic.FILE, other)
        if isinstance(outcome, Interpretation | ReceivedCommand | Ignored | Unparseable):
            return outcome
        return Unparseable(reasons.NO_MESSAGE)
