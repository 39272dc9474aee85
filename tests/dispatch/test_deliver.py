"""T4: what leaves, leaves once; what may have left is shown to a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.lab.locks import wait_for_waiting
from tests.reasons import why
from tests.rows import insert
from zrm.casestore import outbox, outgoing
from zrm.casestore.delivery import PROOF_LINK, DeliveryKind
from zrm.casestore.outbox import Topic
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.casestore.person import opt
from zrm.config import Settings
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    SendError,
    Throttled,
)
from zrm.contract.inbound import Report
from zrm.contract.outbound import Reply, Sent
from zrm.dispatch.deliver import Deliver
from zrm.dispatch.notify import Notify
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.normalizer.reports import apply_delivery_report


@dataclass
class Provider:
    """A channel whose provider answers as the test says."""

    answer: Callable[[Reply], Sent]
    seen: list[Reply] = field(default_factory=list)

    def send(self, reply: Reply) -> Sent:
        self.seen.append(reply)
        return self.answer(reply)


def raises(error: Exception) -> Callable[[Reply], Sent]:
    def answer(_: Reply) -> Sent:
        raise error

    return answer


def make_case(database: Database, text: str = "پاسخ", *, code: str = "123456789012") -> UUID:
    """A case with one message in, one queued answer out; the delivery's id."""
    case, person, first, answer, delivery, at = (*(new_id() for _ in range(5)), now())
    with database.cursor() as cursor:
        insert(cursor, "persons", id=person, name="علی", created_at=at)
        cursor.execute("SELECT id FROM units WHERE key = 'roads'")
        (unit,) = cursor.fetchone() or (None,)
        insert(
            cursor, "cases", id=case, code=code, reply_token=f"token{code}", title="چراغ", language="fa", channel="email",
            account="info", person_id=person, unit_id=unit, status="open", opened_at=at, status_at=at, last_contact_at=at,
        )  # fmt: skip
        mail = {"case_id": case, "channel": "email", "account": "info", "address": "a@example.org"}
        common = {**mail, "headers": Jsonb([]), "labels": []}
        insert(cursor, "contacts", id=first, direction="in", text="سلام", message_id="<first@x>", at=at, **common)
        later = at + timedelta(1)
        insert(cursor, "contacts", id=answer, direction="out", text=text, message_id="<answer@us>", at=later, **common)
        insert(
            cursor, "deliveries", id=delivery, kind="answer", contact_id=answer, state="queued", created_at=at,
            changed_at=at, **mail,
        )  # fmt: skip
        outbox.add(cursor, Topic.DELIVER, [(delivery, "trace")])
    return delivery


def work(database: Database, settings: Settings, provider: Provider) -> None:
    """Do every due delivery task once, as a drain would."""
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)
    Deliver(database, {"email": provider}, settings)(tasks)


def state(database: Database, delivery: UUID) -> tuple[str, int, str, list[str], int]:
    """(state, attempts, error, every step's state, tasks left)."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT state, attempts, coalesce(reason_params ->> 'words', reason_code) FROM deliveries WHERE id = %s",
            [delivery],
        )
        now_in, attempts, error = cursor.fetchone() or ("", 0, "")
        cursor.execute("SELECT state FROM delivery_events WHERE delivery_id = %s ORDER BY id", [delivery])
        steps = [row[0] for row in cursor]
        cursor.execute("SELECT count(*) FROM outbox WHERE topic = 'deliver' AND ref = %s", [delivery])
        (left,) = cursor.fetchone() or (0,)
    return now_in, attempts, error, steps, left


def test_an_answer_leaves_with_its_thread(database: Database, settings: Settings) -> None:
    delivery = make_case(database)
    provider = Provider(lambda reply: Sent("ref-1", final=False))
    work(database, settings, provider)
    assert state(database, delivery) == ("sent", 1, "", ["sending", "sent"], 0)
    (reply,) = provider.seen
    assert (reply.in_reply_to, reply.references, reply.reply_token) == (
        "<first@x>",
        ("<first@x>",),
        "token123456789012",
    )
    assert (reply.to, reply.text, reply.language, reply.code) == ("a@example.org", "پاسخ", "fa", "123456789012")


def test_a_message_by_another_channel_is_not_quoted(database: Database, settings: Settings) -> None:
    make_case(database)
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, address, text, message_id, headers, labels, at)"
            " SELECT %s, case_id, 'in', 'telegram', 'info', '4711', 'x', 'telegram:info:4711:9', '[]', '{}', at"
            " + interval '1 hour' FROM contacts WHERE message_id = '<first@x>'",
            [new_id()],
        )
    provider = Provider(lambda reply: Sent("ref-1", final=False))
    work(database, settings, provider)
    (reply,) = provider.seen
    assert (reply.in_reply_to, reply.references) == ("<first@x>", ("<first@x>",))


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (Rejected(why("spam"), code="5.7.1"), "failed"),
        (RecipientUnreachable(why("no such user")), "failed"),
        (RecipientOptedOut(why("stop")), "failed"),
        (ConfigInvalid(why("no relay")), "failed"),
        (OutcomeUnknown(why("cut off")), "unknown"),
        (ZeroDivisionError("the channel broke its contract"), "unknown"),
    ],
)
def test_a_failure_is_told_to_people(database: Database, settings: Settings, error: Exception, ends: str) -> None:
    delivery = make_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE cases SET assignee_id = (SELECT id FROM agents WHERE login = 'sara')")
    work(database, settings, Provider(raises(error)))
    now_in, _, said, steps, left = state(database, delivery)
    assert (now_in, steps, left) == (ends, ["sending", ends], 0)
    assert said
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.NOTIFY, limit=10, lease=60)
    Notify(database)(tasks)
    with database.cursor() as cursor:
        cursor.execute("SELECT kind, count(*) FROM notifications GROUP BY 1")
        assert cursor.fetchall() == [(f"delivery_{ends}", 1)], "whoever has the case knows"


@pytest.mark.parametrize("error", [ConnectionFailed(why("refused")), Throttled(why("slow down"), retry_after=7)])
def test_what_surely_did_not_leave_is_tried_again(database: Database, settings: Settings, error: SendError) -> None:
    delivery = make_case(database)
    work(database, settings, Provider(raises(error)))
    assert state(database, delivery)[0::3] == ("queued", ["sending", "queued"])
    with database.cursor() as cursor:
        cursor.execute("UPDATE outbox SET due_at = now() WHERE topic = 'deliver'")
    work(database, settings, Provider(lambda reply: Sent("ref", final=True)))
    assert state(database, delivery)[3:] == (["sending", "queued", "sending", "delivered"], 0)


def test_a_crash_in_the_middle_is_unknown_and_never_sent_again(database: Database, settings: Settings) -> None:
    delivery = make_case(database)

    class Killed(BaseException):
        """The process dies while the provider holds the message."""

    with pytest.raises(Killed):
        work(database, settings, Provider(raises(Killed())))  # type: ignore[arg-type]  # not an Exception on purpose
    assert state(database, delivery)[0] == "sending"
    with database.cursor() as cursor:
        cursor.execute("UPDATE outbox SET due_at = now()")
    provider = Provider(lambda reply: Sent("ref", final=True))
    work(database, settings, provider)
    assert not provider.seen
    assert state(database, delivery)[3:] == (["sending", "unknown"], 0)


@pytest.mark.parametrize(
    ("late", "ends"),
    [
        (lambda _: Sent("ref", final=True), "delivered"),
        (lambda _: Sent("ref", final=False), "sent"),
        (raises(ConnectionFailed(why("refused"))), "failed"),
        (raises(OutcomeUnknown(why("cut off"))), "unknown"),
    ],
)
def test_a_send_that_outlives_its_lease_adds_what_it_knows(
    database: Database, settings: Settings, late: Callable[[Reply], Sent], ends: str
) -> None:
    delivery = make_case(database)

    def slow(reply: Reply) -> Sent:
        with database.cursor() as cursor:
            cursor.execute("UPDATE outbox SET due_at = now()")
        work(database, settings, Provider(raises(AssertionError("sent twice"))))
        assert state(database, delivery)[0] == "unknown"
        return late(reply)

    work(database, settings, Provider(slow))
    assert state(database, delivery)[0] == ends
    assert state(database, delivery)[4] == 0, "nothing is queued again behind a person's back"


def test_a_report_that_is_faster_than_the_answer_is_not_taken_back(database: Database, settings: Settings) -> None:
    delivery = make_case(database)

    def reported(_: Reply) -> Sent:
        with database.cursor() as cursor:
            assert apply_delivery_report(cursor, "email", Report("ref", "delivered", reply_id=delivery))
        return Sent("ref", final=False)

    work(database, settings, Provider(reported))
    assert state(database, delivery)[3:] == (["sending", "delivered"], 0)


def test_a_report_settles_what_a_crash_left_unknown(database: Database, settings: Settings) -> None:
    delivery = make_case(database)
    work(database, settings, Provider(raises(OutcomeUnknown(why("cut off")))))
    with database.cursor() as cursor:
        assert not apply_delivery_report(cursor, "sms", Report("ref", "sent", reply_id=delivery)), (
            "another channel's word"
        )
        assert not apply_delivery_report(cursor, "email", Report("ref", "sent", reply_id=new_id())), "nobody's"
        assert apply_delivery_report(cursor, "email", Report("ref", "sent", reply_id=delivery))
    with database.cursor() as cursor:
        assert apply_delivery_report(cursor, "email", Report("ref", "delivered")), "from now on by its reference"
    assert state(database, delivery)[3] == ["sending", "unknown", "sent", "delivered"]


def test_the_same_task_twice_sends_once(database: Database, settings: Settings) -> None:
    delivery = make_case(database)
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)
    provider = Provider(lambda reply: Sent("ref", final=True))
    for _ in range(2):
        Deliver(database, {"email": provider}, settings)(tasks)
    assert len(provider.seen) == 1
    assert state(database, delivery)[0] == "delivered"


def test_a_missing_channel_is_a_failure_people_see(database: Database, settings: Settings) -> None:
    delivery = make_case(database)
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)
    Deliver(database, {}, settings)(tasks)
    assert state(database, delivery)[0] == "failed"


def test_the_link_is_made_when_it_leaves_and_not_stored(database: Database, settings: Settings) -> None:
    make_case(database, f"Here: {PROOF_LINK}")
    provider = Provider(lambda reply: Sent("ref", final=True))
    work(database, settings, provider)
    link = provider.seen[0].text.removeprefix("Here: ")
    assert link.startswith(f"{settings.public_url}/proof/")
    token = link.rsplit("/", 1)[1]
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM contacts WHERE text LIKE %s", [f"%{token}%"])
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM proof_tokens WHERE token_hash = %s", [token])
        assert cursor.fetchone() == (0,)


def test_personal_data_in_a_providers_words_is_not_kept_with_the_error(database: Database, settings: Settings) -> None:
    delivery = make_case(database)
    work(database, settings, Provider(raises(Rejected(why("no mailbox a@example.org for +989121234567")))))
    assert state(database, delivery)[2] == "no mailbox [address] for [number]"


def test_two_workers_at_one_answer_at_once_send_it_once(database: Database, settings: Settings) -> None:
    delivery = make_case(database)
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)
    provider = Provider(lambda reply: Sent("ref", final=True))
    workers = [Thread(target=Deliver(database, {"email": provider}, settings), args=(tasks,)) for _ in range(2)]
    with database.cursor() as cursor:
        cursor.execute("SELECT FROM deliveries WHERE id = %s FOR UPDATE", [delivery])
        for worker in workers:
            worker.start()
        wait_for_waiting(database, 2)
    for worker in workers:
        worker.join(20)
    assert len(provider.seen) == 1


def test_what_a_report_says_while_the_provider_answers_is_not_written_over(
    database: Database, settings: Settings
) -> None:
    delivery = make_case(database)
    meeting = Thread()

    def answer(_: Reply) -> Sent:
        """The report is written just now, and committed when the worker wants to write down that it has sent."""
        nonlocal meeting
        reported = Event()

        def report() -> None:
            with database.cursor() as cursor:
                cursor.execute("UPDATE deliveries SET state = 'delivered' WHERE id = %s", [delivery])
                reported.set()
                wait_for_waiting(database)

        meeting = Thread(target=report)
        meeting.start()
        assert reported.wait(20)
        return Sent("ref", final=False)

    work(database, settings, Provider(answer))
    meeting.join(20)
    assert state(database, delivery)[0] == "delivered"


def test_a_try_that_is_made_again_waits_its_time_and_is_no_sign_of_a_broken_task(
    database: Database, settings: Settings
) -> None:
    make_case(database)
    work(database, settings, Provider(raises(Throttled(why("slow down"), retry_after=300))))
    with database.cursor() as cursor:
        assert outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60) == []
        cursor.execute("SELECT attempts, error, due_at - now() > interval '250 seconds' FROM outbox")
        assert cursor.fetchall() == [(0, "Throttled", True)]


@pytest.mark.parametrize(
    ("error", "doubtful"), [(RecipientUnreachable(why("nobody")), True), (Rejected(why("spam")), False)]
)
def test_an_address_that_nobody_has_is_marked_and_no_other(
    database: Database, settings: Settings, error: SendError, doubtful: bool
) -> None:
    make_case(database)
    with database.cursor() as cursor:
        for value in ("a@example.org", "b@example.org"):
            cursor.execute(
                "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at)"
                " SELECT uuidv7(), id, 'email', %s, %s, false, now() FROM persons",
                [value, value],
            )
    work(database, settings, Provider(raises(error)))
    with database.cursor() as cursor:
        cursor.execute("SELECT doubtful_at IS NOT NULL FROM addresses ORDER BY value")
        assert cursor.fetchall() == [(doubtful,), (False,)]


def test_who_asked_for_no_more_is_not_written_to_and_nothing_is_left_to_do(
    database: Database, settings: Settings
) -> None:
    delivery = make_case(database)
    with database.cursor() as cursor:
        opt(cursor, "email", "info", "a@example.org", out=True, at=now())
    provider = Provider(lambda reply: Sent("ref", final=True))
    work(database, settings, provider)
    assert provider.seen == []
    assert (state(database, delivery)[0], state(database, delivery)[-1]) == ("failed", 0)


def test_what_is_learnt_after_the_lease_ran_out_is_kept_with_its_parts(database: Database, settings: Settings) -> None:
    delivery = make_case(database)

    def answer(_: Reply) -> Sent:
        with database.cursor() as cursor:
            cursor.execute("UPDATE deliveries SET state = 'unknown' WHERE id = %s", [delivery])
        return Sent("one", final=False, part_refs=("one", "two"))

    work(database, settings, Provider(answer))
    assert state(database, delivery)[0] == "sent"
    with database.cursor() as cursor:
        cursor.execute("SELECT provider_ref FROM delivery_parts WHERE delivery_id = %s ORDER BY number", [delivery])
        assert cursor.fetchall() == [("one",), ("two",)]


def reason(database: Database, delivery: UUID) -> tuple[str, str]:
    """(code of the reason, the provider's code)."""
    with database.cursor() as cursor:
        cursor.execute("SELECT reason_code, error_code FROM deliveries WHERE id = %s", [delivery])
        return cursor.fetchall()[0]


@pytest.mark.parametrize("state_now", ["withdrawn", "sent", "delivered", "failed", "unknown", "gone"])
def test_what_is_not_queued_any_more_is_not_sent(database: Database, settings: Settings, state_now: str) -> None:
    delivery = make_case(database)
    with database.cursor() as cursor:
        if state_now == "gone":
            cursor.execute("UPDATE outbox SET ref = %s", [new_id()])
        else:
            cursor.execute("UPDATE deliveries SET state = %s", [state_now])
    provider = Provider(lambda _: Sent("ref", final=True))
    work(database, settings, provider)
    assert provider.seen == []
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM outbox")
        assert cursor.fetchone() == (0,), "nothing is left to do"
    assert state(database, delivery)[0] == ("queued" if state_now == "gone" else state_now)


def test_an_answer_whose_words_are_gone_is_shown_and_not_sent(database: Database, settings: Settings) -> None:
    delivery = make_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE deliveries SET contact_id = %s", [new_id()])
    provider = Provider(lambda _: Sent("ref", final=True))
    work(database, settings, provider)
    assert provider.seen == []
    assert state(database, delivery)[0::4] == ("failed", 0)
    assert reason(database, delivery)[0] == "delivery.wordless"


@pytest.mark.parametrize(("command", "ends"), [("stop", "delivered"), ("help", "failed")])
def test_who_asked_for_no_more_is_told_that_it_was_heard_and_nothing_else(
    database: Database, settings: Settings, command: str, ends: str
) -> None:
    says = OwnWords("شنیدیم", "fa", in_reply_to="<stop@x>")
    answer = NewDelivery(
        DeliveryKind.SELF_SERVICE, "email", "info", "a@example.org", question_id=new_id(), command=command, says=says
    )
    with database.cursor() as cursor:
        opt(cursor, "email", "info", "a@example.org", out=True, at=now())
        outgoing.queue(cursor, [answer])
    provider = Provider(lambda _: Sent("ref", final=True))
    work(database, settings, provider)
    assert state(database, answer.id)[0::4] == (ends, 0)
    sent = [
        (reply.text, reply.language, reply.in_reply_to, reply.references, reply.automatic) for reply in provider.seen
    ]
    assert sent == ([("شنیدیم", "fa", "<stop@x>", (), True)] if ends == "delivered" else [])


def test_a_thread_is_the_cases_own_the_newest_twenty_in_their_order(database: Database, settings: Settings) -> None:
    make_case(database, code="100000000001")
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM outbox")
    delivery = make_case(database, code="100000000002")
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, address, text, message_id, headers, labels, at)"
            " SELECT uuidv7(), c.case_id, 'out', 'telegram', 'info', '4711', 'x', CASE WHEN n > 0 THEN '<' || n || '>' ELSE '' END,"
            " '[]', '{}', c.at + n * interval '1 minute' FROM deliveries d JOIN contacts c ON c.case_id = d.case_id"
            " AND c.direction = 'in', generate_series(0, 25) AS n WHERE d.id = %s",
            [delivery],
        )
        cursor.execute(
            "INSERT INTO attachments (id, contact_id, role, name, media_type, size, blob_key, position)"
            " SELECT uuidv7(), contact_id, 'attachment', n || '.png', 'image/png', 1, repeat(n::text, 64), 3 - n"
            " FROM deliveries, generate_series(1, 3) AS n WHERE id = %s",
            [delivery],
        )
    provider = Provider(lambda _: Sent("ref", final=False))
    work(database, settings, provider)
    (reply,) = provider.seen
    assert reply.references == tuple(f"<{number}>" for number in range(6, 26))
    assert reply.in_reply_to == "", "the citizen's mail lies further back"
    assert [file.name for file in reply.files] == ["3.png", "2.png", "1.png"]
    assert (reply.message_id, reply.automatic) == ("<answer@us>", False)


@pytest.mark.parametrize(
    ("error", "tried", "ends", "wait"),
    [
        (ConnectionFailed(why("refused"), code="421"), 0, "queued", 2),
        (ConnectionFailed(why("refused"), code="421"), 4, "queued", 32),
        (Throttled(why("slow down"), code="421", retry_after=77), 4, "queued", 77),
        (ConnectionFailed(why("refused"), code="421"), 10, "queued", 900),
        (ConnectionFailed(why("refused"), code="421"), 11, "failed", 0),
    ],
)
def test_tries_are_made_ever_more_seldom_and_not_for_ever(
    database: Database, settings: Settings, error: SendError, tried: int, ends: str, wait: int
) -> None:
    delivery = make_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE deliveries SET attempts = %s", [tried])
    work(database, settings, Provider(raises(error)))
    assert state(database, delivery)[:2] == (ends, tried + 1)
    assert reason(database, delivery) == ("test.why", "421")
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT due_at - now() > interval '1 second' * %s, attempts FROM outbox WHERE topic = 'deliver'", [wait - 2]
        )
        assert cursor.fetchall() == ([(True, 0)] if ends == "queued" else [])
        cursor.execute(
            "SELECT 1 FROM outbox WHERE topic = 'deliver' AND due_at > now() + interval '1 second' * %s", [wait]
        )
        assert cursor.fetchall() == []


@pytest.mark.parametrize(
    ("learnt", "ends"),
    [
        (Sent("late", final=True), "delivered"), (Sent("late", final=False), "sent"),
        (Rejected(why("spam"), code="5.7.1"), "failed"), (OutcomeUnknown(why("cut off")), "unknown"),
        (ConnectionFailed(why("refused")), "failed"),
    ],
)  # fmt: skip
def test_what_is_learnt_late_settles_what_was_unknown_and_sends_nothing_again(
    database: Database, settings: Settings, learnt: Sent | SendError, ends: str
) -> None:
    delivery = make_case(database)

    def answer(_: Reply) -> Sent:
        with database.cursor() as cursor:
            cursor.execute("UPDATE deliveries SET state = 'unknown' WHERE id = %s", [delivery])
        if isinstance(learnt, SendError):
            raise learnt
        return learnt

    work(database, settings, Provider(answer))
    assert state(database, delivery)[0::4] == (ends, 0)
    with database.cursor() as cursor:
        cursor.execute("SELECT provider_ref FROM deliveries WHERE id = %s", [delivery])
        assert cursor.fetchone() == ("late" if isinstance(learnt, Sent) else "",)


def test_a_delivery_that_workers_died_at_stays_for_a_person(database: Database, settings: Settings) -> None:
    make_case(database)
    with database.cursor() as cursor:
        (task,) = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)
    Deliver(database, {}, settings).give_up(task)
    with database.cursor() as cursor:
        assert [(one.id, one.reason.code) for one in outbox.failed(cursor) if one.reason] == [
            (task.id, "delivery.never_finished")
        ]


@pytest.mark.parametrize("final", [True, False])
def test_what_was_taken_is_kept_with_its_reference_and_its_parts(
    database: Database, settings: Settings, final: bool
) -> None:
    delivery = make_case(database)
    work(database, settings, Provider(lambda _: Sent("one", final=final, part_refs=("one", "two"))))
    assert state(database, delivery)[0::4] == ("delivered" if final else "sent", 0)
    with database.cursor() as cursor:
        cursor.execute("SELECT provider_ref FROM deliveries WHERE id = %s", [delivery])
        assert cursor.fetchone() == ("one",)
        cursor.execute("SELECT provider_ref FROM delivery_parts WHERE delivery_id = %s ORDER BY number", [delivery])
        assert cursor.fetchall() == [("one",), ("two",)]
