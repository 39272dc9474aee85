"""Whatever goes out is a delivery: with the words of a contact or with its own, in a case or as the answer to a question."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import LiteralString
from uuid import UUID

import psycopg
import pytest

from tests.casework.installation import Filed, acting, agent, file_case
from tests.lab.locks import wait_for_waiting
from tests.reasons import why
from zrm.casestore import outgoing, proof, timeline, worklists
from zrm.casestore.delivery import DeliveryKind, DeliveryState
from zrm.casestore.outbox import Topic
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


def failing(text: str = "no") -> NewDelivery:
    """A self-service answer of its own to nobody's question in particular."""
    says = OwnWords(text, "fa", title="Title", in_reply_to="<question@x>")
    return NewDelivery(
        DeliveryKind.SELF_SERVICE, "sms", "3000", "+989121234567", question_id=new_id(), command="help", says=says
    )


def row(cursor: Cursor, delivery_id: UUID, *columns: LiteralString) -> tuple[object, ...]:
    cursor.execute(f"SELECT {', '.join(columns)} FROM deliveries WHERE id = %s", [delivery_id])
    return cursor.fetchall()[0]


def history(cursor: Cursor, delivery_id: UUID) -> list[tuple[str, str]]:
    cursor.execute(
        "SELECT state, reason_code FROM delivery_events WHERE delivery_id = %s ORDER BY at, id", [delivery_id]
    )
    return cursor.fetchall()


def tasks(cursor: Cursor, topic: Topic) -> list[UUID]:
    cursor.execute("SELECT ref FROM outbox WHERE topic = %s", [topic])
    return [ref for (ref,) in cursor]


def test_a_delivery_counts_its_tries_and_shows_only_the_reasons_it_is_to_show(database: Database) -> None:
    case = file_case(database)
    link, other = link_to(case), link_to(case)
    with database.cursor() as cursor:
        outgoing.queue(cursor, [link, other])
        assert tasks(cursor, Topic.DELIVER) == [link.id, other.id]
        for _ in range(2):
            outgoing.set_state(cursor, link.id, DeliveryState.SENDING)
        outgoing.set_state(cursor, link.id, DeliveryState.SENT, why("by the slow way"), "202", keeps_reason=False)
        assert row(cursor, link.id, "state", "attempts", "reason_code", "error_code") == ("sent", 2, "", "202")
        outgoing.add_remark(cursor, link.id, DeliveryState.SENT, why("it was asked for"))
        assert row(cursor, link.id, "reason_code") == ("",)
        assert history(cursor, link.id) == [
            ("queued", ""), ("sending", ""), ("sending", ""), ("sent", "test.why"), ("sent", "test.why"),
        ]  # fmt: skip
        assert tasks(cursor, Topic.NOTIFY) == []
        outgoing.set_state(cursor, link.id, DeliveryState.UNKNOWN, why("no answer"))
        assert row(cursor, link.id, "state", "attempts", "reason_code") == ("unknown", 2, "test.why")
        assert tasks(cursor, Topic.NOTIFY) == [link.id]
        assert row(cursor, other.id, "state", "attempts") == ("queued", 0)
        assert history(cursor, other.id) == [("queued", "")]


def test_each_change_of_what_is_in_a_case_is_announced_and_no_other(database: Database, database_url: str) -> None:
    case = file_case(database)
    link, answer = link_to(case), failing()
    with database.cursor() as cursor:
        outgoing.queue(cursor, [link, answer])
    with psycopg.connect(database_url, autocommit=True) as listening:
        listening.execute("LISTEN zrm_live")
        with database.cursor() as cursor:
            for one in (link, answer):
                outgoing.set_state(cursor, one.id, DeliveryState.SENDING)
        told = [json.loads(notice.payload) for notice in listening.notifies(timeout=5, stop_after=2)]
    assert told == [["delivery", str(link.id)], ["case", str(case.id)]]


def test_only_what_was_not_begun_is_withdrawn(database: Database) -> None:
    case = file_case(database)
    link, begun, retried, other = (link_to(case) for _ in range(4))
    with database.cursor() as cursor:
        outgoing.queue(cursor, [link], hold=60)
        outgoing.queue(cursor, [begun, retried, other])
        assert tasks(cursor, Topic.DELIVER) == [begun.id, retried.id, other.id]
        for one in (begun, retried):
            outgoing.set_state(cursor, one.id, DeliveryState.SENDING)
        outgoing.set_state(cursor, retried.id, DeliveryState.QUEUED)
        assert [outgoing.withdraw(cursor, one.id) for one in (link, begun, retried)] == [True, False, False]
        assert not outgoing.withdraw(cursor, link.id)
        assert not outgoing.withdraw(cursor, new_id())
        cursor.execute("SELECT count(*) FROM timers")
        assert cursor.fetchone() == (0,)
        assert [row(cursor, one.id, "state") for one in (link, begun, retried, other)] == [
            ("withdrawn",), ("sending",), ("queued",), ("queued",),
        ]  # fmt: skip
        assert history(cursor, link.id) == [("queued", ""), ("withdrawn", "")]
        assert tasks(cursor, Topic.DELIVER) == [begun.id, retried.id, other.id]


def test_a_failure_is_settled_for_one_delivery_and_a_reference_kept_as_it_is_known(database: Database) -> None:
    case = file_case(database)
    link, other = link_to(case), link_to(case)
    with database.cursor() as cursor:
        outgoing.queue(cursor, [link, other])
        outgoing.settle(cursor, link.id, sara := agent(cursor, "sara"))
        assert [row(cursor, one.id, "settled_by") for one in (link, other)] == [(sara,), (None,)]
        outgoing.set_reference(cursor, link.id, "a", unless_known=True)
        outgoing.set_reference(cursor, link.id, "b", unless_known=True)
        assert [row(cursor, one.id, "provider_ref") for one in (link, other)] == [("a",), ("",)]
        outgoing.set_reference(cursor, link.id, "c")
        assert [row(cursor, one.id, "provider_ref") for one in (link, other)] == [("c",), ("",)]


def test_parts_belong_to_the_newest_message_with_their_reference(database: Database) -> None:
    case = file_case(database)
    old, new, other = (link_to(case) for _ in range(3))

    def parts() -> list[tuple[object, ...]]:
        cursor.execute("SELECT channel, provider_ref, delivery_id, number, state FROM delivery_parts ORDER BY 1, 2")
        return cursor.fetchall()

    with database.cursor() as cursor:
        outgoing.queue(cursor, [old, new, other])
        outgoing.set_parts(cursor, old.id, "sms", "1", ["1", "2"])
        outgoing.set_parts(cursor, other.id, "telegram", "1", ["1"])
        outgoing.move_part(cursor, "sms", "2", "failed")
        kept = ("telegram", "1", other.id, 1, "sent")
        assert parts() == [("sms", "1", old.id, 1, "sent"), ("sms", "2", old.id, 2, "failed"), kept]
        outgoing.set_parts(cursor, new.id, "sms", "2", ["2", "3"])
        outgoing.move_part(cursor, "sms", "1", "delivered")
        assert parts() == [
            ("sms", "1", old.id, 1, "delivered"), ("sms", "2", new.id, 1, "sent"), ("sms", "3", new.id, 2, "sent"), kept,
        ]  # fmt: skip
        outgoing.set_parts(cursor, new.id, "sms", "1", [])
        assert [part[:2] for part in parts()] == [("sms", "2"), ("sms", "3"), ("telegram", "1")]


def test_a_report_is_missed_once_long_after_the_sending_and_only_in_a_case(database: Database) -> None:
    case = file_case(database)
    silent, late, fresh, reported = (link_to(case) for _ in range(4))
    answer = failing()
    with database.cursor() as cursor:
        outgoing.queue(cursor, [silent, late, fresh, reported, answer])
        for one in (silent, late, fresh, answer):
            outgoing.set_state(cursor, one.id, DeliveryState.SENT)
        outgoing.set_state(cursor, reported.id, DeliveryState.DELIVERED)
        cursor.execute("UPDATE deliveries SET changed_at = now() - interval '5 hours' WHERE id <> %s", [fresh.id])
        first = outgoing.take_unreported(cursor, hours=4, most=1)
        second = outgoing.take_unreported(cursor, hours=4, most=9)
        assert {one for one, _ in (*first, *second)} == {silent.id, late.id}
        assert (len(first), len(second)) == (1, 1)
        assert outgoing.take_unreported(cursor, hours=4, most=9) == []
        for one in (silent, reported):
            outgoing.remark_silence(cursor, one.id, why("no report"))
        codes = [row(cursor, one.id, "reason_code") for one in (silent, late, reported)]
        assert codes == [("test.why",), ("",), ("",)]
        assert history(cursor, silent.id)[-1] == ("sent", "test.why")
        assert history(cursor, reported.id)[-1] == ("delivered", "")


def test_two_that_ask_for_missing_reports_at_once_pass_each_other_by(database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        links = [link_to(case) for _ in range(2)]
        outgoing.queue(cursor, links)
        cursor.execute("UPDATE deliveries SET state = 'sent', changed_at = now() - interval '5 hours'")
    with database.cursor() as one, database.cursor() as other:
        other.execute("SET LOCAL lock_timeout = '5s'")
        first = outgoing.take_unreported(one, hours=4, most=1)
        second = outgoing.take_unreported(other, hours=4, most=2)
    assert len({delivery_id for delivery_id, _ in (*first, *second)}) == 2


def test_what_is_erased_says_nothing_any_more_and_the_rest_is_as_it_was(database: Database) -> None:
    case, other = file_case(database), file_case(database)
    answer, kept = (replace(failing("words"), question_id=one.contact_id) for one in (case, other))
    with database.cursor() as cursor:
        outgoing.queue(cursor, [answer, kept])
        assert outgoing.lock_unsent(cursor, [case.contact_id]) == [answer.id]
        for one in (answer, kept):
            outgoing.set_state(cursor, one.id, DeliveryState.FAILED, why("no such number"))
        assert outgoing.lock_unsent(cursor, [case.contact_id]) == []
        cursor.execute("SELECT set_config('zrm.retention', 'on', true)")
        eraser = agent(cursor, "sara")
        outgoing.erase(cursor, [case.contact_id], eraser)
        shown = ("address", "title", "text", "reason_code")
        assert row(cursor, answer.id, *shown) == ("", "", "", "")
        assert row(cursor, answer.id, "settled_by") == (eraser,), "it cannot be sent again"
        assert row(cursor, kept.id, "settled_by") == (None,)
        assert row(cursor, kept.id, *shown) == (kept.address, "Title", "words", "test.why")
        assert [state_and_reason[1] for state_and_reason in history(cursor, answer.id)] == ["", ""]
        assert [state_and_reason[1] for state_and_reason in history(cursor, kept.id)] == ["", "test.why"]


def test_what_is_sent_again_meanwhile_counts_as_unsent(database: Database) -> None:
    case = file_case(database)
    answer = NewDelivery(
        DeliveryKind.ANSWER, "email", "info", case.address, case_id=case.id, contact_id=case.contact_id
    )
    with database.cursor() as cursor:
        outgoing.queue(cursor, [answer])
        outgoing.set_state(cursor, answer.id, DeliveryState.FAILED, why("no such number"))

    def unsent() -> list[UUID]:
        with database.cursor() as cursor:
            return outgoing.lock_unsent(cursor, [case.contact_id])

    with ThreadPoolExecutor(1) as pool:
        with database.cursor() as cursor:
            cursor.execute("SELECT FROM deliveries WHERE id = %s FOR UPDATE", [answer.id])
            asked = pool.submit(unsent)
            wait_for_waiting(database)
            again = outgoing.queue_again(cursor, answer.id, channel="email", account="info", address="b@example.org")
        assert asked.result(20) == [again]


def test_a_text_without_a_title_gets_one_where_it_is_sent_again(database: Database) -> None:
    case = file_case(database)
    untitled = replace(link_to(case), says=OwnWords("Words", "en", in_reply_to="<q@x>"))
    with database.cursor() as cursor:
        outgoing.queue(cursor, [untitled, link_to(case)])
        to = {"channel": "email", "account": "info", "address": "a@example.org", "title": "About your case"}
        again = outgoing.queue_again(cursor, untitled.id, **to)
        assert row(cursor, again, "title", "text", "language", "in_reply_to") == (
            "About your case", "Words", "en", "<q@x>",
        )  # fmt: skip
        assert history(cursor, again) == [("queued", "")]
        assert again in tasks(cursor, Topic.DELIVER)
        assert row(cursor, outgoing.queue_again(cursor, again, **{**to, "title": "x"}), "title") == ("About your case",)
