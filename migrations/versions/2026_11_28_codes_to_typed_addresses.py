"""Codes that went to addresses typed into a form are counted each hour, quickly."""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_codes_to_typed"
down_revision = "2026_11_28_uploads"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only."""
    op.execute("CREATE INDEX contacts_typed ON contacts (at) WHERE automatic AND 'typed_address' = ANY(labels)")
