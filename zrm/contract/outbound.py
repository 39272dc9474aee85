"""What goes out: the reply that dispatch (T4) hands to a channel, and the proof that its provider took it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from zrm.contract.files import StoredFile


@dataclass(frozen=True, slots=True)
class Reply:
    """One message to one address. `id` is the delivery's and stays the same for retries: providers with idempotency get
    it.
    """

    id: UUID
    account: str
    to: str
    text: str
    language: str
    title: str = ""
    code: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    reply_token: str = ""
    automatic: bool = False
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it. `final`: it is already where the citizen reads it, as on our own page; no report is
    expected. `provider_ref` may be empty, if the provider gives none.

    `part_refs` are the references of all parts, if the provider took a long text in several and reports on each: the
    message has arrived when all parts have, and failed when one has.
    """

    provider_ref: str
    final: bool
    part_refs: tuple[str, ...] = ()
