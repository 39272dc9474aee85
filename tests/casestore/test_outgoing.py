"""Whatever goes out is a delivery: with the words of a contact or with its own, in a case or as the answer to a question."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from tests.casework.installation import Filed, acting, agent, file_case
from tests.reasons import why
from zrm.casestore import outgoing, proof, timeline, worklists
from zrm.casestore.delivery import DeliveryKind, DeliveryState
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.casework.failed_deliveries import send_again
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id


def link_to(case: Filed) -> NewDelivery:
    says = OwnWords("Your link: {proof_link}", "en", title="Your link")
    return NewDelivery(DeliveryKind.PROOF_LINK, "email", "info", case.address, case_id=case.id, says=says)


def words(cursor: Cursor, delivery_id: UUID) -> tuple[object, ...]:
    cursor.execute("SELECT kind, address, title, text, case_id, state FROM deliveries WHERE id = %s", [delivery_id])
    return cursor.fetchall()[0]


def test_what_has_words_of_its_own_stands_in_the_conversation_with_its_steps(database: Database) -> None:
    case = file_case(database)
    link = link_to(case)
    with database.cursor() as cursor:
        outgoing.queue(cursor, [link])
        outgoing.set_state(cursor, link.id, DeliveryState.SENDING)
        outgoing.set_state(cursor, link.id, DeliveryState.FAILED, why("no mailbox a@example.org"), "Rejected")
        page = timeline.load(cursor, case.id)
        assert page is not None
        shown, first = page.contacts[-1], page.contacts[0]
        assert first.id == case.contact_id
        assert (shown.id, shown.text, shown.labels) == (link.id, "Your link: {proof_link}", ["proof_link"])
        assert (shown.direction, shown.automatic, shown.public) == ("out", True, False)
        (delivery,) = shown.deliveries
        assert [step.state for step in delivery.steps] == ["queued", "sending", "failed"]
        assert delivery.reason == why("no mailbox [address]")
        before = timeline.behind_delivery(cursor, case.id, link.id)
        assert before is not None
        found = timeline.load(cursor, case.id, before=before)
        assert found is not None
        assert found.contacts[-1].id == link.id
        assert [row.id for row in worklists.failed_deliveries(cursor, None)] == [link.id]


def test_what_has_words_of_its_own_is_sent_again_with_them(database: Database) -> None:
    case = file_case(database)
    link = link_to(case)
    with database.cursor() as cursor:
        outgoing.queue(cursor, [link])
        outgoing.set_state(cursor, link.id, DeliveryState.FAILED, why("no"))
        again = send_again(cursor, acting(agent(cursor, "sara"), case.id).actor, link.id)
        assert words(cursor, again) == (
            "proof_link", case.address, "Your link", "Your link: {proof_link}", case.id, "queued",
        )  # fmt: skip
        other = outgoing.queue_again(cursor, again, channel="sms", account="3000", address="+989121234567")
        assert words(cursor, other)[:2] == ("proof_link", "+989121234567")
        assert worklists.failed_deliveries(cursor, None) == []


def test_a_failed_answer_without_a_case_is_nobodys_case(database: Database) -> None:
    case = file_case(database)
    answer = NewDelivery(
        DeliveryKind.SELF_SERVICE, "sms", "3000", "+989121234567", question_id=case.contact_id, command="help",
        says=OwnWords("…", "fa"),
    )  # fmt: skip
    with database.cursor() as cursor:
        outgoing.queue(cursor, [answer])
        outgoing.set_state(cursor, answer.id, DeliveryState.FAILED, why("no such line"))
        assert worklists.failed_deliveries(cursor, None) == []
        assert worklists.work_counts(cursor).failed_deliveries == {}
        assert [row.id for row in worklists.undelivered_self_answers(cursor)] == [answer.id]
        cursor.execute("SELECT count(*) FROM outbox WHERE topic = 'notify' AND ref = %s", [answer.id])
        assert cursor.fetchone() == (0,), "no agent is told"
        cursor.execute("SELECT state FROM delivery_events WHERE delivery_id = %s ORDER BY at, id", [answer.id])
        assert [state for (state,) in cursor] == ["queued", "failed"]
    with pytest.raises(psycopg.errors.UniqueViolation), database.cursor() as cursor:
        outgoing.queue(cursor, [replace(answer, id=new_id())])


@pytest.mark.parametrize("wrong", ["no words", "two sets of words", "no case", "a question in a case"])
def test_the_store_takes_no_delivery_that_says_nothing_or_belongs_nowhere(database: Database, wrong: str) -> None:
    case = file_case(database)
    link = link_to(case)
    match wrong:
        case "no words":
            link = replace(link, says=None)
        case "two sets of words":
            link = replace(link, contact_id=case.contact_id)
        case "no case":
            link = replace(link, case_id=None)
        case _:
            link = replace(link, question_id=case.contact_id)
    with pytest.raises(psycopg.errors.CheckViolation), database.cursor() as cursor:
        outgoing.queue(cursor, [link])


@pytest.mark.parametrize("in_a_case", [True, False])
def test_the_store_takes_kinds_of_delivery_that_are_yet_to_come(database: Database, in_a_case: bool) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO deliveries (id, kind, channel, account, address, case_id, text, created_at, changed_at) "
            "VALUES (%s, 'webhook', 'webhook', 'partner', 'https://partner.example', %s, '{}', now(), now())",
            [new_id(), case.id if in_a_case else None],
        )


def test_a_proof_token_opens_its_case_once(database: Database) -> None:
    with database.cursor() as cursor:
        token = proof.issue(cursor, "912345678906")
        cursor.execute("SELECT count(*) FROM proof_tokens WHERE token_hash = %s", [token])
        assert cursor.fetchone() == (0,), "the token itself is not kept"
        assert proof.redeem(cursor, token) == "912345678906"
        assert proof.redeem(cursor, token) is None
        assert proof.redeem(cursor, "\ud800") is None
