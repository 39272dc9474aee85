"""Migration steps outside a transaction, because they take long and writers must go on meanwhile. For migrations after
the first, whose tables are empty.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text


def create_index(name: str, on: str, *, unique: bool = False) -> None:
    """Make an index without blocking writers; `on` is what follows ON: the table, its columns, a condition.

    Commits what the migration did so far. An invalid index left by an interrupted run is made anew. PostgreSQL first
    waits for the transactions of that moment, however long they take: no `lock_timeout` applies to that.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        timeout = connection.execute(text("SELECT current_setting('lock_timeout')")).scalar()
        connection.execute(text("SET lock_timeout = 0"))
        try:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE {'UNIQUE ' if unique else ''}INDEX CONCURRENTLY {name} ON {on}")
        finally:
            connection.execute(text("SELECT set_config('lock_timeout', :timeout, false)"), {"timeout": timeout})
