"""The installation's id, which shows that the folder of its files is its own.

The id is in the database and in the blob folder. If the installation has an id and the folder has none, the folder is a
disk that is not mounted or not shared, or another installation's: files stored there would be lost. So the first role
that starts marks the folder, every role compares before it works, and every file written is checked again
(`BlobStore`). An installation older than its id marks the folder that contains files of its database.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import CheckConstraint
from sqlmodel import Field

from zrm.errors import ConfigError, StoreUnavailable
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database, record, records
from zrm.kit.tables import Table

_SAMPLE = 20  # files looked for before a folder counts as that of an older installation


class InstallationRecord(Table, table=True):
    """The one row with the installation's id, and when it claimed the folder of its files."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("only_one"),)

    only_one: bool = Field(default=True, primary_key=True)
    id: UUID
    folder_claimed_at: datetime | None = None


def claim_folder(database: Database, blobs: BlobStore) -> str:
    """The installation's id, with the folder marked as its own. Of several concurrent calls one marks, all agree.

    Errors: ConfigError in a sentence for the operator when the folder is not the installation's, or the schema is older
    than the id; StoreUnavailable when the database is away or the folder cannot be written.
    """
    try:
        with database.cursor() as cursor:
            identity, claimed = _locked(cursor)
            if problem := _problem(cursor, blobs, identity, claimed=claimed):
                raise ConfigError(problem)
            if not claimed or blobs.mark() is None:
                blobs.write_mark(identity)
                cursor.execute("UPDATE installation SET folder_claimed_at = %s", [now()])
            return identity
    except psycopg.errors.UndefinedTable:
        raise ConfigError("the database does not have the newest schema; run `zrm migrate`") from None
    except psycopg.Error as error:
        raise StoreUnavailable("the database is away") from error


def adopt_folder(database: Database, blobs: BlobStore) -> str:
    """Mark the folder as the installation's whatever it contains, on an operator's request; returns the id.

    Errors: StoreUnavailable when the folder cannot be written; psycopg.Error.
    """
    with database.cursor() as cursor:
        identity, _ = _locked(cursor)
        blobs.write_mark(identity)
        cursor.execute("UPDATE installation SET folder_claimed_at = %s", [now()])
    return identity


def folder_problem(cursor: Cursor, blobs: BlobStore) -> str | None:
    """Why the folder is not the installation's, in a sentence; None when it is, or may become so. Writes nothing."""
    cursor.execute(_MARK)
    found = record(cursor, _InstallationMark)
    return _problem(cursor, blobs, found.id, claimed=found.claimed) if found else None


class _InstallationMark(NamedTuple):
    """The installation's id, and whether it has claimed its folder."""

    id: str
    claimed: bool


_MARK: Final = "SELECT id::text AS id, folder_claimed_at IS NOT NULL AS claimed FROM installation"


def _locked(cursor: Cursor) -> _InstallationMark:
    cursor.execute(f"{_MARK} FOR UPDATE")
    (found,) = records(cursor, _InstallationMark)
    return found


def _problem(cursor: Cursor, blobs: BlobStore, identity: str, *, claimed: bool) -> str | None:
    mark = blobs.mark()
    if mark == identity:
        return None
    if mark is not None:
        return (
            f"data_dir: {blobs.root} holds the files of another installation ({mark}); this database belongs to "
            f"installation {identity}"
        )
    if claimed or not _holds_files(cursor, blobs):
        return (
            f"data_dir: {blobs.root} is not the folder in which this installation ({identity}) keeps its files; is its disk "
            "mounted, and shared between the machines? After a restore without the files: `zrm adopt`"
        )
    return None


def _holds_files(cursor: Cursor, blobs: BlobStore) -> bool:
    """Whether a file that the database names is there; True also when it names none."""
    cursor.execute(
        "(SELECT blob_key FROM attachments ORDER BY id DESC LIMIT %(n)s)"
        " UNION (SELECT body_key FROM raw_contacts WHERE body_key IS NOT NULL LIMIT %(n)s)",
        {"n": _SAMPLE},
    )
    keys = [str(key) for (key,) in cursor.fetchall()]
    return not keys or any(blobs.path(key).is_file() for key in keys)
