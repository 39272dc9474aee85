"""A case with thousands of messages opens like any other; what is earlier is a step away, and stays when it was loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import pytest
from playwright.sync_api import expect

from tests.agent_api.conftest import Browser, RunningDesk, enter
from tests.agent_api.test_composer import open_case
from tests.casework.installation import Filed, file_case, one
from tests.lab import axe
from zrm.casestore import live, timeline
from zrm.casestore.last_inbound import last_inbound
from zrm.casestore.timeline import RELATIONS, WINDOW
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.lab.browser import LabBrowser
    from zrm.languages import Language

SignIn = Callable[[str], Browser]
MANY = 5000
TABLES = ("contacts", "attachments", "deliveries", "delivery_events", "case_events", "case_relations", "cases")
ENTRY = re.compile(r'<li class="z-item [^>]*id="((?:contact|event)-[0-9a-f-]{36})"')
EARLIER = re.compile(r'rel="prev" href="([^"]+)"')

# In, in, in, out: an angry thread that began long ago; each answer with its delivery, each tenth message with a file.
SEED = """
INSERT INTO contacts (id, case_id, direction, channel, account, person_id, address, title, text, html, automatic, at)
SELECT uuidv7(), %(case)s, CASE WHEN n %% 4 = 0 THEN 'out' ELSE 'in' END, 'email', 'contact@city.example', %(person)s,
    'sara@home.example', 'Re: lamp', 'Message ' || n, '<p>Message ' || n, %(robots)s AND n %% 4 <> 0,
    now() - make_interval(mins => %(many)s - n + 1)
FROM generate_series(1, %(many)s) AS n;
INSERT INTO deliveries (id, kind, contact_id, case_id, channel, account, address, state, created_at, changed_at)
SELECT uuidv7(), 'answer', id, case_id, channel, account, address, 'sent', at, at FROM contacts
WHERE direction = 'out' AND case_id = %(case)s;
INSERT INTO delivery_events (id, delivery_id, at, state)
SELECT uuidv7(), id, created_at, 'queued' FROM deliveries WHERE case_id = %(case)s;
INSERT INTO case_events (id, case_id, at, actor, kind, version, data)
SELECT uuidv7(), case_id, at, 'citizen', kind, 1, '{"before": "waiting", "after": "open", "cause": "citizen_wrote"}'
FROM contacts CROSS JOIN (VALUES ('replied'), ('status_changed')) AS k (kind) WHERE direction = 'out' AND case_id = %(case)s;
INSERT INTO attachments (id, contact_id, role, name, media_type, size, blob_key)
SELECT uuidv7(), id, 'attachment', 'plan.pdf', 'application/pdf', 1, 'x' FROM contacts
WHERE case_id = %(case)s AND text LIKE '%%0';
"""


def long_case(database: Database, *, many: int = MANY, robots: bool = False) -> Filed:
    """A case whose first message is `file_case`'s, dated before the `many` that follow."""
    case = file_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE contacts SET at = now() - interval '30 days' WHERE case_id = %s", [case.id])
        values = {"case": case.id, "person": case.person_id, "many": many, "robots": robots}
        for statement in SEED.split(";\n"):
            if statement.strip():
                cursor.execute(statement.encode(), values)
    return case


def say(database: Database, case: Filed, *texts: str) -> None:
    """New messages of the citizen, filed and announced."""
    with database.cursor() as cursor:
        for text in texts:
            cursor.execute(
                "INSERT INTO contacts (id, case_id, direction, channel, account, person_id, address, text, at)"
                " VALUES (%s, %s, 'in', 'email', 'contact@city.example', %s, %s, %s, clock_timestamp())",
                [new_id(), case.id, case.person_id, case.address, text],
            )
        live.publish_change(cursor, "case", [case.id])


def rows_read(cursor: Cursor) -> dict[str, int]:
    """How many rows of each table this transaction has read so far, as the store counts them."""
    cursor.execute(
        "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
        " WHERE relname = ANY(%s)",
        [list(TABLES)],
    )
    return dict(cursor.fetchall())


def read_by(database: Database, work: Callable[[Cursor], object]) -> dict[str, int]:
    """How many rows of each table some work reads."""
    with database.cursor() as cursor:
        # Where this case is nearly all there is, a whole table is as near as its index; in an installation it is not.
        cursor.execute("SET LOCAL enable_seqscan = off")
        before = rows_read(cursor)
        work(cursor)
        after = rows_read(cursor)
    return {table: after.get(table, 0) - before.get(table, 0) for table in TABLES}


@pytest.mark.parametrize("analysed", [False, True])
def test_what_is_read_has_a_bound(database: Database, analysed: bool) -> None:
    case = long_case(database)
    other = file_case(database)
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO case_relations (id, case_id, other_case_id, reason, at)"
            " SELECT uuidv7(), %s, %s, 'quoted_by_stranger', now() FROM generate_series(1, 500)",
            [case.id, other.id],
        )
        if analysed:
            cursor.execute("ANALYZE")
    pages: list[Any] = []
    read = read_by(database, lambda cursor: pages.append(timeline.load(cursor, case.id)))
    (page,) = pages
    assert len(page.contacts) + len(page.events) == WINDOW
    assert len(page.relations) == RELATIONS
    assert read["contacts"] <= WINDOW + 1, read
    assert read["case_events"] <= 2 * WINDOW, read
    assert max(read["attachments"], read["deliveries"], read["delivery_events"]) <= WINDOW, read
    middle = read_by(database, lambda cursor: timeline.load(cursor, case.id, before=page.earlier))
    assert middle["contacts"] <= WINDOW + 2, middle
    assert middle["case_events"] <= 2 * WINDOW, middle
    if analysed:  # what the store knows nothing of yet it may look through: a few milliseconds
        assert read_by(database, lambda cursor: last_inbound(cursor, case.id))["contacts"] <= 5


def test_the_windows_hold_every_entry_once_in_its_order(sign_in: SignIn, database: Database) -> None:
    case = long_case(database, many=730)
    with database.cursor() as cursor:  # the windows end among entries of one moment, too
        cursor.execute(
            "UPDATE contacts SET at = date_trunc('hour', at) WHERE case_id = %s AND id <> %s",
            [case.id, case.contact_id],
        )
        cursor.execute(
            "SELECT 'contact-' || id, at, true, id FROM contacts WHERE case_id = %(case)s UNION ALL"
            " SELECT 'event-' || id, at, false, id FROM case_events WHERE case_id = %(case)s AND kind <> 'replied'"
            " ORDER BY 2, 3, 4",
            {"case": case.id},
        )
        wanted = [row[0] for row in cursor]
    browser, path = sign_in("daniel"), f"/desk/cases/{case.id}"
    seen: list[str] = []
    while path:
        page = browser.get(path).text
        entries = ENTRY.findall(page)
        assert len(entries) == WINDOW or not seen or entries[0] == wanted[0]
        assert ('id="composer"' in page, "To the newest messages" in page) == (not seen, bool(seen))
        seen = entries + seen
        found = EARLIER.search(page)
        path = found[1] if found else ""
    assert seen == wanted


@pytest.mark.parametrize(("login", "words"), [("daniel", "Earlier messages"), ("maryam", "پیام‌های پیشین")])
def test_the_step_is_there_when_something_is_earlier(
    sign_in: SignIn, database: Database, login: str, words: str
) -> None:
    short, long = long_case(database, many=WINDOW - 40), long_case(database, many=WINDOW + 1)
    browser = sign_in(login)
    assert words not in browser.get(f"/desk/cases/{short.id}").text
    assert words in browser.get(f"/desk/cases/{long.id}").text


@pytest.mark.parametrize(
    "mark", ["x", "2026-01-01_contact-1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z_note-{id}", "2026-01-01_event-{id}"]
)  # fmt: skip
def test_a_place_that_is_none_of_ours_is_nothing(sign_in: SignIn, database: Database, mark: str) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    assert browser.get(f"/desk/cases/{case.id}?before={mark.format(id=case.id)}").status_code == 404
    assert browser.get(f"/desk/cases/{case.id}?delivery=x").status_code == 404
    assert browser.get(f"/desk/cases/{case.id}?delivery={new_id()}").status_code == 200


def test_an_undelivered_answer_of_long_ago_is_led_to(sign_in: SignIn, database: Database) -> None:
    case = long_case(database, many=600)
    with database.cursor() as cursor:
        old: UUID = one(
            cursor,
            "UPDATE deliveries SET state = 'failed', reason_code = 'receiver_says', reason_params = jsonb_build_object('words', '550') WHERE contact_id ="
            " (SELECT id FROM contacts WHERE text = 'Message 200') RETURNING id",
        )
    browser = sign_in("daniel")
    page = browser.get("/desk/failed-deliveries").text
    href = f"/desk/cases/{case.id}?delivery={old}"
    assert f"{href}#delivery-{old}" in page
    page = browser.get(href).text
    assert f'id="delivery-{old}"' in page
    assert "Message 200<" in page
    assert "Message 201<" not in page
    assert browser.post(f"/desk/failed-deliveries/deliveries/{old}/settle", **{"from": "case"}).status_code == 303


def test_the_way_back_is_the_last_persons_and_not_the_loops(sign_in: SignIn, database: Database) -> None:
    case = long_case(database, robots=True)
    with database.cursor() as cursor:
        cursor.execute("UPDATE contacts SET address = 'robot@loop.example' WHERE automatic")
        found = last_inbound(cursor, case.id)
    assert found is not None
    assert found.address == case.address
    page = sign_in("daniel").get(f"/desk/cases/{case.id}").text
    assert len(ENTRY.findall(page)) == WINDOW
    first_way = re.search(r"<option value=\"[0-9a-f]{32}\"[^>]*>([^<]+)", page)
    assert first_way is not None
    assert case.address in first_way[1]


def entries(page: Page) -> list[str]:
    """The ids of what stands in the line of time, in its order."""
    return page.eval_on_selector_all(".z-timeline > li.z-item", "items => items.map((item) => item.id)")  # type: ignore[no-any-return]  # what a browser hands over has no type


def texts(page: Page) -> list[int]:
    """The numbers of the seeded messages on the screen, in their order."""
    found = page.eval_on_selector_all(
        ".z-timeline > li .z-bubble-body", "items => items.map((item) => item.textContent.match(/Message (\\d+)/)?.[1])"
    )
    return [int(number) for number in found if number]


@pytest.mark.peer("browser")
def test_earlier_messages_come_in_above_and_stay(browser: LabBrowser, desk: RunningDesk, database: Database) -> None:
    case = long_case(database)
    with open_case(browser, desk, case) as page:
        page.wait_for_selector("body[data-connected=yes]")
        first = entries(page)
        assert len(first) == WINDOW
        page.eval_on_selector(f"#{first[0]}", "e => e.scrollIntoView({block: 'center', behavior: 'instant'})")
        top = page.eval_on_selector(f"#{first[0]}", "e => e.getBoundingClientRect().top")
        page.keyboard.press("h")
        expect(page.locator(".z-timeline > li.z-item")).to_have_count(2 * WINDOW)
        expect(page.locator(".z-item:focus")).to_have_count(1)
        assert entries(page)[WINDOW:] == first, "they come in above"
        assert page.evaluate("document.activeElement.id") == entries(page)[WINDOW - 1], "the focus is on the nearest"
        assert abs(page.eval_on_selector(f"#{first[0]}", "e => e.getBoundingClientRect().top") - top) < 2
        page.click(".z-earlier a")
        expect(page.locator(".z-timeline > li.z-item")).to_have_count(3 * WINDOW)
        numbers = texts(page)
        assert numbers == list(range(numbers[0], MANY + 1)), "nothing is missing and nothing twice"

        loaded = entries(page)
        say(database, case, "One more.")
        page.wait_for_selector("#live-timeline > li:last-child:has-text('One more.')")
        assert entries(page)[:-1] == loaded, "the live refresh keeps what was loaded"
        assert page.locator(".z-earlier").count() == 1

        # More came at once than a window holds: the step to what lies between stands between.
        say(database, case, *(f"Message {MANY + number}" for number in range(1, WINDOW + 31)))
        page.wait_for_selector(f"#live-timeline > li:last-child:has-text('Message {MANY + WINDOW + 30}')")
        assert page.locator(".z-earlier").count() == 2
        assert entries(page)[: len(loaded)] == loaded
        page.locator(".z-earlier a").last.click()
        expect(page.locator(".z-earlier")).to_have_count(1)
        numbers = texts(page)
        assert numbers == list(range(numbers[0], MANY + WINDOW + 31)), "the gap is closed"


@pytest.mark.peer("browser")
@pytest.mark.parametrize("reading", [False, True])
def test_late_fonts_move_nobody_who_reads(
    browser: LabBrowser, desk: RunningDesk, database: Database, reading: bool
) -> None:
    """The newest entry stands whole above the composer when the fonts are there too, unless somebody has gone elsewhere."""
    case = long_case(database, many=50)
    page = browser.page("en")
    enter(page, desk, "en")
    fonts: list[Route] = []

    def hold(route: Route) -> None:
        fonts.append(route)

    page.route("**/*.woff2", hold)
    page.goto(f"{desk.url}/desk/cases/{case.id}", wait_until="commit")
    page.wait_for_selector("body[data-connected=yes]")
    newest, first = f"#{entries(page)[-1]}", f"#{entries(page)[0]}"
    assert fonts, "they are still awaited"
    if reading:  # as a screen reader or a search in the page does: no wheel, no key
        page.eval_on_selector(first, "e => e.scrollIntoView({block: 'center', behavior: 'instant'})")
    top = page.eval_on_selector(first, "e => e.getBoundingClientRect().top")
    for font in fonts:
        font.continue_()
    page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame)).then(() => true)")
    if reading:
        assert abs(page.eval_on_selector(first, "e => e.getBoundingClientRect().top") - top) < 40
    else:
        gap = page.evaluate(
            "(newest) => document.querySelector('.z-dock').getBoundingClientRect().top"
            " - document.querySelector(newest).getBoundingClientRect().bottom",
            newest,
        )
        assert abs(gap) < 2
    page.context.close()


@pytest.mark.peer("browser")
def test_earlier_messages_need_no_script(browser: LabBrowser, desk: RunningDesk, database: Database) -> None:
    case = long_case(database, many=350)
    page = browser.page("fa", "phone", script=False)
    enter(page, desk, "fa")
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    newest = texts(page)
    page.get_by_role("link", name="پیام‌های پیشین").click()
    assert texts(page)[-1] == newest[0] - 1
    page.get_by_role("link", name="به تازه‌ترین پیام‌ها").click()
    assert texts(page) == newest
    page.context.close()


@pytest.mark.peer("browser")
@pytest.mark.parametrize(("language", "size"), [("fa", "phone"), ("en", "desktop")])
def test_a_window_of_a_long_case_is_accessible(
    browser: LabBrowser, desk: RunningDesk, database: Database, language: Language, size: Literal["desktop", "phone"]
) -> None:
    case = long_case(database, many=350)
    page = browser.page(language, size)
    enter(page, desk, language)
    for path in (f"{desk.url}/desk/cases/{case.id}", ""):
        page.goto(path or f"{desk.url}{page.get_attribute('.z-earlier a', 'href')}")
        assert axe.faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.context.close()


@pytest.mark.peer("browser")
def test_an_ended_session_is_said_and_not_put_in(browser: LabBrowser, desk: RunningDesk, database: Database) -> None:
    case = long_case(database, many=350)
    page = browser.page("en")
    enter(page, desk, "en")
    page.goto(f"{desk.url}/desk/cases/{case.id}")
    page.context.clear_cookies()
    page.click(".z-earlier a")
    page.wait_for_url("**/desk/sign-in**")
    page.context.close()
