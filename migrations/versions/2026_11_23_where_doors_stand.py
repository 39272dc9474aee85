"""How far a door has read a source that remembers nothing for it: a mailbox by UIDVALIDITY and UID."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_door_cursors"
down_revision = "2026_11_23_at_providers"
branch_labels = None
depends_on = None

CURSORS = """
CREATE TABLE door_cursors (
    channel text NOT NULL,
    key text NOT NULL,
    position jsonb NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (channel, key)
);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(CURSORS)
