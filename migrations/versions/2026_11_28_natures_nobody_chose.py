"""A telephone message has the nature its caller chose, and none was asked: all were filed as complaints.

Where an agent has said since what a case is about, that stays. Reads cases whole; only telephone cases are written.
"""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_natures_nobody_chose"
down_revision = "2026_11_28_addresses_that_prove"
branch_labels = None
depends_on = None

NOT_SAID = """
UPDATE cases k SET nature = '' WHERE channel = 'voice_ivr' AND nature = 'complaint'
    AND NOT EXISTS (SELECT FROM case_events e WHERE e.case_id = k.id AND e.kind = 'classify')
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(NOT_SAID)
