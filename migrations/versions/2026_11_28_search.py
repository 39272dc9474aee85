"""Cases found by words, names, numbers and codes: every contact a person wrote gets its key anew, and the indexes for it.

Writes nearly every contact anew and then makes four indexes, hours for 10⁸ rows. Nobody is kept waiting meanwhile: keys are
committed in batches, indexes are made beside the writing. After a kill the next run passes over
contacts that have their keys: a key begins with a space, and nothing that was in the column before does.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from alembic import op
from sqlalchemy import Connection

revision = "2026_11_28_search"
down_revision = "2026_11_28_on_the_way"
branch_labels = None
depends_on = None

_STEP: Final = 1_000
_LONGEST_TEXT: Final = 20_000
INDEXES: Final = {
    "contacts_search": "contacts USING gin (search gin_trgm_ops)",
    "contacts_person": "contacts (person_id) WHERE person_id IS NOT NULL",
    # Who shares an address with others is nobody in particular, and known by the address alone.
    "contacts_nobody": "contacts (address) WHERE person_id IS NULL",
    "addresses_search": "addresses USING gin (value gin_trgm_ops)",
}
_READ: Final = """
SELECT c.id, c.title, left(c.text, %s), coalesce(p.name, ''), coalesce(r.code, '') FROM contacts c
LEFT JOIN persons p ON p.id = c.person_id AND c.direction = 'in'
LEFT JOIN receipts r ON r.contact_id = c.id
WHERE c.id > %s AND NOT c.automatic AND c.search NOT LIKE ' %%' ORDER BY c.id LIMIT %s
"""
_WRITE: Final = """
UPDATE contacts c SET search = made.search FROM unnest(%s::uuid[], %s::text[]) AS made (id, search)
WHERE c.id = made.id AND c.search NOT LIKE ' %%'
"""
_BEFORE_ALL: Final = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    """Forward only."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        while _make_keys(connection):  # until none was filed behind our back
            pass
        for name, where in INDEXES.items():
            # One whose making was interrupted is still there, and invalid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {where}")
        op.execute("ANALYZE contacts")  # what was known of the keys is of the old ones


def _make_keys(connection: Connection) -> bool:
    """Give every contact without a key its own, in batches; whether there was one."""
    after = _BEFORE_ALL
    while rows := connection.exec_driver_sql(_READ, (_LONGEST_TEXT, after, _STEP)).all():
        ids, keys = [row[0] for row in rows], [_contact_key(*row[1:]) for row in rows]
        connection.exec_driver_sql(_WRITE, (ids, keys))
        after = ids[-1]
    return after != _BEFORE_ALL


# Keys as they were made when this was written. Who makes them otherwise later writes them anew in a migration of its own.

_WORD: Final = re.compile(r"[^\W_]+")
_GROUPS: Final = re.compile(r"(?<= )\d+(?: \d+)+(?= )")
_WHOLE_NUMBER: Final = 7
_LONGEST_NUMBER: Final = 15
_ARABIC_VARIANTS: Final = {
    "آ": "ا", "أ": "ا", "إ": "ا", "ٱ": "ا", "ٲ": "ا", "ٳ": "ا",
    "ي": "ی", "ى": "ی", "ئ": "ی", "ۍ": "ی", "ې": "ی", "ے": "ی", "ۓ": "ی",
    "ك": "ک", "ڪ": "ک", "ڬ": "ک", "ڭ": "ک",
    "ة": "ه", "ۀ": "ه", "ە": "ه", "ہ": "ه", "ۂ": "ه", "ۃ": "ه", "ھ": "ه",
    "ؤ": "و", "ۇ": "و", "ۆ": "و", "ۈ": "و",
    "٪": "%", "٫": ".", "٬": ",", "؛": ";", "؟": "?", "،": ",",
}  # fmt: skip
_ZWNJ: Final = "\u200c"
_LETTERS_ONLY_LOOKS: Final = "\u0640"  # tatweel
_HARAKAT: Final = (
    (0x0610, 0x061A),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06DC),
    (0x06DF, 0x06E8),
    (0x06EA, 0x06ED),
)


class _FoldTable(dict[int, str]):
    """What each character becomes; worked out when first met, because Unicode has digits in seventy scripts."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold_character(chr(code))
        return folded


def _fold_character(character: str) -> str:
    if character in _ARABIC_VARIANTS:
        return _ARABIC_VARIANTS[character]
    code = ord(character)
    if character == _LETTERS_ONLY_LOOKS or any(first <= code <= last for first, last in _HARAKAT):
        return ""
    if character == _ZWNJ:
        return " "
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cf", "Cs", "Cn", "Co"):
        return ""
    if category in ("Cc", "Zs", "Zl", "Zp"):
        return " "
    return character


_FOLD: Final = _FoldTable()


def _fold(text: str) -> str:
    if text.isascii():
        return " ".join(text.translate(_FOLD).lower().split())
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    key = " ".join(normal.translate(_FOLD).split())
    # Taking a mark away can bring two characters together that compose, so a rare key needs a second round.
    for _ in range(3):
        again = " ".join(unicodedata.normalize("NFKC", key).casefold().translate(_FOLD).split())
        if again == key:
            break
        key = again
    return key


def _contact_key(*parts: str) -> str:
    text = "\n".join(part[:_LONGEST_TEXT] for part in parts)
    key = f" {' '.join(_WORD.findall(_fold(text)))} "
    pieces = (group.replace(" ", "") for group in _GROUPS.findall(key))
    whole = [piece for piece in pieces if _WHOLE_NUMBER <= len(piece) <= _LONGEST_NUMBER]
    return f"{key}{' '.join(whole)} " if whole else key
