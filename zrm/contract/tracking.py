"""What the holder of a tracking code may see of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from zrm.contract.descriptions import Description
from zrm.contract.inbound import RawContact


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A file of a public message, size in bytes; `id` None until its message is filed.

    `withheld`: why it cannot be downloaded: it is "waiting" for the virus scan, or "infected".
    """

    id: UUID | None
    name: str
    media_type: str
    size: int
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """One message of a case's public conversation; `text` and `files` are empty until the citizen has proven who they
    are.

    `closing`: it says why the case was closed without an answer.
    """

    at: datetime
    ours: bool
    channel: str
    text: str
    files: tuple[PublicFile, ...] = ()
    closing: bool = False
    description: Description = ()


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """A contact received for a case and not yet filed, as its door wrote it (without its external id)."""

    received_at: datetime
    contact: RawContact


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the holder of a code may see. Without proof: state and dates; with it, the public messages too.

    `filed`: whether the case exists already. `happened` has the moment of each state reached, in order; a case that was
    closed without an answer has no "answered". `channel` is the one by which the case came.
    """

    code: str
    state: Literal["received", "in_progress", "answered", "closed"]
    language: str
    opened_at: datetime
    changed_at: datetime
    proven: bool
    proofs: tuple[Literal["phone", "email"], ...]  # ways to prove it; empty: it cannot be proven
    title: str = ""
    description: Description = ()
    messages: tuple[PublicMessage, ...] = ()
    rated: bool = False  # with the code, since the case was closed
    channel: str = ""
    filed: bool = True
    happened: Mapping[str, datetime] = field(default_factory=dict)
    on_the_way: tuple[OnTheWay, ...] = ()
