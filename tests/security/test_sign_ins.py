"""What is kept of sign-ins, and which account of an identity provider is whose."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.casework.installation import agent
from zrm.kit.db import Database
from zrm.security import provider_accounts, sign_ins
from zrm.security.browsers import Browser
from zrm.security.published import SECRETS, holds_published

HERE = Browser("Firefox", "Linux")
ISSUER, OTHER = "https://id.example", "https://other.example"


@pytest.fixture
def agents(database: Database) -> tuple[UUID, UUID]:
    with database.cursor() as cursor:
        return agent(cursor, "daniel"), agent(cursor, "maryam")


def test_sign_ins_are_their_agents_newest_first_and_kept_for_a_season(
    database: Database, agents: tuple[UUID, UUID]
) -> None:
    mine, theirs = agents

    def sign_in(agent_id: UUID, how: str, known: bool = False) -> bool:
        with database.cursor() as cursor:
            return sign_ins.record(cursor, agent_id, how=how, browser=HERE, known=known).returning

    def shown(agent_id: UUID, limit: int = 10) -> list[str]:
        with database.cursor() as cursor:
            return [one.how for one in sign_ins.latest(cursor, agent_id, limit=limit)]

    with database.cursor() as cursor:
        assert not sign_ins.record(cursor, theirs, how="password", browser=HERE, known=False).returning
        assert cursor.execute("SELECT agent_id FROM sign_ins").fetchall() == [(theirs,)]
    assert not sign_in(mine, "password"), "the other agent's sign-in is not theirs"
    assert sign_in(mine, "passkey", known=True)
    assert shown(mine) == ["passkey", "password"]
    assert shown(mine, limit=1) == ["passkey"]
    with database.cursor() as cursor:
        newest, older = sign_ins.latest(cursor, mine)
        assert (newest.browser, newest.known, older.known) == (HERE, True, False)
        cursor.execute("UPDATE sign_ins SET at = now() - interval '89 days'")
    assert sign_in(mine, "provider")
    assert len(shown(mine)) == 3
    with database.cursor() as cursor:
        cursor.execute("UPDATE sign_ins SET at = now() - interval '91 days'")
    assert not sign_in(mine, "password"), "what is that old is forgotten"
    assert shown(mine) == shown(theirs) == ["password"], "each agent's is removed when they sign in"


def test_an_account_is_linked_once_to_the_active_agent_whose_login_it_names(
    database: Database, agents: tuple[UUID, UUID]
) -> None:
    mine, theirs = agents
    with database.cursor() as cursor:

        def agent_of(subject: str, login: str, issuer: str = ISSUER) -> UUID | None:
            return provider_accounts.agent_of(cursor, issuer, subject, login)

        assert agent_of("1", "nobody") is None
        assert agent_of("1", " Daniel ") == mine
        assert agent_of("1", "maryam") == mine, "an account that is linked stays so"
        assert agent_of("2", "daniel") is None, "another account does not take the agent over"
        assert agent_of("1", "maryam", OTHER) == theirs, "a subject is one only at its provider"
        assert [provider_accounts.is_linked(cursor, one, ISSUER) for one in agents] == [True, False]
        assert [provider_accounts.is_linked(cursor, one, OTHER) for one in agents] == [False, True]
        cursor.execute("UPDATE agents SET active = false WHERE id = %s", [mine])
        assert agent_of("1", "daniel") is None, "who has left does not get in"
        assert provider_accounts.unlink(cursor, mine)
        assert not provider_accounts.unlink(cursor, mine)
        assert agent_of("1", "daniel") is None, "nor is linked again"
        assert provider_accounts.is_linked(cursor, theirs, OTHER)


@pytest.mark.parametrize(("value", "published"), [("demo-sara-1405", True), ("x", False), ("", False)])
def test_what_our_sources_print_protects_nothing(value: str, published: bool) -> None:
    assert holds_published(value) is published
    assert holds_published(f"https://user:{value}@host") is published
    assert all(map(holds_published, SECRETS))
