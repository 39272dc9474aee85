"""Heartbeats of the roles: a row for each of their processes. A new table, so nothing waits for it."""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_heartbeats"
down_revision = "2026_11_28_all_addresses"
branch_labels = None
depends_on = None

HEARTBEATS = """
CREATE TABLE heartbeats (
    instance uuid PRIMARY KEY,
    role text NOT NULL,
    topics text[] NOT NULL,
    at timestamptz NOT NULL,
    ended boolean NOT NULL DEFAULT false
);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(HEARTBEATS)
