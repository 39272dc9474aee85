"""Erasing what was said: the only way past the triggers that keep history as it is.

The rows stay, with the moment they were erased: counts, the ledger and the case's history go on to balance, and a repeat of
the same contact is still known by its receipt. A body is erased or it is there; the database takes nothing in between.

A file goes when its last reference has gone. References are counted where they are (attachments, raw contacts), not in
a counter that could be wrong: what is erased is registered with the uploads that nobody may carry, in the same transaction,
and their sweep removes what nobody refers to. A file is put before the row that refers to it, and the sweep removes none that
was put or touched in the last day; so whoever dies in between leaves a registration or a fresh file, never a reference
to a file that is gone.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from zrm.casestore import attachment, outgoing, search, uploads
from zrm.casestore import contact as contacts
from zrm.errors import Conflict
from zrm.inbox import raw_contacts
from zrm.kit.db import Cursor

_WITH_PARTS: Final = """
SELECT id FROM unnest(%(ids)s::uuid[]) AS id UNION SELECT raw_id FROM message_parts WHERE filed_as = ANY(%(ids)s) ORDER BY 1
"""


def erase_contacts(cursor: Cursor, contact_ids: Collection[UUID]) -> int:
    """Erase what these contacts say, wherever it is kept: as they came, as they were filed, their files, what was sent of
    them or answered to them without a case, and what they are found by. Returns how many were not erased before.

    Erased are also the parts a message came in. What a case's history says of them holds ids, not words.
    Errors: Conflict while one of them still waits to be filed, or something of it to be sent; then nothing is erased.
    """
    cursor.execute(_WITH_PARTS, {"ids": list(contact_ids)})
    ids = [row[0] for row in cursor]
    if raw_contacts.hold_unfiled(cursor, ids) or outgoing.hold_unsent(cursor, ids):
        raise Conflict("something of it is still to be done")
    cursor.execute("SELECT set_config('zrm.retention', 'on', true)")
    blobs = {*raw_contacts.erase(cursor, ids), *attachment.erase(cursor, ids)}
    outgoing.erase(cursor, ids)
    search.forget(cursor, ids)
    erased = contacts.erase(cursor, ids)
    uploads.release(cursor, blobs)
    cursor.execute("SELECT set_config('zrm.retention', 'off', true)")
    return erased
