"""Attacks on the way in, through the real application: guessing from many places, and shutting agents out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.agent_api.conftest import PASSWORDS, RunningDesk, submit
from tests.casework.installation import one
from zrm.agent_api import tries
from zrm.config import Rates
from zrm.kit import throttle
from zrm.kit.db import Database
from zrm.kit.peers import peer_of

Visitor = Callable[[str], httpx.Client]
FEW = Rates(sign_in_tries=4, sign_in_login_tries=6)


@pytest.fixture
def tight(desk: RunningDesk) -> RunningDesk:
    """A desk whose bounds are soon reached."""
    changed = desk.context.settings.model_copy(update={"rates": FEW})
    object.__setattr__(desk.context, "settings", changed)
    return desk


@pytest.fixture
def visitor(tight: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    """Opens a browser at an address of the world, as a proxy we trust would name it."""
    real = peer_of
    known: dict[str, str] = {}
    monkeypatch.setattr(tries, "peer", lambda request: real(known[request.headers["x-visitor"]]))
    with ExitStack() as stack:

        def at(address: str) -> httpx.Client:
            number = str(len(known))
            known[number] = address
            return stack.enter_context(tight.client(**{"X-Visitor": number}))

        yield at


def addresses() -> Iterator[str]:
    """As many machines as an attacker may have."""
    for number in itertools.count(1):
        yield f"198.51.{number // 250}.{number % 250 + 1}"


def guess(visitor: Visitor, login: str, times: int) -> list[int]:
    """Wrong passwords for a login, each from another machine."""
    return [submit(visitor(address), login, "wrong").status_code for address in itertools.islice(addresses(), times)]


def test_many_machines_guess_no_faster_than_one(visitor: Visitor) -> None:
    assert guess(visitor, "daniel", FEW.sign_in_login_tries) == [401] * FEW.sign_in_login_tries
    locked = submit(visitor("203.0.113.9"), "daniel", PASSWORDS["daniel"])
    assert locked.status_code == 429, "not even with the right one, or the answer would tell which it was"
    assert 0 < int(locked.headers["Retry-After"]) <= FEW.sign_in_login_window
    assert "Too many tries" in locked.text
    assert submit(visitor("203.0.113.9"), "maryam", PASSWORDS["maryam"]).status_code == 303


def test_strangers_guesses_do_not_shut_an_agent_out_of_the_browser_they_know(visitor: Visitor) -> None:
    home = visitor("203.0.113.9")
    assert submit(home, "daniel", PASSWORDS["daniel"]).status_code == 303
    home.cookies.delete("zrm_desk")
    guess(visitor, "daniel", FEW.sign_in_login_tries)
    assert submit(visitor("203.0.113.9"), "daniel", PASSWORDS["daniel"]).status_code == 429
    assert submit(home, "daniel", PASSWORDS["daniel"]).status_code == 303


def test_a_known_browser_of_one_agent_frees_no_other(visitor: Visitor) -> None:
    home = visitor("203.0.113.9")
    submit(home, "maryam", PASSWORDS["maryam"])
    guess(visitor, "daniel", FEW.sign_in_login_tries)
    assert submit(home, "daniel", PASSWORDS["daniel"]).status_code == 429


def test_a_known_browser_has_few_tries_itself(visitor: Visitor) -> None:
    """Its cookie may have been stolen."""
    home = visitor("203.0.113.9")
    submit(home, "daniel", PASSWORDS["daniel"])
    assert [submit(home, "daniel", "wrong").status_code for _ in range(FEW.sign_in_tries)] == [401] * FEW.sign_in_tries
    assert submit(home, "daniel", PASSWORDS["daniel"]).status_code == 429
    moved = visitor("203.0.113.200")
    moved.cookies.update(home.cookies)
    assert submit(moved, "daniel", PASSWORDS["daniel"]).status_code == 429, "nor from elsewhere"


def test_spellings_of_a_login_are_one_login(visitor: Visitor) -> None:
    spellings = ["daniel", "DANIEL", " Daniel ", "dAniel", "daniel\x00", "daniel"]
    for spelling, address in zip(spellings, addresses(), strict=False):
        submit(visitor(address), spelling, "wrong")
    assert submit(visitor("203.0.113.9"), "daniel", PASSWORDS["daniel"]).status_code == 429


def test_a_login_that_nobody_has_locks_alike(visitor: Visitor) -> None:
    assert guess(visitor, "nobody", FEW.sign_in_login_tries + 1)[-1] == 429


def test_an_ipv6_network_is_one_machine(visitor: Visitor) -> None:
    answers = [
        submit(visitor(f"2001:db8:1:2::{number:x}"), "daniel", "wrong").status_code
        for number in range(1, FEW.sign_in_tries + 2)
    ]
    assert answers == [401] * FEW.sign_in_tries + [429]


def test_one_machine_tries_few_logins(visitor: Visitor) -> None:
    thief = visitor("203.0.113.9")
    answers = {submit(thief, f"guess-{number}", "wrong").status_code for number in range(FEW.sign_in_tries * 3)}
    assert answers == {401}
    assert submit(thief, "maryam", PASSWORDS["maryam"]).status_code == 429
    assert submit(visitor("203.0.113.10"), "maryam", PASSWORDS["maryam"]).status_code == 303


def test_the_lock_ends_with_its_window_and_by_command(visitor: Visitor, tight: RunningDesk, database: Database) -> None:
    guess(visitor, "daniel", FEW.sign_in_login_tries)
    guess(visitor, "maryam", FEW.sign_in_login_tries)
    throttle.forgive(database, tries.login_key(tight.context.secret, "daniel"))  # as `zrm agent unlock` does
    assert submit(visitor("203.0.113.9"), "daniel", PASSWORDS["daniel"]).status_code == 303
    assert submit(visitor("203.0.113.9"), "maryam", PASSWORDS["maryam"]).status_code == 429
    with database.cursor() as cursor:
        cursor.execute("UPDATE throttles SET window_started = now() - interval '2 hours'")
    assert submit(visitor("203.0.113.9"), "maryam", PASSWORDS["maryam"]).status_code == 303


def test_what_is_counted_names_nobody(visitor: Visitor, database: Database) -> None:
    guess(visitor, "daniel", 2)
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM throttles") > 0
        assert one(cursor, "SELECT count(*) FROM throttles WHERE key ~ 'daniel|198\\.51'") == 0


def test_a_session_planted_before_sign_in_becomes_none(visitor: Visitor) -> None:
    thief, victim = visitor("203.0.113.9"), visitor("203.0.113.10")
    submit(thief, "sara", PASSWORDS["sara"])
    planted = thief.cookies["zrm_desk"]
    victim.cookies.set("zrm_desk", planted, path="/desk")
    page = victim.get("/desk/sign-in")
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    assert token is not None
    form = {"token": token[1], "login": "daniel", "password": PASSWORDS["daniel"]}
    fresh = victim.post("/desk/sign-in", data=form).headers.get_list("set-cookie")
    assert not any(planted in line for line in fresh)
    assert thief.get("/desk/settings").status_code == 303, "the planted session has ended"


@pytest.mark.parametrize("path", ["/desk/sign-in/passkey", "/desk/sign-in/passkey/options"])
@pytest.mark.parametrize("body", ["", "credential={}", "credential=%00&token=x", "token=" + "x" * 1000])
def test_a_passkey_without_our_form_is_refused(desk: RunningDesk, path: str, body: str) -> None:
    with desk.client(**{"Content-Type": "application/x-www-form-urlencoded"}) as client:
        assert client.post(path, content=body).status_code == 403
