"""Who else a case's mails went to is found without reading the mails that went to nobody else.

Reads contacts whole; they are written meanwhile.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "2026_11_28_who_was_copied"
down_revision = "2026_11_28_natures_nobody_chose"
branch_labels = None
depends_on = None

INDEXES: Final = {"contacts_copied": "contacts (case_id, at, id) WHERE direction = 'in' AND copied <> '{}'"}


def upgrade() -> None:
    """Forward only."""
    with op.get_context().autocommit_block():
        for name, where in INDEXES.items():
            # One whose making was interrupted is still there, and invalid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {where}")
