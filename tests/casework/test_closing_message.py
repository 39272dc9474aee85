"""The closing message: to whom it goes among all who wrote in the case, and when none is sent."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from tests.casework.installation import Filed, file_case, one
from tests.rows import insert
from zrm.casework.closing_message import send_closing_message
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id

ELSEWHERE = "+989351234568"


def add_contact(cursor: Cursor, case: Filed, person: UUID | None, **changed: object) -> None:
    """A contact of the case that is newer than its first one, from an address of its own."""
    values = {
        "id": new_id(), "case_id": case.id, "direction": "in", "channel": "sms", "account": "+982112345",
        "person_id": person, "address": ELSEWHERE, "title": "", "text": "x", "html": "", "headers": "[]",
        "at": now() + timedelta(minutes=1), "description": "[]", "labels": [],
    } | changed  # fmt: skip
    insert(cursor, "contacts", **values)


def closed(cursor: Cursor, case: Filed) -> str | None:
    """The address that the closing message goes to; None if there is none."""
    sent = send_closing_message(cursor, case.id, "trace")
    return sent and one(cursor, "SELECT address FROM deliveries WHERE id = %s AND contact_id = %s", sent[1], sent[0])


@pytest.mark.parametrize("known", [True, False])
def test_it_goes_where_the_citizen_wrote_from_and_to_nobody_else(database: Database, known: bool) -> None:
    case, neighbour = file_case(database, channel="sms"), file_case(database, channel="sms", address=ELSEWHERE)
    person = case.person_id if known else None
    with database.cursor() as cursor:
        cursor.execute("UPDATE cases SET person_id = %s WHERE id = %s", [person, case.id])
        cursor.execute("UPDATE contacts SET person_id = %s WHERE case_id = %s", [person, case.id])
        add_contact(cursor, case, person, direction="out")
        add_contact(cursor, case, person, direction="note")
        add_contact(cursor, case, person, channel="telegram")
        add_contact(cursor, case, person, address="")
        add_contact(cursor, case, neighbour.person_id)
        for label in ("robot", "bounce", "list", "newsletter", "dmarc_fail"):
            add_contact(cursor, case, person, labels=[label])
        add_contact(cursor, case, person, at=now() - timedelta(days=1))
        add_contact(cursor, neighbour, person)
        assert closed(cursor, case) == case.address
        add_contact(cursor, case, person)
        assert closed(cursor, case) == ELSEWHERE, "from where they wrote last"


def test_who_opted_out_or_wrote_where_nothing_is_asked_gets_none(database: Database) -> None:
    case, neighbour = file_case(database, channel="sms"), file_case(database, channel="sms", address=ELSEWHERE)
    call = file_case(database, channel="call")
    with database.cursor() as cursor:
        insert(
            cursor, "opt_outs", id=new_id(), channel="sms", account="+982112345", address=case.address, out=True, at=now()
        )  # fmt: skip
        assert closed(cursor, case) is None
        assert closed(cursor, neighbour) == ELSEWHERE
        assert closed(cursor, call) is None
        assert one(cursor, "SELECT count(*) FROM deliveries") == 1


def test_it_waits_and_says_what_it_is(database: Database) -> None:
    text, mail = file_case(database, channel="sms"), file_case(database)
    with database.cursor() as cursor:
        for case, reason, hold in ((text, "", 0), (mail, "It was mended.", 60)):
            sent = send_closing_message(cursor, case.id, "the trace", reason=reason, hold=hold)
            assert sent is not None
            cursor.execute(
                "SELECT c.direction, c.automatic, c.title <> '', c.labels, c.leaves_at - c.at, d.kind, d.trace, d.case_id"
                " FROM contacts c JOIN deliveries d ON d.contact_id = c.id WHERE c.id = %s AND d.id = %s",
                [sent[0], sent[1]],
            )
            labels = ["closing_message", "closing_reason"] if reason else ["closing_message"]
            assert cursor.fetchall() == [
                ("out", True, case is mail, labels, timedelta(seconds=hold), "closing_message", "the trace", case.id)
            ]
            assert (reason in one(cursor, "SELECT text FROM contacts WHERE id = %s", sent[0])) is True
            waits = one(cursor, "SELECT count(*) FROM timers WHERE ref = %s AND topic = 'deliver'", sent[1])
            leaves = one(cursor, "SELECT count(*) FROM outbox WHERE ref = %s AND topic = 'deliver'", sent[1])
            assert (waits, leaves) == ((1, 0) if hold else (0, 1))
