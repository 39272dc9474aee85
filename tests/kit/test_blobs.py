"""Blobs: kept once, whole, by their content."""

from __future__ import annotations

import hashlib
import io
import os

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from zrm.errors import NotFound, StoreFull, StoreUnavailable
from zrm.kit.blobs import BlobStore


@given(st.binary(max_size=4000))
@rules(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_in_comes_out(blobs: BlobStore, data: bytes) -> None:
    key, size = blobs.put(data)
    assert (key, size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert blobs.get(key) == data
    assert blobs.put(io.BytesIO(data)) == (key, size)


def test_the_same_file_is_kept_once(blobs: BlobStore) -> None:
    for _ in range(3):
        blobs.put(b"same")
        blobs.put(io.BytesIO(b"same"))
    assert len(list(blobs.keys())) == 1
    assert not list(blobs.root.glob(".new-*"))


@pytest.mark.parametrize("key", ["", "..", "../../etc/passwd", "A" * 64, "g" * 64, "0" * 63, "0" * 64])
def test_a_key_is_a_hash_and_nothing_else(blobs: BlobStore, key: str) -> None:
    with pytest.raises(NotFound):
        blobs.get(key)


@pytest.mark.peer("small-disk")
def test_a_full_disk_leaves_nothing_half(small_disk: BlobStore) -> None:
    key, _ = small_disk.put(b"fits")
    for source in (b"x" * (8 << 20), io.BytesIO(b"y" * (8 << 20))):
        with pytest.raises(StoreFull):
            small_disk.put(source)
    assert list(small_disk.keys()) == [key]
    assert not list(small_disk.root.glob(".new-*"))


def test_a_folder_that_cannot_be_is_said(blobs: BlobStore) -> None:
    blobs.root.write_text("a file is in the way")
    with pytest.raises(StoreUnavailable):
        blobs.put(b"x")


def test_what_a_killed_writer_left_is_swept_when_it_is_old(blobs: BlobStore) -> None:
    key, _ = blobs.put(b"whole")
    old, fresh = blobs.root / ".new-old", blobs.root / ".new-fresh"
    for half in (old, fresh):
        half.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert blobs.sweep() == 1
    assert (old.exists(), fresh.exists()) == (False, True)
    assert blobs.get(key) == b"whole"
