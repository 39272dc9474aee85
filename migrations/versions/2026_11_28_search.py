"""Cases found by words, names, numbers and codes: every contact a person wrote gets its key anew, and the indexes for it.

Writes nearly every contact anew and then makes four indexes, hours for 10⁸ rows, in the one transaction of `migrate`.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, text

from zrm.casestore.search_words import LONGEST_TEXT, contact_key
from zrm.kit.db import array_text

revision = "2026_11_28_search"
down_revision = "2026_11_28_on_the_way"
branch_labels = None
depends_on = None

_STEP = 2_000
_INDEXES = """
CREATE INDEX contacts_search ON contacts USING gin (search gin_trgm_ops);
CREATE INDEX contacts_person ON contacts (person_id) WHERE person_id IS NOT NULL;
-- Who shares an address with others is nobody in particular, and known by the address alone.
CREATE INDEX contacts_nobody ON contacts (address) WHERE person_id IS NULL;
CREATE INDEX addresses_search ON addresses USING gin (value gin_trgm_ops);
"""
_READ = """
SELECT c.id, c.title, left(c.text, :longest), coalesce(p.name, ''), coalesce(r.code, '') FROM contacts c
LEFT JOIN persons p ON p.id = c.person_id AND c.direction = 'in'
LEFT JOIN receipts r ON r.contact_id = c.id
WHERE c.id > :after AND NOT c.automatic ORDER BY c.id LIMIT :step
"""
_WRITE = """
UPDATE contacts c SET search = made.search
FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[])) AS made (id, search) WHERE c.id = made.id
"""


def upgrade() -> None:
    """Forward only."""
    _make_keys(op.get_bind())
    op.get_bind().exec_driver_sql(_INDEXES)


def _make_keys(connection: Connection) -> None:
    """In batches, so that memory does not grow with the store; the transaction is one all the same."""
    after = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(text(_READ), {"after": after, "step": _STEP, "longest": LONGEST_TEXT}).all():
        ids = array_text(str(row[0]) for row in rows)
        keys = array_text(contact_key(*row[1:]) for row in rows)
        connection.execute(text(_WRITE), {"ids": ids, "keys": keys})
        after = str(rows[-1][0])
