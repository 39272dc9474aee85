"""What the house answers by itself (help, stop, a case's state) belongs to the question, not to a case."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_self_answers"
down_revision = "2026_11_23_messengers"
branch_labels = None
depends_on = None

SELF_ANSWERS = """
-- One answer a question, for ever: the question is the raw contact. States as those of deliveries.
CREATE TABLE self_answers (
    id uuid PRIMARY KEY,
    raw_id uuid NOT NULL UNIQUE REFERENCES raw_contacts,
    wish text NOT NULL,
    channel text NOT NULL,
    account text NOT NULL,
    address text NOT NULL,
    language text NOT NULL,
    text text NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'unknown')),
    attempts int NOT NULL DEFAULT 0,
    provider_ref text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    error_code text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX self_answers_address ON self_answers (channel, address, created_at DESC);
CREATE INDEX self_answers_provider ON self_answers (channel, provider_ref) WHERE provider_ref <> '';
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(SELF_ANSWERS)
