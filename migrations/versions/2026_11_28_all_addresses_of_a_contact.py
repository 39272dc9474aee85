"""A contact keeps every address its writer gave with it, not the first alone.

Adds a column with a constant default: nothing is rewritten.
"""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_all_addresses"
down_revision = "2026_11_28_refused_tries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only."""
    op.execute("ALTER TABLE contacts ADD COLUMN other_addresses text[] NOT NULL DEFAULT '{}'")
