"""What is missing after each step of signing in, which sessions go on, and of which sign-ins an agent is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from uuid import UUID

import pyotp
import pytest

from tests.casework.installation import agent, one
from tests.lab.databases import Databases
from zrm.casestore import notification
from zrm.casework import sign_in
from zrm.casework.sign_in import Proof
from zrm.config import Security
from zrm.errors import NotFound
from zrm.kit.db import Cursor, Database
from zrm.security import second_step, sessions
from zrm.security.browsers import UNKNOWN
from zrm.security.sessions import How, Stage

SECRET = b"0" * 32


@pytest.fixture(scope="module")
def database(seeded_databases: Databases) -> Iterator[Database]:
    with seeded_databases.lend() as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def cursor(database: Database) -> Iterator[Cursor]:
    """Everything is undone after the test."""
    with database.cursor() as cursor, cursor.connection.transaction(force_rollback=True):
        yield cursor


def app_of(cursor: Cursor, agent_id: UUID) -> pyotp.TOTP:
    """Set up the agent's app."""
    second_step.begin(cursor, agent_id, SECRET)
    key = second_step.waiting_key(cursor, agent_id, SECRET)
    assert key is not None
    app = pyotp.TOTP(key)
    assert second_step.confirm(cursor, agent_id, SECRET, app.now())
    return app


@pytest.mark.parametrize(
    ("two_step", "has_app", "both_steps", "stage"),
    [
        ("off", False, False, Stage.SIGNED_IN),
        ("offered", False, False, Stage.SIGNED_IN),
        ("required", False, False, Stage.SET_UP),
        ("required", False, True, Stage.SIGNED_IN),
        ("off", True, False, Stage.SECOND_STEP),
        ("required", True, False, Stage.SECOND_STEP),
        ("required", True, True, Stage.SIGNED_IN),
    ],
)
def test_a_session_begins_at_what_is_missing(
    cursor: Cursor, two_step: Literal["off", "offered", "required"], has_app: bool, both_steps: bool, stage: Stage
) -> None:
    maryam = agent(cursor, "maryam")
    if has_app:
        app_of(cursor, maryam)
    proof = Proof(maryam, How.PASSWORD, UNKNOWN, known_browser=True)
    token, session = sign_in.enter(cursor, proof, Security(two_step=two_step), both_steps=both_steps)
    found = sessions.find(cursor, token)
    assert (session.stage, found and found.stage) == (stage, stage)


def test_the_earlier_session_ends_and_only_a_new_browser_is_told(cursor: Cursor) -> None:
    maryam, earlier, told = agent(cursor, "maryam"), "", []
    cursor.execute("DELETE FROM sign_ins WHERE agent_id = %s", [maryam])
    for known in (False, True, False):  # the very first, a browser they know, a new one
        proof = Proof(maryam, How.PASSKEY, UNKNOWN, known, earlier)
        token, _session = sign_in.finish(cursor, proof)
        assert not earlier or sessions.find(cursor, earlier) is None
        assert sessions.find(cursor, token) is not None
        told.append(notification.unread(cursor, maryam))
        earlier = token
    assert told == [0, 0, 1]
    assert one(cursor, "SELECT count(*) FROM sign_ins WHERE agent_id = %s", maryam) == 3


def test_recovery_codes_come_with_the_first_second_step_and_each_is_good_once(cursor: Cursor) -> None:
    maryam = agent(cursor, "maryam")
    app_of(cursor, maryam)
    codes = sign_in.first_recovery_codes(cursor, maryam, SECRET)
    assert len(codes) == second_step.RECOVERY_CODES
    assert sign_in.first_recovery_codes(cursor, maryam, SECRET) == []
    assert sign_in.second_step_by_code(cursor, maryam, SECRET, codes[0]) is How.RECOVERY_CODE
    assert sign_in.second_step_by_code(cursor, maryam, SECRET, codes[0]) is None


def test_a_second_step_is_set_up_where_it_is_offered_or_owed(cursor: Cursor) -> None:
    maryam = agent(cursor, "maryam")
    for stage, two_step, allowed in (
        (Stage.SIGNED_IN, "offered", True),
        (Stage.SIGNED_IN, "off", False),
        (Stage.SET_UP, "off", True),
    ):
        _token, session = sessions.start(cursor, maryam, stage=stage)
        settings = Security.model_validate({"two_step": two_step})
        if allowed:
            sign_in.require_second_step_offered(settings, session)
        else:
            with pytest.raises(NotFound):
                sign_in.require_second_step_offered(settings, session)
