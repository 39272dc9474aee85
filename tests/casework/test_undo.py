"""Taking a step back before anything has left: what is undone, what stays, and who comes too late."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from tests.casework.installation import Filed, acting, agent, file_case, one
from tests.lab.locks import wait_for_waiting
from zrm.casestore import outbox, timeline, timers
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions, undo
from zrm.casework.reply_routes import ReplyRoute
from zrm.casework.undo import TooLate
from zrm.contract.files import StoredFile
from zrm.errors import Conflict
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id

MAIL = ReplyRoute("email", "contact@city.example", "sara@home.example", files=True)
HOLD = 60.0


@pytest.fixture
def maryam(database: Database) -> UUID:
    with database.cursor() as cursor:
        return agent(cursor, "maryam")


def answer(database: Database, case: Filed, who: UUID, *, hold: float = HOLD, version: int = 1) -> UUID:
    file = StoredFile("ab" * 32, 7, "plan.pdf", "application/pdf")
    with database.cursor() as cursor:
        return case_actions.reply(
            cursor, acting(who, case.id, version, MAIL, hold=hold), route=MAIL, title="Re: lamp", text="Tomorrow.",
            files=[file],
        )  # fmt: skip


def take_back(
    database: Database, case: Filed, who: UUID, *, hold: float = HOLD, event: UUID | None = None
) -> undo.Undoable:
    """What the page offers last, or the step of an `event`."""
    with database.cursor() as cursor:
        offered = undo.undoable(cursor, acting(who, case.id, hold=hold))
        event = event or (offered.event_id if offered is not None else new_id())
        return undo.undo(cursor, acting(who, case.id, hold=hold), event)


def state(database: Database, case: Filed) -> tuple[str, UUID | None, datetime]:
    with database.cursor() as cursor:
        cursor.execute("SELECT status, assignee_id, last_contact_at FROM cases WHERE id = %s", [case.id])
        found: tuple[str, UUID | None, datetime] | None = cursor.fetchone()
    assert found
    return found


def test_an_answer_waits_and_is_taken_back_whole(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    before = state(database, case)
    delivery = answer(database, case, maryam)
    with database.cursor() as cursor:
        assert outbox.claim(cursor, Topic.DELIVER, limit=9, lease=1) == [], "it does not leave yet"
        assert 0 < (timers.seconds_to_next(cursor) or 0) <= HOLD
    step = take_back(database, case, maryam)
    assert state(database, case) == before
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM timers WHERE ref = %s", delivery) == 0
        assert one(cursor, "SELECT state FROM deliveries WHERE id = %s", delivery) == "withdrawn"
        assert one(cursor, "SELECT count(*) FROM message_ids WHERE case_id = %s", case.id) == 0
        assert step.contact_id is not None
        kept = undo.withdrawn(cursor, acting(maryam, case.id), step.contact_id)
        assert kept is not None
        assert (kept.text, kept.title, kept.address) == ("Tomorrow.", "Re: lamp", MAIL.address)
        assert [file.name for file in undo.kept_files(cursor, acting(maryam, case.id), step.contact_id)] == ["plan.pdf"]
        assert undo.withdrawn(cursor, acting(agent(cursor, "daniel"), case.id), step.contact_id) is None, (
            "nobody else's words"
        )
        assert undo.withdrawn(cursor, acting(maryam, case.id), case.contact_id) is None, "nor what was not withdrawn"
        other = acting(maryam, file_case(database).id)
        assert undo.withdrawn(cursor, other, step.contact_id) is None
        assert undo.kept_files(cursor, other, step.contact_id) == [], "nor at another case"
        page = timeline.load(cursor, case.id)
        assert page is not None
        assert [contact.direction for contact in page.contacts] == ["in"]
        assert [event.kind for event in page.events] == ["undone"]
    with pytest.raises(TooLate):
        take_back(database, case, maryam)


def test_what_has_left_is_not_taken_back(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    delivery = answer(database, case, maryam)
    with database.cursor() as cursor:
        cursor.execute("UPDATE deliveries SET state = 'sending', attempts = 1 WHERE id = %s", [delivery])
    with pytest.raises(TooLate):
        take_back(database, case, maryam)
    assert state(database, case)[:2] == ("waiting", maryam)


@pytest.mark.parametrize("hold", [0.0, 1e-9])
def test_after_the_moment_it_is_too_late(database: Database, maryam: UUID, hold: float) -> None:
    case = file_case(database)
    answer(database, case, maryam, hold=0)
    with database.cursor() as cursor:
        assert len(outbox.claim(cursor, Topic.DELIVER, limit=9, lease=1)) == 1, "at once"
    with pytest.raises(TooLate):
        take_back(database, case, maryam, hold=hold)


def test_nobody_takes_another_ones_answer_back(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    answer(database, case, maryam)
    with database.cursor() as cursor:
        daniel = agent(cursor, "daniel")
    with pytest.raises(TooLate):
        take_back(database, case, daniel)


def test_who_wrote_meanwhile_keeps_their_word(database: Database, maryam: UUID) -> None:
    """The citizen answered the answer before it: the case is open, and stays so."""
    case = file_case(database, status="open", assignee=maryam)
    answer(database, case, maryam)
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE cases SET status = 'open', closed_at = NULL, result = '', version = version + 1 WHERE id = %s",
            [case.id],
        )
    take_back(database, case, maryam)
    assert state(database, case)[:2] == ("open", maryam)


def test_closing_is_undone_and_nobody_is_told(database: Database, maryam: UUID) -> None:
    case = file_case(database, channel="sms")
    with database.cursor() as cursor:
        case_actions.close(cursor, acting(maryam, case.id, 1, hold=HOLD), result="Mended.", reason="Mended already.")
        assert one(cursor, "SELECT count(*) FROM timers WHERE topic = 'deliver'") == 1
    step = take_back(database, case, maryam)
    assert step.step == "close"
    assert state(database, case)[:2] == ("new", None)
    with database.cursor() as cursor:
        assert one(cursor, "SELECT result FROM cases WHERE closed_at IS NULL") == ""
        assert one(cursor, "SELECT count(*) FROM timers WHERE topic = 'deliver'") == 0
        assert one(cursor, "SELECT count(*) FROM contacts WHERE case_id = %s AND direction = 'out'", case.id) == 0


def test_the_last_step_is_taken_back_first(database: Database, maryam: UUID) -> None:
    case = file_case(database, status="open", assignee=maryam)
    answer(database, case, maryam)
    with database.cursor() as cursor:
        case_actions.close(cursor, acting(maryam, case.id, 2, hold=HOLD), result="Done.")
    assert [take_back(database, case, maryam).step for _ in range(2)] == ["close", "reply"]
    assert state(database, case)[:2] == ("open", maryam)


def test_undoing_twice_takes_one_step_back_and_an_older_page_its_own(database: Database, maryam: UUID) -> None:
    """A double click, and a tab that still offers the answer when another has closed the case."""
    case = file_case(database, status="open", assignee=maryam)
    delivery = answer(database, case, maryam)
    with database.cursor() as cursor:
        answered = undo.undoable(cursor, acting(maryam, case.id, hold=HOLD))
        case_actions.close(cursor, acting(maryam, case.id, 2, hold=HOLD), result="Done.")
        closed = undo.undoable(cursor, acting(maryam, case.id, hold=HOLD))
    assert answered
    assert closed
    assert answered.event_id != closed.event_id
    for hold in (HOLD, HOLD, 0.0):
        assert take_back(database, case, maryam, event=closed.event_id, hold=hold).step == "close"
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM case_events WHERE kind = 'undone'") == 1
        assert one(cursor, "SELECT state FROM deliveries WHERE id = %s", delivery) == "queued", "the answer leaves"
    assert state(database, case)[0] == "waiting"
    assert take_back(database, case, maryam, event=answered.event_id).step == "reply"
    assert state(database, case)[0] == "open"


def test_an_old_page_does_not_say_that_nothing_was_sent_when_another_answer_leaves(
    database: Database, maryam: UUID
) -> None:
    case = file_case(database, status="open", assignee=maryam)
    answer(database, case, maryam)
    first = take_back(database, case, maryam).event_id
    with database.cursor() as cursor:
        version = one(cursor, "SELECT version FROM cases WHERE id = %s", case.id)
    answer(database, case, maryam, version=version)
    with pytest.raises(Conflict):
        take_back(database, case, maryam, event=first)
    take_back(database, case, maryam)
    assert take_back(database, case, maryam, event=first).event_id == first, "now nothing leaves"


def test_nobody_takes_back_what_is_not_theirs_or_of_another_case(database: Database, maryam: UUID) -> None:
    case, other = file_case(database), file_case(database)
    answer(database, case, maryam)
    with database.cursor() as cursor:
        daniel, step = agent(cursor, "daniel"), undo.undoable(cursor, acting(maryam, case.id, hold=HOLD))
    assert step
    for who, at in ((daniel, case), (maryam, other)):
        with pytest.raises(TooLate):
            take_back(database, at, who, event=step.event_id)


def test_a_worker_and_an_undo_at_once_do_not_both_win(database: Database, maryam: UUID) -> None:
    """The worker has the delivery's row: whoever undoes waits for it, and is then told that it has left."""
    case = file_case(database)
    delivery = answer(database, case, maryam)
    outcome: list[str] = []

    def undoing() -> None:
        try:
            take_back(database, case, maryam)
        except TooLate:
            outcome.append("too late")
        else:
            outcome.append("undone")

    thread = threading.Thread(target=undoing)
    with database.cursor() as cursor:
        cursor.execute("SELECT 1 FROM deliveries WHERE id = %s FOR UPDATE", [delivery])
        thread.start()
        wait_for_waiting(database)
        cursor.execute("UPDATE deliveries SET state = 'sending', attempts = attempts + 1 WHERE id = %s", [delivery])
    thread.join(20)
    assert outcome == ["too late"]


def test_undoing_twice_at_once_undoes_once(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    answer(database, case, maryam)
    with database.cursor() as cursor:
        step = undo.undoable(cursor, acting(maryam, case.id, hold=HOLD))
    assert step
    together = threading.Barrier(2)

    def undoing() -> UUID:
        together.wait()
        return take_back(database, case, maryam, event=step.event_id).event_id

    with ThreadPoolExecutor(2) as pool:
        assert [one.result() for one in [pool.submit(undoing), pool.submit(undoing)]] == [step.event_id] * 2
    with database.cursor() as cursor:
        cursor.execute("SELECT kind FROM case_events WHERE case_id = %s ORDER BY id", [case.id])
        assert [row[0] for row in cursor] == ["replied", "status_changed", "undone", "status_changed"]


def test_an_undone_step_stays_undone_when_the_clock_is_set_back(
    database: Database, maryam: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = file_case(database)
    answer(database, case, maryam)
    monkeypatch.setattr(undo, "now", lambda: now() - timedelta(hours=1))
    take_back(database, case, maryam)
    with pytest.raises(TooLate):
        take_back(database, case, maryam)
