"""Steps on real rows: what is written together, and who wins when two act at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.casework.installation import Filed, acting, agent, file_case, one, unit
from tests.lab.locks import wait_for_waiting
from zrm.casestore import case as cases
from zrm.casestore import follower
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions, failed_deliveries
from zrm.casework.context import InvalidInput
from zrm.casework.reply_routes import ReplyRoute
from zrm.contract.files import StoredFile
from zrm.errors import Conflict, NotAllowed, NotFound
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id

MAIL = ReplyRoute("email", "contact@city.example", "sara@home.example")


@pytest.fixture
def maryam(database: Database) -> UUID:
    with database.cursor() as cursor:
        return agent(cursor, "maryam")


def version(database: Database, case: Filed) -> int:
    with database.cursor() as cursor:
        return int(one(cursor, "SELECT version FROM cases WHERE id = %s", case.id))


def test_two_agents_claim_at_once_and_one_wins(database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        agents = [agent(cursor, "maryam"), agent(cursor, "daniel")]
    together = threading.Barrier(2)

    def claim(who: UUID) -> str:
        together.wait()
        try:
            with database.cursor() as cursor:
                case_actions.claim(cursor, acting(who, case.id, 1))
        except Conflict:
            return "conflict"
        return "won"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(claim, agents))
    assert sorted(outcomes) == ["conflict", "won"]
    with database.cursor() as cursor:
        holder = one(cursor, "SELECT assignee_id FROM cases WHERE id = %s", case.id)
        assert holder == agents[outcomes.index("won")]
        assert one(cursor, "SELECT count(*) FROM case_events WHERE case_id = %s AND kind = 'claimed'", case.id) == 1


def test_a_reply_writes_everything_that_sends_it(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        delivery = case_actions.reply(
            cursor,
            acting(maryam, case.id, 1, MAIL),
            route=MAIL,
            title="Re: lamp",
            text="Tomorrow.",
        )
    with database.cursor() as cursor:
        cursor.execute("SELECT status, assignee_id, version FROM cases WHERE id = %s", [case.id])
        assert cursor.fetchone() == ("waiting", maryam, 2)
        cursor.execute(
            "SELECT d.state, d.trace, c.direction, c.public, c.message_id FROM deliveries d"
            " JOIN contacts c ON c.id = d.contact_id WHERE d.id = %s",
            [delivery],
        )
        state, trace, direction, public, message_id = cursor.fetchone() or ()
        assert (state, trace, direction, public) == ("queued", "feed", "out", True)
        assert message_id.endswith("@city.example>")
        assert one(cursor, "SELECT case_id FROM message_ids WHERE message_id = %s", message_id) == case.id
        assert one(cursor, "SELECT topic FROM outbox WHERE ref = %s", delivery) == Topic.DELIVER
        assert one(cursor, "SELECT state FROM delivery_events WHERE delivery_id = %s", delivery) == "queued"
        assert one(cursor, "SELECT kind FROM case_events WHERE case_id = %s", case.id) == "replied"


def test_an_answer_to_words_one_has_not_seen_is_not_sent(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE cases SET version = version + 1 WHERE id = %s", [case.id])
    with pytest.raises(Conflict), database.cursor() as cursor:
        case_actions.reply(cursor, acting(maryam, case.id, 1, MAIL), route=MAIL, title="", text="x")
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM deliveries") == 0
        assert one(cursor, "SELECT count(*) FROM outbox WHERE topic = 'deliver'") == 0


def test_a_closed_case_is_opened_before_it_is_answered(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        case_actions.close(cursor, acting(maryam, case.id, 1), result="Mended.", reason="Mended already.")
    with pytest.raises(NotAllowed), database.cursor() as cursor:
        case_actions.reply(cursor, acting(maryam, case.id, 2, MAIL), route=MAIL, title="", text="x")
    with database.cursor() as cursor:
        case_actions.reopen(cursor, acting(maryam, case.id, 2))
        assert one(cursor, "SELECT status FROM cases WHERE id = %s", case.id) == "open"


def test_a_case_given_to_a_colleague_tells_them(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        sara, roads = agent(cursor, "sara"), unit(cursor, "roads")
        case_actions.assign(cursor, acting(maryam, case.id, 1), to_agent=sara)
    with database.cursor() as cursor:
        cursor.execute("SELECT assignee_id, unit_id, status FROM cases WHERE id = %s", [case.id])
        assert cursor.fetchone() == (sara, roads, "open")
        event = one(cursor, "SELECT id FROM case_events WHERE case_id = %s", case.id)
        assert one(cursor, "SELECT topic FROM outbox WHERE ref = %s", event) == Topic.NOTIFY


def test_a_note_asks_for_no_version_and_stays_inside(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        note = case_actions.note(cursor, acting(maryam, case.id, 99), text="He called twice.")
        assert one(cursor, "SELECT public FROM contacts WHERE id = %s", note) is False
    assert version(database, case) == 2


def test_an_undelivered_answer_is_sent_again_once(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        act = acting(maryam, case.id, 1, MAIL)
        old = case_actions.reply(cursor, act, route=MAIL, title="", text="x")
        cursor.execute("UPDATE deliveries SET state = 'failed' WHERE id = %s", [old])
    with database.cursor() as cursor:
        new = failed_deliveries.send_again(cursor, acting(maryam, case.id).actor, old)
    assert new != old
    with pytest.raises(Conflict), database.cursor() as cursor:
        failed_deliveries.send_again(cursor, acting(maryam, case.id).actor, old)
    with database.cursor() as cursor:
        assert one(cursor, "SELECT settled_by FROM deliveries WHERE id = %s", old) == maryam
        assert one(cursor, "SELECT state FROM deliveries WHERE id = %s", new) == "queued"
        assert one(cursor, "SELECT count(DISTINCT contact_id) FROM deliveries") == 1


def test_a_relation_is_decided_once(database: Database, maryam: UUID) -> None:
    first, second = file_case(database), file_case(database)
    relation = new_id()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO case_relations (id, case_id, other_case_id, reason, at) VALUES (%s, %s, %s, 'x', now())",
            [relation, first.id, second.id],
        )
    with database.cursor() as cursor:
        case_actions.decide_relation(cursor, acting(maryam, second.id), relation, keep=True)
    with pytest.raises(Conflict), database.cursor() as cursor:
        case_actions.decide_relation(cursor, acting(maryam, first.id), relation, keep=False)
    stranger = file_case(database)
    with pytest.raises(NotFound), database.cursor() as cursor:
        case_actions.decide_relation(cursor, acting(maryam, stranger.id), relation, keep=False)


@pytest.mark.parametrize("statement", ["UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("table", ["case_events", "delivery_events"])
def test_history_cannot_be_edited(database: Database, maryam: UUID, table: str, statement: str) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        case_actions.reply(cursor, acting(maryam, case.id, 1, MAIL), route=MAIL, title="", text="x")
    with pytest.raises(psycopg.errors.RestrictViolation), database.cursor() as cursor:
        cursor.execute(statement.format(table).encode())


@pytest.mark.parametrize(("channel", "by"), [("sms", "sms"), ("email", "email"), ("web", "web"), ("voice_ivr", "web")])
def test_a_case_is_closed_without_an_answer_only_with_a_reason_that_the_citizen_is_told(
    database: Database, maryam: UUID, channel: str, by: str
) -> None:
    case = file_case(database, channel=channel)
    with database.cursor() as cursor:
        with pytest.raises(InvalidInput, match="not_answered"):
            case_actions.close(cursor, acting(maryam, case.id, 1), result="Not ours.")
        case_actions.close(
            cursor, acting(maryam, case.id, 1), result="Not ours.", reason="This road is not the city's."
        )
        cursor.execute(
            "SELECT d.channel, c.text LIKE '%%This road is not the city''s.%%', c.public, 'closing_reason' = ANY(c.labels)"
            " FROM deliveries d JOIN contacts c ON c.id = d.contact_id WHERE c.direction = 'out'"
        )
        assert cursor.fetchall() == [(by, True, True, True)]
        case_actions.reopen(cursor, acting(maryam, case.id, 2))
        with pytest.raises(InvalidInput, match="not_answered"):
            case_actions.close(cursor, acting(maryam, case.id, 3), result="Not ours.")
        case_actions.reply(
            cursor,
            acting(maryam, case.id, 3),
            route=ReplyRoute("web", "web", ""),
            title="",
            text="Ask X.",
        )
        case_actions.close(cursor, acting(maryam, case.id, 4), result="Told whom to ask.", reason="Never told.")
        assert one(cursor, "SELECT count(*) FROM contacts WHERE text LIKE '%%Never told%%'") == 0


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("flaw", ["route_barred", "route_without_files", "too_long_for_route"])
def test_what_a_route_cannot_carry_goes_by_it_neither_first_nor_again(
    database: Database, maryam: UUID, flaw: str, again: bool
) -> None:
    case = file_case(database)
    short = replace(MAIL, max_text=4)
    page, text = ReplyRoute("web", "web", "", files=True), "Tomorrow." if flaw == "too_long_for_route" else "x"
    files = [StoredFile("ab", 1, "a", "image/png")] if flaw == "route_without_files" else []
    first = None
    with database.cursor() as cursor:
        if again:
            first = case_actions.reply(cursor, acting(maryam, case.id, 1), route=page, title="", text=text, files=files)
            cursor.execute("UPDATE deliveries SET state = 'failed' WHERE id = %s", [first])
        if flaw == "route_barred":
            cursor.execute("INSERT INTO opt_outs VALUES (%s, 'email', '', %s, true, now())", [new_id(), MAIL.address])
        act = acting(maryam, case.id, 2 if again else 1, short)
        send = (
            partial(failed_deliveries.send_by, cursor, act.actor, first, short, act.sending)
            if first
            else partial(case_actions.reply, cursor, act, route=short, title="", text=text, files=files)
        )
        with pytest.raises(InvalidInput, match=f"^route: {flaw}$"):
            send()


@pytest.mark.parametrize("label", ["robot", "bounce", "list", "newsletter"])
def test_what_only_machines_wrote_is_closed_without_a_word(database: Database, maryam: UUID, label: str) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE contacts SET labels = %s", [[label]])
        case_actions.close(cursor, acting(maryam, case.id, 1), result="Spam.")
        assert one(cursor, "SELECT status FROM cases WHERE id = %s", case.id) == "closed"


def test_what_came_of_a_case_stands_with_it_while_it_is_closed(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    stands = "SELECT status, result, closed_at IS NOT NULL, closed_at = status_at FROM cases WHERE id = %s"

    def after(step: Callable[[Cursor], object]) -> tuple[object, ...] | None:
        with database.cursor() as cursor:
            step(cursor)
        with database.cursor() as cursor:
            return cursor.execute(stands, [case.id]).fetchone()

    assert after(lambda c: None) == ("new", "", False, None)
    closed = after(
        lambda c: case_actions.close(c, acting(maryam, case.id, 1), result="Repaired", reason="It was done.")
    )
    assert closed == ("closed", "Repaired", True, True)
    assert after(lambda c: case_actions.note(c, acting(maryam, case.id, 2), text="Seen.")) == closed
    classified = after(lambda c: case_actions.classify(c, acting(maryam, case.id, 3), subject_id=None, nature="report"))
    assert classified == closed
    assert after(lambda c: cases.join(c, case.id, "closed", now())) == closed  # a robot's answer
    assert after(lambda c: case_actions.reopen(c, acting(maryam, case.id, 5))) == ("open", "", False, None)
    case_again = acting(maryam, case.id, 6)
    after(lambda c: case_actions.close(c, case_again, result="Repaired again", reason="It was done."))
    assert after(lambda c: cases.join(c, case.id, "open", now())) == ("open", "", False, None)  # the citizen writes


def test_a_subject_that_nobody_offers_is_refused_and_one_that_the_case_has_may_stay(
    database: Database, maryam: UUID
) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        subject = one(cursor, "SELECT id FROM subjects LIMIT 1")
        with pytest.raises(InvalidInput):
            case_actions.classify(cursor, acting(maryam, case.id, 1), subject_id=uuid4(), nature="report")
        case_actions.classify(cursor, acting(maryam, case.id, 1), subject_id=subject, nature="report")
        cursor.execute("UPDATE subjects SET retired_at = now() WHERE id = %s", [subject])
        case_actions.classify(cursor, acting(maryam, case.id, 2), subject_id=subject, nature="complaint")
        other = acting(maryam, file_case(database).id, 1)
        with pytest.raises(InvalidInput):
            case_actions.classify(cursor, other, subject_id=subject, nature="report")
        assert one(cursor, "SELECT nature FROM cases WHERE id = %s", case.id) == "complaint"


@pytest.mark.parametrize("wrong", ["closed_at = now()", "result = 'Repaired'", "status = 'closed'"])
def test_only_a_closed_case_has_an_end(database: Database, wrong: str) -> None:
    case = file_case(database)
    with pytest.raises(psycopg.errors.CheckViolation), database.cursor() as cursor:
        cursor.execute(f"UPDATE cases SET {wrong} WHERE id = %s".encode(), [case.id])


def test_who_comes_while_another_is_at_the_case_waits_and_sees_what_they_did(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    outcome: list[str] = []

    def claim(who: UUID) -> None:
        try:
            with database.cursor() as cursor:
                case_actions.claim(cursor, acting(who, case.id, 1))
        except Conflict:
            outcome.append("conflict")

    with database.cursor() as cursor:
        second = threading.Thread(target=claim, args=(agent(cursor, "daniel"),))
        case_actions.claim(cursor, acting(maryam, case.id, 1))
        second.start()
        wait_for_waiting(database)
    second.join(20)
    assert outcome == ["conflict"]
    with database.cursor() as cursor:
        assert one(cursor, "SELECT assignee_id FROM cases WHERE id = %s", case.id) == maryam


def test_what_somebody_has_is_not_claimed_away_and_ones_own_is_no_step(database: Database, maryam: UUID) -> None:
    case = file_case(database, status="open", assignee=maryam)
    with database.cursor() as cursor:
        daniel = agent(cursor, "daniel")
        with pytest.raises(Conflict, match="another agent"):
            case_actions.claim(cursor, acting(daniel, case.id, 1))
        case_actions.claim(cursor, acting(maryam, case.id, 1))
    assert version(database, case) == 1
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM case_events WHERE case_id = %s", case.id) == 0


def test_a_case_is_given_back_once(database: Database, maryam: UUID) -> None:
    case = file_case(database, status="open", assignee=maryam)
    with database.cursor() as cursor:
        case_actions.release(cursor, acting(maryam, case.id, 1))
        case_actions.release(cursor, acting(maryam, case.id, 2))
        assert one(cursor, "SELECT assignee_id FROM cases WHERE id = %s", case.id) is None
        assert one(cursor, "SELECT count(*) FROM case_events WHERE case_id = %s AND kind = 'released'", case.id) == 1


def test_who_takes_a_case_for_themselves_is_told_nothing(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        case_actions.assign(cursor, acting(maryam, case.id, 1), to_agent=maryam)
        case_actions.assign(cursor, acting(maryam, case.id, 2), to_agent=maryam)
    assert version(database, case) == 2, "the second time nothing changes"
    with database.cursor() as cursor:
        assert one(cursor, "SELECT assignee_id FROM cases WHERE id = %s", case.id) == maryam
        assert one(cursor, "SELECT count(*) FROM outbox WHERE topic = 'notify'") == 0


def test_a_case_goes_to_another_unit_without_its_agent(database: Database, maryam: UUID) -> None:
    case = file_case(database, status="open", assignee=maryam)
    with database.cursor() as cursor:
        water = unit(cursor, "water")
        case_actions.transfer(cursor, acting(maryam, case.id, 1), to_unit=water)
        cursor.execute("SELECT unit_id, assignee_id FROM cases WHERE id = %s", [case.id])
        assert cursor.fetchone() == (water, None)
        case_actions.transfer(cursor, acting(maryam, case.id, 2), to_unit=water)
        assert one(cursor, "SELECT count(*) FROM case_events WHERE case_id = %s AND kind = 'transferred'", case.id) == 1


def test_a_preference_is_the_persons_and_stands_in_the_history(database: Database, maryam: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        for language, channel in (("de", ""), ("", "carrier pigeon")):
            with pytest.raises(InvalidInput):
                case_actions.set_contact_preference(cursor, acting(maryam, case.id), language=language, channel=channel)
        case_actions.set_contact_preference(cursor, acting(maryam, case.id), language="fa", channel="web")
        cursor.execute("SELECT preferred_language, preferred_channel FROM persons WHERE id = %s", [case.person_id])
        assert cursor.fetchone() == ("fa", "web")
        assert one(cursor, "SELECT kind FROM case_events WHERE case_id = %s", case.id)
    assert version(database, case) == 2


def test_who_writes_a_note_and_whom_it_names_follow_the_case(database: Database, maryam: UUID) -> None:
    case, other = file_case(database, unit_key="roads"), file_case(database, unit_key="roads")
    with database.cursor() as cursor:
        sara = agent(cursor, "sara")
        case_actions.note(cursor, acting(maryam, case.id), text="@sara, have you seen this?")
        assert follower.followers(cursor, [case.id, other.id]) == {case.id: {maryam, sara}}
