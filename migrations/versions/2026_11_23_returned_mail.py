"""Addresses whose mail came back, and a way to count what our machine has answered an address lately."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_returned_mail"
down_revision = "2026_11_23_self_answers"
branch_labels = None
depends_on = None

DOUBT = """
ALTER TABLE addresses ADD COLUMN doubtful_at timestamptz;
-- The loop breaker asks for one address's automatic answers of the last day; there are few of each.
CREATE INDEX contacts_automatic ON contacts (address, at) WHERE automatic;
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(DOUBT)
