"""T1: durable, once, for ever; nobody's bad contact harms a neighbour's."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import NoReturn

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from tests.lab.servers import TestServers
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, REPEATED_ID, RawContact, Receipt
from zrm.errors import StoreFull, StoreUnavailable
from zrm.inbox import code, receive, writer
from zrm.inbox.content import content_of
from zrm.inbox.receive import INLINE_LIMIT, Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database


def contact(external_id: str = "1", body: bytes = b"x", **envelope: JSON) -> RawContact:
    return RawContact("web", "portal", external_id, body, "text/plain", envelope)


def number_of(database: Database, table: str) -> int:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}".encode())
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def test_the_same_contact_five_times_at_once_is_one(inbox: Inbox, database: Database, blobs: BlobStore) -> None:
    others = [Inbox(database, blobs) for _ in range(2)]  # other processes have inboxes of their own
    with ThreadPoolExecutor(15) as pool:
        receipts = list(pool.map(lambda box: box.submit(contact("same")).result(), [inbox, *others] * 5))
    for other in others:
        other.close()
    assert len({receipt.code for receipt in receipts}) == 1
    assert len({receipt.contact_id for receipt in receipts}) == 1
    assert [number_of(database, table) for table in ("receipts", "raw_contacts", "outbox")] == [1, 1, 1]
    assert inbox.submit(contact("same")).result().repeated


def test_concurrent_receipts_share_a_commit(inbox: Inbox, database: Database) -> None:
    futures = [inbox.submit(contact(str(number))) for number in range(500)]
    wait(futures)
    assert len({future.result().code for future in futures}) == 500
    with database.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM receipts")
        row = cursor.fetchone()
    assert row is not None
    assert row[0] < 250


@given(
    external_id=st.text(max_size=30),
    value=st.recursive(st.text(max_size=20) | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=4),
)
@rules(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_is_too_strange_to_keep(inbox: Inbox, external_id: str, value: JSON) -> None:
    neighbour = inbox.submit(contact(f"neighbour of {external_id!r}"))
    receipt = inbox.submit(contact(external_id, b"\x00\xff", strange=value)).result()
    assert neighbour.result().code
    assert inbox.submit(contact(external_id, b"\x00\xff")).result().contact_id == receipt.contact_id


def test_an_id_of_what_cannot_be_stored_stays_apart_from_all_that_looks_like_it(
    inbox: Inbox, database: Database
) -> None:
    ids = ["a\x00", "a\\x00", "a\\0", "a\ud800", "a\\ud800", "a", "aش", "aش\x00", "aش\\x00"]
    receipts = [inbox.submit(contact(name)).result() for name in [*ids, *ids]]
    assert len({receipt.contact_id for receipt in receipts}) == len(ids)
    assert [receipt.repeated for receipt in receipts] == [False] * len(ids) + [True] * len(ids)


def envelope_of(database: Database, receipt: Receipt) -> JSON:
    with database.cursor() as cursor:
        cursor.execute("SELECT envelope FROM raw_contacts WHERE id = %s", [receipt.contact_id])
        row = cursor.fetchone()
    assert row is not None
    envelope: JSON = row[0]
    return envelope


def test_another_content_under_the_same_id_is_another_contact_kept_and_marked(inbox: Inbox, database: Database) -> None:
    first = inbox.submit(contact("77", b"the lamp is broken", gateway="x")).result()
    second = inbox.submit(contact("77", b"the bin is full", gateway="x")).result()
    assert (second.repeated, second.code == first.code) == (False, False)
    assert envelope_of(database, first) == {"gateway": "x"}
    assert envelope_of(database, second) == {"gateway": "x", REPEATED_ID: True}
    again = [inbox.submit(contact("77", body)).result() for body in (b"the lamp is broken", b"the bin is full")]
    assert [receipt.contact_id for receipt in again] == [first.contact_id, second.contact_id]
    assert all(receipt.repeated for receipt in again)


def test_other_files_are_another_content_and_other_bytes_that_say_nothing_are_not(inbox: Inbox) -> None:
    def of(key: str, content: str = "", body: bytes = b"x") -> Receipt:
        files = (StoredFile(key * 64, 1),)
        return inbox.submit(replace(contact("1", body), files=files, content=content)).result()

    assert of("a").contact_id != of("b").contact_id
    assert of("c", "says this", b"1st delivery").contact_id == of("c", "says this", b"2nd delivery").contact_id


def test_contents_that_meet_in_one_commit_under_one_id_are_all_kept(inbox: Inbox, database: Database) -> None:
    bodies = [b"one", b"two", b"one", b"three", b"two", b"one"]

    async def door() -> list[Receipt]:
        return await asyncio.gather(*(inbox.take(contact("77", body)) for body in bodies))

    receipts = asyncio.run(door())
    assert [receipts[0].code, receipts[1].code] == [receipts[2].code, receipts[4].code]
    assert len({receipt.code for receipt in receipts}) == 3
    assert [number_of(database, table) for table in ("receipts", "raw_contacts", "outbox")] == [3, 3, 3]
    with database.cursor() as cursor:
        cursor.execute("SELECT code FROM receipts JOIN raw_contacts w ON w.id = contact_id ORDER BY 1")
        given = cursor.fetchall()
        cursor.execute("SELECT code FROM tracking_codes c JOIN raw_contacts w ON w.id = c.contact_id ORDER BY 1")
        assert cursor.fetchall() == given, "each contact has the one code its sender was told"


MAIL = b"Received: by a hop\r\nSubject: lamp\r\n\r\nThe lamp is broken.\r\n\r\nIn our street.\r\n"


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_a_mails_content_is_what_follows_its_header_however_lines_end(end: bytes) -> None:
    def of(mail: bytes) -> str:
        return content_of(RawContact("email", "info", "x", mail, "message/rfc822"))

    mail = MAIL.replace(b"\r\n", end)
    assert of(mail) == of(MAIL)
    assert of(b"Received: by another" + end + mail) == of(MAIL)
    assert of(end + mail) == of(MAIL)
    assert of(mail.replace(b"lamp is", b"lamps are")) != of(MAIL)
    header, _, _ = mail.partition(end + end)
    assert of(b"X: hop" + end + header + end) == of(header) != of(header.replace(b"lamp", b"bin"))


def test_a_code_that_is_in_use_is_drawn_anew(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = inbox.submit(contact("1")).result().code
    fresh = code.mint()
    draws = iter([taken, taken, fresh])
    monkeypatch.setattr(code, "mint", lambda: next(draws))
    assert inbox.submit(contact("2")).result(timeout=30).code == fresh


def test_a_contact_the_store_refuses_takes_no_neighbour_along(inbox: Inbox, database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE raw_contacts ADD CHECK (media_type <> 'refused')")

    async def doors() -> list[Receipt | BaseException]:
        given = [contact(str(number)) for number in range(20)]
        given[7] = replace(given[7], media_type="refused")
        return await asyncio.gather(*(inbox.take(one) for one in given), return_exceptions=True)

    outcomes = asyncio.run(doors())
    assert [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Receipt)] == [7]
    assert isinstance(outcomes[7], StoreUnavailable)
    assert number_of(database, "receipts") == 19


def test_a_large_body_lies_in_the_blob_store(inbox: Inbox, database: Database, blobs: BlobStore) -> None:
    body = b"z" * (INLINE_LIMIT + 1)
    receipt = inbox.submit(contact("big", body)).result()
    with database.cursor() as cursor:
        cursor.execute("SELECT body, body_key, size FROM raw_contacts WHERE id = %s", [receipt.contact_id])
        row = cursor.fetchone()
    assert row is not None
    inline, key, size = row
    assert inline is None
    assert size == len(body)
    assert blobs.get(key) == body


@pytest.mark.peer("small-disk")
def test_a_full_disk_is_an_honest_refusal(database: Database, small_disk: BlobStore) -> None:
    inbox = Inbox(database, small_disk)
    with pytest.raises(StoreFull):
        inbox.submit(contact("too big", b"y" * (8 << 20))).result()
    assert inbox.submit(contact("small")).result().code, "who fits is served"
    inbox.close()
    assert number_of(database, "receipts") == 1


def test_a_trial_contact_is_stored_like_any_other_and_leaves_nothing(database: Database) -> None:
    assert writer.refusal(database) is None
    assert number_of(database, "receipts") == number_of(database, "raw_contacts") == 0


def test_a_sender_who_leaves_takes_nothing_back(inbox: Inbox, database: Database) -> None:
    futures = [inbox.submit(contact(str(number))) for number in range(50)]
    assert not any(future.cancel() for future in futures)
    assert inbox.submit(contact("after")).result().code, "the writer lives"
    assert number_of(database, "receipts") == 51


def end_every_connection(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


def test_the_store_away_and_back(servers: TestServers, database: Database, blobs: BlobStore) -> None:
    inbox = Inbox(database, blobs)
    assert inbox.submit(contact("before")).result().code
    end_every_connection(database)
    assert inbox.submit(contact("after")).result().code, "a lost connection is replaced, the contact taken"
    inbox.close()
    with pytest.raises(StoreUnavailable):
        inbox.submit(contact("closed")).result()


def test_receipts_are_never_edited(inbox: Inbox, database: Database) -> None:
    inbox.submit(contact()).result()
    for statement in (
        "UPDATE receipts SET code = code",
        "DELETE FROM receipts",
        "DELETE FROM raw_contacts",
        "TRUNCATE receipts",
    ):
        with pytest.raises(Exception, match="append-only"), database.cursor() as cursor:
            cursor.execute(statement.encode())


def test_a_loop_gets_its_receipts_and_who_leaves_takes_nothing_back(inbox: Inbox, database: Database) -> None:
    async def doors() -> None:
        leaving = asyncio.create_task(inbox.take(contact("leaves")))
        await asyncio.sleep(0)
        leaving.cancel()
        names = [str(number) for number in range(100)]
        receipts = await asyncio.gather(*(inbox.take(contact(name)) for name in [*names, *names]))
        assert len({receipt.code for receipt in receipts}) == 100
        assert (await inbox.take(contact("leaves"))).repeated
        assert not (await inbox.take(contact("large", b"y" * (INLINE_LIMIT + 1)))).repeated

    asyncio.run(doors())
    assert number_of(database, "receipts") == 102


def test_a_loop_is_told_that_the_store_is_away(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def door() -> None:
        await inbox.take(contact("x"))

    async def away() -> NoReturn:
        raise psycopg.OperationalError

    monkeypatch.setattr(inbox._database, "connect_async", away)
    with pytest.raises(StoreUnavailable):
        asyncio.run(door())
    inbox.close()
    with pytest.raises(StoreUnavailable):
        asyncio.run(door())


def test_a_loop_gets_a_new_connection_when_the_store_comes_back(inbox: Inbox, database: Database) -> None:
    async def door() -> None:
        assert (await inbox.take(contact("before"))).code
        await asyncio.to_thread(end_every_connection, database)
        both = await asyncio.gather(inbox.take(contact("after")), inbox.take(contact("with it")))
        assert not any(receipt.repeated for receipt in both)

    asyncio.run(door())


def test_loops_and_threads_at_once_and_one_loop_after_another(inbox: Inbox, database: Database) -> None:
    async def door() -> set[str]:
        return {receipt.code for receipt in await asyncio.gather(*(inbox.take(contact(str(n))) for n in range(40)))}

    with ThreadPoolExecutor(4) as pool:
        loops = [pool.submit(asyncio.run, door()) for _ in range(3)]
        threads = {inbox.submit(contact(str(number))).result().code for number in range(40)}
    assert [loop.result() for loop in loops] == [threads] * 3
    assert asyncio.run(door()) == threads, "the loops before have ended; this one is served all the same"
    assert number_of(database, "receipts") == 40


def test_closing_commits_what_waits(database: Database, blobs: BlobStore) -> None:
    inbox = Inbox(database, blobs)

    async def door() -> None:
        waiting = [asyncio.create_task(inbox.take(contact(str(number)))) for number in range(300)]
        await asyncio.sleep(0)
        await asyncio.to_thread(inbox.close)
        assert len({receipt.code for receipt in await asyncio.gather(*waiting)}) == 300
        with pytest.raises(StoreUnavailable):
            await inbox.take(contact("too late"))

    futures = [inbox.submit(contact(f"of a thread {number}")) for number in range(300)]
    asyncio.run(door())
    assert len({future.result(timeout=0).code for future in futures}) == 300
    inbox.close()
    assert number_of(database, "receipts") == 600


def test_a_code_in_use_is_drawn_again(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    first = inbox.submit(contact("first")).result()
    drawn = [first.code, first.code]
    mint = code.mint
    monkeypatch.setattr(code, "mint", lambda: drawn.pop() if drawn else mint())
    second = inbox.submit(contact("second")).result(20)
    assert second.code != first.code
    assert drawn == []


def test_closing_ends_the_thread_that_served_callers_without_a_loop(database: Database, blobs: BlobStore) -> None:
    before = threading.enumerate()
    unused, used = Inbox(database, blobs), Inbox(database, blobs)
    assert used.submit(contact()).result().code
    (thread,) = (one for one in threading.enumerate() if one not in before and one.name == "inbox")
    for inbox in (unused, used, used):  # closing what was never used, or again, does no harm
        inbox.close()
    assert not thread.is_alive()


def test_what_is_given_just_before_the_end_is_committed_although_its_loop_has_hardly_begun(
    database: Database, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = receive._run

    def slowly(loop: asyncio.AbstractEventLoop) -> None:
        time.sleep(0.1)
        run(loop)

    monkeypatch.setattr(receive, "_run", slowly)
    inbox = Inbox(database, blobs)
    given = inbox.submit(contact())
    inbox.close()
    assert given.result(timeout=0).code
