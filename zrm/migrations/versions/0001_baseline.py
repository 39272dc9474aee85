"""The schema of the first release: every table, index and trigger, area by area.

Takes no lock that anybody could wait for: nothing is there yet.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from zrm.errors import ConfigError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

EXTENSIONS = "CREATE EXTENSION IF NOT EXISTS pg_trgm"  # finds what is inside words

# What comes in: kept before anybody is told that it was received.
INBOX = """
-- The key by which a sender's repeat is recognised, and what was answered to it.
CREATE TABLE receipts (
    channel text NOT NULL,
    account text NOT NULL,
    external_id text NOT NULL,
    contact_id uuid NOT NULL,
    code char(12) NOT NULL,
    received_at timestamptz NOT NULL,
    -- what the same id is compared by when it comes again
    content text NOT NULL,
    PRIMARY KEY (channel, account, external_id)
);
CREATE UNIQUE INDEX receipts_contact ON receipts (contact_id);
-- The ledger counts receipts by the hour; they come in order of time, so a few pages of BRIN are enough.
CREATE INDEX receipts_received ON receipts USING brin (received_at) WITH (pages_per_range = 16);

-- Where a code leads. A table of its own, so that each of the two can be split by its own key when it has grown. A code
-- that leads to no contact was drawn for one that came twice at the same moment. Filing writes the case once, in the page
-- (fillfactor): the code leads there when its contact has been taken off with its month.
CREATE TABLE tracking_codes (
    code char(12) PRIMARY KEY,
    contact_id uuid NOT NULL,
    case_id uuid
) WITH (fillfactor = 70);

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
    reason_code text NOT NULL DEFAULT '',
    reason_params jsonb NOT NULL DEFAULT '{}',
    settled_at timestamptz,
    erased_at timestamptz,
    -- It is in the row, in the blob store, or erased: never lost.
    CONSTRAINT raw_contacts_body CHECK (num_nonnulls(body, body_key, erased_at) = 1),
    CONSTRAINT raw_contacts_erased CHECK (
        erased_at IS NULL OR state IN ('filed', 'joined', 'ignored') AND envelope = '{}' AND files = '[]'
    )
) PARTITION BY RANGE (id);
CREATE INDEX raw_contacts_waiting ON raw_contacts (received_at) WHERE state = 'waiting';
-- As the receipts': a B-tree would cost every contact that comes in.
CREATE INDEX raw_contacts_received ON raw_contacts USING brin (received_at) WITH (pages_per_range = 16);
-- The tracking page shows a message that was just sent: what waits for its case is found by the case's code.
CREATE INDEX raw_contacts_conversation ON raw_contacts ((envelope ->> 'conversation'), received_at)
    WHERE state IN ('waiting', 'quarantined') AND envelope ->> 'conversation' IS NOT NULL;
-- The rows that refer to a blob.
CREATE INDEX raw_contacts_body_key ON raw_contacts (body_key) WHERE body_key IS NOT NULL;
CREATE INDEX raw_contacts_files ON raw_contacts USING gin (files jsonb_path_ops) WHERE files <> '[]';

-- Blobs that a citizen uploaded and no contact carries yet.
CREATE TABLE uploads (
    blob_key text PRIMARY KEY,
    uploaded_at timestamptz NOT NULL
);
CREATE INDEX uploads_at ON uploads (uploaded_at);

-- A quarantined contact is a work item: it has a reason, an owner, a clock, and an end.
CREATE TABLE quarantine (
    contact_id uuid PRIMARY KEY,
    channel text NOT NULL,
    reason_code text NOT NULL,
    reason_params jsonb NOT NULL DEFAULT '{}',
    entered_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    owner_id uuid,
    tries int NOT NULL DEFAULT 1,
    refiling_at timestamptz,
    ended_at timestamptz,
    ended_how text NOT NULL DEFAULT '' CHECK (ended_how IN ('', 'replayed', 'ignored'))
);
CREATE INDEX quarantine_open ON quarantine (due_at) WHERE ended_at IS NULL;

-- Messages that come in parts, until they are whole and filed as one.
CREATE TABLE message_parts (
    raw_id uuid PRIMARY KEY,
    channel text NOT NULL,
    key text NOT NULL,
    number int NOT NULL,
    digest text NOT NULL,
    received_at timestamptz NOT NULL,
    filed_as uuid
);
CREATE INDEX message_parts_key ON message_parts (channel, key, received_at);

-- Written by the doors, each from its own journal and never in the transaction that keeps a contact. Whoever said yes
-- to the same contact twice is here once; to another content under the same receipt, twice.
CREATE TABLE door_answers (
    contact_id uuid NOT NULL,
    content text NOT NULL,
    channel text NOT NULL,
    received_at timestamptz NOT NULL,
    kept boolean NOT NULL DEFAULT false,  -- its receipt was found when this was last compared
    PRIMARY KEY (contact_id, content)
);
CREATE INDEX door_answers_received ON door_answers (received_at);
CREATE INDEX door_answers_unkept ON door_answers (received_at) WHERE NOT kept;

-- How far a door has read a source that remembers nothing for it: a mailbox by UIDVALIDITY and UID.
CREATE TABLE checkpoints (
    channel text NOT NULL,
    key text NOT NULL,
    position jsonb NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (channel, key)
);

-- Attempts that were not even a contact: bad signatures, wrong secrets. The peer is a keyed hash.
CREATE TABLE refusals (
    id uuid PRIMARY KEY,
    channel text NOT NULL,
    account text NOT NULL,
    reason_code text NOT NULL,
    reason_params jsonb NOT NULL DEFAULT '{}',
    peer_hash text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX refusals_at ON refusals (at);
"""

# Units, subjects, agents, permissions and templates.
ORGANISATION = """
-- Names and texts are by language, {"fa": …, "en": …}: a further language is a further key.
CREATE TABLE units (
    id uuid PRIMARY KEY,
    key text NOT NULL UNIQUE,
    names jsonb NOT NULL CHECK (names <> '{}'),
    parent_id uuid REFERENCES units
);

CREATE TABLE subjects (
    id uuid PRIMARY KEY,
    key text NOT NULL UNIQUE,
    names jsonb NOT NULL CHECK (names <> '{}'),
    parent_id uuid REFERENCES subjects,
    unit_id uuid REFERENCES units,
    position int NOT NULL DEFAULT 0,
    retired_at timestamptz  -- offered no more
);

-- What kind of matter a case is. A retired one is offered no more.
CREATE TABLE natures (
    key text PRIMARY KEY,
    names jsonb NOT NULL CHECK (names <> '{}'),
    position int NOT NULL,
    retired_at timestamptz
);
INSERT INTO natures (key, names, position) VALUES
    ('complaint', '{"fa": "شکایت", "en": "Complaint"}', 1),
    ('request', '{"fa": "درخواست", "en": "Request"}', 2),
    ('suggestion', '{"fa": "پیشنهاد", "en": "Suggestion"}', 3),
    ('criticism', '{"fa": "انتقاد", "en": "Criticism"}', 4),
    ('report', '{"fa": "گزارش", "en": "Report"}', 5);

CREATE TABLE agents (
    id uuid PRIMARY KEY,
    login text NOT NULL UNIQUE,
    names jsonb NOT NULL CHECK (names <> '{}'),
    password_hash text NOT NULL,
    unit_id uuid NOT NULL REFERENCES units,
    language text NOT NULL DEFAULT 'fa',
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
    UNIQUE NULLS NOT DISTINCT (agent_id, permission, unit_id),
    -- what acts on what belongs to no unit
    CONSTRAINT permissions_only_everywhere
        CHECK (unit_id IS NULL OR permission NOT IN ('quarantine.handle', 'ledger.view', 'contact.erase'))
);

-- Of one unit, or (unit_id null) of all. A greeting and a signature stand around the answers of their unit.
CREATE TABLE templates (
    id uuid PRIMARY KEY,
    unit_id uuid REFERENCES units,
    kind text NOT NULL CHECK (kind IN ('answer', 'greeting', 'signature', 'acknowledgement')),
    names jsonb NOT NULL CHECK (names <> '{}'),
    texts jsonb NOT NULL CHECK (texts <> '{}'),
    version int NOT NULL DEFAULT 1,
    changed_by uuid REFERENCES agents,
    changed_at timestamptz NOT NULL,
    retired_at timestamptz
);
CREATE INDEX templates_unit ON templates (unit_id) WHERE retired_at IS NULL;
"""

SIGNING_IN = """
-- `stage`: what the session is good for. Only signed_in opens the desk; the others lead to what is still missing.
-- `proven_at`: when its agent last showed who they are; steps that matter ask for a proof of the last minutes.
CREATE TABLE sessions (
    token_hash text PRIMARY KEY,
    id uuid NOT NULL DEFAULT uuidv7(),
    agent_id uuid NOT NULL REFERENCES agents,
    csrf text NOT NULL,
    stage text NOT NULL DEFAULT 'signed_in' CHECK (stage IN ('signed_in', 'second_step', 'set_up')),
    how text NOT NULL DEFAULT 'password',
    browser text NOT NULL DEFAULT '',
    system text NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    proven_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX sessions_id ON sessions (id);
CREATE INDEX sessions_agent ON sessions (agent_id);

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

-- An agent's account at an identity provider; an account always belongs to one agent.
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

-- Throttles need no durability: losing them in a crash only forgives a few tries.
CREATE UNLOGGED TABLE throttles (
    key text PRIMARY KEY,
    window_started timestamptz NOT NULL,
    tries int NOT NULL
);

-- How often a throttle refused a request, by its purpose; after a crash the count starts from zero.
CREATE UNLOGGED TABLE refused_tries (
    purpose text PRIMARY KEY,
    times bigint NOT NULL
);
"""

PERSONS = """
-- Nothing here, or anywhere, can mark a person as more important than another.
CREATE TABLE persons (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    -- in which they first wrote
    language text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    -- how they asked to be answered
    preferred_channel text NOT NULL DEFAULT '',
    preferred_language text NOT NULL DEFAULT '',
    -- who an agent says this is as well; a person with a canonical one is nobody else's
    canonical_id uuid REFERENCES persons CHECK (canonical_id <> id)
);
CREATE INDEX persons_canonical ON persons (canonical_id) WHERE canonical_id IS NOT NULL;

-- The ids under which a person is known: whatever lists what is theirs asks by it.
CREATE FUNCTION same_person(person uuid) RETURNS TABLE (id uuid) LANGUAGE sql STABLE AS $$
    SELECT same.id FROM persons one
    JOIN persons same ON same.id = coalesce(one.canonical_id, one.id) OR same.canonical_id = coalesce(one.canonical_id, one.id)
    WHERE one.id = person
$$;

CREATE TABLE addresses (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES persons,
    kind text NOT NULL CHECK (kind <> ''),
    value text NOT NULL,
    raw text NOT NULL,
    -- typed into a form, not shown by a message that came from it: proves nothing about whose it is
    claimed boolean NOT NULL,
    created_at timestamptz NOT NULL,
    -- since when what we send there comes back
    doubtful_at timestamptz
);
CREATE UNIQUE INDEX addresses_of_person ON addresses (person_id, kind, value);
CREATE INDEX addresses_value ON addresses (kind, value, created_at);
CREATE INDEX addresses_search ON addresses USING gin (value gin_trgm_ops);

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

-- Where a dialogue with a citizen stands between two of their messages; forgotten when it ends.
CREATE TABLE dialogue_states (
    channel text NOT NULL,
    key text NOT NULL,
    state jsonb NOT NULL,
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (channel, key)
);
CREATE INDEX dialogue_states_ending ON dialogue_states (channel, ends_at);

-- One-time links by which a citizen proves an e-mail address; only the token's hash is kept.
CREATE TABLE proof_tokens (
    token_hash text PRIMARY KEY,
    code char(12) NOT NULL,
    made_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    used_at timestamptz
);
"""

CASES = """
CREATE TABLE cases (
    id uuid PRIMARY KEY,
    code char(12) NOT NULL UNIQUE,
    reply_token text NOT NULL UNIQUE,
    title text NOT NULL,
    description jsonb NOT NULL DEFAULT '[]',  -- in place of a title: it began without words
    nature text REFERENCES natures,  -- null: nobody chose one
    language text NOT NULL,
    channel text NOT NULL,
    account text NOT NULL,
    person_id uuid REFERENCES persons,
    -- the addresses its first contact gave
    opened_from text[] NOT NULL DEFAULT '{}',
    subject_id uuid REFERENCES subjects,
    unit_id uuid NOT NULL REFERENCES units,
    assignee_id uuid REFERENCES agents,
    status text NOT NULL CHECK (status IN ('new', 'open', 'waiting', 'closed')),
    opened_at timestamptz NOT NULL,
    status_at timestamptz NOT NULL,
    last_contact_at timestamptz NOT NULL,
    -- when it was closed last, and what came of it; only a closed case has them
    closed_at timestamptz,
    result text NOT NULL DEFAULT '',
    version int NOT NULL DEFAULT 1,
    CONSTRAINT cases_closed CHECK ((status = 'closed') = (closed_at IS NOT NULL) AND (result = '' OR status = 'closed'))
);
CREATE INDEX cases_unit ON cases (unit_id, status, last_contact_at DESC, id DESC);
-- With the units, so that an agent's own list need not look at the table for them.
CREATE INDEX cases_mine ON cases (assignee_id, status, last_contact_at DESC, id DESC) INCLUDE (unit_id);
CREATE INDEX cases_recent ON cases (status, last_contact_at DESC, id DESC);
CREATE INDEX cases_unassigned ON cases (last_contact_at DESC, id DESC)
    WHERE assignee_id IS NULL AND status IN ('new', 'open');
CREATE INDEX cases_unassigned_unit ON cases (unit_id, last_contact_at DESC, id DESC)
    WHERE assignee_id IS NULL AND status IN ('new', 'open');
CREATE INDEX cases_person ON cases (person_id, last_contact_at DESC);

-- One line of a case's conversation; an inbound contact keeps the id of its raw contact.
CREATE TABLE contacts (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    -- withdrawn: an answer that its writer took back before it left; no citizen sees it
    direction text NOT NULL CHECK (direction IN ('in', 'out', 'note', 'withdrawn')),
    channel text NOT NULL,
    account text NOT NULL,
    person_id uuid REFERENCES persons,
    agent_id uuid REFERENCES agents,
    address text NOT NULL DEFAULT '',
    -- what else the writer gave: where to answer, who had a copy, where they can be reached as well
    reply_to text[] NOT NULL DEFAULT '{}',
    copied text[] NOT NULL DEFAULT '{}',
    other_addresses text[] NOT NULL DEFAULT '{}',
    title text NOT NULL DEFAULT '',
    description jsonb NOT NULL DEFAULT '[]',  -- what we say of a contact without words
    text text NOT NULL,
    folded_quote text NOT NULL DEFAULT '',
    html text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '',
    headers jsonb NOT NULL DEFAULT '[]',
    labels text[] NOT NULL DEFAULT '{}',
    message_id text NOT NULL DEFAULT '',
    automatic boolean NOT NULL DEFAULT false,
    public boolean NOT NULL DEFAULT true,
    at timestamptz NOT NULL,
    -- until then it can be taken back and nobody outside sees it; null: it was never held
    leaves_at timestamptz,
    erased_at timestamptz,
    CONSTRAINT contacts_erased CHECK (
        erased_at IS NULL OR (address, title, text, folded_quote, html, message_id) = ('', '', '', '', '', '')
            AND description = '[]' AND headers = '[]' AND reply_to = '{}' AND copied = '{}' AND other_addresses = '{}'
    )
) PARTITION BY RANGE (id);
CREATE INDEX contacts_case ON contacts (case_id, at, id);
-- Finds the other recipients of a case's mails without reading the mails that have none.
CREATE INDEX contacts_copied ON contacts (case_id, at, id) WHERE direction = 'in' AND copied <> '{}';
-- Codes that went to addresses typed into a form are counted each hour.
CREATE INDEX contacts_typed ON contacts (at) WHERE automatic AND 'typed_address' = ANY(labels);

-- What each contact can be found by, beside it, so that the rows which lists and pages read stay narrow.
CREATE TABLE contact_search (
    contact_id uuid PRIMARY KEY,
    case_id uuid NOT NULL,
    at timestamptz NOT NULL,
    person_id uuid,
    address text NOT NULL,
    key text NOT NULL
);
CREATE INDEX contact_search_case ON contact_search (case_id, at, contact_id);
CREATE INDEX contact_search_key ON contact_search USING gin (key gin_trgm_ops);
CREATE INDEX contact_search_person ON contact_search (person_id) WHERE person_id IS NOT NULL;
-- A sender who shares an address is no particular person, and known by the address alone.
CREATE INDEX contact_search_nobody ON contact_search (address) WHERE person_id IS NULL;

CREATE TABLE attachments (
    id uuid PRIMARY KEY,
    contact_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('attachment', 'inline', 'recording', 'pages', 'original', 'rendition')),
    name text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    blob_key text NOT NULL,
    content_id text NOT NULL DEFAULT '',
    position int NOT NULL DEFAULT 0,
    -- empty: nobody was asked (no scanner then, or a file of ours)
    scan text NOT NULL DEFAULT '' CHECK (scan IN ('', 'waiting', 'clean', 'infected')),
    threat text NOT NULL DEFAULT ''
);
CREATE INDEX attachments_contact ON attachments (contact_id, position);
CREATE INDEX attachments_blob ON attachments (blob_key);

-- Files of a message that lie at a provider's and are still to be fetched.
CREATE TABLE remote_files (
    id uuid PRIMARY KEY,
    contact_id uuid NOT NULL,
    channel text NOT NULL,
    account text NOT NULL,
    address text NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    role text NOT NULL,
    content_id text NOT NULL,
    position int NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'fetched', 'failed')),
    reason_code text NOT NULL DEFAULT '',
    reason_params jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX remote_files_contact ON remote_files (contact_id);

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
    contact_id uuid,
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
    actor text NOT NULL CHECK (actor IN ('agent', 'citizen', 'system')),
    agent_id uuid REFERENCES agents,
    kind text NOT NULL,
    version smallint NOT NULL CHECK (version > 0),
    data jsonb NOT NULL,
    CONSTRAINT case_events_agent CHECK ((actor = 'agent') = (agent_id IS NOT NULL))
) PARTITION BY RANGE (id);
CREATE INDEX case_events_case ON case_events (case_id, at, id);
CREATE INDEX case_events_kind ON case_events (case_id, kind, at);

-- How content a citizen was with us.
CREATE TABLE ratings (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    channel text NOT NULL,
    score int NOT NULL CHECK (score BETWEEN 1 AND 5),
    at timestamptz NOT NULL
);
CREATE INDEX ratings_case ON ratings (case_id, at DESC);

CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    agent_id uuid NOT NULL REFERENCES agents,
    case_id uuid REFERENCES cases,
    source_id uuid NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    read_at timestamptz
) PARTITION BY RANGE (id);
CREATE INDEX notifications_unread ON notifications (agent_id, at DESC, id DESC) WHERE read_at IS NULL;
CREATE INDEX notifications_agent ON notifications (agent_id, at DESC, id DESC);
CREATE INDEX notifications_read ON notifications (read_at) WHERE read_at IS NOT NULL;

CREATE TABLE case_followers (
    case_id uuid NOT NULL REFERENCES cases,
    agent_id uuid NOT NULL REFERENCES agents,
    following boolean NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (case_id, agent_id)
);
"""

# What goes out, whatever it is: one family of tables.
OUTGOING = """
-- A contact of the case says it (contact_id), or it has its own words (text, title, language, in_reply_to).
CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    channel text NOT NULL,
    account text NOT NULL,
    address text NOT NULL,
    case_id uuid REFERENCES cases,
    contact_id uuid,
    -- the raw contact that a self-service answer answers, and what it asked for (help, stop, a case's state)
    question_id uuid,
    command text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '',
    title text NOT NULL DEFAULT '',
    text text,
    in_reply_to text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'unknown', 'withdrawn')),
    attempts int NOT NULL DEFAULT 0,
    provider_ref text NOT NULL DEFAULT '',
    reason_code text NOT NULL DEFAULT '',
    reason_params jsonb NOT NULL DEFAULT '{}',
    error_code text NOT NULL DEFAULT '',
    settled_by uuid REFERENCES agents,
    trace text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    -- when the provider was asked what became of a message whose report did not come
    asked_at timestamptz,
    erased_at timestamptz,
    CONSTRAINT deliveries_words CHECK ((contact_id IS NULL) = (text IS NOT NULL)),
    CONSTRAINT deliveries_erased CHECK (
        erased_at IS NULL OR state NOT IN ('queued', 'sending') AND (address, title, reason_code) = ('', '', '')
            AND reason_params = '{}' AND coalesce(text, '') = ''
    ),
    -- Of the kinds there are; a further one may belong to a case or not.
    CONSTRAINT deliveries_belonging CHECK (
        (kind = 'self_service') = (question_id IS NOT NULL) AND CASE
            WHEN kind IN ('answer', 'acknowledgement', 'closing_message', 'proof_link') THEN case_id IS NOT NULL
            WHEN kind = 'self_service' THEN case_id IS NULL ELSE true END
    )
);
CREATE INDEX deliveries_contact ON deliveries (contact_id);
CREATE INDEX deliveries_case ON deliveries (case_id);
-- What the conversation shows beside its contacts.
CREATE INDEX deliveries_own_words ON deliveries (case_id, created_at, id) WHERE contact_id IS NULL;
-- One answer a question, for ever.
CREATE UNIQUE INDEX deliveries_question ON deliveries (question_id) WHERE question_id IS NOT NULL;
-- What our machine has sent to an address lately; there is little of it to each.
CREATE INDEX deliveries_automatic ON deliveries (address, created_at) WHERE kind <> 'answer';
CREATE INDEX deliveries_provider ON deliveries (channel, provider_ref) WHERE provider_ref <> '';
CREATE INDEX deliveries_silent ON deliveries (changed_at)
    WHERE state = 'sent' AND asked_at IS NULL AND case_id IS NOT NULL;
-- Failed deliveries of a case: an agent has to handle each.
CREATE INDEX deliveries_failed ON deliveries (changed_at)
    WHERE state IN ('failed', 'unknown') AND settled_by IS NULL AND case_id IS NOT NULL;
CREATE INDEX deliveries_failed_case ON deliveries (case_id)
    WHERE state IN ('failed', 'unknown') AND settled_by IS NULL;
CREATE INDEX deliveries_undelivered ON deliveries (changed_at) WHERE state IN ('failed', 'unknown') AND case_id IS NULL;

CREATE TABLE delivery_events (
    id uuid PRIMARY KEY,
    delivery_id uuid NOT NULL REFERENCES deliveries,
    at timestamptz NOT NULL,
    state text NOT NULL,
    reason_code text NOT NULL DEFAULT '',
    reason_params jsonb NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (id);
CREATE INDEX delivery_events_delivery ON delivery_events (delivery_id, at, id);

-- A message that its provider carries in parts has a report for each.
CREATE TABLE delivery_parts (
    channel text NOT NULL,
    provider_ref text NOT NULL,
    delivery_id uuid NOT NULL REFERENCES deliveries,
    number int NOT NULL,
    state text NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'delivered', 'failed')),
    PRIMARY KEY (channel, provider_ref)
);
CREATE INDEX delivery_parts_delivery ON delivery_parts (delivery_id, number);
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
    -- what went wrong when it was last tried, and why it was given up
    error text NOT NULL DEFAULT '',
    reason_code text NOT NULL DEFAULT '',
    reason_params jsonb NOT NULL DEFAULT '{}'
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, fillfactor = 80);
CREATE INDEX outbox_due ON outbox (topic, due_at, id) WHERE failed_at IS NULL;
CREATE INDEX outbox_failed ON outbox (failed_at) WHERE failed_at IS NOT NULL;

-- Work for a later moment. The relay moves what is due into the outbox.
CREATE TABLE timers (
    id uuid PRIMARY KEY,
    topic text NOT NULL,
    ref uuid NOT NULL,
    trace text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL
);
CREATE INDEX timers_due ON timers (due_at, id);
CREATE INDEX timers_ref ON timers (ref);

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
-- History is appended, never edited: the database itself refuses. Only the retention path may erase (casework/erasure.py),
-- which says so for its own transaction; nobody empties a table.
CREATE FUNCTION refuse_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'TRUNCATE' AND current_setting('zrm.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON delivery_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER append_only BEFORE UPDATE OF code, contact_id OR DELETE OR TRUNCATE ON tracking_codes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refusals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
CREATE TRIGGER nothing_is_thrown_away BEFORE DELETE OR TRUNCATE ON raw_contacts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_edit();
"""

MONTHS = r"""
-- Tables that grow for ever are divided by month, on the time that is in their ids (UUIDv7), so that a month can be taken off
-- whole. No foreign key leads to one that contacts are found in: what names a contact may outlive the month it came in. What
-- belongs to no month that is there lies in the default partition; the relay makes the coming months.

-- The smallest id of a moment: whatever was made before it sorts before it.
CREATE FUNCTION first_id_of(moment timestamptz) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Make the partition of the month that begins on this day; false if a table of its name is there already. It is made beside
-- the table and attached empty. Until the commit this locks the default partition against everybody and the tables to which
-- foreign keys lead against writers; others go on. The default partition is read through: it is empty as a rule, so that takes
-- a moment. Rows of the month in it are refused (check_violation).
CREATE FUNCTION make_month(parent text, month date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    child text := parent || to_char(month::timestamp, '"_"YYYY"_"MM');
    bounds uuid[] := ARRAY[first_id_of(month::timestamp AT TIME ZONE 'UTC'),
                           first_id_of((month + interval '1 month')::timestamp AT TIME ZONE 'UTC')];
BEGIN
    -- Several relays may make a month at the same moment: one does, the others see it. Attaching takes this lock anyway.
    EXECUTE format('LOCK TABLE ONLY %%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    IF to_regclass(child) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %%I (LIKE %%I INCLUDING ALL)', child, parent);
    EXECUTE format('ALTER TABLE %%I ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO (%%L)', parent, child, bounds[1], bounds[2]);
    PERFORM guard_partition(parent, child);
    RETURN true;
END $$;

-- The same for a month with rows in the default partition, which move into it; returns how many. Until the commit nobody
-- else reads or writes the table: it takes as long as moving the rows does. The relay calls it for a few rows, the operator
-- for many (`zrm month make`).
CREATE FUNCTION make_month_from_default(parent text, month date) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    child text := parent || to_char(month::timestamp, '"_"YYYY"_"MM');
    bounds uuid[] := ARRAY[first_id_of(month::timestamp AT TIME ZONE 'UTC'),
                           first_id_of((month + interval '1 month')::timestamp AT TIME ZONE 'UTC')];
    moved bigint;
BEGIN
    EXECUTE format('LOCK TABLE %%I IN ACCESS EXCLUSIVE MODE', parent);
    IF to_regclass(child) IS NOT NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('CREATE TABLE %%I (LIKE %%I INCLUDING ALL)', child, parent);
    PERFORM set_config('zrm.retention', 'on', true);
    EXECUTE format('WITH gone AS (DELETE FROM %%I WHERE id >= %%L AND id < %%L RETURNING *) INSERT INTO %%I SELECT * FROM gone',
                   parent || '_default', bounds[1], bounds[2], child);
    GET DIAGNOSTICS moved = ROW_COUNT;
    PERFORM set_config('zrm.retention', 'off', true);
    EXECUTE format('ALTER TABLE %%I ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO (%%L)', parent, child, bounds[1], bounds[2]);
    PERFORM guard_partition(parent, child);
    RETURN moved;
END $$;

-- What a statement may not do to the table it may not do to a part of it either.
CREATE FUNCTION guard_partition(parent text, child text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    guard record;
BEGIN
    FOR guard IN SELECT tgname, pg_get_triggerdef(oid) AS definition FROM pg_trigger
        WHERE tgrelid = parent::regclass AND tgfoid = 'refuse_edit'::regproc AND NOT tgisinternal
    LOOP
        EXECUTE regexp_replace(guard.definition, ' ON \S+ FOR', format(' ON %%I FOR', child));
    END LOOP;
END $$;

-- Months that were taken off, with their first id and the first id after them: what is counted leaves them out.
CREATE TABLE detached_months (
    month date PRIMARY KEY,
    first_id uuid NOT NULL,
    end_id uuid NOT NULL,
    detached_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE raw_contacts_default PARTITION OF raw_contacts DEFAULT;
CREATE TABLE contacts_default PARTITION OF contacts DEFAULT;
CREATE TABLE case_events_default PARTITION OF case_events DEFAULT;
CREATE TABLE delivery_events_default PARTITION OF delivery_events DEFAULT;
CREATE TABLE notifications_default PARTITION OF notifications DEFAULT;
SELECT guard_partition(parent, parent || '_default'), make_month(parent, this_month), make_month(parent, next_month)
FROM unnest(ARRAY['raw_contacts', 'contacts', 'case_events', 'delivery_events', 'notifications']) AS parent,
    date_trunc('month', now(), 'UTC') AS month, date(month AT TIME ZONE 'UTC') AS this_month,
    date(month AT TIME ZONE 'UTC' + interval '1 month') AS next_month;
"""

OPERATION = """
-- Which installation this is: the same id stands in the folder of its files.
CREATE TABLE installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id uuid NOT NULL,
    folder_claimed_at timestamptz
);
INSERT INTO installation (id) VALUES (gen_random_uuid());

-- A row for each process of a role.
CREATE TABLE heartbeats (
    instance uuid PRIMARY KEY,
    role text NOT NULL,
    topics text[] NOT NULL,
    at timestamptz NOT NULL,
    ended boolean NOT NULL DEFAULT false
);
"""


def upgrade() -> None:
    """Forward only. Errors: ConfigError for a database in which no Persian word could be found."""
    connection = op.get_bind()
    connection.exec_driver_sql(EXTENSIONS)
    if connection.execute(text("SELECT similarity('رضا', 'رضا')")).scalar() != 1:
        raise ConfigError(
            "database_url: the database was made with an LC_CTYPE in which no Persian word can be found; move it to one "
            "made with LC_CTYPE 'C.UTF-8' (docs/production.md, PostgreSQL)"
        )
    for part in (
        INBOX, ORGANISATION, SIGNING_IN, PERSONS, CASES, OUTGOING, OUTBOX, COUNTERS, HISTORY, MONTHS, OPERATION,
    ):  # fmt: skip
        connection.exec_driver_sql(part)
