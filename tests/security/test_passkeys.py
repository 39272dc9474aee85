"""Whose a passkey is, what changes it, and how long a challenge that was answered is remembered (browsers are tested with
the desk).
"""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

import pytest

from tests.casework.installation import agent
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id
from zrm.security import passkeys
from zrm.security.passkeys import RelyingParty

SITE = RelyingParty("https://desk.city.example", "desk.city.example")


@pytest.fixture
def agents(database: Database) -> tuple[UUID, UUID]:
    with database.cursor() as cursor:
        return agent(cursor, "daniel"), agent(cursor, "maryam")


def make(cursor: Cursor, agent_id: UUID, name: str) -> UUID:
    passkey_id = new_id()
    cursor.execute(
        "INSERT INTO passkeys (id, agent_id, credential_id, public_key, sign_count, transports, name, made_at)"
        " VALUES (%s, %s, %s, '', 0, '{usb}', %s, now())",
        [passkey_id, agent_id, passkey_id.bytes, name],
    )
    return passkey_id


def test_a_passkey_is_its_agents_and_changed_alone(database: Database, agents: tuple[UUID, UUID]) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:
        first, second = make(cursor, mine, "first"), make(cursor, mine, "second")
        other = make(cursor, theirs, "other")

        def names(agent_id: UUID) -> list[str]:
            return [one.name for one in passkeys.of_agent(cursor, agent_id)]

        assert (names(mine), names(theirs)) == (["first", "second"], ["other"])
        assert passkeys.rename(cursor, mine, first, "the key")
        assert not passkeys.rename(cursor, mine, other, "mine now")
        assert (names(mine), names(theirs)) == (["the key", "second"], ["other"])
        assert not passkeys.remove(cursor, mine, other)
        assert passkeys.remove(cursor, mine, second)
        assert not passkeys.remove(cursor, mine, second)
        assert (names(mine), names(theirs)) == (["the key"], ["other"])
        passkeys.remove_all(cursor, mine)
        assert (names(mine), names(theirs)) == ([], ["other"])


def test_a_browser_is_asked_for_the_agents_own_keys_or_for_any(database: Database, agents: tuple[UUID, UUID]) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:
        make(cursor, mine, "mine")
        make(cursor, theirs, "theirs")
        any_key = json.loads(passkeys.options_to_use(cursor, SITE, b"c" * 32))
        my_key = json.loads(passkeys.options_to_use(cursor, SITE, b"c" * 32, mine))
        new_key = json.loads(
            passkeys.options_to_make(cursor, SITE, b"c" * 32, mine, login="daniel", name="Daniel", organisation="City")
        )
    assert any_key["allowCredentials"] == []
    assert [one["transports"] for one in my_key["allowCredentials"]] == [["usb"]]
    assert new_key["excludeCredentials"] == my_key["allowCredentials"], "a device that has one makes no second"
    assert any_key["userVerification"] == my_key["userVerification"] == "required"
    assert new_key["authenticatorSelection"]["userVerification"] == "required"
    assert (new_key["rp"], new_key["user"]["name"]) == ({"name": "City", "id": SITE.host}, "daniel")


@pytest.mark.parametrize("answer", ["", "{}", "x" * 100_000, '{"id": "AAAA", "response": {}}', "[]"])
def test_what_is_no_answer_makes_and_opens_nothing(database: Database, agents: tuple[UUID, UUID], answer: str) -> None:
    with database.cursor() as cursor:
        assert not passkeys.make(cursor, SITE, b"c" * 32, agents[0], answer, "name")
        assert passkeys.use(cursor, SITE, b"c" * 32, answer) is None


def test_a_challenge_is_answered_once_and_remembered_as_long_as_it_could_be(database: Database) -> None:
    with database.cursor() as cursor:
        assert passkeys._first_answer(cursor, b"one")
        assert not passkeys._first_answer(cursor, b"one")
        cursor.execute("UPDATE used_challenges SET at = now() - %s", [passkeys.ANSWER_WITHIN])
        assert not passkeys._first_answer(cursor, b"one")
        cursor.execute("UPDATE used_challenges SET at = now() - %s * 3", [passkeys.ANSWER_WITHIN])
        assert passkeys._first_answer(cursor, b"two")
        cursor.execute("SELECT challenge_hash FROM used_challenges")
        assert cursor.fetchall() == [(hashlib.sha256(b"two").hexdigest(),)]
