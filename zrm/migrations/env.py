"""Alembic's entry: runs the migrations on the connection it is handed (see `zrm.casestore.schema.migrate`)."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
