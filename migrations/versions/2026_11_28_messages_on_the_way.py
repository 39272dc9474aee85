"""The tracking page shows a message that was just sent: what waits for its case is found by the case's code.

Reads raw contacts whole; they are received meanwhile.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "2026_11_28_on_the_way"
down_revision = "2026_11_28_doors_book"
branch_labels = None
depends_on = None

INDEXES: Final = {
    "raw_contacts_conversation": "raw_contacts ((envelope ->> 'conversation'), received_at)"
    " WHERE state IN ('waiting', 'quarantined') AND envelope ->> 'conversation' IS NOT NULL",
}


def upgrade() -> None:
    """Forward only."""
    with op.get_context().autocommit_block():
        for name, where in INDEXES.items():
            # One whose making was interrupted is still there, and invalid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {where}")
