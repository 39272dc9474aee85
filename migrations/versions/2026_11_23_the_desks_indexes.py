"""The desk's indexes: cases nobody has, answers in trouble, the sessions of an agent."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_the_desks_indexes"
down_revision = "2026_11_23_the_first_house"
branch_labels = None
depends_on = None

INDEXES = """
CREATE INDEX cases_unassigned ON cases (last_contact_at DESC, id DESC)
    WHERE assignee_id IS NULL AND status IN ('new', 'open');
CREATE INDEX cases_unassigned_unit ON cases (unit_id, last_contact_at DESC, id DESC)
    WHERE assignee_id IS NULL AND status IN ('new', 'open');
CREATE INDEX deliveries_case ON deliveries (case_id);
CREATE INDEX deliveries_trouble_case ON deliveries (case_id)
    WHERE state IN ('failed', 'unknown') AND settled_by IS NULL;
CREATE INDEX sessions_agent ON sessions (agent_id);
-- The ledger counts receipts by the hour; they come in order of time, so a few pages of BRIN are enough.
CREATE INDEX receipts_received ON receipts USING brin (received_at) WITH (pages_per_range = 16);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(INDEXES)
