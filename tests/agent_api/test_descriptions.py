"""Contacts without words at the desk: each agent reads of them in their own language, and finds them by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.agent_api.conftest import Browser
from tests.casework.installation import agent, file_case
from zrm.casestore import notification
from zrm.casestore.notification import NewNotice, NoticeKind
from zrm.channels.fax.parse import BROKE_OFF, PAGES
from zrm.kit.db import Database
from zrm.languages import Language

SignIn = Callable[[str], Browser]


@pytest.mark.parametrize(
    ("language", "pages", "broke_off", "word"),
    [("en", "Fax, 3 pages", "broke off", "pages"), ("fa", "نمابر، ۳ صفحه", "نیمه‌کاره ماند", "نمابر")],
)
def test_a_fax_is_read_in_the_readers_language(
    sign_in: SignIn, database: Database, language: Language, pages: str, broke_off: str, word: str
) -> None:
    description = (PAGES(num=3), BROKE_OFF(error="T.30 <T2>"))
    case = file_case(database, channel="fax", title="", text="", description=description)
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET language = %s", [language])
        daniel = agent(cursor, "daniel")
        notification.tell(cursor, [NewNotice(daniel, case.id, case.contact_id, NoticeKind.MESSAGE)])
    browser = sign_in("daniel")
    notices = browser.get("/desk/notifications").text
    assert pages in notices
    assert broke_off in notices
    assert pages in browser.get("/desk/queue/unassigned").text
    page = browser.get(f"/desk/cases/{case.id}").text
    assert page.count(pages) >= 2
    assert f"{broke_off}: T.30 &lt;T2&gt;" in page
    assert f"<mark>{word}</mark>" in browser.get(f"/desk/search?q={word}").text


def test_a_citizens_own_word_is_not_translated(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, channel="telegram", title="Photo", text="Photo")
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET language = 'fa'")
    browser = sign_in("daniel")
    assert "Photo" in browser.get("/desk/queue/unassigned").text
    assert "Photo" in browser.get(f"/desk/cases/{case.id}").text
