"""Codes that went to addresses typed into a form are counted each hour, quickly.

Reads contacts whole; they are filed meanwhile.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "2026_11_28_codes_to_typed"
down_revision = "2026_11_28_uploads"
branch_labels = None
depends_on = None

INDEXES: Final = {"contacts_typed": "contacts (at) WHERE automatic AND 'typed_address' = ANY(labels)"}


def upgrade() -> None:
    """Forward only."""
    with op.get_context().autocommit_block():
        for name, where in INDEXES.items():
            # One whose making was interrupted is still there, and invalid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {where}")
