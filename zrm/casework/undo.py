"""Taking the last step back: an answer, or the closing of a case, within the seconds in which nothing has left yet.

What goes to the citizen is held for `dispatch.hold` seconds in the outbox itself, so nothing is remembered anywhere else: a
process that dies changes nothing, and who comes too late is told so. Rows are kept: a withdrawn answer belongs to nobody's
conversation, its delivery says what became of it, and the case's history that it was taken back and by whom.

Somebody may have written meanwhile. What they did stays: the case goes back only as far as it still stands where the step
had put it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from zrm.casestore import case as cases
from zrm.casestore import contact as contacts
from zrm.casestore import live, outbox
from zrm.casestore.delivery import DeliveryState
from zrm.casestore.outbox import Topic
from zrm.casework.case_actions import ActionContext, add_event, lock
from zrm.casework.transitions import Step
from zrm.errors import Conflict, NotAllowed
from zrm.kit.clock import now
from zrm.kit.db import Cursor, record, records
from zrm.kit.ids import new_id

STEPS: Final = frozenset({Step.REPLY, Step.CLOSE})
"""The steps that can be taken back: those of which a citizen hears."""

_KINDS: Final = [step.value for step in STEPS]
_TAKEN_BACK: Final = (
    "EXISTS (SELECT FROM case_events u WHERE u.case_id = e.case_id AND u.kind = 'undo' AND u.at >= e.at"
    " AND u.data ->> 'event' = e.id::text)"
)
_STEP: Final = (
    f"e.id, e.kind, e.at, e.data, {_TAKEN_BACK} FROM case_events e"
    " WHERE e.case_id = %(case)s AND e.agent_id = %(agent)s AND e.kind = ANY(%(kinds)s)"
)


class TooLate(NotAllowed):
    """The answer has left, or there is nothing of the agent's to take back (any more)."""


@dataclass(frozen=True, slots=True)
class Undoable:
    """A step that its agent can still take back until `until`; `contact_id` is the answer it wrote, if it wrote one.

    `was` and `became` are the case's status before and after it, empty where it moved nothing; `took`: by it the agent became
    the case's assignee.
    """

    event_id: UUID
    step: Step
    until: datetime
    contact_id: UUID | None
    delivery_id: UUID | None
    was: str
    became: str
    took: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An answer that was taken back, as its writer had written it."""

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


def undoable(cursor: Cursor, agent_id: UUID, case_id: UUID, *, hold: float) -> Undoable | None:
    """The agent's newest step at the case that can be taken back now; `hold` in seconds."""
    cursor.execute(
        f"SELECT {_STEP} AND e.at > %(since)s AND NOT {_TAKEN_BACK} ORDER BY e.at DESC, e.id DESC LIMIT 1",
        {"case": case_id, "agent": agent_id, "kinds": _KINDS, "since": now() - timedelta(seconds=hold)},
    )
    row = cursor.fetchone()
    return _undoable(row, hold) if row is not None else None


def undo(cursor: Cursor, act: ActionContext, event_id: UUID, *, hold: float) -> Undoable:
    """Take the agent's step at the case back that the event records; returns what it was.

    A step that is taken back already stays so, and no other goes with it: whoever clicks twice means one.
    Errors: NotFound (no such case), TooLate; Conflict if it is taken back and the agent has taken another step since.
    """
    case = lock(cursor, act, any_version=True)
    cursor.execute(
        f"SELECT {_STEP} AND e.id = %(event)s AND (e.at > %(since)s OR {_TAKEN_BACK})",
        {
            "case": act.case_id, "agent": act.agent_id, "kinds": _KINDS, "event": event_id,
            "since": now() - timedelta(seconds=hold),
        },
    )  # fmt: skip
    row = cursor.fetchone()
    if row is None:
        raise TooLate("nothing to take back")
    step, taken_back = _undoable(row, hold), bool(row[-1])
    if taken_back:
        if _has_gone_on(cursor, act, step):
            raise Conflict("another step was taken since")
        return step
    if step.delivery_id is not None:
        _withdraw(cursor, step.delivery_id, step.contact_id)
    moved = bool(step.became) and case.status == step.became
    freed = step.took and case.assignee_id == act.agent_id
    cases.move_back(
        cursor,
        case.id,
        status=step.was if moved else case.status,
        assignee_id=None if freed else case.assignee_id,
    )
    data = {"event": str(step.event_id), "step": step.step.value}
    if moved:
        data |= {"was": case.status, "is": step.was}
    add_event(cursor, case.id, act.agent_id, "undo", data)
    live.publish_change(cursor, "case", [case.id])
    return step


def _has_gone_on(cursor: Cursor, act: ActionContext, step: Undoable) -> bool:
    """Whether the agent has taken a later step at the case that stands."""
    cursor.execute(
        f"SELECT {_STEP} AND NOT {_TAKEN_BACK}"  # noqa: S608  # constants of this file
        " AND (e.at, e.id) > (SELECT s.at, s.id FROM case_events s WHERE s.id = %(event)s) LIMIT 1",
        {"case": act.case_id, "agent": act.agent_id, "kinds": _KINDS, "event": step.event_id},
    )
    return cursor.fetchone() is not None


def withdrawn(cursor: Cursor, agent_id: UUID, case_id: UUID, contact_id: UUID) -> Withdrawn | None:
    """The agent's own answer that they took back; None if there is none of that id at the case."""
    cursor.execute(
        "SELECT text, title, channel, account, address FROM contacts"
        " WHERE id = %s AND case_id = %s AND agent_id = %s AND direction = 'withdrawn'",
        [contact_id, case_id, agent_id],
    )
    return record(cursor, Withdrawn)


def kept_files(cursor: Cursor, agent_id: UUID, case_id: UUID, contact_id: UUID) -> list[DraftFile]:
    """The files of an answer that the agent took back, in their order."""
    cursor.execute(
        "SELECT a.id, a.name, a.media_type, a.size, a.blob_key AS key FROM attachments a JOIN contacts c ON c.id = a.contact_id"
        " WHERE c.id = %s AND c.case_id = %s AND c.agent_id = %s AND c.direction = 'withdrawn' ORDER BY a.position",
        [contact_id, case_id, agent_id],
    )
    return records(cursor, DraftFile)


def _undoable(row: tuple[Any, ...], hold: float) -> Undoable:
    event_id, kind, at, data, _taken_back = row
    return Undoable(
        event_id,
        Step(kind),
        at + timedelta(seconds=hold),
        _id(data.get("contact")),
        _id(data.get("delivery")),
        data.get("was", ""),
        data.get("is", ""),
        bool(data.get("took")),
    )


def _withdraw(cursor: Cursor, delivery_id: UUID, contact_id: UUID | None) -> None:
    """Stop a delivery that nobody has begun. The row's lock is what a worker takes before it begins. Errors: TooLate."""
    cursor.execute("SELECT state, attempts FROM deliveries WHERE id = %s FOR UPDATE", [delivery_id])
    if cursor.fetchone() != (DeliveryState.QUEUED.value, 0):
        raise TooLate("it has left")
    cursor.execute(
        "UPDATE deliveries SET state = %s, changed_at = now() WHERE id = %s",
        [DeliveryState.WITHDRAWN.value, delivery_id],
    )
    cursor.execute(
        "INSERT INTO delivery_events (id, delivery_id, at, state) VALUES (%s, %s, now(), %s)",
        [new_id(), delivery_id, DeliveryState.WITHDRAWN.value],
    )
    outbox.withdraw(cursor, Topic.DELIVER, delivery_id)
    contacts.withdraw(cursor, contact_id)


def _id(value: object) -> UUID | None:
    return UUID(str(value)) if value else None
