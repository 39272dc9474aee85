"""Whose a passkey is, what it opens, what changes it, and how long a challenge that was answered is remembered (browsers are
tested with the desk).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.casework.installation import agent
from tests.lab.authenticator import Authenticator
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


def device(origin: str = SITE.origin, host: str = SITE.host) -> Authenticator:
    return Authenticator(origin, host)


def kept(cursor: Cursor) -> list[tuple[object, ...]]:
    cursor.execute("SELECT agent_id, credential_id, sign_count, transports, name, used_at FROM passkeys ORDER BY id")
    return cursor.fetchall()


def test_what_a_device_made_is_kept_once_and_as_its_agents(database: Database, agents: tuple[UUID, UUID]) -> None:
    mine, theirs = agents
    phone = device()
    phone.count = 7
    transports = ["internal", "telepathy", 3, "usb"]
    with database.cursor() as cursor:
        made = phone.made(b"a" * 32, transports=transports)
        assert passkeys.make(cursor, SITE, b"a" * 32, mine, made, "Phone")
        row = (mine, phone.credential_id, 7, ["internal", "usb"], "Phone", None)
        assert kept(cursor) == [row]
        assert not passkeys.make(cursor, SITE, b"a" * 32, mine, device().made(b"a" * 32), "the challenge again")
        assert not passkeys.make(cursor, SITE, b"b" * 32, theirs, phone.made(b"b" * 32), "the key again")
        assert kept(cursor) == [row]
        other = device()
        assert passkeys.make(cursor, SITE, b"c" * 32, theirs, other.made(b"c" * 32, transports=None), "Other")
        assert kept(cursor)[1:] == [(theirs, other.credential_id, 0, [], "Other", None)]


def test_an_agent_has_so_many_passkeys_and_no_more_whatever_others_have(
    database: Database, agents: tuple[UUID, UUID]
) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:
        for number in range(passkeys.MOST - 1):
            make(cursor, mine, str(number))
            make(cursor, theirs, str(number))
        assert passkeys.make(cursor, SITE, b"a" * 32, mine, device().made(b"a" * 32), "the last")
        assert not passkeys.make(cursor, SITE, b"b" * 32, mine, device().made(b"b" * 32), "one too many")
        assert passkeys.make(cursor, SITE, b"c" * 32, theirs, device().made(b"c" * 32), "the neighbour's last")


def test_what_was_made_elsewhere_or_by_nobody_is_not_kept(database: Database, agents: tuple[UUID, UUID]) -> None:
    challenge = b"a" * 32
    with database.cursor() as cursor:
        for made in (
            device().made(b"b" * 32),
            device(origin="https://evil.example").made(challenge),
            device(host="evil.example").made(challenge),
            device().made(challenge, verified=False),
            device().used(challenge),
            device().made(challenge) + " " * 70_000,
        ):
            assert not passkeys.make(cursor, SITE, challenge, agents[0], made, "")
        assert kept(cursor) == []
        assert passkeys.make(cursor, SITE, challenge, agents[0], device().made(challenge), ""), "it is not used up"


@pytest.fixture
def key(database: Database, agents: tuple[UUID, UUID]) -> Authenticator:
    """The first agent's passkey; the other has one too."""
    mine = device()
    with database.cursor() as cursor:
        for agent_id, one, challenge in zip(agents, (mine, device()), (b"m" * 32, b"t" * 32), strict=True):
            assert passkeys.make(cursor, SITE, challenge, agent_id, one.made(challenge), "")
    return mine


def test_a_passkey_opens_for_its_agent_once_for_a_challenge_and_never_with_an_old_counter(
    database: Database, agents: tuple[UUID, UUID], key: Authenticator
) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:
        first = key.used(b"1" * 32, handle=mine.bytes)
        assert passkeys.use(cursor, SITE, b"1" * 32, first) == mine
        cursor.execute("SELECT sign_count, used_at IS NOT NULL FROM passkeys ORDER BY id")
        assert cursor.fetchall() == [(1, True), (0, False)]
        assert passkeys.use(cursor, SITE, b"1" * 32, key.used(b"1" * 32)) is None, "the challenge was answered"
        assert passkeys.use(cursor, SITE, b"2" * 32, key.used(b"2" * 32), mine) == mine
        assert passkeys.use(cursor, SITE, b"3" * 32, key.used(b"3" * 32), theirs) is None, "another was expected"
        key.count = 2
        assert passkeys.use(cursor, SITE, b"4" * 32, key.used(b"4" * 32)) is None, "a copy's counter stands still"
        assert passkeys.use(cursor, SITE, b"4" * 32, key.used(b"4" * 32)) == mine, "what opened nothing used nothing up"
        cursor.execute("UPDATE agents SET active = false WHERE id = %s", [mine])
        assert passkeys.use(cursor, SITE, b"5" * 32, key.used(b"5" * 32)) is None, "who has left does not get in"


def test_what_is_not_signed_here_now_by_the_key_and_its_user_opens_nothing(
    database: Database, agents: tuple[UUID, UUID], key: Authenticator
) -> None:
    challenge = b"1" * 32

    def elsewhere(origin: str, host: str) -> str:
        key.origin, key.host = origin, host
        said = key.used(challenge)
        key.origin, key.host = SITE.origin, SITE.host
        return said

    forger = device()
    forger.credential_id = key.credential_id
    with database.cursor() as cursor:
        for said in (
            key.used(b"2" * 32),
            elsewhere("https://evil.example", SITE.host),
            elsewhere(SITE.origin, "evil.example"),
            key.used(challenge, verified=False),
            key.used(challenge, handle=agents[1].bytes),
            key.used(challenge, handle=b""),
            key.used(challenge) + " " * 70_000,
            key.made(challenge),
            forger.used(challenge),
            device().used(challenge),
        ):
            assert passkeys.use(cursor, SITE, challenge, said) is None
        assert passkeys.use(cursor, SITE, challenge, key.used(challenge)) == agents[0]


def test_responses_of_one_key_are_checked_one_after_the_other(
    database: Database, agents: tuple[UUID, UUID], key: Authenticator
) -> None:
    forger = device()
    forger.credential_id = key.credential_id

    def try_another() -> None:
        with database.cursor() as other:
            other.execute("SET LOCAL lock_timeout = '50ms'")
            other.execute("SELECT FROM agents FOR UPDATE")  # only the key is locked
            passkeys.use(other, SITE, b"2" * 32, forger.used(b"2" * 32))

    with database.cursor() as busy:
        assert passkeys.use(busy, SITE, b"1" * 32, key.used(b"1" * 32)) == agents[0]
        with pytest.raises(psycopg.OperationalError, match="lock timeout"):
            try_another()


def test_what_is_shown_of_a_passkey_is_what_is_kept_now(database: Database, agents: tuple[UUID, UUID]) -> None:
    with database.cursor() as cursor:
        passkey_id = make(cursor, agents[0], "first")
        (shown,) = passkeys.of_agent(cursor, agents[0])
        cursor.execute("UPDATE passkeys SET name = 'by another' WHERE id = %s", [passkey_id])
        assert [one.name for one in passkeys.of_agent(cursor, agents[0])] == ["by another"] == [shown.name]


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("https://contact.example.org", RelyingParty("https://contact.example.org", "contact.example.org")),
        ("https://contact.example.org:8443", RelyingParty("https://contact.example.org:8443", "contact.example.org")),
        ("http://localhost:8000", RelyingParty("http://localhost:8000", "localhost")),
        ("http://contact.example.org", None),
        ("https://192.0.2.7", None),
        ("http://127.0.0.1:8000", None),
        ("https://[2001:db8::1]", None),
    ],
)
def test_passkeys_are_bound_to_a_host_with_a_name_and_tls(address: str, site: RelyingParty | None) -> None:
    assert RelyingParty.of(address) == site


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "id": VALUES, "rawId": VALUES, "type": st.just("public-key") | VALUES,
        "response": st.fixed_dictionaries(
            {},
            optional={
                "clientDataJSON": VALUES, "attestationObject": VALUES, "authenticatorData": VALUES, "signature": VALUES,
                "userHandle": VALUES, "transports": VALUES,
            },
        ) | VALUES,
    },
) | VALUES  # fmt: skip


@given(ANSWERS.map(json.dumps) | st.text(max_size=200))
def test_no_answer_is_made_up(answer: str) -> None:
    """Whatever is sent in place of an answer is none; nothing is asked of the store for it."""

    class Store:
        """Knows no passkey."""

        def execute(self, *_: object) -> None:
            """Nothing to do."""

        def fetchone(self) -> None:
            """Nobody's."""

    store: Any = Store()
    assert passkeys.use(store, SITE, b"challenge", answer) is None
    assert passkeys.make(store, SITE, b"challenge", Any, answer, "x") is False  # type: ignore[arg-type]  # nobody's either
