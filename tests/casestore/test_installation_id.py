"""Files go into the installation's own folder or nowhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zrm.casestore.installation_id import adopt_folder, claim_folder, folder_problem
from zrm.contract.inbound import RawContact
from zrm.errors import ConfigError, StoreUnavailable
from zrm.inbox.receive import INLINE_LIMIT, Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database


def receive_a_file(database: Database, blobs: BlobStore) -> None:
    """A contact whose body lies in the blob store."""
    inbox = Inbox(database, blobs)
    inbox.submit(RawContact("email", "info", "1", b"x" * (INLINE_LIMIT + 1), "message/rfc822")).result(30)
    inbox.close()


def test_the_first_role_marks_the_folder_and_all_agree(database: Database, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: claim_folder(database, BlobStore(tmp_path / "blobs")), range(8)))
    assert len(set(ids)) == 1
    assert (tmp_path / "blobs" / ".installation").read_text() == f"{ids[0]}\n"
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == [".installation"]


@pytest.mark.parametrize("files", [True, False])
def test_a_folder_that_is_not_mounted_or_not_shared_is_refused(
    files: bool, database: Database, blobs: BlobStore, tmp_path: Path
) -> None:
    """Once the installation has a folder: also before its first file, when a second machine starts."""
    claim_folder(database, blobs)
    if files:
        receive_a_file(database, blobs)
    elsewhere = BlobStore(tmp_path / "elsewhere")
    with pytest.raises(
        ConfigError, match=r"data_dir: .*/elsewhere is not the folder .* is its disk mounted, and shared"
    ):
        claim_folder(database, elsewhere)
    assert not elsewhere.root.exists()


def test_the_folder_of_another_installation_is_refused(database: Database, empty: Database, blobs: BlobStore) -> None:
    with empty.cursor() as cursor:
        cursor.execute("UPDATE installation SET id = gen_random_uuid()")  # both are copies of one template
    theirs = claim_folder(empty, blobs)
    with pytest.raises(ConfigError, match=f"holds the files of another installation \\({theirs}\\)"):
        claim_folder(database, blobs)


def test_an_older_installation_takes_the_folder_in_which_its_files_lie(
    database: Database, blobs: BlobStore, tmp_path: Path
) -> None:
    receive_a_file(database, blobs)
    elsewhere = BlobStore(tmp_path / "elsewhere")
    elsewhere.put(b"of somebody else")
    with pytest.raises(ConfigError, match="not the folder"):
        claim_folder(database, elsewhere)
    with database.cursor() as cursor:
        assert "not the folder" in str(folder_problem(cursor, elsewhere))
        assert folder_problem(cursor, blobs) is None
    assert blobs.mark() is None, "who only looks writes nothing"
    assert claim_folder(database, blobs) == blobs.mark()
    with database.cursor() as cursor:
        assert folder_problem(cursor, blobs) is None


def test_after_a_restore_without_the_files_an_operator_says_so(
    database: Database, blobs: BlobStore, tmp_path: Path
) -> None:
    receive_a_file(database, blobs)
    claim_folder(database, blobs)
    fresh = BlobStore(tmp_path / "fresh")
    assert adopt_folder(database, fresh) == claim_folder(database, fresh) == blobs.mark()


def test_a_disk_that_goes_while_the_installation_works_takes_no_file(database: Database, tmp_path: Path) -> None:
    """What lies at an empty mount point would be found by nobody; the sender comes again instead."""
    root = tmp_path / "blobs"
    blobs = BlobStore(root, lambda: claim_folder(database, BlobStore(root)))
    key, _ = blobs.put(b"before")
    root.rename(tmp_path / "unmounted")
    root.mkdir()
    with pytest.raises(StoreUnavailable, match="is its disk mounted"):
        blobs.put(b"meanwhile")
    assert list(root.iterdir()) == []
    root.rmdir()
    (tmp_path / "unmounted").rename(root)
    blobs.put(b"after")
    assert blobs.get(key) == b"before"
