"""Signing in where the organisation signs in, with a real OpenID Connect provider (one that lies is tested in security)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agent_api.conftest import PASSWORDS, Browser, RunningDesk, submit
from tests.casework.installation import one
from tests.lab.identity_provider import SECRET, IdentityProvider, sign_in_there
from zrm.config import IdentityProviderConfig as ProviderSettings
from zrm.config import Name, Security
from zrm.kit.db import Database
from zrm.security.identity_provider import IdentityProvider as Client

ACCOUNTS: dict[str, dict[str, object]] = {
    "u-1": {"preferred_username": "daniel", "email": "daniel@city.example", "email_verified": True},
    "u-2": {"preferred_username": "daniel", "email": "other@city.example", "email_verified": True},
    "u-3": {"preferred_username": "nobody", "email": "nobody@city.example", "email_verified": True},
    "u-4": {"preferred_username": "maryam", "email": "maryam@elsewhere.example", "email_verified": True},
    "u-5": {"preferred_username": "sara", "email": "sara@city.example", "email_verified": False},
}
ANSWER = "/desk/sign-in/provider/answer"
Ready = Callable[..., RunningDesk]


@pytest.fixture
def ready(desk: RunningDesk, tmp_path: Path) -> Iterator[Ready]:
    """Starts the provider and tells the desk of it, with further settings."""
    with ExitStack() as stack:

        def begin(*, claims_in_token: bool = False, security: dict[str, Any] | None = None, **how: Any) -> RunningDesk:
            provider = stack.enter_context(
                IdentityProvider(tmp_path, desk.url + ANSWER, ACCOUNTS, claims_in_token=claims_in_token)
            )
            settings = ProviderSettings(
                issuer=provider.issuer, client_id="zrm", client_secret=SECRET, label=Name(fa="شهر", en="City"), **how
            )
            return point(desk, settings, **(security or {}))

        yield begin


def point(desk: RunningDesk, provider: ProviderSettings, **security: Any) -> RunningDesk:
    """Have the desk sign agents in there."""
    changed = desk.context.settings.model_copy(
        update={"public_url": desk.url, "security": Security(identity_provider=provider, **security)}
    )
    object.__setattr__(desk.context, "settings", changed)
    return desk


def go(desk: RunningDesk, client: httpx.Client, account: str, query: str = "") -> httpx.Response:
    """The whole way: our button, the provider's pages, and back."""
    start = client.get(f"/desk/sign-in/provider{query}")
    assert start.status_code == 303, start.text
    with httpx.Client(timeout=20) as there:
        back = sign_in_there(there, start.headers["location"], account)
    assert back.startswith(desk.url + ANSWER)
    return client.get(back)


@pytest.mark.parametrize("claims_in_token", [False, True])
def test_an_agent_signs_in_there_and_is_linked_for_ever(
    ready: Ready, database: Database, claims_in_token: bool
) -> None:
    desk = ready(claims_in_token=claims_in_token)
    with desk.client() as client:
        page = client.get("/desk/sign-in?next=/desk/queue/mine").text
        assert "Sign in with City" in page
        assert 'href="/desk/sign-in/provider?next=/desk/queue/mine"' in page
        answer = go(desk, client, "u-1", "?next=/desk/queue/mine")
        assert answer.headers["location"] == "/desk/queue/mine"
        assert "Daniel Karimi" in client.get("/desk/queue/mine").text
    with database.cursor() as cursor:
        assert one(cursor, "SELECT subject FROM provider_accounts") == "u-1"
        assert one(cursor, "SELECT how FROM sign_ins") == "provider"
        cursor.execute("UPDATE agents SET login = 'd.karimi' WHERE login = 'daniel'")
    with desk.client() as client:
        assert go(desk, client, "u-1").headers["location"] == "/desk", "by the account, whatever the login is by now"


def test_nobody_else_takes_over_an_agent_by_their_login(ready: Ready, database: Database) -> None:
    desk = ready()
    with desk.client() as client:
        assert go(desk, client, "u-1").status_code == 303
    with desk.client() as client:
        refused = go(desk, client, "u-2")
        assert refused.status_code == 403
        assert "no agent of this desk belongs to that account" in refused.text
        assert "zrm_desk" not in client.cookies
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM provider_accounts") == 1


def test_nobody_becomes_an_agent_by_signing_in_there(ready: Ready, database: Database) -> None:
    desk = ready()
    with desk.client() as client:
        assert go(desk, client, "u-3").status_code == 403
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM agents") == 3
        cursor.execute("UPDATE agents SET active = false WHERE login = 'daniel'")
    with desk.client() as client:
        assert go(desk, client, "u-1").status_code == 403, "nor does who has left come back"


@pytest.mark.parametrize(("account", "status"), [("u-1", 303), ("u-4", 401), ("u-5", 401)])
def test_only_verified_addresses_of_our_domains_are_let_in(ready: Ready, account: str, status: int) -> None:
    desk = ready(domains=["@City.example"])
    with desk.client() as client:
        assert go(desk, client, account).status_code == status


def test_an_unverified_address_names_nobody(ready: Ready, database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET login = login || '@city.example'")
    desk = ready(login_claim="email")
    with desk.client() as client:
        assert go(desk, client, "u-5").status_code == 403
        assert go(desk, client, "u-1").status_code == 303


def test_without_passwords_only_the_provider_opens(ready: Ready) -> None:
    desk = ready(security={"passwords": False})
    with desk.client() as client:
        page = client.get("/desk/sign-in").text
        assert 'name="password"' not in page
        token = re.search(r'name="token" value="([^"]+)"', page)
        form = {"token": token[1] if token else "", "login": "daniel", "password": PASSWORDS["daniel"]}
        assert client.post("/desk/sign-in", data=form).status_code == 404
        assert go(desk, client, "u-1").status_code == 303


@pytest.mark.parametrize(("proves", "lands"), [(False, "/desk/security/set-up"), (True, "/desk")])
def test_two_steps_there_are_two_steps_here_if_the_settings_say_so(ready: Ready, proves: bool, lands: str) -> None:
    desk = ready(proves_two_steps=proves, security={"two_step": "required"})
    with desk.client() as client:
        assert go(desk, client, "u-1").headers["location"] == lands


def test_who_shows_it_again_there_must_be_the_same(ready: Ready, database: Database) -> None:
    desk = ready()
    with desk.client() as client:
        go(desk, client, "u-1")
        with database.cursor() as cursor:
            cursor.execute("UPDATE sessions SET proven_at = now() - interval '11 minutes'")
        browser = Browser(client)
        browser.get("/desk/settings")
        assert browser.post("/desk/security/recovery-codes").headers["location"].startswith("/desk/confirm")
        assert "/desk/sign-in/provider?confirm" in client.get("/desk/confirm").text
        assert go(desk, client, "u-4", "?confirm").status_code == 403, "another agent's account"
        assert browser.post("/desk/security/recovery-codes").status_code == 303
        assert go(desk, client, "u-1", "?confirm&next=/desk/security").headers["location"] == "/desk/security"
        assert browser.post("/desk/security/recovery-codes").status_code == 200


def test_an_answer_for_another_browser_opens_nothing(ready: Ready) -> None:
    """Whoever is led to somebody else's answer would be signed in as them, and work in their name."""
    desk = ready()
    with desk.client() as thief, desk.client() as victim, httpx.Client(timeout=20) as there:
        address = sign_in_there(there, thief.get("/desk/sign-in/provider").headers["location"], "u-1")
        assert victim.get(address).status_code == 400
        victim.get("/desk/sign-in/provider")
        assert victim.get(address).status_code == 401
        assert "zrm_desk" not in victim.cookies
        assert thief.get(address).status_code == 303
        assert thief.get(address).status_code == 400, "and once"


@pytest.mark.parametrize(
    "query", ["", "?error=access_denied", "?code=x", "?state=x&code=x", "?iss=https://evil.example"]
)
def test_an_answer_that_is_none_is_said_in_words(ready: Ready, query: str) -> None:
    desk = ready()
    with desk.client() as client:
        client.get("/desk/sign-in/provider")
        answer = client.get(f"{ANSWER}{query}")
        assert answer.status_code == 401
        assert "The sign-in there failed" in answer.text


def test_a_provider_that_is_away_is_said_in_words(desk: RunningDesk) -> None:
    away = ProviderSettings(
        issuer="http://localhost:9", client_id="zrm", client_secret=SECRET, label=Name(fa="شهر", en="City")
    )
    point(desk, away)
    with desk.client() as client:
        answer = client.get("/desk/sign-in/provider")
        assert answer.status_code == 503
        assert "The sign-in there failed" in answer.text
        assert submit(client, "daniel", PASSWORDS["daniel"]).status_code == 303, "the password still opens"
    assert "does not answer as it should" in Client(away, "").obstacle()
