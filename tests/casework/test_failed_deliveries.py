"""What a person does about an answer that did not arrive: of which delivery, in which case, and only once."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.casework.installation import EVERYTHING, Filed, acting, agent, file_case, one
from tests.rows import insert
from zrm.casework import case_actions, failed_deliveries
from zrm.casework.context import ActingAgent
from zrm.casework.reply_routes import ReplyRoute
from zrm.errors import Conflict, NotAllowed
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id

MAIL = ReplyRoute("email", "contact@city.example", "sara@home.example", files=True)
TEXT = ReplyRoute("sms", "+982112345", "+989121234567")


@pytest.fixture
def maryam(database: Database) -> ActingAgent:
    with database.cursor() as cursor:
        return ActingAgent(agent(cursor, "maryam"), EVERYTHING)


def fail(cursor: Cursor, case: Filed, maryam: ActingAgent, route: ReplyRoute = MAIL, text: str = "Tomorrow.") -> UUID:
    """An answer that failed, with its own number as its trace."""
    version = one(cursor, "SELECT version FROM cases WHERE id = %s", case.id)
    act = acting(maryam.agent_id, case.id, version, route)
    title = "Re: lamp" if route is MAIL else ""
    delivery = case_actions.reply(cursor, act, route=route, title=title, text=text)
    cursor.execute("UPDATE deliveries SET state = 'failed', trace = right(id::text, 12) WHERE id = %s", [delivery])
    return delivery


def settled(cursor: Cursor) -> set[UUID]:
    cursor.execute("SELECT id FROM deliveries WHERE settled_by IS NOT NULL")
    return {row[0] for row in cursor}


def steps(cursor: Cursor, case: Filed) -> list[str]:
    cursor.execute(
        "SELECT kind FROM case_events WHERE case_id = %s AND kind <> 'status_changed' ORDER BY at, id", [case.id]
    )
    return [row[0] for row in cursor]


@pytest.mark.parametrize("place", [0, 1])
def test_one_of_two_is_handled_and_the_other_stays(database: Database, maryam: ActingAgent, place: int) -> None:
    cases = [file_case(database), file_case(database)]
    with database.cursor() as cursor:
        failed = [fail(cursor, case, maryam) for case in cases]
        assert failed_deliveries.trace_of(cursor, maryam, failed[place]) == str(failed[place])[-12:]
        assert failed_deliveries.case_of(cursor, maryam, failed[place]) == cases[place].id
        failed_deliveries.mark_handled(cursor, maryam, failed[place])
        assert settled(cursor) == {failed[place]}
        assert [len(steps(cursor, case)) for case in cases] == [2 if here == place else 1 for here in (0, 1)]
        with pytest.raises(Conflict):
            failed_deliveries.mark_handled(cursor, maryam, failed[place])
        failed_deliveries.send_again(cursor, maryam, failed[1 - place])
        assert settled(cursor) == set(failed)


@pytest.mark.parametrize(
    ("state", "may"),
    [("queued", False), ("sending", False), ("sent", False), ("failed", True), ("unknown", True), ("delivered", False)],
)
def test_only_what_failed_or_may_have_is_handled(
    database: Database, maryam: ActingAgent, state: str, may: bool
) -> None:
    with database.cursor() as cursor:
        delivery = fail(cursor, file_case(database), maryam)
        cursor.execute("UPDATE deliveries SET state = %s WHERE id = %s", [state, delivery])
        if may:
            failed_deliveries.mark_handled(cursor, maryam, delivery)
        else:
            with pytest.raises(Conflict):
                failed_deliveries.mark_handled(cursor, maryam, delivery)
        assert settled(cursor) == ({delivery} if may else set())


def test_sent_again_it_is_the_same_answer_to_the_same_address_unless_they_opted_out(
    database: Database, maryam: ActingAgent
) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        first, second = fail(cursor, case, maryam), fail(cursor, case, maryam, text="The day after.")
        again = failed_deliveries.send_again(cursor, maryam, first)
        same = "SELECT channel, account, address, contact_id, trace FROM deliveries WHERE id = %s"
        assert cursor.execute(same, [again]).fetchone() == cursor.execute(same, [first]).fetchone()
        assert one(cursor, "SELECT count(*) FROM outbox WHERE topic = 'deliver' AND ref = %s", again) == 1
        assert steps(cursor, case)[-1] == "sent_again"
        insert(
            cursor, "opt_outs", id=new_id(), channel="email", account="", address=MAIL.address, out=True, at=now()
        )  # fmt: skip
        with pytest.raises(NotAllowed):
            failed_deliveries.send_again(cursor, maryam, second)
        assert settled(cursor) == {first}


def test_a_text_that_goes_by_mail_becomes_a_mail_and_a_mail_stays_the_one_it_is(
    database: Database, maryam: ActingAgent
) -> None:
    case, neighbour = file_case(database), file_case(database, channel="sms")
    sending = acting(maryam.agent_id, case.id, None, MAIL, TEXT).sending
    head = "SELECT c.message_id, c.title, c.id FROM deliveries d JOIN contacts c ON c.id = d.contact_id WHERE d.id = %s"
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at)"
            " VALUES (%s, %s, 'phone', %s, %s, false, now())",
            [new_id(), case.person_id, TEXT.address, TEXT.address],
        )
        other = fail(cursor, neighbour, maryam, TEXT, "Elsewhere.")
        by_text, by_mail = fail(cursor, case, maryam, TEXT), fail(cursor, case, maryam)
        was, title, _ = cursor.execute(head, [by_mail]).fetchone() or ()
        assert title == "Re: lamp"
        assert was
        fresh = failed_deliveries.send_by(cursor, maryam, by_text, MAIL, sending)
        named, title, _ = cursor.execute(head, [fresh]).fetchone() or ()
        assert title == "The lamp is dark"
        assert named.endswith("@city.example>")
        assert one(cursor, "SELECT case_id FROM message_ids WHERE message_id = %s", named) == case.id
        again = failed_deliveries.send_by(cursor, maryam, by_mail, MAIL, sending)
        assert (cursor.execute(head, [again]).fetchone() or ())[:2] == (was, "Re: lamp")
        assert (cursor.execute(head, [other]).fetchone() or ())[0] == ""
        assert one(cursor, "SELECT channel || address FROM deliveries WHERE id = %s", fresh) == "email" + MAIL.address
        assert steps(cursor, case)[-2:] == ["sent_another_way"] * 2
