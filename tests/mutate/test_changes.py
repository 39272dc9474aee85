"""The faults are what they say, and leave the rest of the module as it is."""

from __future__ import annotations

import ast

import pytest

from tests.mutate.changes import changes, sql_changes

MODULE = '''"""Text."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import x

def f(a: int = 1, b: "str | None" = None) -> bool:
    """Say 2 < 3."""
    _log.info("counted", number=3)
    if a and not b:
        raise ValueError("no")
    db.execute("SELECT id FROM t WHERE a = %s AND b IS NULL FOR UPDATE", [a])
    return a < 2
'''
FAULTS = [
    "1  ->  2",
    "a and (not b)  ->  a or not b",
    "not b  ->  b",
    "gone: raise ValueError('no')",
    "gone: db.execute('SELECT id FROM t WHERE a = %s AND b IS NULL FOR UPDATE', [a])",
    "SQL without: WHERE a = %s",
    "SQL without: AND b IS NULL",
    "SQL: 'HERE a = %s AND b IS NULL FOR UPDATE': 'FOR UPDATE' -> ''",
    "SQL: 'ROM t WHERE a = %s AND b IS NULL FOR UPDATE': 'IS NULL' -> 'IS NOT NULL'",
    "return a < 2  ->  return None",
    "a < 2  ->  a <= 2",
    "2  ->  3",
]


def test_every_fault_is_found_and_nothing_that_harms_nobody() -> None:
    assert sorted(change.what for change in changes(MODULE)[1]) == sorted(FAULTS)


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_one_fault_is_made_at_its_line_and_no_other(number: int) -> None:
    before = ast.unparse(ast.parse(MODULE)).splitlines()
    tree, found = changes(MODULE)
    found[number].apply()
    compile(tree, "module", "exec")
    after = ast.unparse(tree).splitlines()
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


HARMLESS = [
    "MOST = 64 * 1024",
    "def f(): return None",
    "def f(): return ''",
    "def f(): return ()",
    "time.sleep(pause)",
    "async def f(): await asyncio.sleep(0 if busy else pause)",
    "a = zip(a, b, strict=True)",
    "raise AssertionError('never here')",
    "a = lock.acquire(timeout=1)",
    "class T(Record, table=True):\n    id: int = Field(primary_key=True)",
]


@pytest.mark.parametrize("source", HARMLESS)
def test_what_nobody_could_observe_is_left_alone(source: str) -> None:
    assert [change.what for change in changes(source)[1]] == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("a = len(text) > MOST", "len(text) > MOST  ->  len(text) <= MOST"),
        ("a = row.closed_at >= then", "row.closed_at >= then  ->  row.closed_at < then"),
        ("a = count < 60", "count < 60  ->  count >= 60"),
        ("a = count < other", "count < other  ->  count <= other"),
    ],
)
def test_a_comparison_with_a_size_or_a_time_is_turned_around_and_others_are_moved(source: str, fault: str) -> None:
    assert [change.what for change in changes(source)[1]] == [fault]


def test_a_comparison_with_a_time_is_turned_around_in_sql_too() -> None:
    assert "SELECT 1 FROM t WHERE due_at > now()" in [
        new for new, _ in sql_changes("SELECT 1 FROM t WHERE due_at <= now()")
    ]
    assert "SELECT 1 FROM t WHERE a < b" in [new for new, _ in sql_changes("SELECT 1 FROM t WHERE a <= b")]


def test_a_statement_keeps_its_parameters_and_its_brackets() -> None:
    found = {what: text for text, what in sql_changes("SELECT (SELECT 1 FROM t WHERE a = %s AND b < c) FROM u")}
    assert found["SQL without: WHERE a = %s"] == "SELECT (SELECT 1 FROM t WHERE (a = %s OR true) AND b < c) FROM u"
    assert found["SQL without: AND b < c"] == "SELECT (SELECT 1 FROM t WHERE a = %s AND true ) FROM u"
    assert [what for _, what in sql_changes("SELECT 1 WHERE a BETWEEN b AND c AND d = e")] == [
        "SQL without: WHERE a BETWEEN b AND c",
        "SQL without: AND d = e",
    ]
