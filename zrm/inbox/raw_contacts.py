"""Raw contacts as T1 keeps them, and the outcome of each: the only file that writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from zrm.contract.files import StoredFile
from zrm.contract.inbound import RawContact
from zrm.contract.reasons import Reason
from zrm.kit.db import Cursor, records
from zrm.kit.tables import BY_MONTH, Table, one_of, reason_params

_GIVEN = "id, channel, account, kind, media_type, body, body_key, size, envelope, files, trace, received_at"


class RawContactRecord(Table, table=True):
    """A contact as received, its body in the row, in the blob store (`body_key`) or erased, and its outcome."""

    __tablename__ = "raw_contacts"
    __table_args__ = (
        one_of("kind", ["contact", "report"]),
        one_of("state", ["waiting", "filed", "joined", "ignored", "quarantined"]),
        CheckConstraint("num_nonnulls(body, body_key, erased_at) = 1", name="raw_contacts_body"),
        CheckConstraint(
            "erased_at IS NULL OR state IN ('filed', 'joined', 'ignored') AND envelope = '{}' AND files = '[]'",
            name="raw_contacts_erased",
        ),
        Index("raw_contacts_received", "received_at", postgresql_using="brin", postgresql_with={"pages_per_range": 16}),
        Index("raw_contacts_waiting", "received_at", postgresql_where=text("state = 'waiting'")),
        Index("raw_contacts_body_key", "body_key", postgresql_where=text("body_key IS NOT NULL")),
        Index(
            "raw_contacts_conversation",
            text("(envelope ->> 'conversation')"),
            "received_at",
            postgresql_where=text("state IN ('waiting', 'quarantined') AND envelope ->> 'conversation' IS NOT NULL"),
        ),
        Index(
            "raw_contacts_files",
            "files",
            postgresql_using="gin",
            postgresql_ops={"files": "jsonb_path_ops"},
            postgresql_where=text("files <> '[]'"),
        ),
        BY_MONTH,
    )

    id: UUID = Field(primary_key=True)
    channel: str
    account: str
    kind: str
    media_type: str
    body: bytes | None
    body_key: str | None
    size: int = Field(sa_type=BigInteger)
    envelope: dict[str, Any] = Field(sa_type=JSONB)
    files: list[dict[str, Any]] = Field(sa_type=JSONB)
    trace: str
    received_at: datetime
    state: str = "waiting"
    reason_code: str = ""
    reason_params: dict[str, Any] = reason_params()
    settled_at: datetime | None = None
    erased_at: datetime | None = None


_STORED: Final = (
    "SELECT w.id, w.received_at, r.code, w.channel, w.account, w.kind, w.media_type, w.envelope, w.files, w.trace, "
    "w.body, w.body_key FROM raw_contacts w JOIN receipts r ON r.contact_id = w.id"
)


@dataclass(frozen=True, slots=True)
class StoredContact:
    """A raw contact and its code; the body is in the row (`body`) or in the blob store (`body_key`)."""

    id: UUID
    received_at: datetime
    code: str
    channel: str
    account: str
    kind: str
    media_type: str
    envelope: dict[str, Any]
    files: list[dict[str, Any]]
    trace: str
    body: bytes | None
    body_key: str | None

    def contact(self, body: bytes) -> RawContact:
        """As its door made it, with the body given; its external id is not read."""
        return RawContact(
            channel=self.channel,
            account=self.account,
            external_id="",
            body=body,
            media_type=self.media_type,
            envelope=self.envelope,
            files=tuple(StoredFile(**file) for file in self.files),
            kind="report" if self.kind == "report" else "contact",
            trace=self.trace,
        )


class Settled(NamedTuple):
    """The outcome of a raw contact: filed, joined or ignored, and why."""

    id: UUID
    state: str
    reason: Reason | None = None


def insertion(rows: LiteralString) -> str:
    """SQL that stores each row of a relation with the columns that T1 gets, for a statement that does more than that."""
    return f"INSERT INTO raw_contacts ({_GIVEN}) SELECT {_GIVEN} FROM {rows}"  # noqa: S608  # constants


def load(cursor: Cursor, ids: Sequence[UUID], *, unfiled: bool = False) -> list[StoredContact]:
    """These raw contacts; `unfiled`: only those still waiting to be filed, or in quarantine."""
    cursor.execute(
        f"{_STORED} WHERE w.id = ANY(%s) AND (NOT %s OR w.state IN ('waiting', 'quarantined'))",
        [list(ids), unfiled],
    )
    return records(cursor, StoredContact)


def unfiled_in_conversation(cursor: Cursor, code: str, *, limit: int) -> list[StoredContact]:
    """Contacts from a door that had proven this tracking code, not filed yet or in quarantine; newest first."""
    cursor.execute(
        f"{_STORED} WHERE w.state IN ('waiting', 'quarantined') AND w.envelope ->> 'conversation' IS NOT NULL "
        "AND w.envelope ->> 'conversation' = %s ORDER BY w.received_at DESC LIMIT %s",
        [code, limit],
    )
    return records(cursor, StoredContact)


def lock_unfiled(cursor: Cursor, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Lock those still waiting to be filed or in quarantine, in order; id → state."""
    cursor.execute(
        "SELECT id, state FROM raw_contacts WHERE id = ANY(%s) AND state IN ('waiting', 'quarantined') "
        "ORDER BY id FOR UPDATE",
        [list(ids)],
    )
    return dict(cursor.fetchall())


def missing(cursor: Cursor, ids: Sequence[UUID]) -> set[UUID]:
    """Those of which there is no row: their month was taken off."""
    cursor.execute(
        "SELECT id FROM unnest(%s::uuid[]) AS asked (id) WHERE NOT EXISTS (SELECT FROM raw_contacts r WHERE r.id = asked.id)",
        [list(ids)],
    )
    return {contact_id for (contact_id,) in cursor}


def settle(cursor: Cursor, settled: Sequence[Settled]) -> None:
    """Write the outcome of raw contacts."""
    if not settled:
        return
    cursor.execute(
        "UPDATE raw_contacts r SET state = s.state, reason_code = s.code, reason_params = s.params, settled_at = now() "
        "FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::jsonb[]) AS s (id, state, code, params) WHERE r.id = s.id",
        [
            [one.id for one in settled],
            [one.state for one in settled],
            [one.reason.code if one.reason else "" for one in settled],
            [Jsonb(one.reason.stored_params() if one.reason else {}) for one in settled],
        ],
    )


def quarantine(cursor: Cursor, contact_id: UUID, reason: Reason) -> bool:
    """Mark one as quarantined; False if it was filed or set aside meanwhile, and then it stays as it is."""
    cursor.execute(
        "UPDATE raw_contacts SET state = 'quarantined', reason_code = %s, reason_params = %s, settled_at = now() "
        "WHERE id = %s AND state IN ('waiting', 'quarantined') RETURNING id",
        [reason.code, Jsonb(reason.stored_params()), contact_id],
    )
    return cursor.fetchone() is not None


def erase(cursor: Cursor, ids: Sequence[UUID]) -> set[str]:
    """Erase the bodies and envelopes of filed contacts, and why they could not be filed at first; returns the keys of the blobs they referred to."""
    cursor.execute(
        "UPDATE raw_contacts SET body = NULL, body_key = NULL, envelope = '{}', files = '[]', reason_code = '', reason_params = '{}', erased_at = now() "
        "WHERE id = ANY(%s) AND erased_at IS NULL RETURNING old.body_key, old.files",
        [list(ids)],
    )
    keys: set[str] = set()
    for body_key, files in cursor:
        keys.update(file["key"] for file in files)
        if body_key is not None:
            keys.add(body_key)
    return keys
