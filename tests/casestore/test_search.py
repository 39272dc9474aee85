"""Finding cases in a real store: all terms in one contact, newest first, and never beyond what the agent may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import pytest

from bench import stock
from tests.casework.installation import Filed, file_case, unit
from zrm.casestore import contact as contacts
from zrm.casestore import search
from zrm.casestore.case_list import PageKey
from zrm.casestore.contact import NewContact
from zrm.casestore.search import Reach
from zrm.casestore.search_words import parse
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id

EVERYWHERE = Reach(None, None)


def found(database: Database, typed: str, reach: Reach = EVERYWHERE, *, limit: int = 10) -> list[UUID]:
    with database.cursor() as cursor:
        return [hit.case_id for hit in search.find(cursor, parse(typed, "IR"), reach, limit=limit)]


@pytest.fixture(params=["the newest", "the index"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which a case is found: among the newest, and by the index, beyond them."""
    if request.param == "the index":
        monkeypatch.setattr(search, "_NEWEST", 1)


def under_newer(database: Database) -> None:
    """A newer case, so that those filed before are beyond the newest one."""
    file_case(database, title="Another", text="Nothing in common", name="Nobody", address="other@people.example")


@pytest.mark.usefixtures("way")
def test_words_names_numbers_and_codes(database: Database) -> None:
    mail = file_case(database, title="چالهٔ خیابان", text="جلوی مدرسه آسفالت خراب است", name="آقای رضائی")
    call = file_case(database, channel="sms", title="Lamp", text="It is dark", name="Mina Ahmadi")
    under_newer(database)
    for typed in (
        "آسفالت",
        "خيابان رضایی",
        "رضایی مدرسه",
        mail.code,
        mail.code[-4:],
        "sara@home",
        "رضایی sara@home.example",
    ):
        assert found(database, typed) == [mail.id], typed
    for typed in ("lamp ahmadi", "0912 123 4567", "4567", "۴۵۶۷ mina", "dark 09121234567"):
        assert found(database, typed) == [call.id], typed
    for typed in ("آسفالت lamp", "رضایی 4567", "9999", "' OR 1=1 --", "%%%", "", "x"):
        assert found(database, typed) == [], typed


@pytest.mark.usefixtures("way")
def test_only_units_within_reach(database: Database) -> None:
    here = file_case(database, text="asphalt")
    there = file_case(database, unit_key="roads", text="asphalt")
    under_newer(database)
    with database.cursor() as cursor:
        contact_centre, roads = unit(cursor, "contact-centre"), unit(cursor, "roads")
    assert found(database, "asphalt") == [there.id, here.id]
    assert found(database, "asphalt", Reach({contact_centre}, None)) == [here.id]
    assert found(database, "asphalt", Reach({roads}, None)) == [there.id]
    assert found(database, "asphalt", Reach(frozenset(), None)) == []


@pytest.mark.usefixtures("way")
def test_addresses_only_where_they_may_be_seen(database: Database) -> None:
    here = file_case(database, channel="sms")
    there = file_case(database, channel="sms", unit_key="roads")
    spoken = file_case(database, text="Call 0912 123 4567", unit_key="roads", name="Lily", address="lily@home.example")
    under_newer(database)
    with database.cursor() as cursor:
        contact_centre = unit(cursor, "contact-centre")
    assert found(database, "09121234567") == [spoken.id, there.id, here.id]
    assert found(database, "09121234567", Reach(None, {contact_centre})) == [spoken.id, here.id]
    assert found(database, "09121234567", Reach(None, frozenset())) == [spoken.id]
    assert found(database, "sara 4567", Reach(None, {contact_centre})) == [here.id]


@pytest.mark.usefixtures("way")
def test_who_shares_an_address_is_found_by_it(database: Database) -> None:
    case = file_case(database, channel="sms")
    under_newer(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE contact_search SET person_id = NULL WHERE case_id = %s", [case.id])
        cursor.execute("UPDATE cases SET person_id = NULL WHERE id = %s", [case.id])
    assert found(database, "0912 123 4567") == [case.id]


def test_pages_follow_each_other_without_a_gap(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_NEWEST", 3)
    cases = [file_case(database, text="asphalt" if n % 3 else "lamp") for n in range(12)]
    with database.cursor() as cursor:
        cursor.execute("SELECT id, last_contact_at FROM cases")
        moments = dict(cursor.fetchall())
        seen: list[UUID] = []
        while True:
            after = PageKey(moments[seen[-1]], seen[-1]) if seen else None
            page = search.find(cursor, parse("asphalt", "IR"), EVERYWHERE, limit=2, after=after)
            if not page:
                break
            seen += [hit.case_id for hit in page]
    assert seen == newest_first(case for n, case in enumerate(cases) if n % 3)


def test_the_way_does_not_depend_on_what_the_planner_knows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """With statistics of before the keys were made it asked the index for each case anew, or never: 1 to 15 seconds."""
    stock.fill(database.url, 1, 2_000)
    monkeypatch.setattr(search, "_NEWEST", 200)
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM pg_statistic WHERE starelid IN ('contact_search'::regclass, 'cases'::regclass)")
        # As many as will be there, so that the planner weighs its ways as it will then.
        cursor.execute("UPDATE pg_class SET reltuples = 100 * reltuples WHERE relname IN ('contact_search', 'cases')")
        for typed in ("آسفالت", "0777", "half 95120734", "09121234567"):
            plans: list[str] = []
            explained: Any = Explained(cursor, plans)
            search.find(explained, parse(typed, "IR"), EVERYWHERE, limit=26)
            (among,) = (plan for plan in plans if "unnest newest" in plan)
            assert "contact_search_case" in among
            assert "contact_search_key" not in among, typed
            (by_index,) = (plan for plan in plans if "CTE newest" in plan)
            assert "contact_search_key" in by_index, typed
            assert "Seq Scan on contact" not in by_index, typed


class Explained:
    """A cursor that notes the plan of each statement."""

    def __init__(self, cursor: Cursor, plans: list[str]) -> None:
        self._cursor, self._plans = cursor, plans

    def execute(self, query: bytes, values: dict[str, Any] | None = None, *, prepare: bool | None = None) -> None:
        if b"SELECT" in query:
            self._cursor.execute(b"EXPLAIN " + query, values, prepare=prepare)
            self._plans.append("\n".join(row[0] for row in self._cursor))
        self._cursor.execute(query, values, prepare=prepare)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._cursor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def newest_first(cases: Iterable[Filed]) -> list[UUID]:
    return [case.id for case in reversed(list(cases))]


@pytest.mark.usefixtures("way")
def test_a_case_is_one_hit_with_its_newest_contact_that_fits(database: Database) -> None:
    case = file_case(database, text="asphalt one")
    under_newer(database)
    with database.cursor() as cursor:
        contacts.add(
            cursor,
            [
                NewContact(new_id(), case.id, "out", "email", "a", now(), text, search=f" {text} ")
                for text in ("asphalt two", "three")
            ],
        )
        (hit,) = search.find(cursor, parse("asphalt", "IR"), EVERYWHERE, limit=10)
    assert (hit.case_id, hit.text) == (case.id, "asphalt two")
