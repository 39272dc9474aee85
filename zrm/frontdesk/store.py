"""The store as the front desk's ports reach it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from zrm.kit.db import Cursor, Database
from zrm.security.keyed import keyed_hash


class DeskStore:
    """The database behind the ports, and the installation's secret for keyed hashes."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self.database = database
        self._secret = secret

    def cursor(self) -> AbstractContextManager[Cursor]:
        """A cursor that commits when the block ends well. Errors: StoreUnavailable, which every door can tell its sender."""
        return self.database.cursor()

    def keyed_hash(self, purpose: str, value: str) -> str:
        """A keyed hash of `value` for a purpose: unreadable from the store without the installation's secret."""
        return f"{purpose}:{keyed_hash(self._secret, purpose, value)}"
