"""Signing in, staying in, getting out, and everything that must not get in."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.agent_api.conftest import PASSWORDS, Browser, RunningDesk, submit
from tests.casework.installation import one
from zrm.kit.db import Database

SignIn = Callable[[str], Browser]


@pytest.mark.parametrize(
    ("login", "password", "status"),
    [
        ("maryam", PASSWORDS["maryam"], 303),
        ("maryam", "wrong", 401),
        ("nobody", PASSWORDS["maryam"], 401),
        ("", "", 401),
        ("maryam' OR '1'='1", "x", 401),
        ("maryam\x00", PASSWORDS["maryam"], 303),
    ],
)
def test_a_try(desk: RunningDesk, login: str, password: str, status: int) -> None:
    with desk.client() as client:
        assert submit(client, login, password).status_code == status


def test_wrong_and_unknown_look_alike(desk: RunningDesk) -> None:
    def without_secrets(text: str) -> str:
        return re.sub(r'value="[^"]*"', "", text)

    with desk.client() as client:
        wrong, unknown = submit(client, "maryam", "wrong"), submit(client, "nobody", "wrong")
    assert wrong.status_code == unknown.status_code
    assert without_secrets(wrong.text) == without_secrets(unknown.text)


def test_an_agent_who_left_does_not_get_in(desk: RunningDesk, database: Database, sign_in: SignIn) -> None:
    browser = sign_in("sara")
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET active = false WHERE login = 'sara'")
    assert browser.get("/desk/settings").status_code == 303
    with desk.client() as client:
        assert submit(client, "sara", PASSWORDS["sara"]).status_code == 401


def test_too_many_tries_lock_the_login_from_that_peer_even_with_the_right_password(desk: RunningDesk) -> None:
    with desk.client() as client:
        tries = desk.context.settings.rates.sign_in_tries
        assert {submit(client, "maryam", "wrong").status_code for _ in range(tries)} == {401}
        locked = submit(client, "maryam", PASSWORDS["maryam"])
        assert locked.status_code == 429
        assert int(locked.headers["Retry-After"]) > 0
        assert submit(client, "daniel", PASSWORDS["daniel"]).status_code == 303


def test_a_peer_that_tries_every_login_is_locked_out_of_all(desk: RunningDesk, database: Database) -> None:
    most = desk.context.settings.rates.sign_in_tries * 3
    with desk.client() as client:
        assert {submit(client, f"guess-{number}", "wrong").status_code for number in range(2)} == {401}
        with database.cursor() as cursor:
            assert one(cursor, "UPDATE throttles SET tries = %s WHERE key LIKE 'sign-in-peer:%%' RETURNING 1", most)
        assert submit(client, "maryam", PASSWORDS["maryam"]).status_code == 429
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM throttles WHERE key LIKE '%%127.0.0.1%%'") == 0


def test_a_town_hall_behind_one_address_may_sign_in_at_eight(desk: RunningDesk, database: Database) -> None:
    for login, password in PASSWORDS.items():
        with desk.client() as client:
            assert submit(client, login, password).status_code == 303
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM throttles") == 0


def test_the_cookie_is_for_the_server_only_and_each_sign_in_makes_a_new_one(desk: RunningDesk) -> None:
    with desk.client() as client:
        cookie = submit(client, "maryam", PASSWORDS["maryam"]).headers.get_list("set-cookie")[-1]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        first = client.cookies["zrm_desk"]
        submit(client, "maryam", PASSWORDS["maryam"])
        second = client.cookies["zrm_desk"]
    assert first != second
    with desk.client() as client:
        client.cookies.set("zrm_desk", first, path="/desk")
        assert client.get("/desk/settings").status_code == 303, "the session before has ended"


def test_only_the_hash_of_a_session_is_kept(sign_in: SignIn, database: Database) -> None:
    token = sign_in("maryam").client.cookies["zrm_desk"]
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM sessions WHERE token_hash = %s", token) == 0
        assert one(cursor, "SELECT count(*) FROM sessions") == 1


@pytest.mark.parametrize("age", ["seen_at = now() - interval '3 hours'", "ends_at = now() - interval '1 second'"])
def test_a_session_ends(sign_in: SignIn, database: Database, age: str) -> None:
    browser = sign_in("maryam")
    with database.cursor() as cursor:
        cursor.execute(f"UPDATE sessions SET {age}".encode())
    assert browser.get("/desk/settings").status_code == 303


@pytest.mark.parametrize(
    ("path", "referer", "lands"),
    [
        (
            "/desk/cases/019ac3a0-0000-7000-8000-000000000000/reply",
            "",
            "/desk/cases/019ac3a0-0000-7000-8000-000000000000",
        ),
        ("/desk/notifications/read", "/desk/notifications?x=1", "/desk/notifications"),
        ("/desk/notifications/read", "", "/desk"),
        ("/desk/notifications/read", "//evil.example/desk", "/desk"),
    ],
)
def test_a_form_refused_after_the_session_ended_returns_to_its_page(
    desk: RunningDesk, path: str, referer: str, lands: str
) -> None:
    headers = {"Referer": f"{desk.url}{referer}"} if referer.startswith("/desk") else {"Referer": referer}
    with desk.client() as client:
        refused = client.post(path, data={"text": "A long answer."}, headers=headers)
        assert refused.status_code == 303
        target = refused.headers["location"]
        assert target.startswith("/desk/sign-in")
        back = re.search(r'name="next" value="([^"]*)"', client.get(target).text)
        assert submit(client, "maryam", PASSWORDS["maryam"], next=back[1] if back else "").headers["location"] == lands


def test_signing_out_ends_the_session(sign_in: SignIn) -> None:
    browser = sign_in("maryam")
    token = browser.client.cookies["zrm_desk"]
    assert browser.post("/desk/sign-out").status_code == 303
    browser.client.cookies.set("zrm_desk", token, path="/desk")
    assert browser.get("/desk/settings").status_code == 303


@pytest.mark.parametrize("token", ["", "guess"])
def test_a_form_without_its_token_does_nothing(sign_in: SignIn, database: Database, token: str) -> None:
    browser = sign_in("maryam")
    browser.csrf = token
    answer = browser.post("/desk/preferences", language="en", calendar="gregorian", theme="dark")
    assert answer.status_code == 403
    with database.cursor() as cursor:
        assert one(cursor, "SELECT theme FROM agents WHERE login = 'maryam'") == "auto"


def test_the_token_may_come_in_a_header(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("maryam")
    answer = browser.client.post(
        "/desk/preferences",
        data={"language": "en", "calendar": "gregorian", "theme": "dark"},
        headers={"X-CSRF-Token": browser.csrf},
    )
    assert answer.status_code == 303
    with database.cursor() as cursor:
        assert one(cursor, "SELECT theme FROM agents WHERE login = 'maryam'") == "dark"
    assert browser.post("/desk/preferences", language="xx", calendar="gregorian", theme="light").status_code == 422
    with database.cursor() as cursor:
        assert one(cursor, "SELECT language || theme FROM agents WHERE login = 'maryam'") == "endark"


def test_a_foreign_page_cannot_sign_somebody_in(desk: RunningDesk) -> None:
    with desk.client() as client:
        answer = client.post("/desk/sign-in", data={"token": "x", "login": "maryam", "password": PASSWORDS["maryam"]})
        assert answer.status_code == 403
        assert "zrm_desk" not in client.cookies


@pytest.mark.parametrize(
    ("target", "lands"),
    [
        ("/desk/queue/mine", "/desk/queue/mine"),
        ("https://evil.example/", "/desk"),
        ("//evil.example/", "/desk"),
        ("/desk/../\\evil.example", "/desk"),
        ("/track", "/desk"),
        ("/desk/../track", "/desk"),
        ("/desk/x\r\nSet-Cookie: a=b", "/desk"),
    ],
)
def test_after_sign_in_one_lands_at_the_desk(desk: RunningDesk, target: str, lands: str) -> None:
    with desk.client() as client:
        assert submit(client, "maryam", PASSWORDS["maryam"], next=target).headers["location"] == lands


def test_every_page_keeps_to_itself(desk: RunningDesk, sign_in: SignIn) -> None:
    with desk.client() as client:
        pages = [client.get("/desk/sign-in"), sign_in("maryam").get("/desk/queue/mine")]
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "<script>" not in page.text


def test_a_huge_form_is_refused(sign_in: SignIn) -> None:
    answer = sign_in("maryam").post("/desk/preferences", language="x" * 600_000)
    assert answer.status_code == 413


def test_changing_the_password_asks_for_the_present_one_and_ends_the_other_sessions(
    desk: RunningDesk, sign_in: SignIn
) -> None:
    here, elsewhere = sign_in("maryam"), sign_in("maryam")
    fresh = "a sentence is good"
    assert here.post("/desk/settings/password", now="wrong", new=fresh, repeated=fresh).status_code == 422
    assert here.post("/desk/settings/password", now=PASSWORDS["maryam"], new=fresh, repeated="y").status_code == 422
    assert here.post("/desk/settings/password", now=PASSWORDS["maryam"], new=fresh, repeated=fresh).status_code == 303
    assert elsewhere.get("/desk/settings").status_code == 303
    assert here.get("/desk/settings").status_code == 200
    with desk.client() as client:
        assert submit(client, "maryam", fresh).status_code == 303


@pytest.mark.parametrize(
    ("login", "new", "said"),
    [
        ("daniel", "eleven char", "at least 12 characters"),
        ("maryam", "eleven char", "دست‌کم ۱۲ نویسه"),
        ("daniel", "password12345", "among the first that others would try"),
        ("maryam", "محمدرضا۱۳۷۰!", "از نخستین گزینه‌هایی است"),
        ("daniel", "Daniel Karimi 7", "built from your name"),
        ("maryam", "مریم رضایی ۱۲", "از نام شما"),
        ("daniel", "the test centre", "the organisation&#39;s name"),
        ("daniel", PASSWORDS["sara"], "in ZRM&#39;s own documents"),
    ],
)
def test_a_weak_password_is_refused_with_its_reason_and_nothing_changes(
    sign_in: SignIn, desk: RunningDesk, login: str, new: str, said: str
) -> None:
    browser = sign_in(login)
    answer = browser.post("/desk/settings/password", now=PASSWORDS[login], new=new, repeated=new)
    assert answer.status_code == 422
    assert said in answer.text
    with desk.client() as client:
        assert submit(client, login, PASSWORDS[login]).status_code == 303


def test_the_present_password_is_no_new_one(sign_in: SignIn) -> None:
    browser, fresh = sign_in("daniel"), "blue rivers sing at noon"
    assert (
        browser.post("/desk/settings/password", now=PASSWORDS["daniel"], new=fresh, repeated=fresh).status_code == 303
    )
    again = browser.post("/desk/settings/password", now=fresh, new=fresh, repeated=fresh)
    assert again.status_code == 422
    assert "This is your present password" in again.text
