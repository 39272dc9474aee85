"""Alembic's entry: runs the migrations on the connection it is handed (see `zrm.casestore.schema.migrate`)."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import zrm.casestore.schema  # noqa: F401  # registers every table's metadata, for `alembic check`

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    compare_server_default=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
