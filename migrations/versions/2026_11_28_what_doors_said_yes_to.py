"""The content beside each receipt's id, and the doors' own book of what they said yes to.

Receipts of before have no content; what they are compared by is the body of their contact.
"""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_doors_book"
down_revision = "2026_11_28_trigrams"
branch_labels = None
depends_on = None

BOOK = """
ALTER TABLE receipts ADD COLUMN content text;

-- Written by the doors, each from its own journal and never in the transaction that keeps a contact. Whoever said yes
-- to the same contact twice is here once; to another content under the same receipt, twice.
CREATE TABLE door_answers (
    contact_id uuid NOT NULL,
    content text NOT NULL,
    channel text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (contact_id, content)
);
CREATE INDEX door_answers_received ON door_answers (received_at);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(BOOK)
