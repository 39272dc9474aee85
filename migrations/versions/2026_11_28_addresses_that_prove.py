"""Which addresses prove who wrote: what was only typed is claimed, and every mail of ours is known by its Message-ID.

Until now the web form's and the JSON door's addresses were taken for shown, like a number that a fax machine says of
itself and the sender of a mail that its own domain disowns. Who has also come from such an address keeps it as shown.

Reads contacts, raw contacts and deliveries whole and copies a row a contact that came in into a temporary table. Contacts
are locked against everybody until the end.
"""

from __future__ import annotations

from alembic import op

revision = "2026_11_28_addresses_that_prove"
down_revision = "2026_11_28_taken_back"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE contacts ADD COLUMN reply_to text[] NOT NULL DEFAULT '{}', ADD COLUMN copied text[] NOT NULL DEFAULT '{}'
"""

# The contacts whose address proves nothing, and those whose address does.
STATED = """
CREATE TEMPORARY TABLE stated ON COMMIT DROP AS
SELECT c.id, c.person_id, c.address, c.channel = 'web' OR 'dmarc_fail' = ANY(c.labels)
    OR (c.channel = 'fax' AND coalesce(w.envelope ->> 'caller', '') !~ '^ *[+]?[0-9][0-9 ().-]{2,24} *$') AS claimed
FROM contacts c JOIN raw_contacts w ON w.id = c.id
WHERE c.direction = 'in' AND c.address <> ''
"""

CLAIM = """
UPDATE addresses a SET claimed = true
WHERE NOT claimed
    AND EXISTS (SELECT FROM stated s WHERE s.person_id = a.person_id AND s.address = a.value AND s.claimed)
    AND NOT EXISTS (SELECT FROM stated s WHERE s.person_id = a.person_id AND s.address = a.value AND NOT s.claimed)
"""

LABEL = """
UPDATE contacts c SET labels = labels || ARRAY['claimed_address'] FROM stated s
WHERE s.id = c.id AND s.claimed AND NOT labels && ARRAY['claimed_address', 'dmarc_fail']
"""

# A closing message, a proof link and what was sent anew had no id of their own before they left.
KNOWN_BY_ID = """
INSERT INTO message_ids (message_id, case_id)
SELECT provider_ref, case_id FROM deliveries WHERE channel = 'email' AND provider_ref LIKE '<%%>'
ON CONFLICT DO NOTHING
"""

NAMED = """
UPDATE contacts c SET message_id = d.provider_ref FROM deliveries d
WHERE d.contact_id = c.id AND d.channel = 'email' AND d.provider_ref LIKE '<%%>' AND c.message_id = '' AND c.channel = 'email'
"""


def upgrade() -> None:
    """Forward only."""
    connection = op.get_bind()
    for statement in (COLUMNS, STATED, CLAIM, LABEL, KNOWN_BY_ID, NAMED):
        connection.exec_driver_sql(statement)
