"""Units may word the acknowledgement that tells a citizen their code."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_first_words"
down_revision = "2026_11_23_in_parts"
branch_labels = None
depends_on = None

FIRST_WORDS = """
ALTER TABLE templates DROP CONSTRAINT templates_kind_check;
ALTER TABLE templates ADD CONSTRAINT templates_kind_check
    CHECK (kind IN ('answer', 'greeting', 'signature', 'acknowledgement'));
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(FIRST_WORDS)
