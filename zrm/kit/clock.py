"""The one place that asks what time it is. Instants are aware UTC datetimes everywhere inside the installation."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """This instant, aware, UTC."""
    return datetime.now(UTC)
