"""How a table is declared: once, as an SQLModel class in the module that owns the table.

The class declares everything but the table's triggers: types, nullability, defaults, keys, checks, indexes. A test
compares all of it with the result of the migrations.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy
from sqlalchemy import CheckConstraint, Column, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

EMPTY_LIST: dict[str, str] = {"server_default": "{}"}
"""For a column of lists, as `sa_column_kwargs`: where an INSERT omits the column it is an empty list."""
UNLOGGED: dict[str, list[str]] = {"prefixes": ["UNLOGGED"]}
"""As the last of `__table_args__`: a table that a crash may empty."""

BY_MONTH: dict[str, str] = {"postgresql_partition_by": "RANGE (id)"}
"""As the last of `__table_args__`: a table partitioned by month, on the time in its ids. No foreign key may refer to
it."""


class Table(SQLModel):
    """Base of the tables' classes. A `str` is a column of type text, and a constant default is the column's own default."""

    @classmethod
    def __table_cls__(cls, name: str, metadata: MetaData, *items: SchemaItem, **options: Any) -> sqlalchemy.Table:
        for item in items:
            if isinstance(item, Column):
                if isinstance(item.type, AutoString):
                    item.type = Text()
                if item.server_default is None and (default := _literal(item)) is not None:
                    item.server_default = sqlalchemy.DefaultClause(default)
        return sqlalchemy.Table(name, metadata, *items, **options)


def _literal(column: Column[Any]) -> Any:
    """The column's constant default as SQL; None if there is none."""
    default = column.default
    if not isinstance(default, sqlalchemy.ColumnDefault) or not default.is_scalar:
        return None
    match default.arg:
        case bool(value):
            return sqlalchemy.text(str(value).lower())
        case int(value):
            return sqlalchemy.text(str(value))
        case str(value):
            return str(value)  # also the value of an enumeration
    return None


def in_some_language(column: str) -> CheckConstraint:
    """A check that texts by language (`zrm.localized`) have at least one. Which languages there must be is for the writers
    to say: a further language is no change of the schema.
    """
    return CheckConstraint(f"{column} <> '{{}}'")


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A check that the column holds one of these words."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})")


def reason_params() -> Any:
    """The column `reason_params` beside `reason_code`: the values of a kept reason (`zrm.contract.reasons`)."""
    return Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": "{}"})
