"""What a person does about contacts in quarantine. These belong to no unit, so the permission must hold everywhere.

Each step's errors: NotFound without the permission; Conflict if the contact is not in quarantine (any more) or is being filed again already. Each
returns the contact's trace.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from zrm.casestore import live, outbox
from zrm.casestore.agent import Permission
from zrm.casestore.outbox import Topic
from zrm.casework.context import ActingAgent, InputFlaw, invalid
from zrm.errors import Conflict
from zrm.inbox import quarantine, reading
from zrm.inbox.reading import Held
from zrm.kit.db import Cursor

LONGEST_REASON: Final = 500  # characters


def listing(cursor: Cursor, actor: ActingAgent) -> list[Held]:
    """The contacts in quarantine, the most urgent first. Errors: NotFound."""
    actor.grants.require_everywhere(Permission.HANDLE_QUARANTINE)
    return reading.held(cursor)


def take(cursor: Cursor, actor: ActingAgent, contact_id: UUID) -> str:
    """Make the agent its owner."""
    actor.grants.require_everywhere(Permission.HANDLE_QUARANTINE)
    return _done(cursor, contact_id, quarantine.take(cursor, contact_id, actor.agent_id))


def replay(cursor: Cursor, actor: ActingAgent, contact_id: UUID) -> str:
    """File it once more; it stays listed until it is filed, and it keeps its trace."""
    actor.grants.require_everywhere(Permission.HANDLE_QUARANTINE)
    trace = _done(cursor, contact_id, quarantine.refile(cursor, contact_id))
    outbox.add(cursor, Topic.FILE, [(contact_id, trace)])
    return trace


def set_aside(cursor: Cursor, actor: ActingAgent, contact_id: UUID, reason: str) -> str:
    """Set it aside without doing anything, because of `reason`. Errors besides: InvalidInput without a reason."""
    actor.grants.require_everywhere(Permission.HANDLE_QUARANTINE)
    reason = reason.strip()[:LONGEST_REASON]
    if not reason:
        raise invalid("reason", InputFlaw.EMPTY)
    return _done(cursor, contact_id, quarantine.ignore(cursor, contact_id, reason))


def _done(cursor: Cursor, contact_id: UUID, done: bool) -> str:
    if not done:
        raise Conflict("dealt with already")
    live.publish_change(cursor, "quarantine", [contact_id])
    found = reading.original(cursor, contact_id)
    # A contact without a trace has one of its own, always the same.
    return found.trace if found and found.trace else contact_id.hex[-16:]
