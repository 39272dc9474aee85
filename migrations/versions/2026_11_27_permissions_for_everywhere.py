"""Permissions that act on what belongs to no unit hold everywhere or not at all."""

from __future__ import annotations

from alembic import op

from zrm.kit import log

revision = "2026_11_27_everywhere"
down_revision = "2026_11_24_scanned_files"
branch_labels = None
depends_on = None

# Given for one unit, they acted on everything. Who gave them so meant less than everything: they are taken back, and
# said, so that whoever looks after permissions can give them everywhere to those who should have them.
TAKEN_BACK = """
DELETE FROM permissions p USING agents a, units u
WHERE a.id = p.agent_id AND u.id = p.unit_id AND p.permission IN ('quarantine.handle', 'ledger.view')
RETURNING a.login, p.permission, u.key
"""

CONSTRAINT = """
ALTER TABLE permissions ADD CONSTRAINT permissions_only_everywhere
    CHECK (unit_id IS NULL OR permission NOT IN ('quarantine.handle', 'ledger.view'))
"""


def upgrade() -> None:
    """Forward only."""
    connection = op.get_bind()
    for login, permission, unit in connection.exec_driver_sql(TAKEN_BACK).all():
        log.get("zrm.migrations").warning(
            "permission taken back: it acts on what belongs to no unit and can only be given everywhere",
            agent=login,
            permission=permission,
            unit=unit,
        )
    connection.exec_driver_sql(CONSTRAINT)
