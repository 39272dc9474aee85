"""How often a bound refused somebody, by what it is a bound of."""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_refused_tries"
down_revision = "2026_11_28_codes_to_typed"
branch_labels = None
depends_on = None

# As the throttles: what a crash takes away is begun anew.
TRIES = """
CREATE UNLOGGED TABLE refused_tries (
    purpose text PRIMARY KEY,
    times bigint NOT NULL
);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(TRIES)
