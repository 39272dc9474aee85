"""Removes what is left of the contacts of a month that was taken off: their search text, their attachments and the files
in the blob folder.

Message-IDs and tracking codes stay: by them later messages find their case. So do the cases themselves and the
deliveries, which belong to cases and not to a month.
"""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from psycopg.sql import SQL, Identifier

from zrm.casestore import attachment, search, uploads
from zrm.errors import Conflict
from zrm.kit.db import Cursor, Database

_AT_ONCE: Final = 1000  # contacts a transaction
_BOUNDS: Final = """
SELECT first_id_of(%(month)s::timestamp AT TIME ZONE 'UTC'),
    first_id_of((%(month)s::timestamp + interval '1 month') AT TIME ZONE 'UTC')
"""
_ATTACHED: Final = "SELECT relname FROM pg_class WHERE oid = ANY(ARRAY[to_regclass(%s), to_regclass(%s)]) AND relispartition ORDER BY 1"
# A contact that is there keeps everything, whatever its id: it came late and lies in the default partition.
_LEFT: Final = """
SELECT contact_id FROM (
    (SELECT contact_id FROM contact_search s WHERE contact_id >= %(after)s AND contact_id < %(until)s
        AND NOT EXISTS (SELECT FROM contacts c WHERE c.id = s.contact_id) ORDER BY 1 LIMIT %(most)s)
    UNION (SELECT DISTINCT contact_id FROM attachments a WHERE contact_id >= %(after)s AND contact_id < %(until)s
        AND NOT EXISTS (SELECT FROM contacts c WHERE c.id = a.contact_id) ORDER BY 1 LIMIT %(most)s)
    UNION (SELECT DISTINCT contact_id FROM remote_files r WHERE contact_id >= %(after)s AND contact_id < %(until)s
        AND NOT EXISTS (SELECT FROM contacts c WHERE c.id = r.contact_id) ORDER BY 1 LIMIT %(most)s)
) AS gone ORDER BY 1 LIMIT %(most)s
"""
_RAW_BLOBS: Final = """
SELECT body_key FROM {table} WHERE body_key IS NOT NULL
UNION SELECT file ->> 'key' FROM {table} CROSS JOIN LATERAL jsonb_array_elements(files) AS file WHERE files <> '[]'
"""


def forget_month(database: Database, month: date) -> int:
    """Remove what is left of the month that begins on this day; returns of how many contacts. May run twice.

    The files of raw contacts are found in the detached table, so it must not have been dropped yet. A file that others
    refer to stays. Errors: Conflict while the month still belongs to the tables.
    """
    with database.cursor() as cursor:
        _release_raw_files(cursor, month)
        cursor.execute(_BOUNDS, {"month": month})
        ((after, until),) = cursor.fetchall()
    forgotten = 0
    while ids := _forget_some(database, after, until):
        after, forgotten = ids[-1], forgotten + len(ids)
    return forgotten


def _release_raw_files(cursor: Cursor, month: date) -> None:
    raw_contacts, contacts = (f"{table}_{month:%Y_%m}" for table in ("raw_contacts", "contacts"))
    cursor.execute(_ATTACHED, [raw_contacts, contacts])
    if attached := [name for (name,) in cursor]:
        raise Conflict(f"{attached[0]} has not been taken off; `zrm month detach` does it")
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [raw_contacts])
    if cursor.fetchall() == [(True,)]:
        cursor.execute(SQL(_RAW_BLOBS).format(table=Identifier(raw_contacts)))
        uploads.release(cursor, {key for (key,) in cursor if key})


def _forget_some(database: Database, after: UUID, until: UUID) -> list[UUID]:
    with database.cursor() as cursor:
        cursor.execute(_LEFT, {"after": after, "until": until, "most": _AT_ONCE})
        ids = [contact_id for (contact_id,) in cursor]
        search.forget(cursor, ids)
        uploads.release(cursor, attachment.erase(cursor, ids))
    return ids
