"""What a provider's report does: to which delivery, in which order, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from tests.casework.installation import Filed, file_case
from tests.reasons import why
from zrm.casestore import outgoing
from zrm.casestore.delivery import DeliveryKind
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.contract.inbound import Report
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id
from zrm.normalizer.reports import apply_delivery_report

PHONE, OTHER = "+989121234567", "+989351234568"


def deliver(
    cursor: Cursor, case: Filed, *, channel: str = "sms", address: str = PHONE, ref: str = "", state: str = "sent"
) -> UUID:
    one = NewDelivery(DeliveryKind.PROOF_LINK, channel, "3000", address, case_id=case.id, says=OwnWords("words", "fa"))
    outgoing.queue(cursor, [one])
    cursor.execute("UPDATE deliveries SET state = %s, provider_ref = %s WHERE id = %s", [state, ref, one.id])
    return one.id


def states(cursor: Cursor) -> list[str]:
    cursor.execute("SELECT state FROM deliveries ORDER BY created_at, id")
    return [state for (state,) in cursor]


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        ("queued", "sent", "sent"), ("sending", "sent", "sent"), ("unknown", "sent", "sent"), ("unknown", "failed", "failed"),
        ("sent", "failed", "failed"), ("sent", "delivered", "delivered"), ("failed", "delivered", "delivered"),
        ("delivered", "failed", "delivered"), ("delivered", "sent", "delivered"), ("failed", "sent", "failed"),
    ],
)  # fmt: skip
def test_a_report_moves_forward_only(database: Database, before: str, said: str, after: str) -> None:
    with database.cursor() as cursor:
        deliver(cursor, file_case(database), ref="1", state=before)
        assert apply_delivery_report(cursor, "sms", Report("1", said))  # type: ignore[arg-type]  # one of its states
        assert states(cursor) == [after]


def test_a_report_is_of_its_channel_and_the_newest_message_with_its_reference(database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        for channel, ref in (("sms", "1"), ("sms", "1"), ("telegram", "1"), ("sms", "2"), ("sms", "")):
            deliver(cursor, case, channel=channel, ref=ref)
        assert not apply_delivery_report(cursor, "sms", Report("3", "delivered"))
        assert not apply_delivery_report(cursor, "sms", Report("", "delivered"))
        assert apply_delivery_report(cursor, "sms", Report("1", "delivered"))
        assert states(cursor) == ["sent", "delivered", "sent", "sent", "sent"]


def test_our_own_id_names_one_message_unless_another_reference_is_known(database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        lost, known = deliver(cursor, case, state="unknown"), deliver(cursor, case, ref="9")
        deliver(cursor, case, ref="8")
        assert apply_delivery_report(cursor, "sms", Report("8", "delivered", reply_id=lost))
        assert states(cursor) == ["delivered", "sent", "sent"]
        cursor.execute("SELECT provider_ref FROM deliveries WHERE id = %s", [lost])
        assert cursor.fetchone() == ("8",), "and its reference is known from now on"
        assert not apply_delivery_report(cursor, "sms", Report("7", "delivered", reply_id=known))
        assert not apply_delivery_report(cursor, "telegram", Report("", "delivered", reply_id=known))
        assert apply_delivery_report(cursor, "sms", Report("", "delivered", reply_id=known))
        assert states(cursor) == ["delivered", "delivered", "sent"]


def test_what_changes_nothing_is_a_line_of_the_history_if_it_says_why(database: Database) -> None:
    with database.cursor() as cursor:
        delivery = deliver(cursor, file_case(database), ref="1")
        for report in (Report("1", "sent"), Report("1", "sent", why("delayed")), Report("1", "delivered", why("read"))):
            assert apply_delivery_report(cursor, "sms", report)
        cursor.execute(
            "SELECT state, reason_code FROM delivery_events WHERE delivery_id = %s ORDER BY at, id", [delivery]
        )
        assert cursor.fetchall() == [("queued", ""), ("sent", "test.why"), ("delivered", "test.why")]
        cursor.execute("SELECT reason_code FROM deliveries")
        assert cursor.fetchone() == ("",), "only why it failed stands at the delivery"


@pytest.mark.parametrize(("said", "unreachable", "doubtful"), [("failed", True, True), ("failed", False, False)])
def test_an_address_that_nobody_has_is_doubted(
    database: Database, said: str, unreachable: bool, doubtful: bool
) -> None:
    with database.cursor() as cursor:
        deliver(cursor, file_case(database, channel="sms"), ref="1")
        report = Report("1", "failed", why("unknown subscriber"), unreachable=unreachable)
        assert apply_delivery_report(cursor, "sms", report)
        cursor.execute("SELECT doubtful_at IS NOT NULL FROM addresses WHERE value = %s", [PHONE])
        assert cursor.fetchone() == (doubtful,)
        cursor.execute("SELECT reason_code FROM deliveries")
        assert cursor.fetchone() == ("test.why",)


def test_a_message_in_parts_has_arrived_with_its_last_and_failed_with_its_first(database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        for refs in (["a", "b"], ["c", "d"]):
            outgoing.set_parts(cursor, deliver(cursor, case, ref=refs[0]), "sms", refs[0], refs)
        for ref in ("b", "b"):
            assert apply_delivery_report(cursor, "sms", Report(ref, "delivered"))
        assert states(cursor) == ["sent", "sent"]
        assert apply_delivery_report(cursor, "sms", Report("b", "sent"))
        assert apply_delivery_report(cursor, "sms", Report("a", "delivered"))
        assert states(cursor) == ["delivered", "sent"], "a part does not go back either"
        assert apply_delivery_report(cursor, "sms", Report("d", "failed"))
        assert states(cursor) == ["delivered", "failed"]


def test_a_late_report_finds_its_message_by_another_reference_and_the_number(database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        mine = deliver(cursor, case, ref="hex")
        deliver(cursor, case, ref="theirs", address=OTHER)
        deliver(cursor, case, ref="elsewhere", channel="telegram")
        report = Report("dec", "delivered", perhaps=("theirs", "elsewhere", "hex"), to="09121234567")
        assert not apply_delivery_report(cursor, "sms", report), "its own message may still be on its way"
        assert not apply_delivery_report(cursor, "sms", replace(report, to="4567"), late=True)
        assert not apply_delivery_report(cursor, "sms", replace(report, perhaps=()), late=True)
        assert states(cursor) == ["sent"] * 3
        assert apply_delivery_report(cursor, "sms", report, late=True)
        assert states(cursor) == ["delivered", "sent", "sent"]
        outgoing.set_parts(cursor, parted := deliver(cursor, case), "sms", "p", ["p"])
        assert apply_delivery_report(cursor, "sms", replace(report, perhaps=("p",)), late=True)
        assert states(cursor) == ["delivered", "sent", "sent", "delivered"]
        cursor.execute(
            "UPDATE deliveries SET state = 'sent', created_at = now() - interval '15 days' WHERE id IN (%s, %s)",
            [mine, parted],
        )
        assert not apply_delivery_report(cursor, "sms", report, late=True), "that id belongs to another message by now"
        assert not apply_delivery_report(cursor, "sms", Report("x", "delivered", reply_id=new_id()), late=True)
