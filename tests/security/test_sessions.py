"""How long a session lives, and what is no longer one."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.casework.installation import agent
from zrm.kit.db import Database
from zrm.security import sessions
from zrm.security.sessions import Session, Stage


@pytest.fixture
def daniel(database: Database) -> UUID:
    with database.cursor() as cursor:
        return agent(cursor, "daniel")


def age(database: Database, minutes: int) -> None:
    """So many minutes go by in which nobody does anything."""
    with database.cursor() as cursor:
        cursor.execute("UPDATE sessions SET seen_at = seen_at - make_interval(mins => %s)", [minutes])


def begin(database: Database, agent_id: UUID, stage: Stage = Stage.SIGNED_IN) -> tuple[str, Session]:
    with database.cursor() as cursor:
        return sessions.start(cursor, agent_id, stage=stage)


def alive(database: Database, session: Session) -> bool:
    with database.cursor() as cursor:
        return sessions.alive(cursor, [session.token_hash]) == {session.token_hash}


def test_use_keeps_a_session_alive(database: Database, daniel: UUID) -> None:
    token, _session = begin(database, daniel)
    for _ in range(3):
        age(database, 90)
        with database.cursor() as cursor:
            assert sessions.find(cursor, token) is not None
    age(database, 121)
    with database.cursor() as cursor:
        assert sessions.find(cursor, token) is None


def test_use_does_not_keep_it_for_ever(database: Database, daniel: UUID) -> None:
    token, session = begin(database, daniel)
    with database.cursor() as cursor:
        cursor.execute("UPDATE sessions SET ends_at = now() - interval '1 second'")
        assert sessions.find(cursor, token) is None
    assert not alive(database, session)


def test_an_open_stream_does_not_keep_its_session_alive_nor_outlive_it(database: Database, daniel: UUID) -> None:
    token, session = begin(database, daniel)
    for minutes, there in ((90, True), (31, False)):
        age(database, minutes)
        assert alive(database, session) is there
    with database.cursor() as cursor:
        assert sessions.find(cursor, token) is None


@pytest.mark.parametrize("stage", [Stage.SECOND_STEP, Stage.SET_UP])
def test_a_session_that_is_not_whole_carries_no_stream(database: Database, daniel: UUID, stage: Stage) -> None:
    token, session = begin(database, daniel, stage)
    assert not alive(database, session)
    with database.cursor() as cursor:
        found = sessions.find(cursor, token)
        assert found is not None
        assert found.stage is stage
        assert sessions.of_agent(cursor, daniel) == []


def test_a_proof_counts_for_ten_minutes(database: Database, daniel: UUID) -> None:
    token, session = begin(database, daniel)

    def proven() -> bool:
        with database.cursor() as cursor:
            found = sessions.find(cursor, token)
        assert found is not None
        return found.proven

    assert proven()
    with database.cursor() as cursor:
        cursor.execute("UPDATE sessions SET proven_at = now() - interval '601 seconds'")
    assert not proven()
    with database.cursor() as cursor:
        sessions.prove(cursor, session.token_hash)
    assert proven()


def test_ending_the_others_keeps_this_one_and_other_peoples(database: Database, daniel: UUID) -> None:
    with database.cursor() as cursor:
        maryam = agent(cursor, "maryam")
    here, elsewhere, hers = (begin(database, one)[1] for one in (daniel, daniel, maryam))
    with database.cursor() as cursor:
        assert sessions.end_others(cursor, daniel, here.token_hash) == [elsewhere.token_hash]
        assert sessions.end_one(cursor, daniel, hers.id) is None
    assert [alive(database, one) for one in (here, elsewhere, hers)] == [True, False, True]


def test_what_concerns_one_session_leaves_the_others_as_they_are(database: Database, daniel: UUID) -> None:
    (mine, one), (_, other) = begin(database, daniel), begin(database, daniel)
    age(database, 30)
    with database.cursor() as cursor:
        assert sessions.find(cursor, mine) == one
        cursor.execute("SELECT seen_at > now() - interval '1 minute' FROM sessions WHERE id = %s", [other.id])
        assert cursor.fetchone() == (False,), "who is not seen is not kept alive"
        cursor.execute("UPDATE sessions SET proven_at = now() - interval '1 hour'")
        sessions.prove(cursor, one.token_hash)
        cursor.execute("SELECT id FROM sessions WHERE proven_at > now() - interval '1 minute'")
        assert cursor.fetchall() == [(one.id,)]
        sessions.end(cursor, one.token_hash)
        cursor.execute("SELECT id FROM sessions")
        assert cursor.fetchall() == [(other.id,)]
        assert sessions.end_one(cursor, daniel, other.id) == other.token_hash


def test_an_agent_sees_their_own_live_sessions_the_one_used_last_first(database: Database, daniel: UUID) -> None:
    with database.cursor() as cursor:
        maryam = agent(cursor, "maryam")
    begin(database, maryam)
    ended, silent, old, new = (begin(database, daniel)[1].id for _ in range(4))
    with database.cursor() as cursor:
        cursor.execute("UPDATE sessions SET seen_at = seen_at - interval '5 minutes' WHERE id = %s", [old])
        cursor.execute("UPDATE sessions SET seen_at = seen_at - interval '121 minutes' WHERE id = %s", [silent])
        cursor.execute("UPDATE sessions SET ends_at = now() WHERE id = %s", [ended])
    with database.cursor() as cursor:
        assert [one.id for one in sessions.of_agent(cursor, daniel)] == [new, old]
        sessions.forget_expired(cursor)
        cursor.execute("SELECT id FROM sessions WHERE agent_id = %s ORDER BY id", [daniel])
        assert [row[0] for row in cursor] == sorted([old, new])


def test_a_session_that_is_not_whole_is_short(database: Database, daniel: UUID) -> None:
    begin(database, daniel, Stage.SECOND_STEP)
    begin(database, daniel)
    with database.cursor() as cursor:
        cursor.execute("SELECT stage, ends_at > now() + interval '1 hour' FROM sessions ORDER BY stage")
        assert dict(cursor.fetchall()) == {Stage.SECOND_STEP: False, Stage.SIGNED_IN: True}


def test_each_page_has_a_token_of_its_own_and_each_is_good_for_its_session_alone(
    database: Database, daniel: UUID
) -> None:
    one, other = (begin(database, daniel)[1] for _ in range(2))
    pages = [sessions.csrf_for_page(one) for _ in range(3)]
    assert len(set(pages)) == 3
    assert all(sessions.csrf_matches(one, page) for page in pages)
    assert not any(sessions.csrf_matches(other, page) for page in pages)
    for wrong in ("", "x", "گذر", pages[0][:-4], pages[0] + pages[0], one.csrf):
        assert not sessions.csrf_matches(one, wrong)


def test_a_sign_in_removes_the_sessions_that_have_ended(database: Database, daniel: UUID) -> None:
    for change in ("seen_at = now() - interval '3 hours'", "ends_at = now() - interval '1 minute'"):
        begin(database, daniel)
        with database.cursor() as cursor:
            cursor.execute(f"UPDATE sessions SET {change}".encode())
        _, session = begin(database, daniel)
        with database.cursor() as cursor:
            cursor.execute("SELECT id FROM sessions")
            assert cursor.fetchall() == [(session.id,)]
