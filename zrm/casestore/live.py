"""Live events: one NOTIFY channel, small payloads of ids; listeners read the rest from the store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal
from uuid import UUID

from zrm.kit.db import Cursor

CHANNEL = "zrm_live"
ChangeKind = Literal["case", "notification", "quarantine", "delivery", "task"]


def publish_change(cursor: Cursor, kind: ChangeKind, ids: Iterable[UUID]) -> None:
    """Tell every desk, when this transaction commits, that these rows changed. For notifications: the agents' ids."""
    payloads = [json.dumps([kind, str(identifier)]) for identifier in dict.fromkeys(ids)]
    if payloads:
        cursor.execute("SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload", [CHANNEL, payloads])
