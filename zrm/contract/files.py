"""The files that come with a contact or go out with an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A blob that is already durable: `key` in the blob store, size in bytes, media type as claimed by the sender."""

    key: str
    size: int
    name: str = ""
    media_type: str = "application/octet-stream"
    role: str = "attachment"  # attachment | recording | fax


@dataclass(frozen=True, slots=True)
class InboundFile:
    """A file found in a contact: `data`; or `stored`, when the door has already kept it; or `remote`, a provider's
    address from which a worker fetches it after the contact is filed.
    """

    name: str
    media_type: str
    data: bytes | None = None
    stored: StoredFile | None = None
    role: str = "attachment"  # attachment | inline | recording | fax | original
    content_id: str = ""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A remote file as the provider gave it; `media_type` is what the provider claims."""

    data: bytes
    media_type: str
