"""Uploads that no contact carries yet, and how to find who refers to a file.

Reads attachments and raw contacts whole; they are written meanwhile.
"""

from __future__ import annotations

from typing import Final

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
"""
INDEXES: Final = {
    "attachments_blob": "attachments (blob_key)",
    "raw_contacts_body_key": "raw_contacts (body_key) WHERE body_key IS NOT NULL",
    "raw_contacts_files": "raw_contacts USING gin (files jsonb_path_ops) WHERE files <> '[]'",
}


def upgrade() -> None:
    """Forward only."""
    with op.get_context().autocommit_block():
        for name, where in INDEXES.items():
            # One whose making was interrupted is still there, and invalid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {where}")
    op.get_bind().exec_driver_sql(UPLOADS)
