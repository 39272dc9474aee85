"""E-mail addresses in one spelling: a domain that came as `xn--…` or with a trailing dot is kept as people read it.

Where two files of one citizen have the two spellings of an address, the older file keeps it and the younger stays as it
is, under the spelling it had: bringing files together is for a person, and an address of two would be nobody's.

Reads five tables whole, and four of them again if an address changes; what changes is held in memory.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import idna
from alembic import op

revision = "2026_11_27_one_spelling"
down_revision = "2026_11_27_signing_in_safely"
branch_labels = None
depends_on = None

_DOTS: Final = re.compile("[\u3002\uff0e\uff61]")
_MAY_DIFFER: Final = """
CREATE OR REPLACE FUNCTION pg_temp.may_differ(address text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
    SELECT address LIKE '%%@%%'
        AND (octet_length(address) <> char_length(address) OR address ILIKE '%%xn--%%' OR address LIKE '%%.')
$$
"""
_WRITTEN: Final = """
SELECT address FROM contacts WHERE pg_temp.may_differ(address) UNION
SELECT address FROM deliveries WHERE pg_temp.may_differ(address) UNION
SELECT address FROM opt_outs WHERE pg_temp.may_differ(address) UNION
SELECT address FROM self_answers WHERE pg_temp.may_differ(address)
"""
_SPELL: Final = (
    "UPDATE contacts SET address = s.new FROM unnest(%s::text[], %s::text[]) AS s (old, new) WHERE address = s.old",
    "UPDATE deliveries SET address = s.new FROM unnest(%s::text[], %s::text[]) AS s (old, new) WHERE address = s.old",
    "UPDATE opt_outs SET address = s.new FROM unnest(%s::text[], %s::text[]) AS s (old, new) WHERE address = s.old",
    "UPDATE self_answers SET address = s.new FROM unnest(%s::text[], %s::text[]) AS s (old, new) WHERE address = s.old",
)
_OWNED: Final = """
SELECT id, value FROM addresses WHERE kind = 'email' AND pg_temp.may_differ(value) ORDER BY claimed, created_at, id
"""
_OWN: Final = """
UPDATE addresses SET value = %s WHERE id = %s
    AND NOT EXISTS (SELECT FROM addresses a WHERE a.kind = 'email' AND a.value = %s)
"""


def upgrade() -> None:
    """Forward only."""
    connection = op.get_bind()
    connection.exec_driver_sql(_MAY_DIFFER)
    found = connection.exec_driver_sql(_WRITTEN).scalars().all()
    changed = {old: new for old in found if (new := spelled(old)) != old}
    for statement in _SPELL if changed else ():
        connection.exec_driver_sql(statement, (list(changed), list(changed.values())))
    for identifier, old in connection.exec_driver_sql(_OWNED).all():
        if (new := spelled(old)) != old:
            connection.exec_driver_sql(_OWN, (new, identifier, new))


def spelled(address: str) -> str:
    """The address as it is compared from now on."""
    local, at, domain = address.rpartition("@")
    local = unicodedata.normalize("NFC", local.casefold())
    domain = _DOTS.sub(".", domain).rstrip(".")
    folded = unicodedata.normalize("NFC", domain.casefold())
    if not at or (domain.isascii() and "xn--" not in folded) or len(domain) > 253:
        return f"{local}{at}{folded}"
    try:
        domain = idna.decode(idna.encode(domain, uts46=True))
    except (idna.IDNAError, ValueError):
        domain = folded
    return f"{local}{at}{domain}"
