"""Erases what was said: the only way past the triggers that keep history unchanged.

The rows stay, with the time of erasure: counts, the ledger and the case's history still balance, and a repetition of
the same contact is still recognised by its receipt. A body is either erased or present; the database accepts nothing in
between.

A file goes when its last reference has gone. References are counted where they are (attachments, raw contacts), not in
a counter that could be wrong. An erased reference is registered with the unreferenced uploads in the same transaction,
and their sweep removes files without references. A file is stored before the row that refers to it, and the sweep
spares files stored or touched in the last day; so a crash leaves a registration or a fresh file, never a reference to a
missing file.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from zrm.casestore import attachment, outgoing, search, uploads
from zrm.casestore import case as cases
from zrm.casestore import contact as contacts
from zrm.errors import Conflict
from zrm.inbox import raw_contacts
from zrm.kit.db import Cursor

_WITH_PARTS: Final = """
SELECT id FROM unnest(%(ids)s::uuid[]) AS id UNION SELECT raw_id FROM message_parts WHERE filed_as = ANY(%(ids)s) ORDER BY 1
"""


def erase_contacts(cursor: Cursor, contact_ids: Collection[UUID]) -> int:
    """Erase the content of these contacts wherever it is kept: as received, as filed, their files, what was sent of
    them or answered to them without a case, and their search text. Returns how many were not erased before.

    The parts a message came in are erased too. A case's history holds ids of them, not text. Errors: Conflict while one
    of them still waits to be filed, or a delivery of it to be sent; then nothing is erased.
    """
    cursor.execute(_WITH_PARTS, {"ids": list(contact_ids)})
    ids = [row[0] for row in cursor]
    if raw_contacts.lock_unfiled(cursor, ids) or outgoing.lock_unsent(cursor, ids):
        raise Conflict("something of it is still to be done")
    cursor.execute("SELECT set_config('zrm.retention', 'on', true)")
    blobs = {*raw_contacts.erase(cursor, ids), *attachment.erase(cursor, ids)}
    outgoing.erase(cursor, ids)
    search.forget(cursor, ids)
    cases.forget_addresses(cursor, ids)
    erased = contacts.erase(cursor, ids)
    uploads.release(cursor, blobs)
    cursor.execute("SELECT set_config('zrm.retention', 'off', true)")
    return erased
