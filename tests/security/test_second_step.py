"""Codes of an app and recovery codes: whose they are, how often they are good, and what a reset takes away."""

from __future__ import annotations

import time
from uuid import UUID

import psycopg
import pyotp
import pytest

from tests.casework.installation import agent
from zrm.kit import clock
from zrm.kit.db import Cursor, Database, session_of
from zrm.security import second_step

SECRET, OTHER_SECRET = b"s" * 32, b"o" * 32


@pytest.fixture
def agents(database: Database) -> tuple[UUID, UUID]:
    with database.cursor() as cursor:
        return agent(cursor, "daniel"), agent(cursor, "maryam")


def code_of(cursor: Cursor, agent_id: UUID, steps: int = 0) -> str:
    """What the app shows so many half minutes from now, while it is still to be confirmed."""
    key = second_step.waiting_key(cursor, agent_id, SECRET)
    assert key is not None
    return pyotp.TOTP(key).at(int(time.time()) + 30 * steps)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """No half minute ends in the middle of a test."""
    at = clock.now()
    monkeypatch.setattr(second_step, "now", lambda: at)
    monkeypatch.setattr(time, "time", at.timestamp)


def test_an_app_is_active_after_one_of_its_codes_and_its_agents_alone(
    database: Database, agents: tuple[UUID, UUID]
) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:
        for one in agents:
            second_step.begin(cursor, one, SECRET)
        code, key = code_of(cursor, mine), second_step.waiting_key(cursor, mine, SECRET)
        assert second_step.waiting_key(cursor, mine, OTHER_SECRET) is None
        assert not second_step.confirm(cursor, mine, SECRET, code_of(cursor, theirs))
        assert not second_step.confirm(cursor, mine, OTHER_SECRET, code)
        assert not second_step.right_code(cursor, mine, SECRET, code), "it is not confirmed yet"
        assert not second_step.has_one(cursor, mine)
        assert second_step.confirm(cursor, mine, SECRET, code)
        assert second_step.has_one(cursor, mine)
        assert not second_step.has_one(cursor, theirs)
        assert second_step.confirmed_since(cursor, mine) is not None
        assert second_step.waiting_key(cursor, mine, SECRET) is None
        assert not second_step.confirm(cursor, mine, SECRET, pyotp.TOTP(key or "").at(int(time.time()) + 30))
        second_step.begin(cursor, mine, SECRET)
        assert second_step.confirmed_since(cursor, mine) is not None, "an active app is not replaced"
        waiting = second_step.waiting_key(cursor, theirs, SECRET)
        second_step.begin(cursor, theirs, SECRET)
        assert second_step.waiting_key(cursor, theirs, SECRET) not in (None, waiting), "one that waits is"
        second_step.remove_app(cursor, mine)
        assert second_step.confirmed_since(cursor, mine) is None
        assert second_step.waiting_key(cursor, theirs, SECRET) is not None


@pytest.mark.parametrize(
    ("steps", "right"), [([-2], [False]), ([-1], [True]), ([1], [True]), ([2], [False]),
                         ([-1, -1], [True, False]), ([-1, 0, 1], [True] * 3), ([1, 0, 1], [True, False, False])],
)  # fmt: skip
def test_a_code_is_good_half_a_minute_around_and_never_after_itself_or_a_later_one(
    database: Database, agents: tuple[UUID, UUID], steps: list[int], right: list[bool]
) -> None:
    mine, _ = agents
    with database.cursor() as cursor:
        second_step.begin(cursor, mine, SECRET)
        codes = [code_of(cursor, mine, one) for one in steps]
        cursor.execute("UPDATE authenticators SET confirmed_at = now()")
        assert [second_step.right_code(cursor, mine, SECRET, code) for code in codes] == right


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "1²3456"])
def test_what_is_no_code_is_wrong(database: Database, agents: tuple[UUID, UUID], typed: str) -> None:
    with database.cursor() as cursor:
        assert not second_step.confirm(cursor, agents[0], SECRET, typed)
        second_step.begin(cursor, agents[0], SECRET)
        assert not second_step.confirm(cursor, agents[0], SECRET, typed)


def test_recovery_codes_are_their_agents_and_good_once(database: Database, agents: tuple[UUID, UUID]) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:
        codes = second_step.new_recovery_codes(cursor, mine, SECRET)
        assert len(set(codes)) == second_step.RECOVERY_CODES == 10
        assert all(len(code) == 11 and code[5] == "-" for code in codes)
        second_step.new_recovery_codes(cursor, theirs, SECRET)
        assert not second_step.use_recovery_code(cursor, theirs, SECRET, codes[0])
        assert not second_step.use_recovery_code(cursor, mine, OTHER_SECRET, codes[0])
        assert second_step.use_recovery_code(cursor, mine, SECRET, f" {codes[0].replace('-', ' ').upper()} ")
        assert not second_step.use_recovery_code(cursor, mine, SECRET, codes[0])
        assert [second_step.recovery_codes_left(cursor, one) for one in agents] == [9, 10]
        second_step.new_recovery_codes(cursor, mine, SECRET)
        assert not second_step.use_recovery_code(cursor, mine, SECRET, codes[1])
        assert [second_step.recovery_codes_left(cursor, one) for one in agents] == [10, 10]


def test_a_reset_takes_every_second_step_of_one_agent(database: Database, agents: tuple[UUID, UUID]) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:
        for one in agents:
            second_step.begin(cursor, one, SECRET)
            second_step.new_recovery_codes(cursor, one, SECRET)
            cursor.execute(
                "INSERT INTO passkeys (id, agent_id, credential_id, public_key, sign_count, transports, name, made_at)"
                " VALUES (uuidv7(), %s, %s, '', 0, '{}', '', now())",
                [one, one.bytes],
            )
        assert second_step.has_one(cursor, theirs), "a passkey is a second step too"
        second_step.reset(cursor, mine)
        assert not second_step.has_one(cursor, mine)
        assert second_step.has_one(cursor, theirs)
        assert [second_step.recovery_codes_left(cursor, one) for one in agents] == [0, 10]
        assert [second_step.waiting_key(cursor, one, SECRET) is None for one in agents] == [True, False]


def test_an_app_is_as_it_is_kept_now_whoever_still_holds_it_as_it_was(
    database: Database, agents: tuple[UUID, UUID]
) -> None:
    mine, _ = agents
    with database.cursor() as cursor:
        second_step.begin(cursor, mine, SECRET)
        held = session_of(cursor).get(second_step.Authenticator, mine)
        assert held is not None
        first = second_step.waiting_key(cursor, mine, SECRET)
        second_step.begin(cursor, mine, SECRET)
        assert second_step.waiting_key(cursor, mine, SECRET) != first
        code = code_of(cursor, mine)
        cursor.execute("UPDATE authenticators SET confirmed_at = now()")
        assert second_step.confirmed_since(cursor, mine) is not None
        step = int(time.time()) // 30 + 1
        cursor.execute("UPDATE authenticators SET last_step = %s", [step])
        assert not second_step.right_code(cursor, mine, SECRET, code), "another sign-in used a later one"
        assert held.last_step == step


def test_codes_of_one_app_are_checked_one_after_the_other(database: Database, agents: tuple[UUID, UUID]) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:
        for one in agents:
            second_step.begin(cursor, one, SECRET)

    def try_another() -> None:
        with database.cursor() as other:
            other.execute("SET LOCAL lock_timeout = '50ms'")
            assert second_step.confirm(other, theirs, SECRET, code_of(other, theirs))
            second_step.right_code(other, mine, SECRET, "000000")

    with database.cursor() as busy:
        assert second_step.confirm(busy, mine, SECRET, code_of(busy, mine))
        with pytest.raises(psycopg.OperationalError, match="lock timeout"):
            try_another()


def test_what_is_changed_is_written_for_the_sql_that_follows(database: Database, agents: tuple[UUID, UUID]) -> None:
    mine, _ = agents
    with database.cursor() as cursor:
        second_step.begin(cursor, mine, SECRET)
        code = code_of(cursor, mine, -1), code_of(cursor, mine)
        assert second_step.confirm(cursor, mine, SECRET, code[0])
        state = b"SELECT confirmed_at IS NOT NULL, last_step FROM authenticators"
        assert cursor.execute(state).fetchall() == [(True, int(time.time()) // 30 - 1)]
        assert second_step.right_code(cursor, mine, SECRET, code[1])
        assert cursor.execute(state).fetchall() == [(True, int(time.time()) // 30)]
        second_step.new_recovery_codes(cursor, mine, SECRET)
        assert cursor.execute("SELECT count(*) FROM recovery_codes").fetchone() == (10,)


def test_recovery_codes_have_no_letter_that_looks_like_another(database: Database, agents: tuple[UUID, UUID]) -> None:
    with database.cursor() as cursor:
        letters = set("".join(second_step.new_recovery_codes(cursor, agents[0], SECRET))) - {"-"}
    assert not letters & set("il10o")
    assert len(letters) > 10


def test_an_apps_address_names_agent_and_organisation() -> None:
    address = second_step.address_for_app("ABCDEFGH" * 4, login="sara", organisation="City: of Roads")
    assert address.startswith(f"otpauth://totp/City%20%20of%20Roads:sara?secret={'ABCDEFGH' * 4}&issuer=City")
    assert second_step.picture_for_app(address).startswith("data:image/svg+xml")
