"""What an id says of itself."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID


def time_of(identifier: UUID) -> datetime:
    """The instant a UUIDv7 carries, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
