"""Keeps the files that come before the contact that carries them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from zrm.casestore import uploads
from zrm.contract.files import StoredFile
from zrm.frontdesk.store import DeskStore
from zrm.kit.blobs import BlobStore


class FileDesk:
    """The front desk's `FilesPort`."""

    def __init__(self, store: DeskStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    def store(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        role: str = "attachment",
    ) -> StoredFile:
        """Make a file durable; it is removed after a day if no contact refers to it. Errors: StoreUnavailable,
        StoreFull.
        """
        key, size = self._blobs.put(data, announce=self._register)
        return StoredFile(key, size, name, media_type, role)

    def still_stored(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Those that are still there; each stays another day. Errors: StoreUnavailable."""
        return [file for file in files if self._blobs.touch(file.key)]

    def _register(self, blob_key: str) -> None:
        with self._store.cursor() as cursor:
            uploads.register(cursor, blob_key)
