"""Erases what contacts say: the only way past the triggers that keep history unchanged.

Nothing calls it yet: the desk's page for erasing comes with the room for privacy. It erases, for the contacts it is given:

* the contact as received and as filed: texts, headers, addresses, title, files, search text, and the parts it came in;
* the title of a case that one of them opened, and the addresses it came from;
* the addresses and titles of their deliveries, providers' words on them, and answers to them without a case;
* a program's words on why one of them was in quarantine.

The rest stays, for it is not the contact's: the person with their names and addresses; what agents wrote (notes, a case's
result and the reasons for it, in the case and its history); ratings; Message-IDs, by which later messages find the case; and
our own messages, which may quote the citizen or repeat the title: each is a contact of its own, erased if it is named too.

The rows stay, with the time of erasure: counts, the ledger and the case's history still balance, and a repetition of
the same contact is still recognised by its receipt. A body is either erased or present; the database accepts nothing in
between.

A file goes when its last reference has gone. References are counted where they are (attachments, raw contacts), not in
a counter that could be wrong. An erased reference is registered with the unreferenced uploads in the same transaction,
and their sweep removes files without references. A file is stored before the row that refers to it, and the sweep
spares files stored or touched in the last day; so a crash leaves a registration or a fresh file, never a reference to a
missing file.

What is left of a month that was taken off goes by `detached_month`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from zrm.casestore import attachment, history, live, outgoing, search, uploads
from zrm.casestore import case as cases
from zrm.casestore import contact as contacts
from zrm.casestore.agent import Permission
from zrm.casestore.history import by_agent
from zrm.casestore.history_payloads import ContactsErased
from zrm.casework.context import ActingAgent
from zrm.contract.descriptions import describe
from zrm.errors import Conflict
from zrm.inbox import quarantine, raw_contacts
from zrm.kit.db import Cursor

_TITLE: Final = describe("erasure.title", "Erased title")

_WITH_PARTS: Final = """
SELECT id FROM unnest(%(ids)s::uuid[]) AS id UNION SELECT raw_id FROM message_parts WHERE filed_as = ANY(%(ids)s) ORDER BY 1
"""


def erase_contacts(cursor: Cursor, actor: ActingAgent, contact_ids: Collection[UUID]) -> int:
    """Erase what these contacts say, and record it in the history of their cases. Returns how many were not erased before.

    The parts a message came in are erased too. Errors: NotFound without the permission; Conflict while one of them still
    waits to be filed, or a delivery of it to be sent; then nothing is erased.
    """
    actor.grants.require_everywhere(Permission.ERASE_CONTACTS)
    cursor.execute(_WITH_PARTS, {"ids": list(contact_ids)})
    ids = [row[0] for row in cursor]
    if raw_contacts.lock_unfiled(cursor, ids) or outgoing.lock_unsent(cursor, ids):
        raise Conflict("something of it is still to be done")
    cursor.execute("SELECT set_config('zrm.retention', 'on', true)")
    blobs = {*raw_contacts.erase(cursor, ids), *attachment.erase(cursor, ids)}
    quarantine.erase(cursor, ids)
    outgoing.erase(cursor, ids, actor.agent_id)
    search.forget(cursor, ids)
    opened = cases.erase_openings(cursor, ids, [_TITLE()])
    erased = contacts.erase(cursor, ids)
    uploads.release(cursor, blobs)
    cursor.execute("SELECT set_config('zrm.retention', 'off', true)")
    for case_id, of_case in erased.items():
        history.append(cursor, case_id, by_agent(actor.agent_id), ContactsErased(erased_ids=tuple(of_case)))
    live.publish_change(cursor, "case", {*opened, *erased})
    return sum(map(len, erased.values()))
