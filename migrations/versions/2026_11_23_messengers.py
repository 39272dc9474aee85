"""Messengers: a person can be reached by Telegram and Bale, and dialogues left unfinished are found by their time."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_messengers"
down_revision = "2026_11_23_self_service"
branch_labels = None
depends_on = None

MESSENGERS = """
ALTER TABLE addresses DROP CONSTRAINT addresses_kind_check;
ALTER TABLE addresses ADD CONSTRAINT addresses_kind_check CHECK (kind IN ('email', 'phone', 'telegram', 'bale'));
CREATE INDEX dialogue_notes_ending ON dialogue_notes (channel, ends_at);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(MESSENGERS)
