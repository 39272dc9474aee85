"""Deliveries: an answer on its way. The row is the present; `DeliveryEvent` has a line for every step."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import CHAR, Index, text
from sqlmodel import Field

from zrm.kit.clock import now
from zrm.kit.ids import new_id
from zrm.kit.tables import Table, one_of

PROOF_LINK: Final = "{proof_link}"
"""Stands in a contact's text for a one-time link that is minted only when the message leaves; the link is never stored."""


class DeliveryState(StrEnum):
    """`sending` is committed before the provider is called; a crash in the middle becomes `unknown`.
    `withdrawn`: its writer took it back before anybody began.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"


_TROUBLE: Final = text("state IN ('failed', 'unknown') AND settled_by IS NULL")
_REFERRED: Final = text("provider_ref <> ''")


class Delivery(Table, table=True):
    """One contact to one address. `settled_by` is the agent who dealt with its failure, `asked_at` when the
    provider was last asked what became of it, for want of a report.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        one_of("state", DeliveryState),
        Index("deliveries_contact", "contact_id"),
        Index("deliveries_case", "case_id"),
        Index("deliveries_provider", "channel", "provider_ref", postgresql_where=_REFERRED),
        Index("deliveries_silent", "changed_at", postgresql_where=text("state = 'sent' AND asked_at IS NULL")),
        Index("deliveries_trouble", "changed_at", postgresql_where=_TROUBLE),
        Index("deliveries_trouble_case", "case_id", postgresql_where=_TROUBLE),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    contact_id: UUID = Field(foreign_key="contacts.id")
    case_id: UUID = Field(foreign_key="cases.id")
    channel: str
    account: str
    address: str
    state: str
    attempts: int = 0
    provider_ref: str = ""
    error: str = ""
    error_code: str = ""
    settled_by: UUID | None = Field(default=None, foreign_key="agents.id")
    trace: str = ""
    created_at: datetime = Field(default_factory=now)
    changed_at: datetime = Field(default_factory=now)
    asked_at: datetime | None = None


class DeliveryEvent(Table, table=True):
    """A step of a delivery. Appended only: the database refuses anything else."""

    __tablename__ = "delivery_events"
    __table_args__ = (Index("delivery_events_delivery", "delivery_id", "at", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    delivery_id: UUID = Field(foreign_key="deliveries.id")
    at: datetime = Field(default_factory=now)
    state: str
    detail: str = ""


class DeliveryPart(Table, table=True):
    """A part that a provider reports by itself, of a delivery or of an answer the installation gave by itself."""

    __tablename__ = "delivery_parts"
    __table_args__ = (
        one_of("state", ["sent", "delivered", "failed"]),
        Index("delivery_parts_delivery", "delivery_id", "number"),
    )

    channel: str = Field(primary_key=True)
    provider_ref: str = Field(primary_key=True)
    delivery_id: UUID
    number: int
    state: str = "sent"


class SelfAnswer(Table, table=True):
    """What the installation answered by itself (help, stop, a case's state): one answer a question, the raw contact."""

    __tablename__ = "self_answers"
    __table_args__ = (
        one_of("state", [state for state in DeliveryState if state != DeliveryState.WITHDRAWN]),
        Index("self_answers_address", "channel", "address", text("created_at DESC")),
        Index("self_answers_provider", "channel", "provider_ref", postgresql_where=_REFERRED),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    raw_id: UUID = Field(foreign_key="raw_contacts.id", unique=True)
    wish: str
    channel: str
    account: str
    address: str
    language: str
    text: str
    state: str = DeliveryState.QUEUED
    attempts: int = 0
    provider_ref: str = ""
    error: str = ""
    error_code: str = ""
    created_at: datetime
    changed_at: datetime
    title: str = ""
    in_reply_to: str = ""


class ProofToken(Table, table=True):
    """The hash of a one-time link by which a citizen proves an e-mail address to be theirs."""

    __tablename__ = "proof_tokens"

    token_hash: str = Field(primary_key=True)
    code: str = Field(sa_type=CHAR(12))
    made_at: datetime
    ends_at: datetime
    used_at: datetime | None = None
