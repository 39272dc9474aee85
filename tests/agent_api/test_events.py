"""Live events over a real stream: rows appear, for whom they may, and after PostgreSQL was away."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.agent_api.conftest import Browser, RunningDesk
from tests.casework.installation import Filed, acting, agent, file_case, unit
from zrm.agent_api.live_connections import MOST_PENDING, REFRESH, EventHub, OpenDesk
from zrm.agent_api.pages.layout import Shell
from zrm.casestore import heartbeat, live
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.kit.db import Database
from zrm.kit.direction import isolated
from zrm.kit.ids import new_id
from zrm.security.grants import Grants

SignIn = Callable[[str], Browser]
Event = tuple[str, Any]


@contextmanager
def listening(browser: Browser, desk: RunningDesk, **headers: str) -> Iterator[Callable[[str], Any]]:
    """An open stream; calling what is yielded waits for the next event of a name and returns its data."""
    many = len(desk.context.hub.desks)
    since = "/desk/events?since=9999999999"
    timeout = httpx.Timeout(20)
    with browser.client.stream("GET", since, headers=headers, timeout=timeout) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        assert len(desk.context.hub.desks) > many

        def wait(name: str) -> Any:
            current = ""
            for line in lines:
                if line.startswith("event: "):
                    current = line[7:]
                elif line.startswith("data: ") and current == name:
                    return json.loads(line[6:])
            raise AssertionError(f"the stream ended without {name}")

        yield wait


def announce(database: Database, case: Filed) -> None:
    with database.cursor() as cursor:
        live.publish_change(cursor, "case", [case.id])


def test_a_new_case_appears_in_the_readers_language(desk: RunningDesk, sign_in: SignIn, database: Database) -> None:
    maryam, daniel = sign_in("maryam"), sign_in("daniel")
    with listening(maryam, desk) as persian, listening(daniel, desk) as english:
        case = file_case(database, unit_key="roads")
        announce(database, case)
        mine, theirs = persian("case"), english("case")
    assert mine["id"] == theirs["id"] == str(case.id)
    assert "راه و معابر" in mine["html"]
    assert "Roads and streets" in theirs["html"]
    assert (theirs["status"], theirs["assignee"]) == ("new", "")


def test_hostile_titles_are_escaped_on_the_way(desk: RunningDesk, sign_in: SignIn, database: Database) -> None:
    with listening(sign_in("daniel"), desk) as wait:
        announce(database, file_case(database, title="</li><script>x()</script>\n\ndata: {}"))
        assert "<script>" not in wait("case")["html"]


def test_a_row_without_a_name_has_the_address_as_far_as_one_may_see_it(
    desk: RunningDesk, sign_in: SignIn, database: Database
) -> None:
    maryam, daniel = sign_in("maryam"), sign_in("daniel")
    with listening(maryam, desk) as hers, listening(daniel, desk) as his:
        of_daniel = next(one for one in desk.context.hub.desks if one.variant[0] == "en")
        of_daniel.grants = Grants.of([("case.view", None)])
        announce(database, file_case(database, channel="sms", name=""))
        assert "+989121234567" in hers("case")["html"]
        row = his("case")["html"]
    assert "•••67" in row
    assert "+989121234567" not in row


def test_a_unit_hears_of_its_own_cases_only(desk: RunningDesk, sign_in: SignIn, database: Database) -> None:
    with listening(sign_in("sara"), desk) as wait:
        announce(database, file_case(database, unit_key="water"))
        ours = file_case(database, unit_key="roads")
        announce(database, ours)
        assert wait("case")["id"] == str(ours.id)


def test_a_case_handed_to_another_unit_leaves_the_desk(desk: RunningDesk, sign_in: SignIn, database: Database) -> None:
    case = file_case(database, unit_key="roads")
    with listening(sign_in("sara"), desk) as wait:
        with database.cursor() as cursor:
            case_actions.transfer(cursor, acting(agent(cursor, "daniel"), case.id, 1), to_unit=unit(cursor, "water"))
        assert wait("case") == {"id": str(case.id), "html": ""}


def test_counters_follow(desk: RunningDesk, sign_in: SignIn, database: Database) -> None:
    with listening(sign_in("daniel"), desk) as wait:
        announce(database, file_case(database))
        while wait("counts")["unassigned"] != 1:  # the first may be from before
            pass


def test_a_role_that_dies_is_told_to_open_screens(desk: RunningDesk, sign_in: SignIn, database: Database) -> None:
    with database.cursor() as cursor:
        heartbeat.beat(cursor, new_id(), "relay")
        heartbeat.beat(cursor, new_id(), "worker", list(Topic))
    desk.watch_roles()
    with listening(sign_in("daniel"), desk) as wait:
        announce(database, file_case(database))
        assert wait("counts")["problems"] == 0
        with database.cursor() as cursor:
            cursor.execute("UPDATE heartbeats SET at = now() - interval '1 min' WHERE role = 'relay'")
        desk.context.hub.count_again.set()
        counts = wait("counts")
        assert (counts["problems"], counts["failed_deliveries"]) == (1, 1)


def test_what_changes_while_a_page_is_written_is_told_when_it_is_open(
    sign_in: SignIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case is read first and the frame drawn later: a change in between is in neither, so the page is as old as its reading."""
    browser, case = sign_in("daniel"), file_case(database)
    frame, read_by = Shell.frame, list[float]()

    def later(*given: Any, **named: Any) -> Any:
        read_by.append(time.time())
        time.sleep(0.01)
        return frame(*given, **named)

    monkeypatch.setattr(Shell, "frame", later)
    found = re.search(r'data-events="/desk/events\?since=([\d.]+)"', browser.get(f"/desk/cases/{case.id}").text)
    assert found is not None
    assert float(found[1]) <= read_by[0]


def test_an_opened_screen_is_told_the_counters_as_they_are_by_now(
    desk: RunningDesk, sign_in: SignIn, database: Database
) -> None:
    """A page is some moments older than its stream; what changed in between is in none of the stream's events."""
    browser = sign_in("daniel")
    file_case(database)
    with listening(browser, desk) as wait:
        assert wait("counts")["unassigned"] == 1


def test_a_notice_rings_only_at_its_agents_desk(desk: RunningDesk, sign_in: SignIn, database: Database) -> None:
    case = file_case(database)
    with listening(sign_in("daniel"), desk) as wait:
        with database.cursor() as cursor:
            for login in ("maryam", "daniel"):
                cursor.execute(
                    "INSERT INTO notifications (id, agent_id, case_id, source_id, kind, at)"
                    " VALUES (%s, %s, %s, %s, 'assigned', now())",
                    [uuid4(), agent(cursor, login), case.id, uuid4()],
                )
            live.publish_change(cursor, "notification", [agent(cursor, "maryam"), agent(cursor, "daniel")])
        told = wait("notification")
    assert told["text"] == f"Assigned to you: {isolated('The lamp is dark')}"
    assert (told["unread"], told["href"]) == (1, f"/desk/cases/{case.id}")


def test_who_was_cut_off_is_told_to_fetch_again(desk: RunningDesk, sign_in: SignIn) -> None:
    with listening(sign_in("daniel"), desk, **{"Last-Event-ID": "another-7"}) as wait:
        assert wait("refresh") == {}


def test_when_postgresql_hangs_up_the_feed_comes_back(
    desk: RunningDesk, sign_in: SignIn, database: Database, database_url: str
) -> None:
    with listening(sign_in("daniel"), desk) as wait:
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE '% live'"
            )
        assert wait("refresh") == {}
        case = file_case(database)
        announce(database, case)
        assert wait("case")["id"] == str(case.id)


def test_signing_out_ends_the_stream(desk: RunningDesk, sign_in: SignIn) -> None:
    browser = sign_in("daniel")
    with listening(browser, desk) as wait:
        leaving = threading.Thread(target=browser.post, args=["/desk/sign-out"])
        leaving.start()
        assert wait("signed-out") == {}
        leaving.join()


def test_a_stream_needs_a_session(desk: RunningDesk) -> None:
    with desk.client() as client:
        assert client.get("/desk/events").status_code == 401


@pytest.mark.parametrize("extra", [1, 1000])
def test_a_slow_reader_costs_a_bounded_amount(extra: int) -> None:
    async def push() -> OpenDesk:
        desk = OpenDesk(uuid4(), "x", Grants(), ("en", "gregorian"))
        for number in range(MOST_PENDING + extra):
            desk.push(b"%d" % number)
        return desk

    desk = asyncio.run(push())
    assert len(desk.pending) <= MOST_PENDING
    assert REFRESH in desk.pending


def test_one_session_keeps_a_bounded_number_of_streams() -> None:
    async def open_many() -> int:
        hub = EventHub()
        streams = [hub.stream(OpenDesk(uuid4(), "same", Grants(), ("en", "gregorian")), 9e9, "") for _ in range(50)]
        for stream in streams:
            await anext(stream)
        return sum(not desk.closed for desk in hub.desks)

    assert asyncio.run(open_many()) <= 20
