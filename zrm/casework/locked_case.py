"""The case that an action works on: locked, the permission and the version checked, then moved on with its history.

Nothing here commits: the caller that opened the cursor does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zrm.casestore import case as cases
from zrm.casestore import follower, history, live, timers
from zrm.casestore.agent import Permission
from zrm.casestore.case import CaseState, Status
from zrm.casestore.history import by_agent
from zrm.casestore.history_payloads import CaseClosed, KnownPayload
from zrm.casestore.outbox import Topic
from zrm.casework.context import ActionContext
from zrm.casework.transitions import Step, next_status
from zrm.errors import Conflict, NotFound
from zrm.kit.db import Cursor, record


@dataclass(frozen=True, slots=True)
class Locked:
    """The case as it stands, locked for this transaction."""

    id: UUID
    code: str
    status: str
    unit_id: UUID
    assignee_id: UUID | None
    subject_id: UUID | None
    nature: str
    person_id: UUID | None
    language: str
    version: int


def lock(
    cursor: Cursor, act: ActionContext, permission: Permission = Permission.WORK_CASES, *, any_version: bool = False
) -> Locked:
    """The case, locked for this transaction, if the agent has the permission in the unit that has it now.

    Errors: NotFound; Forbidden; Conflict when it has changed since the agent saw it, unless `any_version`.
    """
    cursor.execute(
        "SELECT id, code, status, unit_id, assignee_id, subject_id, coalesce(nature, '') AS nature, person_id, language, version"
        " FROM cases WHERE id = %s FOR UPDATE",
        [act.case_id],
    )
    case = record(cursor, Locked)
    if case is None:
        raise NotFound("no such case")
    act.actor.require(permission, case.unit_id)
    if case.version != act.version and not any_version:
        raise Conflict("changed since")
    return case


def move(
    cursor: Cursor,
    agent_id: UUID,
    case: Locked,
    step: Step,
    payload: KnownPayload,
    *,
    to: Locked | None = None,
    contact_at: datetime | None = None,
) -> UUID:
    """Write the case's new state, the history line of the step and that of its change of status; returns the step's id.

    `to` is the case with what the step changes besides its status; `contact_at` when it wrote to the citizen, if it did.
    """
    status, to = next_status(case.status, step), to or case
    cases.move(
        cursor,
        case.id,
        CaseState(
            status=status.value,
            assignee_id=to.assignee_id,
            unit_id=to.unit_id,
            subject_id=to.subject_id,
            nature=to.nature,
            contact_at=contact_at,
            result=payload.result if isinstance(payload, CaseClosed) else None,
        ),
    )
    line = history.NewLine(case.id, by_agent(agent_id), payload)
    history.append_step(cursor, line, before=Status(case.status), after=status)
    live.publish_change(cursor, "case", [case.id])
    return line.id


def tell_others(
    cursor: Cursor, agent_id: UUID, case: Locked, ref: UUID, *, hold: float = 0, named: Sequence[UUID] = ()
) -> None:
    """Queue the notifications for `hold` seconds later: a step undone before that is never told. `ref` as in
    `audience.notices`.
    """
    following = follower.followers(cursor, [case.id]).get(case.id, ())
    others = {case.assignee_id, *following, *named} - {None, agent_id}
    if others:
        timers.add(cursor, Topic.NOTIFY, [(ref, trace_of(cursor, case.id))], after=hold)


def touch(cursor: Cursor, case: Locked) -> None:
    """A note changes only the version, so that an agent who is writing an answer sees it first."""
    cases.touch(cursor, case.id)
    live.publish_change(cursor, "case", [case.id])


def trace_of(cursor: Cursor, case_id: UUID) -> str:
    """The trace of a step at a case: that of the contact being answered, the newest from outside, so that one id
    follows it from the door to the answer. A case without a traced contact has a trace of its own, always the same.
    """
    cursor.execute(
        "SELECT r.trace FROM contacts c JOIN raw_contacts r ON r.id = c.id"
        " WHERE c.case_id = %s AND c.direction = 'in' ORDER BY c.at DESC, c.id DESC LIMIT 1",
        [case_id],
    )
    row = cursor.fetchone()
    return row[0] if row and row[0] else case_id.hex[-16:]
