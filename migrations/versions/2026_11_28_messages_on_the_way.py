"""The tracking page shows a message that was just sent: what waits for its case is found by the case's code.

Reads raw contacts whole, and nothing is received meanwhile.
"""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_on_the_way"
down_revision = "2026_11_28_doors_book"
branch_labels = None
depends_on = None

ON_THE_WAY = """
CREATE INDEX raw_contacts_conversation ON raw_contacts ((envelope ->> 'conversation'), received_at)
    WHERE state IN ('waiting', 'quarantined') AND envelope ->> 'conversation' IS NOT NULL;
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(ON_THE_WAY)
