"""Messages in parts: those that come in, and those we send whose parts are reported one by one."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_in_parts"
down_revision = "2026_11_23_preferred_language"
branch_labels = None
depends_on = None

IN_PARTS = """
CREATE TABLE message_parts (
    raw_id uuid PRIMARY KEY REFERENCES raw_contacts,
    channel text NOT NULL,
    key text NOT NULL,
    number int NOT NULL,
    digest text NOT NULL,
    received_at timestamptz NOT NULL,
    filed_as uuid REFERENCES raw_contacts
);
CREATE INDEX message_parts_key ON message_parts (channel, key, received_at);

-- What carries the parts is a delivery or an answer the house gave by itself.
CREATE TABLE delivery_parts (
    channel text NOT NULL,
    provider_ref text NOT NULL,
    delivery_id uuid NOT NULL,
    number int NOT NULL,
    state text NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'delivered', 'failed')),
    PRIMARY KEY (channel, provider_ref)
);
CREATE INDEX delivery_parts_delivery ON delivery_parts (delivery_id, number);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(IN_PARTS)
