"""Uploads that no contact carries yet, and how to find who refers to a file."""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_uploads"
down_revision = "2026_11_28_who_was_copied"
branch_labels = None
depends_on = None

UPLOADS = """
CREATE TABLE uploads (
    blob_key text PRIMARY KEY,
    uploaded_at timestamptz NOT NULL
);
CREATE INDEX uploads_at ON uploads (uploaded_at);
CREATE INDEX attachments_blob ON attachments (blob_key);
CREATE INDEX raw_contacts_body_key ON raw_contacts (body_key) WHERE body_key IS NOT NULL;
CREATE INDEX raw_contacts_files ON raw_contacts USING gin (files jsonb_path_ops) WHERE files <> '[]';
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(UPLOADS)
