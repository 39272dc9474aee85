"""The migrations are one line of history, with names Alembic can store."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import text

from tests.casework.house import file_case
from tests.conftest import TestServers
from tests.lab.process import wait_until
from zrm.casestore.schema import MIGRATIONS, SchemaState, alembic_config, migrate, state
from zrm.casestore.search_words import contact_key
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.kit.mail_addresses import comparable

_numbers = itertools.count(1)
MANY = 700  # of three contacts each: more than a migration writes at once


@pytest.fixture
def before(servers: TestServers) -> Iterator[Database]:
    """A database with the schema as it was before permissions had to hold everywhere."""
    yield from older(servers, "2026_11_24_scanned_files")


@pytest.fixture
def before_claims(servers: TestServers) -> Iterator[Database]:
    """A database with the schema as it was when typed addresses were taken for shown, and one unit."""
    for database in older(servers, "2026_11_27_one_spelling"):
        with database.cursor() as cursor:
            cursor.execute(
                "INSERT INTO units (id, key, name_fa, name_en) VALUES (%s, 'contact-centre', 'م', 'C')", [new_id()]
            )
        yield database


def older(servers: TestServers, revision: str) -> Iterator[Database]:
    """A database as it was at a revision."""
    name = f"migrating_{next(_numbers)}"
    database = Database(servers.postgres.create_database(name))
    migrate(database, revision)
    yield database
    database.close()
    servers.postgres.drop_database(name)


def test_one_head_and_short_names() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert len(scripts.get_heads()) == 1
    for script in scripts.walk_revisions():
        assert len(script.revision) <= 32, "alembic_version.version_num is varchar(32)"
        assert script.revision.startswith("20"), "named by date and sentence"


def test_permissions_that_cannot_hold_for_a_unit_are_taken_back_and_said(
    before: Database, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    unit, agent = new_id(), new_id()
    with before.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO units (id, key, name_fa, name_en) VALUES (:unit, 'roads', 'ر', 'R')"), {"unit": unit}
        )
        connection.execute(
            text(
                "INSERT INTO agents (id, login, name_fa, name_en, password_hash, unit_id) "
                "VALUES (:agent, 'sara', 'س', 'S', '!', :unit)"
            ),
            {"agent": agent, "unit": unit},
        )
        connection.execute(
            text("INSERT INTO permissions VALUES (:id, :agent, :permission, :unit)"),
            [
                {"id": new_id(), "agent": agent, "permission": permission, "unit": where}
                for permission, where in (
                    ("quarantine.handle", unit),
                    ("ledger.view", unit),
                    ("ledger.view", None),
                    ("case.work", unit),
                )
            ],
        )
    migrate(before)
    with before.cursor() as cursor:
        cursor.execute("SELECT permission, unit_id FROM permissions ORDER BY 1")
        assert cursor.fetchall() == [("case.work", unit), ("ledger.view", None)]
    # Where it goes depends on whether a test before this one has set the log up as a role does.
    logged = [*(record.getMessage() for record in caplog.records), *capsys.readouterr().err.splitlines()]
    said = [line for line in logged if "taken back" in line]
    assert len(said) == 2
    for line, permission in zip(said, ("quarantine.handle", "ledger.view"), strict=True):
        assert all(word in line for word in ("sara", permission, "roads"))


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        ("ali@xn--fsq.example", "ali@例.example"),
        ("ali@例.example", "ali@例.example"),
        ("ali@people.example.", "ali@people.example"),
        ("ali@people.example", "ali@people.example"),
        ("+989121234567", "+989121234567"),
        ("ali@xn--zzzzzz999.example", "ali@xn--zzzzzz999.example"),
    ],
)
def test_stored_addresses_get_the_one_spelling(database: Database, stored: str, kept: str) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE addresses SET value = %s", [stored])
        cursor.execute("UPDATE contacts SET address = %s", [stored])
        cursor.execute(
            "INSERT INTO opt_outs VALUES (gen_random_uuid(), 'email', 'info', %s, true, now()),"
            " (gen_random_uuid(), 'email', 'info', 'other@people.example', true, now())",
            [stored],
        )
    for _ in range(2):
        spell_anew(database)
        with database.cursor() as cursor:
            cursor.execute("SELECT value, c.address FROM addresses, contacts c WHERE c.id = %s", [case.contact_id])
            assert cursor.fetchall() == [(kept, kept)]
            cursor.execute("SELECT address FROM opt_outs ORDER BY address = 'other@people.example'")
            assert cursor.fetchall() == [(kept,), ("other@people.example",)]
    assert comparable(stored) == kept or "@" not in stored, "what filing will look for"


def test_of_two_files_with_two_spellings_the_older_keeps_the_citizen(database: Database) -> None:
    older, younger = file_case(database), file_case(database)
    with database.cursor() as cursor:
        for case, value in ((older, "ali@xn--fsq.example"), (younger, "ali@例.example.")):
            cursor.execute("UPDATE addresses SET value = %s WHERE person_id = %s", [value, case.person_id])
    spell_anew(database)
    with database.cursor() as cursor:
        cursor.execute("SELECT value FROM addresses ORDER BY created_at")
        assert cursor.fetchall() == [("ali@例.example",), ("ali@例.example.",)]


@pytest.fixture
def before_search(servers: TestServers) -> Iterator[Database]:
    """A database as it was before contacts had keys, with contacts of people and one of ours."""
    for database in older(servers, "2026_11_28_on_the_way"):
        with database.cursor() as cursor:
            cursor.execute(
                "INSERT INTO units (id, key, name_fa, name_en) VALUES (%s, 'contact-centre', 'م', 'C')", [new_id()]
            )
        cases = [file_case(database, title="چراغ", text=f"بَهار ۰۹۱۲ ۰۰۰ ۰۰۰{n}", name="آقای رضائی") for n in range(3)]
        with database.cursor() as cursor:
            cursor.execute(
                "INSERT INTO contacts (id, case_id, direction, channel, account, person_id, text, at)"
                " SELECT uuidv7(), case_id, direction, channel, account, person_id, 'قند ' || n, at FROM contacts,"
                " generate_series(1, %s) AS n",
                [MANY],
            )
            cursor.execute("UPDATE contacts SET search = 'as it was before'")
            cursor.execute(
                "INSERT INTO contacts (id, case_id, direction, channel, account, text, automatic, at)"
                " VALUES (uuidv7(), %s, 'out', 'email', 'a', 'Your code', true, now())",
                [cases[0].id],
            )
        yield database


def found(database: Database) -> bool:
    """Whether every contact of `before_search` has the key it should have."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT replace(search, coalesce(r.code, '-'), 'CODE') FROM contacts c"
            " LEFT JOIN receipts r ON r.contact_id = c.id"
        )
        keys = sorted(row[0] for row in cursor)
    return keys == sorted(
        [
            "",
            *(f" چراغ بهار 0912 000 000{n} اقای رضایی CODE 0912000000{n} " for n in range(3)),
            *(f" قند {n} اقای رضایی " for n in range(1, MANY + 1) for _ in range(3)),
        ]
    )


def test_what_was_filed_before_can_be_found_afterwards(before_search: Database) -> None:
    migrate(before_search)
    assert found(before_search)


def test_keys_are_still_made_as_the_newest_migration_made_them() -> None:
    """Else what was filed before is found otherwise than what is filed now: write all keys anew in a migration."""
    module = migration("2026_11_28_search")
    for said in (
        "آقای رضائی (۱۲)",
        "0912 000 0777\n+98 (21) 11",
        "İSTANBUL ﷺ ﻻ é",
        "می\u200cروم\u0640 بَهار",
        "a" * 30_000,
        "",
    ):
        assert module._contact_key(said, "x") == contact_key(said, "x")


def test_migrations_import_nothing_that_will_be_other_tomorrow() -> None:
    for file in MIGRATIONS.glob("versions/*.py"):
        ours = re.findall(r"^(?:from|import) (zrm\S*)", file.read_text("utf-8"), re.MULTILINE)
        assert set(ours) <= {"zrm.errors", "zrm.kit"}, file.name


def test_two_that_migrate_at_once_do_it_once(before_search: Database) -> None:
    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(migrate, before_search) for _ in range(3)]:
            done.result()
    assert state(before_search) is SchemaState.CURRENT
    assert found(before_search)


@pytest.mark.parametrize(
    ("held", "version"),
    [
        # In the middle of the keys: some batches are committed.
        ("SELECT FROM contacts WHERE id = (SELECT id FROM contacts ORDER BY id LIMIT 1 OFFSET 1500) FOR UPDATE", None),
        # In the middle of an index made beside the writing, which is there and not valid.
        ("UPDATE addresses SET raw = raw", None),
        # In the middle of a migration that is one transaction, with those before it done.
        ("LOCK TABLE deliveries", "2026_11_28_installation"),
    ],
)
def test_who_was_killed_goes_on_where_they_were(before_search: Database, held: str, version: str | None) -> None:
    with closing(before_search.connect()) as other:
        other.execute(held.encode())
        process = subprocess.Popen([sys.executable, "-c", KILLED, before_search.url])
        try:
            wait_until(lambda: waiting(before_search), "the migration to come to what is held", 60)
        finally:
            process.kill()
            process.wait()
        # Nobody else need let go first: the server sees that who was killed is gone.
        wait_until(lambda: not waiting(before_search), "the server to let go of who was killed", 60)
    with before_search.cursor() as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        assert cursor.fetchall() == [(version or "2026_11_28_on_the_way",)]
        cursor.execute("SELECT count(*) FROM contacts WHERE search LIKE ' %'")
        assert (cursor.fetchone() or (0,))[0] >= migration("2026_11_28_search")._STEP, "whole batches are kept"
    migrate(before_search)
    assert state(before_search) is SchemaState.CURRENT
    assert found(before_search)
    with before_search.cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid")
        assert cursor.fetchall() == []


KILLED = """
import sys
from zrm.casestore.schema import migrate
from zrm.kit.db import Database

migrate(Database(sys.argv[1], application="killed"))
"""


def waiting(database: Database) -> bool:
    """Whether the migration that will be killed waits for a lock."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'killed' AND wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        return cursor.fetchone() == (1,)


def migration(revision: str) -> Any:
    """The code of a migration."""
    script = ScriptDirectory.from_config(alembic_config()).get_revision(revision)
    assert script is not None
    return script.module


def spell_anew(database: Database) -> None:
    """Run the migration's own code once more, on what is there now."""
    module = migration("2026_11_27_one_spelling")
    with database.engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        module.upgrade()


def test_addresses_that_were_only_typed_are_claimed_from_now_on(before_claims: Database) -> None:
    typed, faxed, forged = (
        file_case(before_claims, channel="web"), file_case(before_claims, channel="fax"), file_case(before_claims),
    )  # fmt: skip
    called, texted, both = (
        file_case(before_claims, channel="fax"), file_case(before_claims, channel="sms"),
        file_case(before_claims, channel="web"),
    )  # fmt: skip
    with before_claims.cursor() as cursor:
        cursor.execute("UPDATE contacts SET labels = '{dmarc_fail}' WHERE id = %s", [forged.contact_id])
        cursor.execute(
            'UPDATE raw_contacts SET envelope = \'{"caller": "+982188880000"}\' WHERE id = %s', [called.contact_id]
        )
        # The citizen of the form has sent a text too.
        cursor.execute("UPDATE contacts SET person_id = %s WHERE id = %s", [both.person_id, texted.contact_id])
    migrate(before_claims)
    with before_claims.cursor() as cursor:
        cursor.execute("SELECT person_id FROM addresses WHERE claimed")
        assert {row[0] for row in cursor} == {typed.person_id, faxed.person_id, forged.person_id}
        cursor.execute("SELECT id FROM contacts WHERE labels && '{claimed_address}'")
        assert {row[0] for row in cursor} == {typed.contact_id, faxed.contact_id, both.contact_id}
        cursor.execute("SELECT DISTINCT reply_to, copied FROM contacts")
        assert cursor.fetchall() == [([], [])]


def test_mails_that_left_before_are_known_by_their_ids(before_claims: Database) -> None:
    case = file_case(before_claims)
    closing, text = new_id(), new_id()
    with before_claims.cursor() as cursor:
        for contact, channel, reference in ((closing, "email", "<closing@city.example>"), (text, "sms", "SM1")):
            cursor.execute(
                "INSERT INTO contacts (id, case_id, direction, channel, account, address, text, at)"
                " VALUES (%s, %s, 'out', %s, 'info', %s, 'x', now())",
                [contact, case.id, channel, case.address],
            )
            cursor.execute(
                "INSERT INTO deliveries (id, contact_id, case_id, channel, account, address, state, provider_ref,"
                " created_at, changed_at) VALUES (%s, %s, %s, %s, 'info', %s, 'sent', %s, now(), now())",
                [new_id(), contact, case.id, channel, case.address, reference],
            )
    migrate(before_claims)
    with before_claims.cursor() as cursor:
        cursor.execute("SELECT message_id, case_id FROM message_ids")
        assert cursor.fetchall() == [("<closing@city.example>", case.id)]
        cursor.execute("SELECT message_id FROM contacts WHERE id = ANY(%s) ORDER BY 1", [[closing, text]])
        assert cursor.fetchall() == [("",), ("<closing@city.example>",)]


def test_calls_lose_the_nature_nobody_chose(before_claims: Database) -> None:
    untouched, classified = (file_case(before_claims, channel="voice_ivr") for _ in range(2))
    form = file_case(before_claims, channel="web")
    with before_claims.cursor() as cursor:
        cursor.execute("UPDATE cases SET nature = 'complaint'")
        cursor.execute(
            "INSERT INTO case_events (id, case_id, at, kind, data) VALUES (%s, %s, now(), 'classify', '{}')",
            [new_id(), classified.id],
        )
    migrate(before_claims)
    with before_claims.cursor() as cursor:
        cursor.execute("SELECT id FROM cases WHERE nature = 'complaint'")
        assert {row[0] for row in cursor} == {classified.id, form.id}
        cursor.execute("SELECT nature FROM cases WHERE id = %s", [untouched.id])
        assert cursor.fetchone() == ("",)
