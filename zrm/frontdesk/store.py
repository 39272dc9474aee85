"""The store as the front desk's ports reach it: an outage is an error that every door can tell its sender politely."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from zrm.errors import StoreUnavailable
from zrm.kit.db import Cursor, Database


class DeskStore:
    """The database behind the ports, and the installation's secret for keyed hashes."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self.database = database
        self._secret = secret

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A cursor that commits when the block ends well. Errors: StoreUnavailable."""
        with self.reached(), self.database.cursor() as cursor:
            yield cursor

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Translate the loss of the database within the block. Errors: StoreUnavailable."""
        try:
            yield
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise StoreUnavailable("the store is away") from error

    def keyed_hash(self, purpose: str, value: str) -> str:
        """`value` as nobody can read it from the store without the installation's secret."""
        digest = hmac.new(self._secret, f"{purpose}:{value}".encode("utf-8", "replace"), hashlib.sha256)
        return f"{purpose}:{digest.hexdigest()}"
