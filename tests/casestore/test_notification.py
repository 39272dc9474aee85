"""The list of notifications: a line for each case and reason, what is unread, and what goes."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.casework.installation import Filed, acting, agent, file_case, one
from tests.lab.ids import time_of
from zrm.casestore import notification
from zrm.casestore.notification import MOST, NewNotice, Notice, NoticeKind
from zrm.casework import case_actions
from zrm.kit.db import Database
from zrm.kit.ids import new_id


@pytest.fixture
def daniel(database: Database) -> UUID:
    with database.cursor() as cursor:
        return agent(cursor, "daniel")


def message(database: Database, case: Filed, to: UUID, text: str = "Still dark.") -> UUID:
    """A contact of the case and its notification; the contact's id."""
    contact_id = new_id()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, text, at)"
            " VALUES (%s, %s, 'in', 'email', 'x', %s, now())",
            [contact_id, case.id, text],
        )
        assert notification.tell(cursor, [NewNotice(to, case.id, contact_id, NoticeKind.MESSAGE)]) == {to}
        assert notification.tell(cursor, [NewNotice(to, case.id, contact_id, NoticeKind.MESSAGE)]) == set()
    return contact_id


def lines(database: Database, who: UUID) -> list[Notice]:
    with database.cursor() as cursor:
        return notification.notices(cursor, who)


def test_a_line_for_each_case_and_reason_with_the_newest_words(database: Database, daniel: UUID) -> None:
    lamp, drain = file_case(database, title="The lamp"), file_case(database, title="The drain")
    for text in ("One.", "Two.", "Three."):
        message(database, lamp, daniel, text)
    message(database, drain, daniel, "It smells.")
    for case_id, kind in ((lamp.id, NoticeKind.ASSIGNED), (None, NoticeKind.SIGN_IN), (None, NoticeKind.SIGN_IN)):
        with database.cursor() as cursor:
            notification.tell(cursor, [NewNotice(daniel, case_id, new_id(), kind)])
    with database.cursor() as cursor:
        assert notification.unread(cursor, daniel) == 4
        newest, unread = notification.newest(cursor, [daniel, agent(cursor, "sara")])[daniel]
    assert [(one.kind, one.title, one.unread, one.words) for one in lines(database, daniel)] == [
        ("sign_in", "", 2, ""),
        ("assigned", "The lamp", 1, ""),
        ("message", "The drain", 1, "It smells."),
        ("message", "The lamp", 3, "Three."),
    ]
    assert (newest.kind, unread) == ("sign_in", 4)


def test_what_comes_while_the_list_is_read_stays_unread(database: Database, daniel: UUID) -> None:
    case = file_case(database)
    message(database, case, daniel, "Seen.")
    (shown,) = lines(database, daniel)
    message(database, case, daniel, "Not seen.")
    with database.cursor() as cursor:
        notification.read_line(cursor, daniel, shown.id)
        assert notification.unread(cursor, daniel) == 1
    (line,) = lines(database, daniel)
    assert (line.words, line.unread) == ("Not seen.", 1)
    message(database, case, daniel, "Not seen either.")
    with database.cursor() as cursor:
        notification.read_all(cursor, daniel, shown=line.id)
        assert notification.unread(cursor, daniel) == 1
        notification.read_all(cursor, daniel)
        assert notification.unread(cursor, daniel) == 0
    assert [line.unread for line in lines(database, daniel)] == [0], "read, and still there"


def test_nobody_reads_another_ones(database: Database, daniel: UUID) -> None:
    case = file_case(database)
    message(database, case, daniel)
    (line,) = lines(database, daniel)
    with database.cursor() as cursor:
        maryam = agent(cursor, "maryam")
        notification.read_line(cursor, maryam, line.id)
        notification.read_all(cursor, maryam, shown=line.id)
        assert notification.read_case(cursor, maryam, case.id) is None
        assert notification.unread(cursor, daniel) == 1


def test_opening_the_case_reads_what_is_told_of_it_and_finds_the_first_unread(database: Database, daniel: UUID) -> None:
    case, other = file_case(database), file_case(database)
    first = message(database, case, daniel)
    message(database, case, daniel)
    message(database, other, daniel)
    with database.cursor() as cursor:
        assert notification.read_case(cursor, daniel, case.id) == first
        assert notification.read_case(cursor, daniel, case.id) is None
        assert notification.unread(cursor, daniel) == 1


def test_the_result_of_a_closing_is_its_words(database: Database, daniel: UUID) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        maryam = agent(cursor, "maryam")
        case_actions.close(cursor, acting(maryam, case.id, 1), result="Mended on Monday.", reason="Done.")
        closed = one(cursor, "SELECT id FROM case_events WHERE kind = 'closed'")
        notification.tell(cursor, [NewNotice(daniel, case.id, closed, NoticeKind.CLOSED)])
    assert [line.words for line in lines(database, daniel)] == ["Mended on Monday."]


def test_the_counter_stops_at_a_hundred(database: Database, daniel: UUID) -> None:
    file_case(database)
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO cases SELECT made.* FROM cases c, generate_series(1, %s) AS number, jsonb_populate_record(c,"
            " jsonb_build_object('id', uuidv7(), 'code', lpad(number::text, 12, '0'), 'reply_token', number)) AS made"
            " RETURNING id",
            [MOST + 5],
        )
        made = [row[0] for row in cursor]
        notification.tell(cursor, [NewNotice(daniel, case_id, new_id(), NoticeKind.MESSAGE) for case_id in made])
        assert notification.unread(cursor, daniel) == MOST
    assert len(lines(database, daniel)) == MOST


def test_what_was_read_goes_after_its_time_and_nothing_else(database: Database, daniel: UUID) -> None:
    case = file_case(database)
    kept = [message(database, case, daniel) for _ in range(3)]
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE notifications SET read_at = now() - CASE source_id WHEN %s THEN interval '31 days' ELSE interval '29 days' END"
            " WHERE source_id = ANY(%s)",
            [kept[0], kept[:2]],
        )
        assert not notification.forget_read(cursor, days=30)
        cursor.execute("SELECT source_id FROM notifications ORDER BY source_id")
        assert [row[0] for row in cursor] == kept[1:]


@given(agent_id=st.uuids(), source=st.builds(new_id), kind=st.sampled_from(NoticeKind))
def test_an_id_is_the_notices_own_and_of_its_sources_month(agent_id: UUID, source: UUID, kind: NoticeKind) -> None:
    notice = NewNotice(agent_id, None, source, kind)
    assert notice.id == NewNotice(agent_id, new_id(), source, kind).id
    assert (notice.id.version, time_of(notice.id)) == (7, time_of(source))
    others = {NewNotice(agent_id, None, source, other).id for other in NoticeKind} | {
        NewNotice(new_id(), None, source, kind).id, NewNotice(agent_id, None, new_id(), kind).id
    }  # fmt: skip
    assert len(others) == len(NoticeKind) + 2
