"""Searching inside words: the extension pg_trgm, and a database in which it sees Persian letters."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from zrm.errors import ConfigError

revision = "2026_11_28_trigrams"
down_revision = "2026_11_27_one_spelling"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only."""
    connection = op.get_bind()
    connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    if connection.execute(text("SELECT similarity('رضا', 'رضا')")).scalar() != 1:
        raise ConfigError(
            "database_url: the database was made with an LC_CTYPE in which no Persian word can be found; move it to one "
            "made with LC_CTYPE 'C.UTF-8' (docs/production.md, PostgreSQL)"
        )
