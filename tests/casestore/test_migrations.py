"""The migrations are one line of history, with names Alembic can store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import text

from tests.casework.house import file_case
from tests.conftest import TestServers
from zrm.casestore.schema import alembic_config, migrate
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.kit.mail_addresses import comparable

_numbers = itertools.count(1)


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
    config = alembic_config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
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


def test_what_was_filed_before_can_be_found_afterwards(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    migration = ScriptDirectory.from_config(alembic_config()).get_revision("2026_11_28_search")
    assert migration is not None
    monkeypatch.setattr(migration.module, "_STEP", 2)
    cases = [file_case(database, text=f"بَهار {n}", name="آقای رضائی") for n in range(5)]
    with database.cursor() as cursor:
        cursor.execute("SELECT id, search FROM contacts ORDER BY id")
        made = cursor.fetchall()
        cursor.execute("UPDATE contacts SET search = 'as it was before'")
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, text, automatic, at)"
            " VALUES (uuidv7(), %s, 'out', 'email', 'a', 'Your code', true, now())",
            [cases[0].id],
        )
    with database.engine.begin() as connection:
        migration.module._make_keys(connection)
    with database.cursor() as cursor:
        cursor.execute("SELECT id, search FROM contacts WHERE NOT automatic ORDER BY id")
        assert cursor.fetchall() == made
        cursor.execute("SELECT search FROM contacts WHERE automatic")
        assert cursor.fetchall() == [("",)]


def spell_anew(database: Database) -> None:
    """Run the migration's own code once more, on what is there now."""
    migration = ScriptDirectory.from_config(alembic_config()).get_revision("2026_11_27_one_spelling")
    assert migration is not None
    with database.engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.module.upgrade()


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
