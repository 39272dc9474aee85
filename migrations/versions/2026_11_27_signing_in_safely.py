"""A second step, passkeys, an identity provider's accounts, and what agents are told of their own sessions."""

from __future__ import annotations

from alembic import op

revision = "2026_11_27_signing_in_safely"
down_revision = "2026_11_27_everywhere"
branch_labels = None
depends_on = None

SESSIONS = """
-- `stage`: what the session is good for. Only signed_in opens the desk; the others lead to what is still missing.
-- `proven_at`: when its agent last showed who they are; steps that matter ask for a proof of the last minutes.
ALTER TABLE sessions
    ADD COLUMN id uuid NOT NULL DEFAULT uuidv7(),
    ADD COLUMN stage text NOT NULL DEFAULT 'signed_in' CHECK (stage IN ('signed_in', 'second_step', 'set_up')),
    ADD COLUMN how text NOT NULL DEFAULT 'password',
    ADD COLUMN browser text NOT NULL DEFAULT '',
    ADD COLUMN system text NOT NULL DEFAULT '',
    ADD COLUMN proven_at timestamptz NOT NULL DEFAULT now();
UPDATE sessions SET proven_at = started_at;
CREATE UNIQUE INDEX sessions_id ON sessions (id);

CREATE TABLE sign_ins (
    id uuid PRIMARY KEY,
    agent_id uuid NOT NULL REFERENCES agents,
    at timestamptz NOT NULL,
    how text NOT NULL,
    browser text NOT NULL,
    system text NOT NULL,
    known boolean NOT NULL
);
CREATE INDEX sign_ins_agent ON sign_ins (agent_id, at DESC);
"""

SECOND_STEPS = """
-- The secret is sealed with the installation's key; `last_step` is the newest time step whose code was used.
CREATE TABLE authenticators (
    agent_id uuid PRIMARY KEY REFERENCES agents,
    sealed bytea NOT NULL,
    last_step bigint NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL,
    confirmed_at timestamptz
);

CREATE TABLE recovery_codes (
    agent_id uuid NOT NULL REFERENCES agents,
    code_hash text NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (agent_id, code_hash)
);

CREATE TABLE passkeys (
    id uuid PRIMARY KEY,
    agent_id uuid NOT NULL REFERENCES agents,
    credential_id bytea NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    transports text[] NOT NULL,
    name text NOT NULL,
    made_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX passkeys_agent ON passkeys (agent_id);

-- Who an agent is at an identity provider; one account of a provider is one agent, for ever.
CREATE TABLE provider_accounts (
    issuer text NOT NULL,
    subject text NOT NULL,
    agent_id uuid NOT NULL REFERENCES agents,
    linked_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject),
    UNIQUE (agent_id, issuer)
);

-- Challenges that were answered, until they are too old anyway: losing them in a crash costs those minutes.
CREATE UNLOGGED TABLE used_challenges (
    challenge_hash text PRIMARY KEY,
    at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Forward only."""
    for part in (SESSIONS, SECOND_STEPS):
        op.get_bind().exec_driver_sql(part)
