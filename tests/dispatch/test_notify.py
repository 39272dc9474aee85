"""Telling agents: only those whom it concerns, each of them once, whoever repeats the task."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from tests.casework.installation import Filed, acting, file_case, one
from zrm.casestore import notification, outbox, timers
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions, undo
from zrm.casework.reply_routes import WEB, ReplyRoute
from zrm.dispatch.notify import Notify
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id

PAGE = ReplyRoute(WEB, WEB, "")
HOLD = 60.0


@pytest.fixture
def agents(database: Database) -> dict[str, UUID]:
    with database.cursor() as cursor:
        cursor.execute("SELECT login, id FROM agents")
        return {row[0]: row[1] for row in cursor}


def write(database: Database, case: Filed) -> UUID:
    """Another message of the citizen's, with the task that filing adds; its id."""
    contact_id = new_id()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, text, at)"
            " VALUES (%s, %s, 'in', 'email', 'x', 'Still dark.', %s)",
            [contact_id, case.id, now()],
        )
        outbox.add(cursor, Topic.NOTIFY, [(contact_id, "")])
    return contact_id


def told(database: Database, *, twice: bool = True) -> set[tuple[str, str]]:
    """Work on every task that is there, twice as tasks may be; (login, kind) of all that is in the table."""
    with database.cursor() as cursor:
        cursor.execute("UPDATE timers SET due_at = now()")
        timers.move_due(cursor)
        tasks = outbox.claim(cursor, Topic.NOTIFY, limit=100, lease=60)
    for _ in range(1 + twice):
        Notify(database)(tasks)
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM outbox WHERE topic = 'notify'") == 0
        cursor.execute("SELECT login, kind FROM notifications JOIN agents a ON a.id = agent_id")
        rows = [(row[0], row[1]) for row in cursor]
    assert len(rows) == len(set(rows))
    return set(rows)


@pytest.mark.parametrize("unit_key", ["contact-centre", "roads", "water"])
def test_a_units_new_case_is_told_to_nobody(database: Database, unit_key: str) -> None:
    """It is the unit's list, the number beside it, and the live event."""
    case = file_case(database, unit_key=unit_key)
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.NOTIFY, [(case.contact_id, "")])
    assert told(database) == set()
    write(database, case)
    assert told(database) == set(), "nobody has it yet"


def test_a_message_is_told_to_the_assignee_and_the_followers(database: Database, agents: dict[str, UUID]) -> None:
    case = file_case(database, unit_key="roads", status="open", assignee=agents["sara"])
    with database.cursor() as cursor:
        case_actions.follow(cursor, acting(agents["daniel"], case.id, 1))
        case_actions.follow(cursor, acting(agents["maryam"], case.id, 1))
        case_actions.follow(cursor, acting(agents["maryam"], case.id, 1), following=False)
    write(database, case)
    assert told(database) == {("sara", "message"), ("daniel", "message")}


def test_who_has_left_or_may_not_see_the_case_is_told_nothing(database: Database, agents: dict[str, UUID]) -> None:
    case = file_case(database, unit_key="water", status="open", assignee=agents["daniel"])
    with database.cursor() as cursor:
        for login in ("sara", "maryam"):
            case_actions.follow(cursor, acting(agents[login], case.id, 1))
        cursor.execute("UPDATE agents SET active = false WHERE login IN ('daniel', 'maryam')")
    write(database, case)
    assert told(database) == set(), "sara works for the roads only"


def test_a_note_is_told_to_whom_it_names_and_makes_them_follow(database: Database, agents: dict[str, UUID]) -> None:
    case = file_case(database, unit_key="roads", status="open", assignee=agents["sara"])
    note = "@daniel, please look. Cc x@maryam @nobody @DANIEL."
    with database.cursor() as cursor:
        case_actions.note(cursor, acting(agents["maryam"], case.id, 1), text=note)
    assert told(database) == {("daniel", "mention"), ("sara", "note")}
    write(database, case)
    assert told(database) >= {("daniel", "message"), ("maryam", "message"), ("sara", "message")}


def test_a_mention_of_somebody_who_may_not_see_the_case_is_none(database: Database, agents: dict[str, UUID]) -> None:
    case = file_case(database, unit_key="water")
    with database.cursor() as cursor:
        case_actions.note(cursor, acting(agents["daniel"], case.id, 1), text="@sara should know, @daniel too")
        assert one(cursor, "SELECT count(*) FROM case_followers") == 1, "its writer follows it"
    assert told(database) == set()


def test_who_stopped_following_follows_again_only_by_themselves(database: Database, agents: dict[str, UUID]) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        case_actions.follow(cursor, acting(agents["daniel"], case.id, 1), following=False)
        case_actions.note(cursor, acting(agents["maryam"], case.id, 1), text="@daniel")
    assert told(database) == {("daniel", "mention")}, "what names them is told them all the same"
    write(database, case)
    assert ("daniel", "message") not in told(database)


def test_an_assignment_is_told_to_the_new_assignee_alone(database: Database, agents: dict[str, UUID]) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        case_actions.follow(cursor, acting(agents["maryam"], case.id, 1))
        case_actions.assign(cursor, acting(agents["maryam"], case.id, 1), to_agent=agents["sara"])
        case_actions.assign(cursor, acting(agents["maryam"], case.id, 2), to_agent=agents["daniel"])
    assert told(database) == {("daniel", "assigned")}, "sara had it no longer when the task was done"


def test_what_is_undone_is_told_to_nobody(database: Database, agents: dict[str, UUID]) -> None:
    case = file_case(database, status="open", assignee=agents["daniel"])
    maryam = agents["maryam"]
    with database.cursor() as cursor:
        case_actions.reply(cursor, acting(maryam, case.id, 1, hold=HOLD), route=PAGE, title="", text="Soon.")
        case_actions.close(cursor, acting(maryam, case.id, 2, hold=HOLD), result="Mended.", reason="Done.")
        assert outbox.claim(cursor, Topic.NOTIFY, limit=9, lease=1) == [], "not before the moment to undo is over"
    for _ in range(2):
        with database.cursor() as cursor:
            step = undo.undoable(cursor, acting(maryam, case.id, hold=HOLD))
            assert step
            undo.undo(cursor, acting(maryam, case.id, hold=HOLD), step.event_id)
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM timers") == 0
    assert told(database) == set()
    with database.cursor() as cursor:
        version = one(cursor, "SELECT version FROM cases WHERE id = %s", case.id)
        case_actions.reply(cursor, acting(maryam, case.id, version, hold=HOLD), route=PAGE, title="", text="Soon.")
        case_actions.close(cursor, acting(maryam, case.id, version + 1, hold=HOLD), result="Mended.")
    assert told(database) == {("daniel", "answered"), ("daniel", "closed")}


def test_an_answer_that_did_not_arrive_is_told_to_its_writer_too(database: Database, agents: dict[str, UUID]) -> None:
    case = file_case(database, status="open", assignee=agents["daniel"])
    mail = ReplyRoute("email", "contact@city.example", "sara@home.example")
    with database.cursor() as cursor:
        act = acting(agents["maryam"], case.id, 1, mail)
        delivery = case_actions.reply(cursor, act, route=mail, title="", text="Soon.")
        cursor.execute("DELETE FROM outbox")
        cursor.execute("UPDATE deliveries SET state = 'unknown' WHERE id = %s", [delivery])
        outbox.add(cursor, Topic.NOTIFY, [(delivery, "")])
    assert told(database) == {("daniel", "delivery_unknown"), ("maryam", "delivery_unknown")}
    with database.cursor() as cursor:
        cursor.execute("UPDATE deliveries SET state = 'failed' WHERE id = %s", [delivery])
        outbox.add(cursor, Topic.NOTIFY, [(delivery, "")])
    assert ("maryam", "delivery_failed") in told(database), "what became of it is another matter"


def test_two_workers_with_the_same_tasks_tell_it_once_and_do_not_wait_for_each_other(
    database: Database, agents: dict[str, UUID]
) -> None:
    case = file_case(database, status="open", assignee=agents["daniel"])
    with database.cursor() as cursor:
        case_actions.follow(cursor, acting(agents["maryam"], case.id, 1))
    for _ in range(40):
        write(database, case)
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.NOTIFY, limit=100, lease=60)
    together = threading.Barrier(2)

    def work(turned: bool) -> None:
        together.wait()
        Notify(database)(tasks[::-1] if turned else tasks)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, turned) for turned in (False, True)]:
            done.result()
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM notifications") == 80
        assert notification.unread(cursor, agents["daniel"]) == 1, "one line of the list"
