"""Deliveries: an answer on its way. The row is the present; `DeliveryEvent` has a line for every step."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlmodel import Field, SQLModel

from zrm.kit.clock import now
from zrm.kit.ids import new_id

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


class Delivery(SQLModel, table=True):
    """One contact to one address. `settled_by` is the agent who dealt with its failure, `asked_at` when the
    provider was last asked what became of it, for want of a report.
    """

    __tablename__ = "deliveries"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    contact_id: UUID
    case_id: UUID
    channel: str
    account: str
    address: str
    state: str
    attempts: int = 0
    provider_ref: str = ""
    error: str = ""
    error_code: str = ""
    settled_by: UUID | None = None
    trace: str = ""
    created_at: datetime = Field(default_factory=now)
    changed_at: datetime = Field(default_factory=now)
    asked_at: datetime | None = None


class DeliveryEvent(SQLModel, table=True):
    """A step of a delivery. Appended only: the database refuses anything else."""

    __tablename__ = "delivery_events"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    delivery_id: UUID
    at: datetime = Field(default_factory=now)
    state: str
    detail: str = ""
