"""The rules that no ready-made linter knows (`scripts/lint_rules/`): each has samples it must refuse and samples it must let pass."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from scripts.lint_rules import check
from scripts.lint_rules.commits import COMMITS
from scripts.lint_rules.languages import check_pages
from scripts.lint_rules.sources import Finding, parse, read
from scripts.lint_rules.tables import OWNERS
from zrm.models import METADATA

ROOT = Path(__file__).parent.parent
MODELS = """
class Unit(SQLModel, table=True):
    __tablename__ = "units"
class Agent(SQLModel, table=True):
    __tablename__ = "agents"
"""


def _found(code: str, *, file: str = "casework/steps.py", owner: str | None = None) -> list[Finding]:
    """What is wrong with a module of a package in which `contacts`, `units` and `agents` have owners that write them."""
    files = {
        "casestore/contact.py": "cursor.execute('INSERT INTO contacts (id) VALUES (%s)', [i])",
        "casestore/unit.py": f"from sqlmodel import insert\n{MODELS}\nsession.exec(insert(Unit))\nsession.exec(insert(Agent))",
    }
    owners = {"contacts": "casestore/contact.py", "units": "casestore/unit.py", "agents": "casestore/unit.py"}
    files[file] = files.get(file, "") + "\n" + textwrap.dedent(code)
    if owner:
        owners["contacts"] = owner
    return check(parse(files), owners, {})


def test_the_product_keeps_the_rules() -> None:
    assert check(read(ROOT / "zrm")) == []
    assert list(check_pages(ROOT / "zrm")) == []


def test_the_page_on_architecture_names_the_owners_that_the_linter_knows() -> None:
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    section = page.split("## Who writes which table")[1].split("\n## ")[0]
    named = {
        table: owner
        for owner, tables in re.findall(r"^\| `([\w/.]+\.py)` \| (.+) \|$", section, re.MULTILINE)
        for table in re.findall(r"`(\w+)`", tables)
    }
    assert named == OWNERS


def test_every_table_has_an_owner() -> None:
    assert METADATA.tables.keys() == OWNERS.keys()


def test_every_file_that_is_named_exists() -> None:
    assert all((ROOT / "zrm" / file).is_file() for file in [*COMMITS, *OWNERS.values()])


@pytest.mark.parametrize(
    "code",
    [
        "cursor.execute('INSERT INTO contacts (id) VALUES (%s)', [1])",
        "cursor.execute('insert into public.contacts (id) values (%s)', [1])",
        "cursor.execute('UPDATE \"contacts\" SET text = %s', [1])",
        "cursor.execute('UPDATE contacts c SET text = %s', [1])",
        "cursor.execute('UPDATE ONLY contacts AS c SET text = %s', [1])",
        "cursor.execute('UPDATE contacts ' 'SET text = %s', [1])",
        "cursor.execute('UPDATE contacts' + ' SET text = ' + value)",
        "cursor.execute(f'UPDATE contacts SET {column} = %s', [1])",
        "cursor.execute(f'WITH a AS (DELETE FROM contacts WHERE {where} RETURNING id) SELECT * FROM a')",
        "cursor.execute(b'DELETE FROM contacts')",
        "cursor.execute('''UPDATE -- whose\n contacts /* all */ SET text = '' ''')",
        "cursor.execute('MERGE INTO contacts USING other ON true WHEN MATCHED THEN DELETE')",
        "cursor.execute('TRUNCATE TABLE contacts')",
        "cursor.copy('COPY contacts (id, text) FROM STDIN')",
        "SQL = 'INSERT INTO contacts SELECT * FROM given'",
        "insert_records(cursor, 'contacts', rows)",
        "db.insert_records(cursor, 'contacts', records)",
    ],
)
def test_a_second_writer_of_a_table_is_found(code: str) -> None:
    (finding,) = _found(code)
    assert finding.file == "casework/steps.py"
    assert "writes contacts, which only zrm/casestore/contact.py may write" in finding.problem


@pytest.mark.parametrize(
    "code",
    [
        "session.add(Unit(key='a'))",
        "session.merge(Unit(key='a'))",
        "self._session.add_all([Unit(key='a'), Unit(key='b')])",
        "def f(session: Session, unit: Unit): session.delete(unit)",
        "def f(s: Session):\n    unit = s.get(Unit, 1)\n    s.delete(unit)",
        "def f(s: Session):\n    for unit in s.exec(select(Unit)):\n        unit.name = 'b'",
        "def f(s: Session):\n    unit = s.get(Unit, 1)\n    unit.name += 'b'",
        "with database.session() as s:\n    s.add(Unit())",
        "session_of(cursor).add(Unit())",
        "db.session_of(cursor).get_one(Unit, 1).name = 'b'",
        "def f(cursor):\n    s = session_of(cursor)\n    s.add(Unit())",
        "def f(cursor):\n    s = session_of(cursor)\n    unit = s.get_one(Unit, 1)\n    unit.name, other = 'b', 1",
        "def f(unit: Unit | None):\n    if unit: unit.name = 'b'",
        "from sqlmodel import insert\ninsert(Unit).values(key='a')",
        "from sqlalchemy import update as change\nchange(Unit).values(key='a')",
        "from sqlalchemy import delete\nsession.exec(delete(unit.Unit))",
        "import sqlalchemy\nsession.exec(sqlalchemy.delete(Unit))",
        "session.exec(Unit.__table__.insert())",
    ],
)
def test_a_second_writer_by_model_is_found(code: str) -> None:
    (finding,) = _found(code)
    assert "writes units, which only zrm/casestore/unit.py may write" in finding.problem


@pytest.mark.parametrize(
    "code",
    [
        "cursor.execute(f'INSERT INTO {table} (id) VALUES (1)')",
        "cursor.execute(sql.SQL('UPDATE {} SET state = %s').format(sql.Identifier(table)))",
        "cursor.execute('DELETE FROM ' + table)",
        "insert_records(cursor, table, rows)",
        "session.add(thing)",
        "def f(session: Session, both: list[Unit | Agent]): session.add_all(both)",
    ],
)
def test_a_write_that_hides_its_table_is_found(code: str) -> None:
    (finding,) = _found(code)
    assert "not named" in finding.problem


@pytest.mark.parametrize(
    "code",
    [
        "cursor.execute('SELECT * FROM contacts WHERE id = %s FOR UPDATE OF contacts', [1])",
        "cursor.execute('SELECT update_contacts()')",
        "def f():\n    '''UPDATE contacts SET is what nobody does here.'''",
        "seen.add(contact)\nseen.update(contacts)\nfiles.delete(contact)",
        "from sqlmodel import select\nsession.exec(select(Unit)).all()",
        "def f(s: Session):\n    unit = s.get(Unit, 1)\n    name = unit.name\n    other.name = name",
        "words = _('Delete the contact from the list')",
    ],
)
def test_who_only_reads_is_let_pass(code: str) -> None:
    assert _found(code) == []


def test_the_owner_may_write_and_nobody_else_is_named() -> None:
    upsert = "cursor.execute('INSERT INTO contacts (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = excluded.id')"
    assert _found(upsert, file="casestore/contact.py") == []


def test_a_table_without_an_owner_is_found() -> None:
    (finding,) = _found("cursor.execute('INSERT INTO ledgers (id) VALUES (1)')")
    assert "no owner" in finding.problem


def test_an_owner_that_writes_nothing_is_found() -> None:
    found = _found("x = 1", owner="casework/steps.py")
    assert [finding.file for finding in found] == ["casestore/contact.py", "casework/steps.py"]
    assert "does not write it" in found[1].problem


@pytest.mark.parametrize(
    "code",
    [
        "connection.commit()",
        "cursor.connection.commit()",
        "cursor.execute('COMMIT')",
        "cursor.execute('commit;')",
        "pool.connect(url, autocommit=True)",
        "pool.connect(url, autocommit=wanted)",
        "connection.autocommit = True",
        "create_engine(url, isolation_level='AUTOCOMMIT')",
        "await database.connect_async()",
        "with psycopg.connect(url) as connection: pass",
        "with self._database.connect() as connection: pass",
        "with database.engine.begin() as connection: pass",
        "with cursor.connection.transaction(): pass",
    ],
)
def test_a_commit_where_nobody_may_is_found(code: str) -> None:
    (finding,) = _found(code)
    assert "commits" in finding.problem


@pytest.mark.parametrize(
    "code",
    [
        "socket.connect(address)",
        "spool.begin(call)",
        "def commit(self): '''COMMIT'''",
        "words = _('Commit the change')",
        "SQL = 'CREATE TEMPORARY TABLE a ON COMMIT DROP'",
        "with database.cursor() as cursor: pass",
    ],
)
def test_who_only_talks_of_commits_is_let_pass(code: str) -> None:
    assert _found(code) == []


def test_a_file_that_is_named_as_committing_and_does_not_is_found() -> None:
    sources = parse({"a.py": "connection.commit()", "b.py": ""})
    (finding,) = check(sources, {}, {"a.py": "has to", "b.py": "had to"})
    assert (finding.file, "does not" in finding.problem) == ("b.py", True)


def test_a_class_name_that_is_taken_is_found_and_methods_may_share_theirs() -> None:
    same = {
        "a.py": "class One:\n    def go(self): ...",
        "b.py": "class Two:\n    def go(self): ...\n    class One: ...",
    }
    (finding,) = check(parse(same), {}, {})
    assert (finding.file, finding.line) == ("b.py", 3)
    assert check(parse({"a.py": "class One: ...", "b.py": "class Two: ..."}), {}, {}) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("class Line: ...", "class _Line: ..."),
        ("class Line: ...", "Line = tuple[int, int]"),
        ("_Line = tuple[int, int]", "Line = list[str]"),
        ("Line: TypeAlias = str", "class Line: ..."),
    ],
)
def test_a_name_of_an_alias_or_a_private_class_that_is_taken_is_found(first: str, second: str) -> None:
    (finding,) = check(parse({"a.py": first, "b.py": second}), {}, {})
    assert finding.file == "b.py"


def test_constants_and_variables_may_share_their_names() -> None:
    files = {"a.py": "MOST = 1\nT = TypeVar('T')\nlog = 2", "b.py": "MOST = 2\nT = TypeVar('T')\n_log = 1\nlog = 3"}
    assert check(parse(files), {}, {}) == []


@pytest.mark.parametrize(
    "code",
    [
        "return [Row(*row) for row in cursor]",
        "return {row[0]: Row(*row) for row in self._cursor}",
        "return [Row(*row) for row in cursor.fetchall()]",
        "row = cursor.fetchone()\n    return Row(*row) if row else None",
        "if (row := cursor.fetchone()) is not None: return Row(*row[1:])",
        "for number, *rest in cursor: files[number].append(Row(*rest))",
        "return [Row(*row) for row in await cursor.fetchall()]",
        "row = cursor.fetchone()\n    return row[1]",
        "row = cursor.fetchone()\n    return f(row[0], row[2])",
        "return cursor.fetchone()[1]",
        "return (await cursor.fetchall())[0][1]",
        "return {row[0]: row[1] for row in cursor}",
        "rows = cursor.fetchall()\n    return [row[1] for row in rows]",
        "rows = cursor.fetchall()[::-1]\n    for row in reversed(rows): print(row[1])",
        "row = connection.execute('SELECT 1, 2').fetchone()\n    return row[1]",
        "for row in cursor.execute('SELECT 1, 2'): print(row[1])",
        "a, b, c = cursor.fetchone()",
        "a, b, c = cursor.fetchone() or (0, 0, 0)",
        "((a, b, c),) = cursor.fetchall()",
        "row = cursor.fetchone()\n    a, b, *c = row",
        "for a, b, c in cursor: print(a)",
        "rows = cursor.fetchall()\n    for a, b, c in rows: print(a)",
        "return {a: b for a, b, c in cursor.fetchall()}",
    ],
)
def test_a_row_read_by_position_is_found(code: str) -> None:
    findings = _found(f"async def f(cursor):\n    {code}")
    assert findings
    assert all("places of its columns" in finding.problem for finding in findings)


@pytest.mark.parametrize(
    "code",
    [
        "cursor.executemany(SQL, [(a, b, c) for a, b in pairs])",
        "cursor.executemany(SQL, ((a, *b) for a, b in pairs))",
        "cursor.executemany(SQL, sorted((a, b, c) for a, b in pairs))",
        "cursor.executemany(SQL, [(1, 2, 3)])",
        "cursor.executemany(SQL, [(1, 2, 3), *pairs], returning=True)",
    ],
)
def test_rows_written_by_position_are_found(code: str) -> None:
    (finding,) = _found(f"def f(cursor, pairs):\n    {code}")
    assert "places of their values" in finding.problem


@pytest.mark.parametrize(
    "code",
    [
        "return records(cursor, Row)",
        "return [Row(name=name, n=n) for name, n in cursor]",
        "row = cursor.fetchone()\n    return row[0] if row else None",
        "a, b = cursor.fetchone()",
        "(a,) = cursor.fetchone()",
        "for a, b in cursor: print(a[1], b[2])",
        "return {a: b for a, b in cursor.fetchall()}",
        "a, b, c = columns",
        "return columns[1]",
        "cursor.executemany(SQL, [(a, b) for a, b in names])",
        "cursor.executemany(SQL, [{'a': a, 'b': b, 'c': c} for a, b, c in names])",
        "return [row[0] for row in cursor]",
        "return f(*names)",
        "return zip(*columns)",
    ],
)
def test_other_ways_to_read_rows_are_let_pass(code: str) -> None:
    assert _found(f"def f(cursor, names, columns):\n    {code}") == []


def test_the_page_on_architecture_shows_the_layers_that_are_linted() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    table = page.split("## Who may import whom", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("|")][2:]
    assert [re.findall(r"`([^`]+)`", row) for row in rows] == [layer.split(" | ") for layer in layers]


@pytest.mark.parametrize(
    "code",
    [
        "comma = '،' if language == 'fa' else ','",
        "if language != 'en': pass",
        "if 'fa' == language: pass",
        "known = [one for one in asked if one in ('fa', 'en')]",
        "match language:\n    case 'fa': pass",
        "language: Literal['', 'fa', 'en'] = ''",
    ],
)
def test_a_decision_by_the_code_of_a_language_is_found(code: str) -> None:
    (finding,) = _found(code)
    assert "code of a language" in finding.problem


@pytest.mark.parametrize(
    "code", ["names = {'fa': 'راه', 'en': 'Roads'}", "language: Language = 'fa'", "x = kind == 'fax'"]
)
def test_words_by_language_are_let_pass(code: str) -> None:
    assert _found(code) == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("ui/templates/a.html", '{{ "rtl" if language == "fa" else "ltr" }}', 1),
        ("channels/x/templates/a.html", '{% for code, name in (("fa", "فارسی"), ("en", "English")) %}', 1),
        ("ui/static/src/a.js", 'const right = document.documentElement.lang === "fa";', 1),
        ("ui/templates/a.html", "{% for code, traits in languages.items() %}", 0),
    ],
)
def test_pages_and_scripts_ask_the_table_of_languages(tmp_path: Path, name: str, text: str, found: int) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(f"\n{text}\n", encoding="utf-8")
    assert [finding.line for finding in check_pages(tmp_path)] == [2] * found


def test_the_index_of_decisions_names_each_page_and_every_number_once() -> None:
    folder = ROOT / "docs/adr"
    rows = re.findall(
        r"^\| \[(\d+)\]\((.+?)\) \|.+\| (.+) \|$", (folder / "README.md").read_text("utf-8"), re.MULTILINE
    )
    pages = sorted(page.name for page in folder.glob("0*.md"))
    assert [name for _, name, _ in rows] == pages
    assert [int(number) for number, _, _ in rows] == list(range(1, len(pages) + 1))
    for _, name, state in rows:
        assert ("*Superseded by" in (folder / name).read_text("utf-8")) is state.startswith("superseded"), name
