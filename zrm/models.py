"""Every table's class, brought together: `METADATA` is the whole schema as the classes declare it.

A session that writes one table follows its foreign keys into others, so every role imports this. What no class can
declare (triggers, functions, the extension, the monthly partitions) stands only in the migrations.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from zrm.casestore import (  # noqa: F401  # each registers its tables
    agent,
    attachment,
    case,
    contact,
    counts,
    delivery,
    follower,
    heartbeat,
    history,
    installation_id,
    months,
    nature,
    notification,
    outbox,
    person,
    proof,
    rating,
    search,
    subject,
    template,
    timers,
    unit,
    uploads,
)
from zrm.inbox import door_records, message_parts, quarantine, raw_contacts, receipts, tracking_codes  # noqa: F401  # as above
from zrm.kit import throttle  # noqa: F401  # as above
from zrm.security import passkeys, provider_accounts, second_step, sessions, sign_ins  # noqa: F401  # as above

METADATA: Final[MetaData] = SQLModel.metadata
