"""PostgreSQL: one engine per process; its pool lends psycopg cursors and, in the same transaction, SQLModel sessions.

The block that opens a cursor commits at its end; no other code calls commit. docs/adr/0003 says what is written as SQL
and what by a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow, class_row
from sqlalchemy import Connection as SessionConnection
from sqlalchemy import Engine, PoolProxiedConnection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from zrm.errors import StoreUnavailable

# What our statements and the parsing of their results rely on. A server, database or role may have other defaults.
_SESSION: Final = {
    "timezone": "UTC",
    "datestyle": "ISO",  # psycopg reads no other …
    "intervalstyle": "postgres",
    "client_encoding": "UTF8",
    "default_transaction_isolation": r"read\ committed",  # … and no code here retries a failed serialization
    "idle_session_timeout": "0",  # listening connections are silent for hours
}
Cursor = psycopg.Cursor[TupleRow]
AsyncConnection = psycopg.AsyncConnection[TupleRow]
AsyncCursor = psycopg.AsyncCursor[TupleRow]
Record = TypeVar("Record")


class Connection(psycopg.Connection[TupleRow]):
    """A connection; `open_session` makes or finds the SQLModel session of its current transaction."""

    open_session: Callable[[], Session] | None = None

    def rollback(self) -> None:
        """Roll back, unless a block of `Database.cursor` is open: a session whose flush failed asks for it, and the
        error that it raises then ends the block.
        """
        if self.open_session is None:
            super().rollback()


def session_of(cursor: Cursor) -> Session:
    """The SQLModel session of the transaction that `Database.cursor` began; one per transaction, made at the first
    call.

    After adding or changing an object call `flush`, so that the SQL that follows sees it. Do not commit. Objects that
    outlive the transaction keep the values last read.
    """
    connection = cursor.connection
    if not isinstance(connection, Connection) or connection.open_session is None:
        raise TypeError("only a cursor of Database.cursor has a session")
    return connection.open_session()


class DatabaseAway(StoreUnavailable, psycopg.OperationalError):
    """The database cannot be reached, has no connection left, or broke off the statement; nothing was kept.

    `sqlstate` is PostgreSQL's, None if it gave none.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.sqlstate = getattr(cause, "sqlstate", None)


class Database:
    """A PostgreSQL database reached by a libpq URL (`postgresql://…`)."""

    def __init__(self, url: str, *, application: str = "zrm", pool_size: int = 8) -> None:
        self.url = url
        self.application = application
        asked = conninfo_to_dict(url).get("options")  # a schema of the operator's, say
        self._settings: Any = {
            "application_name": application,
            "options": " ".join([*([str(asked)] if asked else []), *(f"-c {k}={v}" for k, v in _SESSION.items())]),
            "connect_timeout": 10,
        }
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            creator=self.connect,
            pool_size=pool_size,
            max_overflow=2 * pool_size,
            pool_pre_ping=True,
        )

    def connect(self, *, autocommit: bool = False) -> Connection:
        """A new plain connection in UTC; the caller closes it. Errors: psycopg.OperationalError."""
        return Connection.connect(self.url, autocommit=autocommit, **self._settings)

    async def connect_async(self, **more: Any) -> AsyncConnection:
        """As `connect`, for an event loop; each statement commits by itself. `more` are parameters of libpq."""
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True, **{**self._settings, **more})

    @contextmanager
    def alembic_connection(self) -> Iterator[SessionConnection]:
        """A pooled connection of SQLAlchemy, as Alembic takes it. Errors: DatabaseAway, psycopg's own."""
        with _known_errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A psycopg cursor on a pooled connection; commits when the block ends well. Errors: DatabaseAway, psycopg's
        own.
        """
        with _known_errors():
            pooled = self.engine.raw_connection()
            try:
                raw: Connection = pooled.driver_connection  # type: ignore[assignment]  # our creator makes ours
                with _psycopg_errors(), raw.transaction(), raw.cursor() as cursor, self._session_on(raw, pooled):
                    yield cursor
            except psycopg.OperationalError:
                if pooled.is_valid:  # else a session has noticed
                    pooled.invalidate()
                raise
            finally:
                pooled.close()

    @contextmanager
    def _session_on(self, raw: Connection, pooled: PoolProxiedConnection) -> Iterator[None]:
        """Lets `session_of` make a session on the connection. It begins and ends no transaction: psycopg does."""
        session: Session | None = None

        def open_session() -> Session:
            nonlocal session
            if session is None:
                session = Session(SessionConnection(self.engine, pooled))
            return session

        raw.open_session = open_session
        try:
            yield
            if session is not None:
                session.flush()
        finally:
            raw.open_session = None
            if session is not None:
                session.expunge_all()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


@contextmanager
def _known_errors() -> Iterator[None]:
    """The one place where the loss of the database becomes our own error."""
    try:
        with _psycopg_errors():
            yield
    except DatabaseAway:
        raise
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise DatabaseAway(error) from error


@contextmanager
def _psycopg_errors() -> Iterator[None]:
    """Raise psycopg's own error instead of SQLAlchemy's wrapper."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from None
        raise


def array_text(values: Iterable[str | None]) -> str:
    """A PostgreSQL array as text, to be bound as `%s::sometype[]`; None is NULL.

    psycopg's own handling of lists looks at the type of every element, which costs several times as much.
    """
    quoted = (
        "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values
    )
    return "{" + ",".join(quoted) + "}"


def insert_records(
    cursor: Cursor, table: str, records: Sequence[NamedTuple], *, columns: Sequence[str] | None = None
) -> None:
    """Insert records of one type by one prepared statement in a pipeline. The fields are named as the columns; `columns`
    are those to write, all by default.
    """
    if not records:
        return
    rows: Sequence[Sequence[Any]] = records
    if columns is None:
        columns = records[0]._fields
    else:
        rows = [[getattr(one, column) for column in columns] for one in records]
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
    )
    cursor.executemany(statement, rows)


def record(cursor: Cursor, kind: type[Record]) -> Record | None:
    """The next row of a result, its columns as the arguments of the same names; None if there is none."""
    row = cursor.fetchone()
    return None if row is None else class_row(kind)(cursor)(row)


def records(cursor: Cursor, kind: type[Record]) -> list[Record]:
    """As `record`, for all remaining rows."""
    make = class_row(kind)(cursor)
    return [make(row) for row in cursor]
