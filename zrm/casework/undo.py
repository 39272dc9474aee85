"""Undoes the last step, an answer or the closing of a case, within the seconds in which nothing has left yet.

What goes to the citizen is held for `dispatch.hold` seconds in the outbox itself, so no other state is needed: a
process that crashes changes nothing, and an agent who comes too late is told so. Rows are kept: a withdrawn answer
leaves the conversation, its delivery is marked withdrawn, and the case's history says that it was undone and by which
agent.

Others may have acted meanwhile. What they did stays: the status goes back only if it is still as the step set it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from zrm.casestore import case as cases
from zrm.casestore import contact as contacts
from zrm.casestore import history, live, outgoing, timers
from zrm.casestore.agent import Permission
from zrm.casestore.case import Status
from zrm.casestore.history import AgentStep, HistoryLine, by_agent
from zrm.casestore.history_payloads import CaseClosed, CaseReplied, StatusChanged, StepUndone
from zrm.casestore.outbox import Topic
from zrm.casework import case_reading
from zrm.casework.context import ActionContext
from zrm.casework.locked_case import lock
from zrm.casework.transitions import Step
from zrm.errors import Conflict, NotAllowed
from zrm.kit.clock import now
from zrm.kit.db import Cursor, record, records

_STEPS: Final = {CaseReplied.KIND: Step.REPLY, CaseClosed.KIND: Step.CLOSE}
"""The steps that can be undone, by their kind in the history: those that send the citizen something."""


class TooLate(NotAllowed):
    """The answer has left, or the agent has nothing to undo (any more)."""


@dataclass(frozen=True, slots=True)
class Undoable:
    """A step that its agent can still undo until `until`; `contact_id` is the answer it wrote, if it wrote one.

    `change` is its change of the case's status, None where that stayed; `took`: it made the agent the case's assignee.
    """

    event_id: UUID
    step: Step
    until: datetime
    contact_id: UUID | None
    delivery_id: UUID | None
    change: StatusChanged | None
    took: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A withdrawn answer, as its writer had written it."""

    text: str
    title: str
    channel: str
    account: str
    address: str


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A file of a withdrawn answer that can go with the next one; `size` in bytes."""

    id: UUID
    name: str
    media_type: str
    size: int
    key: str


def undoable(cursor: Cursor, act: ActionContext) -> Undoable | None:
    """The agent's newest step at the case that can be undone now; None also for an agent who may not work on the case
    (any more).

    Errors: NotFound.
    """
    if not act.actor.may(Permission.WORK_CASES, case_reading.head(cursor, act.actor, act.case_id).unit_id):
        return None
    hold = act.sending.hold
    steps = history.steps_of(cursor, act.agent_id, act.case_id, _STEPS, since=now() - timedelta(seconds=hold))
    return next((found for step in steps if not step.undone and (found := _undoable(step, hold))), None)


def undo(cursor: Cursor, act: ActionContext, event_id: UUID) -> Undoable:
    """Undo the agent's step at the case that the event records; returns what it was.

    Repeating it for a step already undone does nothing, and undoes no other step: an agent who clicks twice means one.

    Errors: NotFound (no such case), Forbidden, TooLate; Conflict if it is already undone and the agent has taken
    another step since.
    """
    case, hold = lock(cursor, act, any_version=True), act.sending.hold
    recorded = history.step(cursor, act.agent_id, act.case_id, _STEPS, event_id)
    step = _undoable(recorded, hold) if recorded is not None else None
    if recorded is None or step is None or not (recorded.undone or step.until > now()):
        raise TooLate("nothing to undo")
    if recorded.undone:
        if _has_gone_on(cursor, act, recorded.line):
            raise Conflict("another step was taken since")
        return step
    if step.delivery_id is not None:
        _withdraw(cursor, step.delivery_id, step.contact_id)
    before = Status(case.status)
    after = step.change.before if step.change is not None and before is step.change.after else before
    freed = step.took and case.assignee_id == act.agent_id
    cases.move_back(
        cursor,
        case.id,
        status=after.value,
        assignee_id=None if freed else case.assignee_id,
    )
    undone = StepUndone(
        undone_step_id=step.event_id,
        undone_step="replied" if step.step is Step.REPLY else "closed",
        ended_assignment=freed,
    )
    for ref in (step.event_id, *([step.contact_id] if step.contact_id else [])):
        timers.withdraw(cursor, Topic.NOTIFY, ref)  # the notifications have not been sent yet
    # Never before the step itself, also when the clock was set back meanwhile.
    line = history.NewLine(case.id, by_agent(act.agent_id), undone, max(now(), recorded.line.at))
    history.append_step(cursor, line, before=before, after=after)
    live.publish_change(cursor, "case", [case.id])
    return step


def _has_gone_on(cursor: Cursor, act: ActionContext, line: HistoryLine) -> bool:
    """Whether the agent has taken a later step at the case that still stands."""
    steps = history.steps_of(cursor, act.agent_id, act.case_id, _STEPS, since=line.at)
    return any(not step.undone and (step.line.at, step.line.id) > (line.at, line.id) for step in steps)


def withdrawn(cursor: Cursor, act: ActionContext, contact_id: UUID) -> Withdrawn | None:
    """The agent's own withdrawn answer; None if the case has none with that id. Errors: NotFound."""
    case_reading.head(cursor, act.actor, act.case_id)
    cursor.execute(
        "SELECT text, title, channel, account, address FROM contacts"
        " WHERE id = %s AND case_id = %s AND agent_id = %s AND direction = 'withdrawn'",
        [contact_id, act.case_id, act.agent_id],
    )
    return record(cursor, Withdrawn)


def kept_files(cursor: Cursor, act: ActionContext, contact_id: UUID) -> list[DraftFile]:
    """The files of an answer that the agent withdrew, in their order. Errors: NotFound."""
    case_reading.head(cursor, act.actor, act.case_id)
    cursor.execute(
        "SELECT a.id, a.name, a.media_type, a.size, a.blob_key AS key FROM attachments a JOIN contacts c ON c.id = a.contact_id"
        " WHERE c.id = %s AND c.case_id = %s AND c.agent_id = %s AND c.direction = 'withdrawn' ORDER BY a.position",
        [contact_id, act.case_id, act.agent_id],
    )
    return records(cursor, DraftFile)


def _undoable(step: AgentStep, hold: float) -> Undoable | None:
    """The step, or None if a later version of the software wrote it: an unknown step is not undone."""
    line = step.line
    if not isinstance(line.payload, CaseReplied | CaseClosed):
        return None
    took = isinstance(line.payload, CaseReplied) and line.payload.became_assignee
    until = line.at + timedelta(seconds=hold)
    return Undoable(
        line.id, _STEPS[line.kind], until, line.payload.answer_id, line.payload.delivery_id, step.change, took
    )


def _withdraw(cursor: Cursor, delivery_id: UUID, contact_id: UUID | None) -> None:
    """Withdraw a delivery that has not been started. Errors: TooLate."""
    if not outgoing.withdraw(cursor, delivery_id):
        raise TooLate("it has left")
    contacts.withdraw(cursor, contact_id)
