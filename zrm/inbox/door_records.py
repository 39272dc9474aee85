"""What doors keep besides contacts: answers given, attempts refused, checkpoints, and the state of dialogues.

The keys of dialogues and the peers of refusals are keyed hashes made by the caller; these tables hold no citizen's data
in clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from zrm.contract.inbound import JSON
from zrm.contract.reasons import Reason
from zrm.kit.clock import now
from zrm.kit.db import Cursor, array_text
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, reason_params

_ENDING = 100


class Refusal(Table, table=True):
    """An attempt that is not a contact: a bad signature, a wrong secret. The peer is a keyed hash."""

    __tablename__ = "refusals"
    __table_args__ = (Index("refusals_at", "at"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    channel: str
    account: str
    reason_code: str
    reason_params: dict[str, Any] = reason_params()
    peer_hash: str
    at: datetime


class Checkpoint(Table, table=True):
    """How far a door has read a provider's source; a checkpoint as the contract defines it."""

    __tablename__ = "checkpoints"

    channel: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    position: Any = Field(sa_type=JSONB, nullable=False)
    moved_at: datetime


class StoredDialogue(Table, table=True):
    """The state of a dialogue with one citizen; removed after `ends_at`."""

    __tablename__ = "dialogue_states"
    __table_args__ = (Index("dialogue_states_ending", "channel", "ends_at"),)

    channel: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    state: Any = Field(sa_type=JSONB, nullable=False)
    ends_at: datetime


class DoorAnswer(Table, table=True):
    """A contact that a door confirmed: one row however often it was confirmed, one more for another content.

    `kept`: its receipt was found when the two were last compared, on writing and then every hour (`compare_answers`).
    """

    __tablename__ = "door_answers"
    __table_args__ = (
        Index("door_answers_received", "received_at"),
        Index("door_answers_unkept", "received_at", postgresql_where=text("NOT kept")),
    )

    contact_id: UUID = Field(primary_key=True)
    content: str = Field(primary_key=True)
    channel: str
    received_at: datetime
    kept: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


_KEPT: Final = "EXISTS (SELECT FROM receipts r WHERE r.contact_id = a.contact_id AND r.content = a.content)"


def note_answers(cursor: Cursor, answers: Sequence[tuple[UUID, str, str, datetime]]) -> None:
    """Keep what doors confirmed, as (contact id, content, channel, received at); existing rows stay as they are."""
    cursor.execute(
        f"INSERT INTO door_answers (contact_id, content, channel, received_at, kept) SELECT a.*, {_KEPT} "  # noqa: S608  # a constant of this file
        "FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[]) AS a (contact_id, content, channel, received_at) "
        "ON CONFLICT DO NOTHING",
        [array_text(map(str, column)) for column in zip(*answers, strict=True)],
    )


def compare_answers(cursor: Cursor) -> None:
    """Compare the confirmations of the last two days with the receipts again, and keep what was found. May run twice."""
    cursor.execute(
        "UPDATE door_answers a SET kept = NOT kept "  # noqa: S608  # a constant of this file
        f"WHERE received_at > now() - interval '2 days' AND kept <> {_KEPT}"
    )


def forget_kept_answers(cursor: Cursor) -> None:
    """Remove confirmations older than 8 days whose contact is stored; one without its contact stays as evidence."""
    cursor.execute(f"DELETE FROM door_answers a WHERE received_at < now() - interval '8 days' AND {_KEPT}")  # noqa: S608  # a constant of this file


def refuse(cursor: Cursor, channel: str, account: str, reason: Reason, peer_hash: str) -> None:
    """Record an anomalous attempt at a door."""
    cursor.execute(
        "INSERT INTO refusals (id, channel, account, reason_code, reason_params, peer_hash, at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [new_id(), channel, account[:200], reason.code, Jsonb(reason.stored_params()), peer_hash, now()],
    )


def checkpoint(cursor: Cursor, channel: str, key: str) -> JSON:
    """How far a door has read a source, None if it never has."""
    cursor.execute("SELECT position FROM checkpoints WHERE channel = %s AND key = %s", [channel, key])
    row = cursor.fetchone()
    return row[0] if row else None


def save_checkpoint(cursor: Cursor, channel: str, key: str, position: JSON) -> None:
    """Keep how far a door has read a source."""
    cursor.execute(
        "INSERT INTO checkpoints VALUES (%s, %s, %s, now()) ON CONFLICT (channel, key) "
        "DO UPDATE SET position = excluded.position, moved_at = excluded.moved_at",
        [channel, key, Jsonb(position)],
    )


def dialogue(cursor: Cursor, channel: str, key: str) -> JSON:
    """The state of a dialogue; None if there is none, or it has expired."""
    cursor.execute(
        "SELECT state FROM dialogue_states WHERE channel = %s AND key = %s AND ends_at > now()", [channel, key]
    )
    row = cursor.fetchone()
    return row[0] if row else None


def hold_dialogue(cursor: Cursor, channel: str, key: str) -> None:
    """Lock the dialogue until the commit, whether it has a state yet or not, so that others who lock it first wait."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"{channel}:{key}"])


def save_dialogue(cursor: Cursor, channel: str, key: str, state: JSON, *, seconds: float) -> None:
    """Keep a dialogue's state for this many seconds; None removes it."""
    if state is None:
        cursor.execute("DELETE FROM dialogue_states WHERE channel = %s AND key = %s", [channel, key])
        return
    cursor.execute(
        "INSERT INTO dialogue_states VALUES (%s, %s, %s, now() + make_interval(secs => %s)) "
        "ON CONFLICT (channel, key) DO UPDATE SET state = excluded.state, ends_at = excluded.ends_at",
        [channel, key, Jsonb(state), seconds],
    )


def ending_dialogues(cursor: Cursor, channel: str, *, within: float) -> list[JSON]:
    """The states that expire within this many seconds, the next first, at most a hundred."""
    cursor.execute(
        "SELECT state FROM dialogue_states WHERE channel = %s AND ends_at > now() "
        "AND ends_at < now() + make_interval(secs => %s) ORDER BY ends_at LIMIT %s",
        [channel, within, _ENDING],
    )
    return [row[0] for row in cursor]


def forget_dialogues(cursor: Cursor) -> None:
    """Remove the states that have expired."""
    cursor.execute("DELETE FROM dialogue_states WHERE ends_at < now()")
