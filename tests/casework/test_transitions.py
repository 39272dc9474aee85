"""The table of steps, row by row; each row ends in what it means."""

from __future__ import annotations

import pytest

from zrm.casestore.case import Status
from zrm.casework.transitions import TRANSITIONS, Step, allowed, next_status
from zrm.errors import NotAllowed

N, O, W, C = Status.NEW, Status.OPEN, Status.WAITING, Status.CLOSED  # noqa: E741  # the table reads better in columns

ROWS = [
    (N, Step.CLAIM, O, "taking a new case begins work on it"),
    (N, Step.ASSIGN, O, "a case given to somebody is being worked on"),
    (N, Step.TRANSFER, N, "in another unit nobody has it yet either"),
    (N, Step.RELEASE, None, "what nobody has cannot be given back"),
    (N, Step.REPLY, W, "an answer makes it the citizen's turn, taken or not"),
    (N, Step.NOTE, N, "a note moves nothing"),
    (N, Step.CLASSIFY, N, "saying what it is about moves nothing"),
    (N, Step.CLOSE, C, "what needs no answer is closed at once"),
    (N, Step.REOPEN, None, "only what is closed can be opened again"),
    (N, Step.CITIZEN_WRITES, N, "a second message of the citizen does not make it less new"),
    (N, Step.ROBOT_WRITES, N, "a robot moves nothing"),
    (O, Step.CLAIM, O, "a case given back is taken up again"),
    (O, Step.ASSIGN, O, "work goes on in other hands"),
    (O, Step.TRANSFER, O, "work goes on in another unit"),
    (O, Step.RELEASE, O, "given back, it is still open"),
    (O, Step.REPLY, W, "answered: the citizen's turn"),
    (O, Step.NOTE, O, "a note moves nothing"),
    (O, Step.CLASSIFY, O, "saying what it is about moves nothing"),
    (O, Step.CLOSE, C, "done"),
    (O, Step.REOPEN, None, "it is open"),
    (O, Step.CITIZEN_WRITES, O, "more to read, still our turn"),
    (O, Step.ROBOT_WRITES, O, "a robot moves nothing"),
    (W, Step.CLAIM, W, "somebody else will read the answer"),
    (W, Step.ASSIGN, W, "somebody else will read the answer"),
    (W, Step.TRANSFER, W, "another unit will read the answer"),
    (W, Step.RELEASE, W, "nobody in particular will read the answer"),
    (W, Step.REPLY, W, "a second answer, still the citizen's turn"),
    (W, Step.NOTE, W, "a note moves nothing"),
    (W, Step.CLASSIFY, W, "saying what it is about moves nothing"),
    (W, Step.CLOSE, C, "the citizen never wrote again"),
    (W, Step.REOPEN, None, "it is not closed"),
    (W, Step.CITIZEN_WRITES, O, "the citizen has answered: our turn"),
    (W, Step.ROBOT_WRITES, W, "an out-of-office note is not an answer"),
    (C, Step.CLAIM, None, "closed cases are opened first"),
    (C, Step.ASSIGN, None, "closed cases are opened first"),
    (C, Step.TRANSFER, None, "closed cases are opened first"),
    (C, Step.RELEASE, None, "closed cases are opened first"),
    (C, Step.REPLY, None, "closed cases are opened first"),
    (C, Step.NOTE, C, "something may be remembered of a closed case"),
    (C, Step.CLASSIFY, C, "a wrong subject may be corrected for the reports"),
    (C, Step.CLOSE, None, "it is closed"),
    (C, Step.REOPEN, O, "taken up again"),
    (C, Step.CITIZEN_WRITES, O, "a citizen who writes again is heard"),
    (C, Step.ROBOT_WRITES, C, "a robot wakes nobody"),
]


@pytest.mark.parametrize(("status", "step", "then", "meaning"), ROWS, ids=[row[3] for row in ROWS])
def test_a_step(status: Status, step: Step, then: Status | None, meaning: str) -> None:
    if then is None:
        with pytest.raises(NotAllowed):
            next_status(status, step)
        assert step not in allowed(status)
    else:
        assert next_status(status, step) is then, meaning
        assert step in allowed(status)


def test_every_pair_has_a_row() -> None:
    assert {(status, step) for status, step, _, _ in ROWS} == {(status, step) for status in Status for step in Step}
    assert set(TRANSITIONS) == {(status, step) for status, step, then, _ in ROWS if then}
