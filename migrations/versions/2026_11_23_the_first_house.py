"""The first house: door record, records, history that cannot be edited, the outbox, the counters."""

from __future__ import annotations

from alembic import op

revision = "2026_11_23_the_first_house"
down_revision = None
branch_labels = None
depends_on = None

DOOR = """
-- The receipts' key lives in a small table of its own; raw_contacts may later be partitioned by month on its id.
CREATE TABLE receipts (
    channel text NOT NULL,
    account text NOT NULL,
    external_id text NOT NULL,
    contact_id uuid NOT NULL,
    code char(12) NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (channel, account, external_id)
);
CREATE UNIQUE INDEX receipts_code ON receipts (code);
CREATE UNIQUE INDEX receipts_contact ON receipts (contact_id);

CREATE TABLE raw_contacts (
    id uuid PRIMARY KEY,
    channel text NOT NULL,
    account text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('contact', 'report')),
    media_type text NOT NULL,
    body bytea,
    body_key text,
    size bigint NOT NULL,
    envelope jsonb NOT NULL,
    files jsonb NOT NULL,
    trace text NOT NULL,
    received_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'filed', 'joined', 'ignored', 'quarantined')),
    reason text NOT NULL DEFAULT '',
    settled_at timestamptz,
    CHECK ((body IS NULL) <> (body_key IS NULL))
);
CREATE INDEX raw_contacts_waiting ON raw_contacts (received_at) WHERE state = 'waiting';
CREATE INDEX raw_contacts_received ON raw_contacts (received_at);

-- A quarantined contact is a work item: it has a reason, an owner, a clock, and an end.
CREATE TABLE quarantine (
    contact_id uuid PRIMARY KEY REFERENCES raw_contacts,
    channel text NOT NULL,
    reason text NOT NULL,
    entered_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    owner_id uuid,
    tries int NOT NULL DEFAULT 1,
    ended_at timestamptz,
    ended_how text NOT NULL DEFAULT '' CHECK (ended_how IN ('', 'replayed', 'ignored'))
);
CREATE INDEX quarantine_open ON quarantine (due_at) WHERE ended_at IS NULL;

-- Attempts that were not even a contact: bad signatures, wrong secrets. The peer is a keyed hash.
CREATE TABLE refusals (
    id uuid PRIMARY KEY,
    channel text NOT NULL,
    account text NOT NULL,
    reason text NOT NULL,
    peer_hash text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX refusals_at ON refusals (at);
"""

RECORDS = """
CREATE TABLE units (
    id uuid PRIMARY KEY,
    key text NOT NULL UNIQUE,
    name_fa text NOT NULL,
    name_en text NOT NULL,
    parent_id uuid REFERENCES units
);

CREATE TABLE subjects (
    id uuid PRIMARY KEY,
    key text NOT NULL UNIQUE,
    name_fa text NOT NULL,
    name_en text NOT NULL,
    parent_id uuid REFERENCES subjects,
    unit_id uuid REFERENCES units
);

CREATE TABLE agents (
    id uuid PRIMARY KEY,
    login text NOT NULL UNIQUE,
    name_fa text NOT NULL,
    name_en text NOT NULL,
    password_hash text NOT NULL,
    unit_id uuid NOT NULL REFERENCES units,
    language text NOT NULL DEFAULT 'fa' CHECK (language IN ('fa', 'en')),
    calendar text NOT NULL DEFAULT 'solar' CHECK (calendar IN ('solar', 'gregorian')),
    theme text NOT NULL DEFAULT 'auto' CHECK (theme IN ('auto', 'light', 'dark')),
    active boolean NOT NULL DEFAULT true
);

-- What an agent may do, for one unit or (unit_id null) everywhere. There are no role names in the code.
CREATE TABLE permissions (
    id uuid PRIMARY KEY,
    agent_id uuid NOT NULL REFERENCES agents,
    permission text NOT NULL,
    unit_id uuid REFERENCES units,
    UNIQUE NULLS NOT DISTINCT (agent_id, permission, unit_id)
);

CREATE TABLE sessions (
    token_hash text PRIMARY KEY,
    agent_id uuid NOT NULL REFERENCES agents,
    csrf text NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);

-- Throttles need no durability: losing them in a crash only forgives a few tries.
CREATE UNLOGGED TABLE throttles (
    key text PRIMARY KEY,
    window_started timestamptz NOT NULL,
    tries int NOT NULL
);

-- Nothing here, or anywhere, can mark a person as more important than another.
CREATE TABLE persons (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    language text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);

CREATE TABLE addresses (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES persons,
    kind text NOT NULL CHECK (kind IN ('email', 'phone')),
    value text NOT NULL,
    raw text NOT NULL,
    -- typed into a form, not shown by a message that came from it: proves nothing about whose it is
    claimed boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX addresses_of_person ON addresses (person_id, kind, value);
CREATE INDEX addresses_value ON addresses (kind, value, created_at);

CREATE TABLE cases (
    id uuid PRIMARY KEY,
    code char(12) NOT NULL UNIQUE,
    reply_token text NOT NULL UNIQUE,
    title text NOT NULL,
    nature text NOT NULL DEFAULT '',
    language text NOT NULL,
    channel text NOT NULL,
    account text NOT NULL,
    person_id uuid REFERENCES persons,
    subject_id uuid REFERENCES subjects,
    unit_id uuid NOT NULL REFERENCES units,
    assignee_id uuid REFERENCES agents,
    status text NOT NULL CHECK (status IN ('new', 'open', 'waiting', 'closed')),
    opened_at timestamptz NOT NULL,
    status_at timestamptz NOT NULL,
    last_contact_at timestamptz NOT NULL,
    version int NOT NULL DEFAULT 1
);
CREATE INDEX cases_queue ON cases (unit_id, status, last_contact_at DESC, id DESC);
CREATE INDEX cases_mine ON cases (assignee_id, status, last_contact_at DESC, id DESC);
CREATE INDEX cases_recent ON cases (status, last_contact_at DESC, id DESC);
CREATE INDEX cases_person ON cases (person_id, last_contact_at DESC);

-- One line of a case's conversation; an inbound contact keeps the id of its raw contact.
CREATE TABLE contacts (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    direction text NOT NULL CHECK (direction IN ('in', 'out', 'note')),
    channel text NOT NULL,
    account text NOT NULL,
    person_id uuid REFERENCES persons,
    agent_id uuid REFERENCES agents,
    address text NOT NULL DEFAULT '',
    title text NOT NULL DEFAULT '',
    text text NOT NULL,
    folded_quote text NOT NULL DEFAULT '',
    html text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '',
    search text NOT NULL DEFAULT '',
    headers jsonb NOT NULL DEFAULT '[]',
    labels text[] NOT NULL DEFAULT '{}',
    message_id text NOT NULL DEFAULT '',
    automatic boolean NOT NULL DEFAULT false,
    public boolean NOT NULL DEFAULT true,
    at timestamptz NOT NULL
);
CREATE INDEX contacts_case ON contacts (case_id, at, id);

CREATE TABLE attachments (
    id uuid PRIMARY KEY,
    contact_id uuid NOT NULL REFERENCES contacts,
    role text NOT NULL CHECK (role IN ('attachment', 'inline', 'recording', 'fax', 'original', 'rendition')),
    name text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    blob_key text NOT NULL,
    content_id text NOT NULL DEFAULT '',
    position int NOT NULL DEFAULT 0
);
CREATE INDEX attachments_contact ON attachments (contact_id, position);

-- Message-IDs of both directions, for In-Reply-To and References.
CREATE TABLE message_ids (
    message_id text NOT NULL,
    case_id uuid NOT NULL REFERENCES cases,
    PRIMARY KEY (message_id, case_id)
);

-- A stranger quoted somebody's token, or the like: linked, never joined, and a person decides.
CREATE TABLE case_relations (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    other_case_id uuid NOT NULL REFERENCES cases,
    contact_id uuid REFERENCES contacts,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    decided_by uuid REFERENCES agents,
    decided_at timestamptz,
    decision text NOT NULL DEFAULT '' CHECK (decision IN ('', 'kept', 'dismissed'))
);
CREATE INDEX case_relations_case ON case_relations (case_id);
CREATE INDEX case_relations_other ON case_relations (other_case_id);

CREATE TABLE case_events (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    at timestamptz NOT NULL,
    agent_id uuid REFERENCES agents,
    kind text NOT NULL,
    data jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX case_events_case ON case_events (case_id, at, id);

CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    contact_id uuid NOT NULL REFERENCES contacts,
    case_id uuid NOT NULL REFERENCES cases,
    channel text NOT NULL,
    account text NOT NULL,
    address text NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'unknown')),
    attempts int NOT NULL DEFAULT 0,
    provider_ref text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    error_code text NOT NULL DEFAULT '',
    settled_by uuid REFERENCES agents,
    trace text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX deliveries_contact ON deliveries (contact_id);
CREATE INDEX deliveries_provider ON deliveries (channel, provider_ref) WHERE provider_ref <> '';
CREATE INDEX deliveries_trouble ON deliveries (changed_at) WHERE state IN ('failed', 'unknown') AND settled_by IS NULL;

CREATE TABLE delivery_events (
    id uuid PRIMARY KEY,
    delivery_id uuid NOT NULL REFERENCES deliveries,
    at timestamptz NOT NULL,
    state text NOT NULL,
    detail text NOT NULL DEFAULT ''
);
CREATE INDEX delivery_events_delivery ON delivery_events (delivery_id, at, id);

CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    agent_id uuid NOT NULL REFERENCES agents,
    case_id uuid REFERENCES cases,
    source_id uuid NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    read_at timestamptz,
    UNIQUE (agent_id, source_id)
);
CREATE INDEX notifications_unread ON notifications (agent_id, at DESC) WHERE read_at IS NULL;
CREATE INDEX notifications_agent ON notifications (agent_id, at DESC);

-- One-time links by which a citizen proves an e-mail address; only the token's hash is kept.
CREATE TABLE proof_tokens (
    token_hash text PRIMARY KEY,
    code char(12) NOT NULL,
    made_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    used_at timestamptz
);
"""

OUTBOX = """
-- Work to be done, written in the commit that makes it necessary, deleted in the commit that does it.
-- A claim moves due_at into the future (a lease) and counts the attempt; a crash lets the lease run out.
CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    topic text NOT NULL,
    ref uuid NOT NULL,
    trace text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts int NOT NULL DEFAULT 0,
    failed_at timestamptz,
    error text NOT NULL DEFAULT ''
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, fillfactor = 80);
CREATE INDEX outbox_due ON outbox (topic, due_at, id) WHERE failed_at IS NULL;
CREATE INDEX outbox_failed ON outbox (failed_at) WHERE failed_at IS NOT NULL;

CREATE FUNCTION outbox_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('zrm_outbox', topic) FROM (SELECT DISTINCT topic FROM added WHERE due_at <= now()) AS topics;
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_ring AFTER INSERT ON outbox REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_ring();
"""

COUNTERS = """
-- Counting a queue does not read the queue: every change appends a difference; the relay folds them now and then.
CREATE TABLE case_counts (unit_id uuid NOT NULL, status text NOT NULL, assignee_id uuid, n bigint NOT NULL);
CREATE TABLE contact_counts (channel text NOT NULL, hour timestamptz NOT NULL, state text NOT NULL, n bigint NOT NULL);
CREATE INDEX contact_counts_hour ON contact_counts (hour);

CREATE FUNCTION count_cases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO case_counts SELECT unit_id, status, assignee_id, count(*) FROM added GROUP BY 1, 2, 3;
    ELSE
        INSERT INTO case_counts
        SELECT unit_id, status, assignee_id, sum(n) FROM (
            SELECT unit_id, status, assignee_id, 1 AS n FROM added
            UNION ALL SELECT unit_id, status, assignee_id, -1 FROM removed
        ) AS change GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_new_cases AFTER INSERT ON cases REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_cases();
CREATE TRIGGER count_moved_cases AFTER UPDATE ON cases REFERENCING NEW TABLE AS added OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_cases();

CREATE FUNCTION count_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO contact_counts
        SELECT channel, date_trunc('hour', received_at, 'UTC'), state, count(*) FROM added GROUP BY 1, 2, 3;
    ELSE
        INSERT INTO contact_counts
        SELECT channel, hour, state, sum(n) FROM (
            SELECT channel, date_trunc('hour', received_at, 'UTC') AS hour, state, 1 AS n FROM added
            UNION ALL SELECT channel, date_trunc('hour', received_at, 'UTC'), state, -1 FROM removed
        ) AS change GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_new_contacts AFTER INSERT ON raw_contacts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_contacts();
CREATE TRIGGER count_settled_contacts AFTER UPDATE ON raw_contacts REFERENCING NEW TABLE AS added OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_contacts();
"""

HISTORY = """
-- History is appended, never edited: the database itself refuses.
CREATE FUNCTION refuse_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON delivery_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refusals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER nothing_is_thrown_away BEFORE DELETE OR TRUNCATE ON raw_contacts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
"""


def upgrade() -> None:
    """Forward only."""
    for part in (DOOR, RECORDS, OUTBOX, COUNTERS, HISTORY):
        op.get_bind().exec_driver_sql(part)
