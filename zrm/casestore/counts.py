"""Counters kept as differences: every change appends a row, `fold` adds rows up, a reader sums what there is.

Appending never waits for another transaction, and a sum over a few hundred rows is the same whether there are a
thousand cases or ten million.
"""

from __future__ import annotations

from zrm.kit.db import Cursor

_FOLD_CASES = """
WITH taken AS (DELETE FROM case_counts RETURNING *)
INSERT INTO case_counts SELECT unit_id, status, assignee_id, sum(n) FROM taken GROUP BY 1, 2, 3 HAVING sum(n) <> 0
"""
_FOLD_CONTACTS = """
WITH taken AS (DELETE FROM contact_counts WHERE hour >= date_trunc('hour', now()) - interval '2 hours' RETURNING *)
INSERT INTO contact_counts SELECT channel, hour, state, sum(n) FROM taken GROUP BY 1, 2, 3 HAVING sum(n) <> 0
"""


def compact(cursor: Cursor) -> None:
    """Add the differences up; one folder at a time, the others pass."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('counts.fold'))")
    row = cursor.fetchone()
    if row is None or not row[0]:
        return
    for table, statement in (("case_counts", _FOLD_CASES), ("contact_counts", _FOLD_CONTACTS)):
        cursor.execute(f"SELECT count(*) FROM (SELECT FROM {table} LIMIT 2000) AS sample")  # noqa: S608  # two constants
        if (found := cursor.fetchone()) and found[0] > 200:
            cursor.execute(statement)
