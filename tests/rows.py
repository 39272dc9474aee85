"""Puts rows into tables as a test needs them, past the functions that own the tables."""

from __future__ import annotations

from psycopg import sql

from zrm.kit.db import Cursor


def insert(cursor: Cursor, table: str, **values: object) -> None:
    """Insert one row; the names are the columns."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    cursor.execute(statement, values)
