"""The language a person asked to be answered in, apart from the one they happened to write first."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_preferred_language"
down_revision = "2026_11_23_templates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(
        "ALTER TABLE persons ADD COLUMN preferred_language text NOT NULL DEFAULT ''"
        " CHECK (preferred_language IN ('', 'fa', 'en'))"
    )
