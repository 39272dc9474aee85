"""The second step of signing in, showing again who one is, one's sessions, and being told of a sign-in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pyotp
import pytest

from tests.agent_api.conftest import PASSWORDS, Browser, RunningDesk, submit
from tests.casework.installation import agent, one
from zrm.config import Security, Settings
from zrm.kit.db import Database
from zrm.security import second_step

SignIn = Callable[[str], Browser]
Owing = Callable[[str], Browser]
NEXT = 30  # seconds to the next code


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which codes are judged; it stands until it is moved."""
    clock = Clock(time.time())
    monkeypatch.setattr(second_step, "now", lambda: datetime.fromtimestamp(clock.now, UTC))
    return clock


class Clock:
    """Seconds since 1970."""

    def __init__(self, now: float) -> None:
        self.now = now


class App:
    """An authenticator app."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._app, self._clock = pyotp.TOTP(key), clock

    def code(self, *, steps: int = 0) -> str:
        """What it shows now, or so many half minutes off."""
        return self._app.at(int(self._clock.now) + steps * NEXT)


def set_up(browser: Browser, clock: Clock) -> tuple[App, list[str]]:
    """Set an app up as the pages lead; the app and the recovery codes."""
    assert browser.post("/desk/security/authenticator").headers["location"] == "/desk/security/authenticator"
    page = browser.get("/desk/security/authenticator").text
    key = re.search(r'data-copy="([A-Z2-7]{32})"', page)
    assert key is not None
    app = App(key[1], clock)
    done = browser.post("/desk/security/authenticator/confirm", code=app.code())
    assert done.status_code == 200, done.text
    return app, re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", done.text)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def owing(desk: RunningDesk) -> Iterator[Callable[[str], Browser]]:
    """Opens a new browser that has shown an agent's password, and owes the second step."""
    with ExitStack() as stack:

        def enter(login: str) -> Browser:
            browser = Browser(stack.enter_context(desk.client()))
            answer = submit(browser.client, login, PASSWORDS[login])
            assert answer.headers["location"] == "/desk/sign-in/second"
            return with_token(browser, "/desk/sign-in/second")

        yield enter


def with_token(browser: Browser, path: str) -> Browser:
    """The browser with the token of a page that stands alone."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.client.get(path).text)
    assert found is not None
    browser.csrf = found[1]
    return browser


def test_with_an_app_the_password_alone_opens_nothing(
    owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock
) -> None:
    app, _codes = set_up(sign_in("daniel"), clock)
    browser = owing("daniel")
    for path in (
        "/desk",
        "/desk/queue/mine",
        "/desk/settings",
        "/desk/security",
        "/desk/confirm",
        "/desk/security/set-up",
    ):
        assert browser.client.get(path).headers["location"] == "/desk/sign-in/second", path
    assert browser.client.get("/desk/events").status_code == 401
    assert browser.post("/desk/security/authenticator/remove").headers["location"] == "/desk/sign-in/second"
    before = browser.client.cookies["zrm_desk"]
    clock.now += NEXT
    answer = browser.post("/desk/sign-in/second", code=app.code(), next="/desk/queue/mine")
    assert answer.headers["location"] == "/desk/queue/mine"
    assert browser.client.get("/desk/queue/mine").status_code == 200
    browser.client.cookies.set("zrm_desk", before, path="/desk")
    assert browser.client.get("/desk/sign-in/second").status_code == 303, "the half session has ended"


def test_a_code_is_good_once_and_none_before_it(owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock) -> None:
    app, _codes = set_up(sign_in("daniel"), clock)
    used = app.code()
    assert owing("daniel").post("/desk/sign-in/second", code=used).status_code == 401, "used to set it up"
    clock.now += 2 * NEXT
    fresh = app.code()
    assert owing("daniel").post("/desk/sign-in/second", code=fresh).status_code == 303
    for replayed in (fresh, app.code(steps=-1)):
        assert owing("daniel").post("/desk/sign-in/second", code=replayed).status_code == 401
    assert owing("daniel").post("/desk/sign-in/second", code=app.code(steps=1)).status_code == 303


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 303), (0, 303), (1, 303), (2, 401)])
def test_a_clock_may_be_half_a_minute_off(
    owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock, steps: int, status: int
) -> None:
    app, _codes = set_up(sign_in("daniel"), clock)
    clock.now += 10 * NEXT
    assert owing("daniel").post("/desk/sign-in/second", code=app.code(steps=steps)).status_code == status


@pytest.mark.parametrize("dressed", ["{} {}", "{}{}\u200f", " {}{}\n"])
def test_a_code_is_read_as_people_type_it(
    owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock, dressed: str
) -> None:
    app, codes = set_up(sign_in("daniel"), clock)
    clock.now += NEXT
    code = app.code().translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    typed = dressed.format(code[:3], code[3:]).replace("\u200f", "")
    assert owing("daniel").post("/desk/sign-in/second", code=typed).status_code == 303
    recovery = codes[0].replace("-", " ").upper()
    assert owing("daniel").post("/desk/sign-in/second", code=recovery).status_code == 303


def test_each_recovery_code_is_good_once(
    owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock, database: Database
) -> None:
    _app, codes = set_up(sign_in("daniel"), clock)
    assert len(set(codes)) == 10
    answer = owing("daniel").post("/desk/sign-in/second", code=codes[3])
    assert answer.headers["location"] == "/desk/security", "which says how many are left"
    assert owing("daniel").post("/desk/sign-in/second", code=codes[3]).status_code == 401
    assert owing("daniel").post("/desk/sign-in/second", code=codes[4]).status_code == 303
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM recovery_codes WHERE code_hash LIKE %s", f"%{codes[0][:5]}%") == 0
        assert second_step.recovery_codes_left(cursor, agent(cursor, "daniel")) == 8


def test_new_recovery_codes_make_the_old_ones_worthless(
    owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock
) -> None:
    browser = sign_in("daniel")
    _app, old = set_up(browser, clock)
    page = browser.post("/desk/security/recovery-codes")
    new = re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", page.text)
    assert len(new) == 10
    assert not set(new) & set(old)
    assert page.headers["cache-control"] == "no-store"
    assert owing("daniel").post("/desk/sign-in/second", code=old[0]).status_code == 401
    assert owing("daniel").post("/desk/sign-in/second", code=new[0]).status_code == 303


def test_guessing_codes_ends_soon_even_with_the_right_one(
    owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock
) -> None:
    app, _codes = set_up(sign_in("daniel"), clock)
    clock.now += NEXT
    browser = owing("daniel")
    tries = desk.context.settings.rates.sign_in_tries
    assert {browser.post("/desk/sign-in/second", code=f"{n:06}").status_code for n in range(tries)} == {401}
    locked = browser.post("/desk/sign-in/second", code=app.code())
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) > 0
    assert owing("daniel").post("/desk/sign-in/second", code=app.code()).status_code == 429, "nor with a new start"


def test_the_secret_of_an_app_is_kept_sealed(sign_in: SignIn, clock: Clock, database: Database) -> None:
    browser = sign_in("daniel")
    browser.post("/desk/security/authenticator")
    page = browser.get("/desk/security/authenticator").text
    key = re.search(r'data-copy="([A-Z2-7]{32})"', page)
    assert key is not None
    with database.cursor() as cursor:
        sealed = bytes(one(cursor, "SELECT sealed FROM authenticators"))
        assert key[1].encode() not in sealed
        assert second_step.waiting_key(cursor, agent(cursor, "daniel"), b"another installation's key") is None
    assert "otpauth://totp/" in page
    assert 'src="data:image/svg+xml' in page


def test_a_key_that_was_shown_and_not_confirmed_is_not_shown_again(sign_in: SignIn) -> None:
    """Somebody at an open desk may have noted it."""
    browser, keys = sign_in("daniel"), []
    for _ in range(2):
        browser.post("/desk/security/authenticator")
        keys += re.findall(r'data-copy="([A-Z2-7]{32})"', browser.get("/desk/security/authenticator").text)
    assert len(set(keys)) == 2


def test_an_app_that_was_not_confirmed_is_not_asked_for(desk: RunningDesk, sign_in: SignIn) -> None:
    browser = sign_in("daniel")
    browser.post("/desk/security/authenticator")
    assert browser.post("/desk/security/authenticator/confirm", code="000000").status_code == 422
    with desk.client() as client:
        assert submit(client, "daniel", PASSWORDS["daniel"]).headers["location"] == "/desk"


def test_who_has_lost_everything_is_reset_and_begins_anew(
    desk: RunningDesk, sign_in: SignIn, clock: Clock, database: Database
) -> None:
    _app, codes = set_up(sign_in("daniel"), clock)
    with database.cursor() as cursor:
        second_step.reset(cursor, agent(cursor, "daniel"))  # as `zrm agent reset-two-step` does
        assert second_step.use_recovery_code(cursor, agent(cursor, "daniel"), desk.context.secret, codes[0]) is False
    with desk.client() as client:
        assert submit(client, "daniel", PASSWORDS["daniel"]).headers["location"] == "/desk"


def test_half_a_session_is_short(
    owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock, database: Database
) -> None:
    set_up(sign_in("daniel"), clock)
    browser = owing("daniel")
    with database.cursor() as cursor:
        left = one(cursor, "SELECT extract(epoch FROM ends_at - now()) FROM sessions WHERE stage = 'second_step'")
    assert 0 < left <= 600
    with database.cursor() as cursor:
        cursor.execute("UPDATE sessions SET ends_at = now() WHERE stage = 'second_step'")
    assert browser.post("/desk/sign-in/second", code="000000").headers["location"] == "/desk/sign-in"


@pytest.fixture
def strict(desk: RunningDesk) -> RunningDesk:
    """A desk that demands a second step of everybody."""
    settings = desk.context.settings.model_copy(update={"security": Security(two_step="required")})
    object.__setattr__(desk.context, "settings", settings)
    return desk


def test_where_two_steps_are_required_an_agent_sets_them_up_before_anything_else(
    strict: RunningDesk, clock: Clock, database: Database
) -> None:
    with strict.client() as client:
        assert submit(client, "daniel", PASSWORDS["daniel"]).headers["location"] == "/desk/security/set-up"
        set_up_first(with_token(Browser(client), "/desk/security/set-up"), clock, database)


def set_up_first(browser: Browser, clock: Clock, database: Database) -> None:
    for path in ("/desk", "/desk/queue/mine", "/desk/settings", "/desk/security", "/desk/notifications"):
        assert browser.client.get(path).headers["location"] == "/desk/security/set-up", path
    assert browser.client.get("/desk/events").status_code == 401
    _app, codes = set_up(browser, clock)
    assert len(codes) == 10
    assert browser.get("/desk/queue/mine").status_code == 200
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM sessions WHERE stage <> 'signed_in'") == 0


def test_a_settings_file_names_what_may_be_asked() -> None:
    with pytest.raises(ValueError, match="needs an identity_provider"):
        Security(passwords=False)
    assert Settings.model_fields["security"].default.two_step == "offered"


def forget_proof(database: Database) -> None:
    """Eleven minutes go by since the agents last showed who they are."""
    with database.cursor() as cursor:
        cursor.execute("UPDATE sessions SET proven_at = now() - interval '11 minutes'")


@pytest.mark.parametrize(
    "path",
    [
        "/desk/security/authenticator", "/desk/security/authenticator/confirm", "/desk/security/authenticator/remove",
        "/desk/security/recovery-codes", "/desk/security/passkeys/options", "/desk/security/passkeys",
        "/desk/security/passkeys/00000000-0000-0000-0000-000000000000/remove",
    ],
)  # fmt: skip
def test_what_changes_how_one_signs_in_asks_first_who_one_is(
    sign_in: SignIn, clock: Clock, database: Database, path: str
) -> None:
    browser = sign_in("daniel")
    set_up(browser, clock)
    forget_proof(database)
    answer = browser.client.post(
        path, data={"csrf_token": browser.csrf, "code": "1"}, headers={"Referer": "http://x/desk/security"}
    )
    assert answer.headers["location"] == "/desk/confirm?next=%2Fdesk%2Fsecurity"
    with database.cursor() as cursor:
        assert one(cursor, "SELECT count(*) FROM authenticators WHERE confirmed_at IS NOT NULL") == 1
        assert second_step.recovery_codes_left(cursor, agent(cursor, "daniel")) == 10


def test_who_shows_it_again_may_go_on_for_ten_minutes(sign_in: SignIn, clock: Clock, database: Database) -> None:
    browser = sign_in("daniel")
    set_up(browser, clock)
    forget_proof(database)
    browser.get("/desk/settings")
    assert browser.post("/desk/confirm", password="wrong", next="/desk/security").status_code == 401
    assert browser.post("/desk/security/authenticator/remove").headers["location"].startswith("/desk/confirm")
    shown = browser.post("/desk/confirm", password=PASSWORDS["daniel"], next="/desk/security")
    assert shown.headers["location"] == "/desk/security"
    assert browser.post("/desk/security/authenticator/remove").headers["location"] == "/desk/security?told=removed"


def test_the_apps_code_shows_it_too_and_is_used_up(sign_in: SignIn, clock: Clock, database: Database) -> None:
    browser = sign_in("daniel")
    app, _codes = set_up(browser, clock)
    forget_proof(database)
    clock.now += NEXT
    browser.get("/desk/settings")
    assert browser.post("/desk/confirm", code=app.code(), next="https://evil.example/").headers["location"] == "/desk/security"  # fmt: skip
    forget_proof(database)
    assert browser.post("/desk/confirm", code=app.code()).status_code == 401


def test_showing_it_again_cannot_be_guessed(desk: RunningDesk, sign_in: SignIn) -> None:
    browser = sign_in("daniel")
    tries = desk.context.settings.rates.sign_in_tries
    assert {browser.post("/desk/confirm", password="wrong").status_code for _ in range(tries)} == {401}
    assert browser.post("/desk/confirm", password=PASSWORDS["daniel"]).status_code == 429


def test_one_sees_where_one_is_signed_in_and_ends_it(
    desk: RunningDesk, sign_in: SignIn, database: Database, stack: ExitStack
) -> None:
    agents = {
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": ("Firefox", "Linux"),
        "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36": ("Chrome", "Android"),
    }  # fmt: skip
    elsewhere = [stack.enter_context(desk.client(**{"User-Agent": words})) for words in agents]
    for client in elsewhere:
        submit(client, "daniel", PASSWORDS["daniel"])
    others = sign_in("maryam")
    browser = sign_in("daniel")
    page = browser.get("/desk/security").text
    for name, system in agents.values():
        assert f"<bdi>{name}</bdi> · <bdi>{system}</bdi>" in page
    assert page.count("This session") == 1
    with database.cursor() as cursor:
        first = one(cursor, "SELECT id FROM sessions WHERE browser = 'Firefox'")
        foreign = one(cursor, "SELECT id FROM sessions WHERE agent_id = %s", agent(cursor, "maryam"))
    assert browser.post(f"/desk/security/sessions/{foreign}/end").status_code == 404
    assert others.get("/desk/settings").status_code == 200
    assert browser.post(f"/desk/security/sessions/{first}/end").status_code == 303
    assert [client.get("/desk/settings").status_code for client in elsewhere] == [303, 200]
    assert browser.post("/desk/security/sessions/end-others").status_code == 303
    assert elsewhere[1].get("/desk/settings").status_code == 303
    assert browser.get("/desk/settings").status_code == 200


def test_a_new_browser_is_told_and_a_known_one_is_not(desk: RunningDesk, database: Database) -> None:
    def notices() -> int:
        with database.cursor() as cursor:
            return int(one(cursor, "SELECT count(*) FROM notifications WHERE kind = 'sign_in'"))

    with desk.client() as home, desk.client() as elsewhere:
        submit(home, "daniel", PASSWORDS["daniel"])
        assert notices() == 0, "the first of all tells nothing new"
        home.cookies.delete("zrm_desk")
        submit(home, "daniel", PASSWORDS["daniel"])
        assert notices() == 0
        submit(elsewhere, "daniel", PASSWORDS["daniel"])
        assert notices() == 1
        assert "Somebody signed in to your account" in home.get("/desk/notifications").text
        assert 'href="/desk/security"' in home.get("/desk/notifications").text
        page = home.get("/desk/security").text
        assert page.count("New browser") == 2
        with desk.client(**{"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Gecko Firefox/140.0"}) as third:
            submit(third, "daniel", PASSWORDS["daniel"])
        page = home.get("/desk/notifications").text
        assert page.count("Somebody signed in to your account") == 1, "one line for all of them"
        assert "Firefox · Windows" in page
        assert 'class="z-count">2<' in page
        submit(elsewhere, "maryam", PASSWORDS["maryam"])
        assert notices() == 2, "the first of hers"


def test_the_mark_of_one_agent_is_none_of_anothers(desk: RunningDesk, database: Database) -> None:
    with desk.client() as shared:
        for login in ("maryam", "daniel", "maryam"):
            submit(shared, login, PASSWORDS[login])
    with database.cursor() as cursor:
        cursor.execute("SELECT known FROM sign_ins ORDER BY at")
        assert [row[0] for row in cursor] == [False, False, True]


def test_a_forged_mark_makes_no_browser_known(desk: RunningDesk, database: Database) -> None:
    with desk.client() as client:
        client.cookies.set("zrm_browser", "a" * 24 + "~" + "0" * 32, path="/desk")
        answer = submit(client, "daniel", PASSWORDS["daniel"])
    (ours,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith("zrm_browser=")]
    assert "HttpOnly" in ours
    with database.cursor() as cursor:
        assert one(cursor, "SELECT known FROM sign_ins") is False


def test_the_notice_reaches_an_open_desk(desk: RunningDesk, sign_in: SignIn) -> None:
    browser = sign_in("daniel")
    with browser.client.stream("GET", "/desk/events?since=99999999999") as stream, desk.client() as elsewhere:
        submit(elsewhere, "daniel", PASSWORDS["daniel"])
        for line in stream.iter_lines():
            if line.startswith("data:") and "Somebody signed in to your account" in line:
                assert '"href":"/desk/security"' in line
                break


@pytest.mark.parametrize(("language", "said"), [("en", "The second step"), ("fa", "مرحلهٔ دوم ورود")])
def test_the_second_step_speaks_the_agents_language(
    owing: Owing, desk: RunningDesk, sign_in: SignIn, clock: Clock, language: str, said: str
) -> None:
    login = "daniel" if language == "en" else "maryam"
    set_up(sign_in(login), clock)
    assert said in owing(login).client.get("/desk/sign-in/second").text
