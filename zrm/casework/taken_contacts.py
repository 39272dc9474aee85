"""Taken contacts: a call, a visit or a letter that an agent takes down becomes a contact like any other, by the same inbox.

Whoever may take contacts anywhere may take them for everybody: which unit it is for is only known once it is filed. Nothing
is judged here but the permission and what the record could not hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from zrm.casestore.agent import Permission
from zrm.contract import RawContact, Receipt, StoredFile
from zrm.errors import NotAllowed
from zrm.kit.db import Cursor, record
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_trace
from zrm.security.grants import Grants

WAYS: Final = ("call", "visit", "letter")
"""Channels of what agents take down."""


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What the citizen told, as the agent wrote it down; only `text` must be there."""

    text: str
    name: str = ""
    phone: str = ""
    email: str = ""
    nature: str = ""


@dataclass(frozen=True, slots=True)
class TakenContact:
    """A receipt as it is shown to the agent who took the contact; case and unit None until it is filed."""

    contact_id: UUID
    code: str
    received_at: datetime
    way: str
    case_id: UUID | None
    unit_id: UUID | None


def take(
    receive: Callable[[RawContact], Receipt],
    grants: Grants,
    agent_id: UUID,
    way: str,
    form_id: UUID,
    told: TakenDown,
    files: Sequence[StoredFile] = (),
) -> Receipt:
    """Make it durable by `receive` (the front desk's, as every door does) and give its receipt. `form_id` is of one showing of the form: sent twice it is one contact, with
    other words another.

    Errors: NotFound for who may not take contacts, NotAllowed for a way there is not, StoreUnavailable, StoreFull.
    """
    grants.require_anywhere(Permission.TAKE_CONTACTS)
    if way not in WAYS or not told.text.strip():
        raise NotAllowed("nothing that could be taken down")
    fields = {name: value for name, value in asdict(told).items() if value}
    said = json.dumps([str(agent_id), fields, [[file.key, file.name] for file in files]], sort_keys=True)
    contact = RawContact(
        channel=way,
        account="desk",
        external_id=f"{form_id}:{digest_of(said)}",
        body=json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace"),
        media_type="application/json",
        envelope={"agent": str(agent_id)},
        files=tuple(files),
        trace=new_trace(),
    )
    return receive(contact)


def receipt_of(cursor: Cursor, grants: Grants, agent_id: UUID, contact_id: UUID) -> TakenContact | None:
    """What the agent took down themselves; None for anything else, and for who may not take contacts any more."""
    if not grants.anywhere(Permission.TAKE_CONTACTS):
        return None
    cursor.execute(
        "SELECT w.id AS contact_id, r.code, r.received_at, w.channel AS way, k.id AS case_id, k.unit_id FROM raw_contacts w"
        " JOIN receipts r ON r.contact_id = w.id LEFT JOIN contacts c ON c.id = w.id LEFT JOIN cases k ON k.id = c.case_id"
        " WHERE w.id = %s AND w.channel = ANY(%s) AND w.envelope ->> 'agent' = %s",
        [contact_id, list(WAYS), str(agent_id)],
    )
    return record(cursor, TakenContact)
