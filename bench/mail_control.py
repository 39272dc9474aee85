"""The control of the e-mail rows: a bare aiosmtpd that parses each mail with the standard library and commits one row for it.

    DATABASE=postgresql://… python -m bench.mail_control PORT SIZE

It has the same aiosmtpd, event loop, SIZE and PostgreSQL as the door, but makes no look-ups and opens no cases.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Final

import psycopg
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.sink import greets
from tests.lab.process import LOOPBACK, Child, free_port, wait_until

_DATABASE: Final = "mail_control"
_TABLE: Final = "CREATE TABLE mails (id bigserial PRIMARY KEY, sender text, subject text, body text, source bytea)"


class RowHandler:
    """aiosmtpd's handler."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection
        self._count = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Parse one message and commit its row."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, policy=policy.default)
        part = message.get_body(("plain", "html"))
        body = part.get_content() if part is not None else ""
        row = [str(message["from"]), str(message["subject"]), body, content]
        await self._connection.execute("INSERT INTO mails (sender, subject, body, source) VALUES (%s, %s, %s, %s)", row)
        self._count += 1
        return f"250 2.0.0 OK {self._count}"


async def serve(port: int, database: str, size: int) -> None:
    """Listen until killed."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    handler = RowHandler(await psycopg.AsyncConnection.connect(database, autocommit=True))
    server = await loop.create_server(
        lambda: SMTP(handler, data_size_limit=size, enable_SMTPUTF8=True, hostname="localhost", loop=loop),
        LOOPBACK,
        port,
        backlog=512,
    )
    await server.serve_forever()


@contextmanager
def running(folder: Path, database_url: str, size: int) -> Iterator[tuple[int, int]]:
    """The control in a separate process, with a separate database on that server: its port and its process id."""
    with psycopg.connect(database_url, autocommit=True) as boss:
        boss.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))
    address = make_conninfo(database_url, dbname=_DATABASE)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(_TABLE)
    port = free_port()
    words = [sys.executable, "-m", "bench.mail_control", str(port), str(size)]
    child = Child(words, log=folder / "control.log", env={**os.environ, "DATABASE": address})
    try:
        wait_until(lambda: greets(port), "the control to greet")
        yield port, child.pid
    finally:
        child.stop()
        with psycopg.connect(database_url, autocommit=True) as boss:
            boss.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_DATABASE)))


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), os.environ["DATABASE"], int(sys.argv[2])))
