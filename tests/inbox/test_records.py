"""What the doors' tables promise: each row is its own channel's, key's and contact's, and nobody else's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from tests.casework.installation import agent, file_case
from tests.reasons import why
from zrm.contract.files import StoredFile
from zrm.contract.inbound import RawContact
from zrm.contract.refusals import NO_SECRET
from zrm.inbox import door_records, message_parts, quarantine, raw_contacts, reading, tracking_codes, writer
from zrm.inbox.message_parts import StoredPart
from zrm.inbox.raw_contacts import Settled
from zrm.inbox.receive import Inbox
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id


def rows(cursor: Cursor, query: str, *values: object) -> list[tuple[object, ...]]:
    cursor.execute(query.encode(), list(values))
    return cursor.fetchall()


def received(inbox: Inbox, name: str, **envelope: str) -> UUID:
    contact = RawContact("email", "info", name, name.encode(), "text/plain", envelope, kind="contact", trace="t")
    return inbox.submit(contact).result().contact_id


def test_a_checkpoint_is_of_its_channel_and_source_and_the_last_one_counts(database: Database) -> None:
    with database.cursor() as cursor:
        assert door_records.checkpoint(cursor, "email", "inbox") is None
        for channel, key, position in (
            ("email", "inbox", 1),
            ("email", "sent", 2),
            ("sms", "inbox", 3),
            ("email", "inbox", 4),
        ):
            door_records.save_checkpoint(cursor, channel, key, {"at": position})
        found = [
            door_records.checkpoint(cursor, *one) for one in (("email", "inbox"), ("email", "sent"), ("sms", "inbox"))
        ]
        assert found == [{"at": 4}, {"at": 2}, {"at": 3}]


def test_a_dialogue_is_of_its_channel_and_citizen_and_ends(database: Database) -> None:
    with database.cursor() as cursor:
        for channel, key, seconds in (("bale", "a", 60), ("bale", "b", 30), ("telegram", "a", 60), ("bale", "c", -1)):
            door_records.save_dialogue(cursor, channel, key, f"{channel} {key}", seconds=seconds)
        assert door_records.dialogue(cursor, "bale", "a") == "bale a"
        assert door_records.dialogue(cursor, "telegram", "a") == "telegram a"
        assert door_records.dialogue(cursor, "telegram", "b") is None
        assert door_records.dialogue(cursor, "bale", "c") is None, "it has ended"
        assert door_records.ending_dialogues(cursor, "bale", within=90) == ["bale b", "bale a"]
        assert door_records.ending_dialogues(cursor, "bale", within=45) == ["bale b"]
        door_records.save_dialogue(cursor, "bale", "b", "again", seconds=90)
        assert door_records.ending_dialogues(cursor, "bale", within=120) == ["bale a", "again"]
        door_records.forget_dialogues(cursor)
        assert rows(cursor, "SELECT key FROM dialogue_states ORDER BY channel, key") == [("a",), ("b",), ("a",)]
        door_records.save_dialogue(cursor, "bale", "a", None, seconds=1)
        assert door_records.dialogue(cursor, "bale", "a") is None
        assert door_records.dialogue(cursor, "telegram", "a") == "telegram a"
        assert door_records.dialogue(cursor, "bale", "b") == "again"


def test_a_confirmation_is_one_row_and_stays_until_its_contact_is_long_kept(inbox: Inbox, database: Database) -> None:
    kept, lost = received(inbox, "kept"), new_id()
    with database.cursor() as cursor:
        ((content,),) = rows(cursor, "SELECT content FROM receipts WHERE contact_id = %s", kept)
        answers = [(one, str(content), "email", now()) for one in (kept, lost)]
        for _ in range(2):
            door_records.note_answers(cursor, answers)
        door_records.note_answers(cursor, [(kept, "another content", "email", now())])
        assert rows(cursor, "SELECT count(*) FROM door_answers") == [(3,)]
        door_records.forget_kept_answers(cursor)
        assert rows(cursor, "SELECT count(*) FROM door_answers") == [(3,)], "it is not old"
        cursor.execute("UPDATE door_answers SET received_at = now() - interval '9 days'")
        door_records.forget_kept_answers(cursor)
        left = rows(cursor, "SELECT contact_id, content FROM door_answers ORDER BY content = 'another content'")
        assert left == [(lost, content), (kept, "another content")], "what is not kept stays as evidence"


def test_a_refusal_is_written_down_within_bounds(database: Database) -> None:
    with database.cursor() as cursor:
        door_records.refuse(cursor, "web", "a" * 300, NO_SECRET, "peer")
        found = rows(cursor, "SELECT channel, length(account), reason_code, reason_params, peer_hash FROM refusals")
        assert found == [("web", 200, NO_SECRET.code, {}, "peer")]


def test_parts_are_found_by_channel_key_and_time_and_filed_alone(database: Database) -> None:
    at = now()
    near = [StoredPart(new_id(), "sms", "key", number, "d", at) for number in (1, 2)]
    far = StoredPart(new_id(), "sms", "key", 3, "d", at + timedelta(hours=2))
    others = [near[0]._replace(raw_id=new_id(), channel="bale"), near[0]._replace(raw_id=new_id(), key="other")]
    with database.cursor() as cursor:
        for part in (*near, far, *others):
            message_parts.add(cursor, part)
        assert set(message_parts.near(cursor, "sms", "key", at, within=timedelta(hours=1))) == set(near)
        assert far in message_parts.near(cursor, "sms", "key", at + timedelta(hours=1), within=timedelta(hours=1))
        whole = new_id()
        message_parts.file_as(cursor, "sms", "key", [near[0].raw_id, others[0].raw_id, others[1].raw_id], whole)
        filed = [message_parts.filed_as(cursor, part.raw_id) for part in (*near, far, *others)]
        assert filed == [whole, None, None, None, None]
        assert message_parts.filed_as(cursor, new_id()) is None


def test_quarantine_is_entered_taken_and_ended_by_one(inbox: Inbox, database: Database) -> None:
    held, other, filed = (received(inbox, name) for name in ("held", "other", "filed"))
    later = now() + timedelta(hours=1)
    with database.cursor() as cursor:
        sara = agent(cursor, "sara")
        raw_contacts.settle(cursor, [Settled(filed, "filed")])
        quarantine.enter(cursor, other, reason=why("other"), due_at=later)
        quarantine.enter(cursor, held, reason=why("broken"), due_at=now())
        quarantine.enter(cursor, filed, reason=why("too late"), due_at=now())
        assert not reading.is_held(cursor, filed)
        assert reading.is_held(cursor, held)
        assert [(one.contact_id, str(one.reason), one.tries) for one in reading.held(cursor)] == [
            (held, "broken", 1), (other, "other", 1),
        ]  # fmt: skip
        assert [one.contact_id for one in reading.held(cursor, limit=1)] == [held]
        assert quarantine.take(cursor, held, sara)
        assert [one.owner_id for one in reading.held(cursor)] == [sara, None]
        assert quarantine.ignore(cursor, held, "advertising")
        assert [quarantine.end(cursor, held, "replayed"), quarantine.take(cursor, held, sara)] == [False, False]
        assert not quarantine.ignore(cursor, held, "again")
        assert [one.contact_id for one in reading.held(cursor)] == [other]
        quarantine.enter(cursor, held, reason=why("a slow worker"), due_at=now())
        assert [one.contact_id for one in reading.held(cursor)] == [other], "what was set aside stays so"
        assert quarantine.end(cursor, other, "replayed")
        assert reading.held(cursor) == []
        quarantine.enter(cursor, other, reason=why("failed again"), due_at=later)
        (again,) = reading.held(cursor)
        assert (again.contact_id, str(again.reason), again.tries) == (other, "failed again", 2)
        states = rows(cursor, "SELECT state FROM raw_contacts WHERE id = ANY(%s) ORDER BY id", [held, other, filed])
        assert states == [("ignored",), ("quarantined",), ("filed",)]


def test_a_contact_is_filed_again_by_one_agent_at_a_time_and_no_other_with_it(inbox: Inbox, database: Database) -> None:
    held, other = (received(inbox, name) for name in ("held", "other"))
    with database.cursor() as cursor:
        for one in (held, other):
            quarantine.enter(cursor, one, reason=why("broken"), due_at=now())
        assert quarantine.refile(cursor, held)
        assert not quarantine.refile(cursor, held), "another agent was faster"
        assert not quarantine.refile(cursor, new_id())
        states = "SELECT refiling_at IS NOT NULL FROM quarantine ORDER BY contact_id = %s"
        assert rows(cursor, states, other) == [(True,), (False,)]
        quarantine.enter(cursor, held, reason=why("broken again"), due_at=now())
        assert rows(cursor, states, other) == [(False,), (False,)]
        assert quarantine.refile(cursor, held)
        assert quarantine.end(cursor, other, "ignored")
        assert not quarantine.refile(cursor, other), "it is no longer in quarantine"


def test_the_outcome_of_a_contact_is_its_own_with_its_reason(inbox: Inbox, database: Database) -> None:
    one, other, waiting = (received(inbox, name) for name in ("one", "other", "waiting"))
    with database.cursor() as cursor:
        raw_contacts.settle(cursor, [])
        raw_contacts.settle(cursor, [Settled(one, "joined"), Settled(other, "ignored", why("a bounce"))])
        found = rows(
            cursor,
            "SELECT state, reason_code, reason_params, settled_at IS NULL FROM raw_contacts ORDER BY received_at, id",
        )
        assert found == [
            ("joined", "", {}, False), ("ignored", "test.why", {"words": "a bounce"}, False), ("waiting", "", {}, True),
        ]  # fmt: skip
        assert raw_contacts.lock_unfiled(cursor, [one, other, waiting]) == {waiting: "waiting"}
        assert [raw.id for raw in raw_contacts.load(cursor, [one, waiting], unfiled=True)] == [waiting]
        assert {raw.id for raw in raw_contacts.load(cursor, [one, waiting])} == {one, waiting}
        assert raw_contacts.quarantine(cursor, waiting, why("broken"))
        assert not raw_contacts.quarantine(cursor, one, why("too late"))
        assert raw_contacts.lock_unfiled(cursor, [one, other, waiting]) == {waiting: "quarantined"}


def test_what_waits_in_a_conversation_is_found_by_its_code_newest_first(inbox: Inbox, database: Database) -> None:
    first, second = (received(inbox, name, conversation="912345678906") for name in ("first", "second"))
    received(inbox, "another", conversation="100000000000")
    received(inbox, "none")
    with database.cursor() as cursor:

        def found(limit: int = 9) -> list[UUID]:
            return [one.id for one in raw_contacts.unfiled_in_conversation(cursor, "912345678906", limit=limit)]

        assert found() == [second, first]
        assert found(1) == [second]
        raw_contacts.quarantine(cursor, first, why("broken"))
        raw_contacts.settle(cursor, [Settled(second, "joined")])
        assert found() == [first]


def test_a_contact_comes_back_as_its_door_made_it_and_goes_with_its_files(inbox: Inbox, database: Database) -> None:
    file = StoredFile("f" * 64, 3, "a.png", "image/png", "inline")
    given = RawContact("email", "info", "x", b"body", "text/html", {"a": "b"}, (file,), kind="report", trace="t")
    stored_id = inbox.submit(given).result().contact_id
    other = received(inbox, "other")
    with database.cursor() as cursor:
        (stored,) = raw_contacts.load(cursor, [stored_id])
        assert stored.contact(b"body") == replace(given, external_id="")
        shown = reading.original(cursor, stored_id)
        assert shown is not None
        assert (shown.contact_id, shown.body, shown.media_type, shown.trace) == (stored_id, b"body", "text/html", "t")
        raw_contacts.settle(cursor, [Settled(one, "filed") for one in (stored_id, other)])
        cursor.execute("SELECT set_config('zrm.retention', 'on', true)")
        assert raw_contacts.erase(cursor, [stored_id]) == {file.key}
        assert raw_contacts.erase(cursor, [stored_id]) == set(), "it was erased already"
        assert reading.original(cursor, stored_id) is None
        assert reading.original(cursor, other) is not None
        assert reading.original(cursor, new_id()) is None


def test_a_code_leads_to_the_case_of_its_contact(database: Database) -> None:
    one, other = file_case(database), file_case(database)
    with database.cursor() as cursor:
        cursor.execute("UPDATE tracking_codes SET case_id = NULL")
        tracking_codes.lead(cursor, [])
        tracking_codes.lead(cursor, [(one.code, one.id)])
        found = rows(cursor, "SELECT code, case_id FROM tracking_codes ORDER BY case_id IS NULL")
        assert found == [(one.code, one.id), (other.code, None)]


_TAKEN_AWAY = """
CREATE FUNCTION taken_away() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER taken_away BEFORE INSERT ON receipts FOR EACH ROW EXECUTE FUNCTION taken_away()
"""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (_TAKEN_AWAY, "a trigger or a rule takes it away"),
        ("ALTER TABLE raw_contacts ADD CHECK (false) NOT VALID", "23514 CheckViolation"),
    ],
)
def test_it_is_said_why_no_contact_is_stored(database: Database, statement: str, said: str) -> None:
    assert writer.refusal(database) is None
    with database.cursor() as cursor:
        cursor.execute(statement.encode())
    assert writer.refusal(database) == said
