"""Uploads that no contact came with: they go after a day, and never while somebody counts on them."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from zrm.casestore import uploads
from zrm.config import Settings
from zrm.contract.files import StoredFile
from zrm.contract.inbound import RawContact
from zrm.frontdesk.desk import CitizensDesk, front_desk
from zrm.inbox.receive import INLINE_LIMIT, Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database


@pytest.fixture
def desk(database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings) -> CitizensDesk:
    return front_desk(database, blobs, inbox, settings, b"key", [])


def age(database: Database, blobs: BlobStore, *keys: str, files: bool = True) -> None:
    """As if a day had gone by since these uploads (all), and since the files were put unless `files` is False."""
    with database.cursor() as cursor:
        for key in keys or registered(database):
            cursor.execute("UPDATE uploads SET uploaded_at = now() - interval '25 hours' WHERE blob_key = %s", [key])
            if files:
                with contextlib.suppress(FileNotFoundError):
                    os.utime(blobs.path(key), (0, 0))


def registered(database: Database) -> set[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT blob_key FROM uploads")
        return {key for (key,) in cursor}


def contact(body: bytes = b"{}", *files: StoredFile) -> RawContact:
    return RawContact("web", "portal", f"form:{len(body)}", body, "application/json", files=files)


def test_what_no_contact_came_with_goes_after_a_day_and_not_before(
    desk: CitizensDesk, database: Database, blobs: BlobStore
) -> None:
    refused = desk.files.store(io.BytesIO(b"of a refused form"))
    assert uploads.sweep(database, blobs) == 0
    assert blobs.get(refused.key) == b"of a refused form"
    age(database, blobs)
    assert uploads.sweep(database, blobs) == 1
    assert (list(blobs.keys()), registered(database)) == ([], set())
    assert desk.files.still_stored([refused]) == []
    assert uploads.sweep(database, blobs) == 0


def test_what_a_contact_came_with_stays_for_ever(desk: CitizensDesk, database: Database, blobs: BlobStore) -> None:
    carried, large = desk.files.store(b"a plan of the street"), b"x" * (INLINE_LIMIT + 1)
    same_as_a_body = desk.files.store(large)
    shown = desk.files.store(b"in the conversation")
    desk.reception.receive(contact(b"{}", carried))
    desk.reception.receive(contact(large))
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO attachments (id, contact_id, role, name, media_type, size, blob_key) "
            "VALUES (gen_random_uuid(), gen_random_uuid(), 'attachment', '', '', 1, %s)",
            [shown.key],
        )
    age(database, blobs)
    assert uploads.sweep(database, blobs) == 0
    assert set(blobs.keys()) == {carried.key, same_as_a_body.key, shown.key}
    assert registered(database) == set()


def test_an_upload_again_and_a_form_that_is_sent_at_last_begin_a_new_day(
    desk: CitizensDesk, database: Database, blobs: BlobStore
) -> None:
    again, sent = desk.files.store(b"chosen again"), desk.files.store(b"sent at last")
    age(database, blobs)
    assert desk.files.store(io.BytesIO(b"chosen again")).key == again.key
    assert desk.files.still_stored([sent]) == [sent]
    age(database, blobs, files=False)
    assert uploads.sweep(database, blobs) == 0
    assert set(blobs.keys()) == {again.key, sent.key} == registered(database)


def test_killed_between_file_and_registration_the_next_sweep_ends_it(
    desk: CitizensDesk, database: Database, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def removed_then_killed(store: BlobStore, key: str, *, unused_for: float) -> bool:
        remove(store, key, unused_for=unused_for)
        raise Killed

    desk.files.store(b"unused")
    age(database, blobs)
    remove = BlobStore.remove
    with monkeypatch.context() as patch:
        patch.setattr(BlobStore, "remove", removed_then_killed)
        with pytest.raises(Killed):
            uploads.sweep(database, blobs)
    assert (list(blobs.keys()), len(registered(database))) == ([], 1)
    assert uploads.sweep(database, blobs) == 1
    assert registered(database) == set()


def test_an_upload_is_registered_before_it_is_there(database: Database, blobs: BlobStore) -> None:
    seen: list[bool] = []
    key, _ = blobs.put(io.BytesIO(b"new"), announce=lambda key: seen.append(blobs.path(key).exists()))
    assert (seen, blobs.path(key).exists()) == ([False], True)


def test_no_file_goes_while_somebody_counts_on_it(desk: CitizensDesk, database: Database, blobs: BlobStore) -> None:
    """Sweeps without a pause, and citizens who send what lay there for a day, or choose the same file again."""
    end = threading.Event()

    def sweep() -> None:
        while not end.is_set():
            uploads.sweep(database, blobs)

    def send(number: int) -> list[str]:
        lost = []
        for turn in range(20):
            data = b"%d/%d" % (number, turn)
            file = desk.files.store(data)
            age(database, blobs, file.key)
            if turn % 2 or desk.files.still_stored([file]) == []:
                desk.files.store(io.BytesIO(data))
            desk.reception.receive(
                RawContact("web", "portal", f"{number}/{turn}", b"{}", "application/json", files=(file,))
            )
            if not blobs.path(file.key).exists():
                lost.append(file.key)
        return lost

    with ThreadPoolExecutor(5) as pool:
        sweepers = [pool.submit(sweep) for _ in range(2)]
        try:
            lost = [pool.submit(send, number) for number in range(3)]
            assert [sender.result() for sender in lost] == [[], [], []]
        finally:
            end.set()
        for sweeper in sweepers:
            sweeper.result()
