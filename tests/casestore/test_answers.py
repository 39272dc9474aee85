"""What counts as an answer, and where an answer that is still held stands among the steps at its case."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from tests.casework.installation import Filed, acting, agent, file_case, one
from zrm.casestore import answers, timeline
from zrm.casework import case_actions, failed_deliveries
from zrm.casework.context import InvalidInput
from zrm.casework.reply_routes import ReplyRoute
from zrm.contract.tracking import Tracking
from zrm.frontdesk import tracking
from zrm.kit.db import Cursor, Database

MAIL = ReplyRoute("email", "contact@city.example", "sara@home.example", files=True)
PAGE = ReplyRoute("web", "web", "", files=True)
HOLD = 60.0


@pytest.fixture
def maryam(database: Database) -> UUID:
    with database.cursor() as cursor:
        return agent(cursor, "maryam")


def version(cursor: Cursor, case: Filed) -> int:
    return one(cursor, "SELECT version FROM cases WHERE id = %s", case.id)  # type: ignore[no-any-return]  # a number


def answer(cursor: Cursor, case: Filed, who: UUID, *, route: ReplyRoute = MAIL, hold: float = 0) -> UUID:
    act = acting(who, case.id, version(cursor, case), MAIL, hold=hold)
    return case_actions.reply(cursor, act, route=route, title="", text="Tomorrow.")


def end(cursor: Cursor, delivery: UUID, state: str) -> None:
    cursor.execute("UPDATE deliveries SET state = %s WHERE id = %s", [state, delivery])


def page(cursor: Cursor, case: Filed) -> Tracking:
    return tracking.tracking_of(
        cursor, case.code, proven=True, default_language="en", writes_mail=True, body_of=lambda key: b""
    )


def test_what_is_done_while_an_answer_is_held_stands_below_it(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        answer(cursor, case, maryam, hold=HOLD)
    with database.cursor() as cursor:
        case_actions.note(cursor, acting(maryam, case.id), text="He called.")
    with database.cursor() as cursor:
        case_actions.close(cursor, acting(maryam, case.id, version(cursor, case), hold=HOLD), result="Done.")
    with database.cursor() as cursor:
        found = timeline.load(cursor, case.id)
        assert found is not None
        entries = [(one.at, one.direction) for one in found.contacts] + [(one.at, one.kind) for one in found.events]
        order = [what for _, what in sorted(entries) if what != "status_changed"]
        assert order == ["in", "out", "note", "out", "closed"], "the last one out is the closing message"
        cursor.execute(
            "SELECT c.at - e.at, c.leaves_at - c.at FROM contacts c"
            " JOIN case_events e ON e.kind = 'replied' AND e.data->>'answer_id' = c.id::text"
        )
        between, held = cursor.fetchone() or ()
        assert abs(between) < timedelta(seconds=HOLD / 2), "the history and the conversation name the same moment"
        assert held == timedelta(seconds=HOLD)


def test_the_citizen_sees_an_answer_only_once_it_has_left_and_as_of_then(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        answer(cursor, case, maryam, hold=HOLD)
        assert [message.ours for message in page(cursor, case).messages] == [False]
        assert page(cursor, case).state == "in_progress"
        assert answers.answered_at(cursor, case.id) is None
        assert not answers.is_unanswered(cursor, case.id), "closing it now needs no reason"
        # They wrote again while it was held.
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, text, at)"
            " SELECT gen_random_uuid(), case_id, 'in', channel, account, 'Please!', at + interval '20 seconds'"
            " FROM contacts WHERE direction = 'out'"
        )
        cursor.execute("UPDATE contacts SET at = at - interval '1 hour', leaves_at = leaves_at - interval '1 hour'")
        left = one(cursor, "SELECT leaves_at FROM contacts WHERE direction = 'out'")
        shown = page(cursor, case)
        assert [(message.ours, message.text) for message in shown.messages][1:] == [
            (False, "Please!"),
            (True, "Tomorrow."),
        ]
        assert (shown.messages[-1].at, shown.happened["answered"]) == (left, left)


@pytest.mark.parametrize(
    ("state", "answered"),
    [("queued", True), ("sending", True), ("sent", True), ("delivered", True), ("unknown", True), ("failed", False)],
)
def test_an_answer_that_reached_nobody_is_none(database: Database, maryam: UUID, state: str, answered: bool) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        end(cursor, answer(cursor, case, maryam), state)
    with database.cursor() as cursor:
        assert answers.is_unanswered(cursor, case.id) is not answered
        shown = page(cursor, case)
        assert (shown.state, "answered" in shown.happened) == (
            ("answered", True) if answered else ("in_progress", False)
        )
        act = acting(maryam, case.id, version(cursor, case))
        if not answered:
            with pytest.raises(InvalidInput, match="not_answered"):
                case_actions.close(cursor, act, result="Not ours.")
        case_actions.close(cursor, act, result="Not ours.", reason="" if answered else "This road is not the city's.")
        assert ("answered" in page(cursor, case).happened) is answered


@pytest.mark.parametrize("how", ["again", "on the page", "another answer"])
def test_one_delivery_that_arrived_makes_it_an_answer(database: Database, maryam: UUID, how: str) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        failed, act = answer(cursor, case, maryam), acting(maryam, case.id, -1, MAIL)
        end(cursor, failed, "failed")
        if how == "again":
            end(cursor, failed_deliveries.send_again(cursor, act.actor, failed), "sent")
        elif how == "on the page":
            end(cursor, failed_deliveries.send_by(cursor, act.actor, failed, PAGE, act.sending), "delivered")
        else:
            end(cursor, answer(cursor, case, maryam, route=PAGE), "delivered")
    with database.cursor() as cursor:
        assert not answers.is_unanswered(cursor, case.id)
        assert page(cursor, case).state == "answered"


def test_handling_a_failure_reaches_nobody(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        failed = answer(cursor, case, maryam)
        end(cursor, failed, "failed")
        failed_deliveries.mark_handled(cursor, acting(maryam, case.id).actor, failed)
        assert answers.is_unanswered(cursor, case.id)
