"""Which installation this is: an id that stands here and in the folder of its files."""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_installation"
down_revision = "2026_11_28_search"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only."""
    op.execute(
        """
        CREATE TABLE installation (
            only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            id uuid NOT NULL,
            folder_claimed_at timestamptz
        );
        INSERT INTO installation (id) VALUES (gen_random_uuid());
        """
    )
