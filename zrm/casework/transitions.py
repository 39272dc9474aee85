"""The table of what may happen to a case, and the status it has afterwards.

Everything that moves a case calls `next_status`: agents' steps through `casework.case_actions`, citizens' and robots'
messages through filing. A pair that is not in the table is not allowed.

    new      it has no assignee yet
    open     an agent works on it, or the citizen wrote again
    waiting  answered: the citizen's turn
    closed   done, with a result; a citizen who writes again reopens it, a robot does not
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from zrm.casestore.case import Status
from zrm.errors import NotAllowed


class Step(StrEnum):
    """What can happen to a case. `assign` gives it to an agent, `transfer` to a unit without naming an agent."""

    CLAIM = "claim"
    ASSIGN = "assign"
    TRANSFER = "transfer"
    RELEASE = "release"
    REPLY = "reply"
    NOTE = "note"
    CLASSIFY = "classify"
    CLOSE = "close"
    REOPEN = "reopen"
    CITIZEN_WRITES = "citizen_writes"
    ROBOT_WRITES = "robot_writes"


_NEW, _OPEN, _WAITING, _CLOSED = Status.NEW, Status.OPEN, Status.WAITING, Status.CLOSED

TRANSITIONS: Final[dict[tuple[Status, Step], Status]] = {
    (_NEW, Step.CLAIM): _OPEN,
    (_NEW, Step.ASSIGN): _OPEN,
    (_NEW, Step.TRANSFER): _NEW,
    (_NEW, Step.REPLY): _WAITING,
    (_NEW, Step.NOTE): _NEW,
    (_NEW, Step.CLASSIFY): _NEW,
    (_NEW, Step.CLOSE): _CLOSED,
    (_NEW, Step.CITIZEN_WRITES): _NEW,
    (_NEW, Step.ROBOT_WRITES): _NEW,
    (_OPEN, Step.CLAIM): _OPEN,
    (_OPEN, Step.ASSIGN): _OPEN,
    (_OPEN, Step.TRANSFER): _OPEN,
    (_OPEN, Step.RELEASE): _OPEN,
    (_OPEN, Step.REPLY): _WAITING,
    (_OPEN, Step.NOTE): _OPEN,
    (_OPEN, Step.CLASSIFY): _OPEN,
    (_OPEN, Step.CLOSE): _CLOSED,
    (_OPEN, Step.CITIZEN_WRITES): _OPEN,
    (_OPEN, Step.ROBOT_WRITES): _OPEN,
    (_WAITING, Step.CLAIM): _WAITING,
    (_WAITING, Step.ASSIGN): _WAITING,
    (_WAITING, Step.TRANSFER): _WAITING,
    (_WAITING, Step.RELEASE): _WAITING,
    (_WAITING, Step.REPLY): _WAITING,
    (_WAITING, Step.NOTE): _WAITING,
    (_WAITING, Step.CLASSIFY): _WAITING,
    (_WAITING, Step.CLOSE): _CLOSED,
    (_WAITING, Step.CITIZEN_WRITES): _OPEN,
    (_WAITING, Step.ROBOT_WRITES): _WAITING,
    (_CLOSED, Step.NOTE): _CLOSED,
    (_CLOSED, Step.CLASSIFY): _CLOSED,
    (_CLOSED, Step.REOPEN): _OPEN,
    (_CLOSED, Step.CITIZEN_WRITES): _OPEN,
    (_CLOSED, Step.ROBOT_WRITES): _CLOSED,
}


def next_status(status: str, step: Step) -> Status:
    """The status of a case in `status` after `step`. Errors: NotAllowed."""
    try:
        return TRANSITIONS[Status(status), step]
    except KeyError:
        raise NotAllowed(f"a case that is {status} has no step {step}") from None


def allowed(status: str) -> frozenset[Step]:
    """The steps a case in `status` may take."""
    return frozenset(step for known, step in TRANSITIONS if known == status)
