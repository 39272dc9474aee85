"""What citizens say by themselves, by any channel: stop writing here, how content they were, where a dialogue stands."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_self_service"
down_revision = "2026_11_23_the_desks_indexes"
branch_labels = None
depends_on = None

SELF_SERVICE = """
-- Append-only in spirit: the newest row of an address says whether we may write there.
CREATE TABLE opt_outs (
    id uuid PRIMARY KEY,
    channel text NOT NULL,
    account text NOT NULL,
    address text NOT NULL,
    out boolean NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX opt_outs_address ON opt_outs (channel, address, at DESC);

CREATE TABLE ratings (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    channel text NOT NULL,
    score int NOT NULL CHECK (score BETWEEN 1 AND 5),
    at timestamptz NOT NULL
);
CREATE INDEX ratings_case ON ratings (case_id, at DESC);

-- Where a dialogue with a citizen stands between two of their messages; forgotten when it ends.
CREATE TABLE dialogue_notes (
    channel text NOT NULL,
    key text NOT NULL,
    note jsonb NOT NULL,
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (channel, key)
);
"""


def upgrade() -> None:
    """Forward only."""
    op.get_bind().exec_driver_sql(SELF_SERVICE)
