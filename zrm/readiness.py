"""Whether contacts can be kept and whether everything else works, as sentences for the operator: for `/readyz` and
`zrm check`.
"""

from __future__ import annotations

import psycopg

from zrm.casestore.schema import NO_WAY, BrokenMigrations, SchemaState, state
from zrm.dispatch.queues import Monitor, QueueAway
from zrm.errors import StoreUnavailable
from zrm.inbox.writer import refusal
from zrm.installation import Runtime
from zrm.kit import log

_log = log.get(__name__)


def readiness(runtime: Runtime) -> tuple[list[str], list[str]]:
    """What prevents contacts from being kept, and what else is wrong with the store; a sentence each."""
    problems, remarks = schema_findings(runtime)
    return [*problems, *blob_problems(runtime)], remarks


def schema_findings(runtime: Runtime) -> tuple[list[str], list[str]]:
    """Why no contact can be kept in the database, and what is wrong with its schema although contacts can be kept.

    An older schema lacks what this version needs. A newer schema is normal on a node during a rolling upgrade. Leaves
    nothing written.
    """
    try:
        found = state(runtime.database)
        if found is SchemaState.UNRELEASED:
            return [NO_WAY], []
        if found is SchemaState.OLDER:
            return ["the database does not have the newest schema; run `zrm migrate`"], []
        refused = refusal(runtime.database)
        if found is SchemaState.CURRENT:
            return [f"PostgreSQL keeps no contact ({refused})"] if refused else [], []
        newer = "the database has a newer schema than this version of ZRM knows"
        if refused:
            return [f"{newer}, and keeps no contact of this one ({refused}); install the newer version here too"], []
        return [], [f"{newer}; install the newer version here too"]
    except BrokenMigrations as error:
        _log.error("migrations cannot be read", error=str(error))
        return ["the migrations of this installation do not fit together; the log says why"], []
    except psycopg.Error:
        return ["PostgreSQL does not answer"], []


def queue_problems(monitor: Monitor) -> list[str]:
    """Whether the queue answers."""
    try:
        monitor.ping()
    except QueueAway:
        return ["Redis or Valkey does not answer; contacts are kept but not filed"]
    return []


def health_problems(runtime: Runtime, asker: str = "") -> list[str]:
    """Which roles give no heartbeat, other than the caller's, and what waits too long; a sentence each.

    Empty while the store is away: `schema_findings` reports that.
    """
    try:
        with runtime.database.cursor() as cursor:
            return [str(problem) for problem in runtime.health(asker).problems(cursor)]
    except psycopg.OperationalError:
        return []
    except psycopg.Error as error:
        return [f"whether the roles are alive cannot be read ({type(error).__name__})"]


def blob_problems(runtime: Runtime) -> list[str]:
    """Whether the blob folder can be used."""
    try:
        runtime.blobs.require_own()
        runtime.blobs.root.mkdir(parents=True, exist_ok=True)
        probe = runtime.blobs.root / ".probe"
        probe.write_bytes(b"ok")
        probe.unlink(missing_ok=True)  # another caller may have been faster
    except OSError as error:
        return [f"{runtime.blobs.root} cannot be written: {error.strerror}"]
    except StoreUnavailable as error:
        return [str(error)]
    return []
