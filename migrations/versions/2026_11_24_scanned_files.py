"""What the virus scanner said of a file; and the mail a self-service answer goes back to, so that it stays in its thread."""

from __future__ import annotations

from alembic import op

revision = "2026_11_24_scanned_files"
down_revision = "2026_11_23_first_words"
branch_labels = None
depends_on = None

SCANNED = """
-- Empty: nobody was asked (no scanner then, or a file of ours).
ALTER TABLE attachments ADD COLUMN scan text NOT NULL DEFAULT ''
    CHECK (scan IN ('', 'waiting', 'clean', 'infected'));
ALTER TABLE attachments ADD COLUMN threat text NOT NULL DEFAULT '';

ALTER TABLE self_answers ADD COLUMN title text NOT NULL DEFAULT '';
ALTER TABLE self_answers ADD COLUMN in_reply_to text NOT NULL DEFAULT '';
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(SCANNED)
