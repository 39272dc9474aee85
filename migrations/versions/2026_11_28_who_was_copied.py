"""Who else a case's mails went to is found without reading the mails that went to nobody else.

Reads contacts whole, and none is written meanwhile.
"""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_who_was_copied"
down_revision = "2026_11_28_natures_nobody_chose"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only."""
    op.execute("CREATE INDEX contacts_copied ON contacts (case_id, at, id) WHERE direction = 'in' AND copied <> '{}'")
