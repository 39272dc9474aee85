"""A store as after years of use: receipts, raw contacts, persons, cases and their messages, made by SQL in large batches.

The triggers stay on, so the counters are as if every contact had come in by its door.
"""

from __future__ import annotations

from typing import Final

import psycopg

_STEP: Final = 50_000
_TEXT: Final = "چراغ‌های خیابان بهار از هفتهٔ پیش خاموش است. The lights in Spring Street are out. "

# Nine of ten are closed; half of the rest are new and unassigned. The oldest is three years old.
_DRAW: Final = """
CREATE TEMP TABLE drawn ON COMMIT DROP AS
SELECT n, uuidv7(at - now()) AS contact, uuidv7(at - now()) AS person, uuidv7(at - now()) AS case_id, at,
       (950000000000 + n)::text AS code,
       CASE WHEN n %% 10 > 0 THEN 'closed' WHEN n %% 20 = 0 THEN 'new' WHEN n %% 30 = 0 THEN 'waiting' ELSE 'open' END AS status,
       (SELECT array_agg(id ORDER BY key) FROM units) AS units,
       (SELECT array_agg(id ORDER BY login) FROM agents) AS agents,
       (ARRAY['email', 'sms', 'web', 'voice_ivr', 'fax'])[1 + n %% 5] AS channel
FROM (
    SELECT n, now() - interval '3 years' * (1 - (n - %(first)s + 1)::float8 / %(count)s) - interval '1 minute' AS at
    FROM generate_series(%(from)s::bigint, %(to)s::bigint) AS n
) AS numbers
"""
_FILL: Final = (
    "INSERT INTO receipts (channel, account, external_id, contact_id, code, received_at, content) "
    "SELECT channel, 'stock', 'stock-' || n, contact, code, at, '' FROM drawn",
    "INSERT INTO tracking_codes (code, contact_id, case_id) SELECT code, contact, case_id FROM drawn",
    "INSERT INTO raw_contacts (id, channel, account, kind, media_type, body, size, envelope, files, trace, received_at, "
    "state, settled_at) SELECT contact, channel, 'stock', 'contact', 'text/plain', convert_to(repeat(%(text)s, 4), 'UTF8'), "
    "600, '{}', '[]', '', at, 'filed', at FROM drawn",
    "INSERT INTO persons (id, name, language, created_at) SELECT person, 'Citizen ' || n, 'fa', at FROM drawn",
    "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at) "
    "SELECT uuidv7(), person, 'email', 'stock' || n || '@example.org', 'stock' || n || '@example.org', false, at FROM drawn",
    "INSERT INTO cases (id, code, reply_token, title, language, channel, account, person_id, unit_id, assignee_id, status, "
    "opened_at, status_at, last_contact_at, closed_at) SELECT case_id, code, 'stock' || n, 'Matter ' || n, 'fa', channel, 'stock', "
    "person, units[1 + n / 10 %% cardinality(units)], CASE WHEN status <> 'new' THEN agents[1 + n %% cardinality(agents)] END, "
    "status, at, at, at, CASE WHEN status = 'closed' THEN at END FROM drawn",
    "INSERT INTO contacts (id, case_id, direction, channel, account, person_id, address, title, text, language, "
    "message_id, at) SELECT contact, case_id, 'in', channel, 'stock', person, 'stock' || n || '@example.org', "
    "'Matter ' || n, repeat(%(text)s, 3), 'fa', '<' || n || '@stock.example.org>', at FROM drawn",
    "INSERT INTO contact_search (contact_id, case_id, at, person_id, address, key) SELECT contact, case_id, at, person, "
    "'stock' || n || '@example.org', repeat(%(text)s, 3) FROM drawn",
    "INSERT INTO message_ids (message_id, case_id) SELECT '<' || n || '@stock.example.org>', case_id FROM drawn",
    "INSERT INTO case_events (id, case_id, at, actor, kind, version, data) SELECT uuidv7(), case_id, at, 'citizen', 'opened', 1, "
    "jsonb_build_object('channel', channel, 'contact_id', contact) FROM drawn",
)


def fill(url: str, first: int, count: int) -> None:
    """Add contacts number `first` to `first + count - 1`, each with its own case, and vacuum and analyze."""
    with psycopg.connect(url, autocommit=True) as connection:
        for start in range(first, first + count, _STEP):
            values = {
                "first": first,
                "count": count,
                "from": start,
                "to": min(start + _STEP, first + count) - 1,
                "text": _TEXT,
            }
            with connection.transaction():
                connection.execute(_DRAW, values)
                for statement in _FILL:
                    connection.execute(statement.encode(), values)
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
