"""What lies at a provider's: files of a message still to be fetched, and messages whose report never came."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_at_providers"
down_revision = "2026_11_23_returned_mail"
branch_labels = None
depends_on = None

AT_PROVIDERS = """
CREATE TABLE remote_files (
    id uuid PRIMARY KEY,
    contact_id uuid NOT NULL REFERENCES contacts,
    channel text NOT NULL,
    account text NOT NULL,
    address text NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    role text NOT NULL,
    content_id text NOT NULL,
    position int NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'fetched', 'failed')),
    error text NOT NULL DEFAULT ''
);
CREATE INDEX remote_files_contact ON remote_files (contact_id);

-- When the provider was asked what became of a message whose report did not come.
ALTER TABLE deliveries ADD COLUMN asked_at timestamptz;
CREATE INDEX deliveries_silent ON deliveries (changed_at) WHERE state = 'sent' AND asked_at IS NULL;
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(AT_PROVIDERS)
