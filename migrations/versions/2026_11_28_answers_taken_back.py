"""An answer that its writer takes back before it leaves is kept as such: it was never sent, and no citizen sees it.

Contacts and deliveries are read whole under a lock against everybody.
"""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_taken_back"
down_revision = "2026_11_28_installation"
branch_labels = None
depends_on = None

# The constraints only become wider; PostgreSQL looks at every row once all the same.
STATEMENTS = """
ALTER TABLE contacts DROP CONSTRAINT contacts_direction_check,
    ADD CONSTRAINT contacts_direction_check CHECK (direction IN ('in', 'out', 'note', 'withdrawn'));
ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_check,
    ADD CONSTRAINT deliveries_state_check
        CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'unknown', 'withdrawn'))
"""


def upgrade() -> None:
    """Forward only."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
