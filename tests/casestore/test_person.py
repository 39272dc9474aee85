"""Persons known to be one: what lists their things shows all of them, and no row of what is theirs changes."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from tests.casework.installation import Filed, file_case
from zrm.casestore import person, search, timeline
from zrm.casestore.case import cases_of
from zrm.casestore.search import Reach
from zrm.casestore.search_words import parse
from zrm.errors import NotFound
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.ids import new_id


def _seen(database: Database, case: Filed) -> tuple[set[str], set[str]]:
    """The other cases and the addresses on the page of a case."""
    with database.cursor() as cursor:
        page = timeline.load(cursor, case.id)
    assert page is not None
    return {other.code for other in page.dossier}, {address.value for address in page.addresses}


def test_persons_who_are_one_have_one_dossier(database: Database) -> None:
    mail, phone, other = (
        file_case(database),
        file_case(database, channel="sms"),
        file_case(database, address="else@home.example"),
    )
    before = _rows(database)
    assert _seen(database, mail) == (set(), {mail.address})
    with database.cursor() as cursor:
        person.link(cursor, mail.person_id, phone.person_id)
        person.link(cursor, other.person_id, mail.person_id)  # to their canonical person, not to those linked to them
    cases, addresses = {mail.code, phone.code, other.code}, {mail.address, phone.address, other.address}
    for case in (mail, phone, other):
        assert _seen(database, case) == (cases - {case.code}, addresses)
    with database.cursor() as cursor:
        person.link(cursor, phone.person_id, mail.person_id)  # they are one already
        own = cases_of(cursor, phone.person_id, mail.address, closed_since=now() - timedelta(days=1))
        assert [case.code for case in own] == [mail.code]
        found = search.find(cursor, parse(phone.address, "IR"), Reach(None, None), limit=9)
        assert {hit.case_id for hit in found} == {mail.id, phone.id, other.id}
        person.unlink(cursor, other.person_id)
    assert _seen(database, other) == (set(), {other.address})
    assert _seen(database, mail) == ({phone.code}, {mail.address, phone.address})
    assert _rows(database) == before


def _rows(database: Database) -> list[tuple[object, ...]]:
    with database.cursor() as cursor:
        cursor.execute("SELECT id, person_id FROM cases UNION ALL SELECT id, person_id FROM addresses ORDER BY 1")
        return cursor.fetchall()


def test_nobody_is_linked_to_who_is_not_there_or_to_themselves(database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        person.link(cursor, case.person_id, case.person_id)
        with pytest.raises(NotFound):
            person.link(cursor, case.person_id, new_id())
    with pytest.raises(psycopg.errors.CheckViolation), database.cursor() as cursor:
        cursor.execute("UPDATE persons SET canonical_id = id")
