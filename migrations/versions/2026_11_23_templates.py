"""Texts that units write once and use often; how a person wants to be answered; a list of mine that knows its units."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_templates"
down_revision = "2026_11_23_door_cursors"
branch_labels = None
depends_on = None

TEMPLATES = """
-- Of one unit, or (unit_id null) of all. A greeting and a signature stand around the answers of their unit.
CREATE TABLE templates (
    id uuid PRIMARY KEY,
    unit_id uuid REFERENCES units,
    kind text NOT NULL CHECK (kind IN ('answer', 'greeting', 'signature')),
    name_fa text NOT NULL,
    name_en text NOT NULL,
    text_fa text NOT NULL,
    text_en text NOT NULL,
    version int NOT NULL DEFAULT 1,
    changed_by uuid REFERENCES agents,
    changed_at timestamptz NOT NULL,
    retired_at timestamptz
);
CREATE INDEX templates_unit ON templates (unit_id) WHERE retired_at IS NULL;
-- Who may hand cases out may write the texts they are answered with.
INSERT INTO permissions (id, agent_id, permission, unit_id)
SELECT gen_random_uuid(), agent_id, 'template.manage', unit_id FROM permissions WHERE permission = 'case.assign';

ALTER TABLE persons ADD COLUMN preferred_channel text NOT NULL DEFAULT '';

-- The list of an agent's own cases asks for their units too: without a look at the table itself.
DROP INDEX cases_mine;
CREATE INDEX cases_mine ON cases (assignee_id, status, last_contact_at DESC, id DESC) INCLUDE (unit_id);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(TEMPLATES)
