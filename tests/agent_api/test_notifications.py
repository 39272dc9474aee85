"""The list of notifications in both languages, and following a case."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest

from tests.agent_api.conftest import Browser
from tests.casework.installation import Filed, acting, agent, file_case, one
from zrm.casestore import notification, outbox
from zrm.casestore.notification import NewNotice, NoticeKind
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.dispatch.notify import Notify
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.languages import Language

SignIn = Callable[[str], Browser]
LINE = re.compile(r"<li[^>]*>.*?</li>", re.DOTALL)


def write_note(database: Database, case: Filed, login: str, text: str) -> None:
    """A note, and the telling of it."""
    with database.cursor() as cursor:
        case_actions.note(cursor, acting(agent(cursor, login), case.id, 1), text=text)
        tasks = outbox.claim(cursor, Topic.NOTIFY, limit=9, lease=60)
    Notify(database)(tasks)


def lines_of(page: str) -> list[str]:
    return LINE.findall(page.partition('<ul class="z-notices">')[2].partition("</ul>")[0])


def unread_of(page: str) -> int:
    """The number beside the bell."""
    found = re.search(r"data-unread>([0-9]+)<", page)
    assert found
    return int(found[1])


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "You are mentioned: \\W*The lamp is dark"), ("fa", "از شما نام برده شد: \\W*The lamp is dark")],
)
def test_a_line_has_the_newest_words_and_its_number(
    sign_in: SignIn, database: Database, language: Language, words: str
) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET language = %s", [language])
    write_note(database, case, "maryam", "@daniel <b>first</b>")
    write_note(database, case, "maryam", "@daniel <b>second</b>")
    browser = sign_in("daniel")
    (line,) = lines_of(browser.get("/desk/notifications").text)
    assert re.search(words, line)
    assert "@daniel &lt;b&gt;second&lt;/b&gt;" in line
    assert "first" not in line
    assert re.search(r'class="z-count">(2|۲)<', line)
    browser.get(f"/desk/cases/{case.id}")
    (line,) = lines_of(browser.get("/desk/notifications").text)
    assert "z-unread" not in line


def test_a_writer_is_told_whom_a_note_names_in_vain(sign_in: SignIn, database: Database) -> None:
    case, browser = file_case(database, unit_key="water"), sign_in("daniel")
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET language = 'en'")
    browser.get(f"/desk/cases/{case.id}")
    done = browser.post(f"/desk/cases/{case.id}/note", note="@maryam and @sara, @nobody: look")
    shown = browser.get(done.headers["location"]).text
    assert re.search(r"Not notified: \W*@sara\W* may not see this case, \W*@nobody\W* is nobody&#39;s login\.", shown)
    done = browser.post(f"/desk/cases/{case.id}/note", note="@maryam: look")
    assert "Not notified" not in browser.get(done.headers["location"]).text
    assert browser.get(f"/desk/cases/{case.id}?note={case.contact_id}").status_code == 200


def test_what_one_may_not_see_any_more_is_not_told(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, unit_key="roads")
    write_note(database, case, "maryam", "@sara the secret")
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET language = 'en'")
        cursor.execute("UPDATE cases SET unit_id = (SELECT id FROM units WHERE key = 'water')")
    page = sign_in("sara").get("/desk/notifications").text
    (line,) = lines_of(page)
    assert "A colleague mentioned you in a note" in line
    for hidden in ("secret", "lamp", str(case.id)):
        assert hidden not in line


def test_the_badge_counts_lines_and_reading_one_leaves_the_others(sign_in: SignIn, database: Database) -> None:
    cases = [file_case(database) for _ in range(2)]
    for case in (*cases, *cases):
        write_note(database, case, "maryam", "@daniel")
    browser = sign_in("daniel")
    page = browser.get("/desk/notifications").text
    assert (unread_of(page), len(lines_of(page))) == (2, 2)
    with database.cursor() as cursor:
        shown = one(cursor, "SELECT id FROM notifications ORDER BY at DESC, id DESC LIMIT 1")
    assert browser.post(f"/desk/notifications/{shown}/read").status_code == 303
    assert unread_of(browser.get("/desk/notifications").text) == 1
    assert browser.post("/desk/notifications/read", shown="nonsense").status_code == 303
    assert unread_of(browser.get("/desk/notifications").text) == 0


def test_mark_all_as_read_leaves_what_came_since(sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    write_note(database, case, "maryam", "@daniel")
    browser = sign_in("daniel")
    found = re.search(r'name="shown" value="([0-9a-f-]{36})"', browser.get("/desk/notifications").text)
    assert found
    with database.cursor() as cursor:
        sign = NewNotice(agent(cursor, "daniel"), None, new_id(), NoticeKind.SIGN_IN)
        notification.tell(cursor, [sign])
    browser.post("/desk/notifications/read", shown=found[1])
    assert unread_of(browser.get("/desk/notifications").text) == 1


def test_an_agent_follows_a_case_and_stops(sign_in: SignIn, database: Database) -> None:
    case, browser = file_case(database), sign_in("daniel")

    def following() -> list[UUID]:
        with database.cursor() as cursor:
            cursor.execute("SELECT case_id FROM case_followers WHERE following")
            return [row[0] for row in cursor]

    page = browser.get(f"/desk/cases/{case.id}").text
    assert re.findall(r"@(\w+)</bdi> <span", page) == ["maryam"], "whom a note can name"
    assert f"/desk/cases/{case.id}/follow" in browser.get(f"/desk/cases/{case.id}").text
    assert browser.post(f"/desk/cases/{case.id}/follow").status_code == 303
    assert following() == [case.id]
    page = browser.get(f"/desk/cases/{case.id}").text
    assert f"/desk/cases/{case.id}/unfollow" in page
    assert browser.post(f"/desk/cases/{case.id}/unfollow").status_code == 303
    assert following() == []
    hidden = file_case(database, unit_key="water")
    assert sign_in("sara").post(f"/desk/cases/{hidden.id}/follow").status_code == 404
    assert following() == []
