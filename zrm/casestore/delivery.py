"""Deliveries: a message on its way to a citizen. The row is the present state; `DeliveryEvent` has a line for every
step.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from zrm.kit.clock import now
from zrm.kit.ids import new_id
from zrm.kit.tables import BY_MONTH, Table, one_of, reason_params

PROOF_LINK: Final = "{proof_link}"
"""Stands in a delivery's text for a one-time link that is created only when the message leaves; the link is never
stored.
"""


class DeliveryKind(StrEnum):
    """The kind of a delivery. All but `self_service` belong to a case; `self_service` and `proof_link` have their own
    text.
    """

    ANSWER = "answer"
    ACKNOWLEDGEMENT = "acknowledgement"
    CLOSING_MESSAGE = "closing_message"
    PROOF_LINK = "proof_link"
    SELF_SERVICE = "self_service"


class DeliveryState(StrEnum):
    """`sending` is committed before the provider is called; a crash in the middle becomes `unknown`. `withdrawn`: its
    writer undid it before it was started.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"


_FAILED: Final = "state IN ('failed', 'unknown')"


class Delivery(Table, table=True):
    """One message to one address. `text` is None where a contact holds it (`contact_id`). `question_id` is the raw
    contact that a self-service answer answers, `command` the command in it. `settled_by` is the agent who handled its
    failure, `asked_at` when the provider was last asked for the status, because no report came.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        one_of("state", DeliveryState),
        CheckConstraint("(contact_id IS NULL) = (text IS NOT NULL)", name="deliveries_words"),
        CheckConstraint(
            "erased_at IS NULL OR state NOT IN ('queued', 'sending') AND (address, title, reason_code) = ('', '', '') "
            "AND reason_params = '{}' AND coalesce(text, '') = ''",
            name="deliveries_erased",
        ),
        CheckConstraint(
            "(kind = 'self_service') = (question_id IS NOT NULL) AND CASE "
            "WHEN kind IN ('answer', 'acknowledgement', 'closing_message', 'proof_link') THEN case_id IS NOT NULL "
            "WHEN kind = 'self_service' THEN case_id IS NULL ELSE true END",
            name="deliveries_belonging",
        ),
        Index("deliveries_contact", "contact_id"),
        Index("deliveries_case", "case_id"),
        Index("deliveries_own_words", "case_id", "created_at", "id", postgresql_where=text("contact_id IS NULL")),
        Index("deliveries_question", "question_id", unique=True, postgresql_where=text("question_id IS NOT NULL")),
        Index("deliveries_automatic", "address", "created_at", postgresql_where=text("kind <> 'answer'")),
        Index("deliveries_provider", "channel", "provider_ref", postgresql_where=text("provider_ref <> ''")),
        Index(
            "deliveries_silent",
            "changed_at",
            postgresql_where=text("state = 'sent' AND asked_at IS NULL AND case_id IS NOT NULL"),
        ),
        Index(
            "deliveries_failed",
            "changed_at",
            postgresql_where=text(f"{_FAILED} AND settled_by IS NULL AND case_id IS NOT NULL"),
        ),
        Index("deliveries_failed_case", "case_id", postgresql_where=text(f"{_FAILED} AND settled_by IS NULL")),
        Index("deliveries_undelivered", "changed_at", postgresql_where=text(f"{_FAILED} AND case_id IS NULL")),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    kind: str
    channel: str
    account: str
    address: str
    case_id: UUID | None = Field(default=None, foreign_key="cases.id")
    contact_id: UUID | None = None
    question_id: UUID | None = None
    command: str = ""
    language: str = ""
    title: str = ""
    text: str | None = None
    in_reply_to: str = ""
    state: str = DeliveryState.QUEUED
    attempts: int = 0
    provider_ref: str = ""
    reason_code: str = ""
    reason_params: dict[str, Any] = reason_params()
    error_code: str = ""
    settled_by: UUID | None = Field(default=None, foreign_key="agents.id")
    trace: str = ""
    created_at: datetime = Field(default_factory=now)
    changed_at: datetime = Field(default_factory=now)
    asked_at: datetime | None = None
    erased_at: datetime | None = None


class DeliveryEvent(Table, table=True):
    """A step of a delivery. Appended only: the database refuses anything else."""

    __tablename__ = "delivery_events"
    __table_args__ = (Index("delivery_events_delivery", "delivery_id", "at", "id"), BY_MONTH)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    delivery_id: UUID = Field(foreign_key="deliveries.id")
    at: datetime = Field(default_factory=now)
    state: str
    reason_code: str = ""
    reason_params: dict[str, Any] = reason_params()


class DeliveryPart(Table, table=True):
    """A part of a delivery that a provider reports on separately."""

    __tablename__ = "delivery_parts"
    __table_args__ = (
        one_of("state", ["sent", "delivered", "failed"]),
        Index("delivery_parts_delivery", "delivery_id", "number"),
    )

    channel: str = Field(primary_key=True)
    provider_ref: str = Field(primary_key=True)
    delivery_id: UUID = Field(foreign_key="deliveries.id")
    number: int
    state: str = "sent"
