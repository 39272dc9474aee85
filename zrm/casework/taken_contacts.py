"""Taken contacts: a call, a visit or a letter that an agent enters becomes a contact like any other, through the same
inbox.

An agent who may take contacts for one unit may take them for all: the unit is known only after filing. Only the
permission is checked here, and what the record could not store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from zrm.casestore.agent import Permission
from zrm.casework.context import ActingAgent, InputFlaw, InputProblem, InvalidInput
from zrm.contract.capabilities import registered
from zrm.contract.files import StoredFile
from zrm.contract.inbound import RawContact, Receipt
from zrm.errors import NotFound
from zrm.kit.db import Cursor, record
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_trace
from zrm.kit.mail_addresses import is_email
from zrm.kit.phones import flaw
from zrm.kit.text import clean_line, digits

LONGEST: Final = {"text": 100_000, "name": 200, "phone": 40, "email": 254}  # characters


def entry_channels() -> list[str]:
    """The channels of taken contacts."""
    return [kind for kind, can in registered().items() if can.taken_down]


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What the citizen told, as the agent wrote it down; only `text` is required."""

    text: str
    name: str = ""
    phone: str = ""
    email: str = ""
    nature: str = ""


@dataclass(frozen=True, slots=True)
class TakenContact:
    """A receipt as it is shown to the agent who took the contact; case and unit are None until it is filed.

    `seen`: the agent sees the cases of that unit.
    """

    contact_id: UUID
    code: str
    received_at: datetime
    channel: str
    case_id: UUID | None
    unit_id: UUID | None
    seen: bool = False


def require_takes(actor: ActingAgent) -> None:
    """Errors: NotFound for an agent who may take contacts nowhere."""
    actor.grants.require_anywhere(Permission.TAKE_CONTACTS)


def take(
    receive: Callable[[RawContact], Receipt],
    actor: ActingAgent,
    channel: str,
    form_id: UUID,
    told: TakenDown,
    files: Sequence[StoredFile] = (),
    *,
    region: str,
    natures: Collection[str],
    phone_as_is: str = "",
) -> Receipt:
    """Make it durable by `receive` (the front desk's, as every door does) and return its receipt.

    `form_id` belongs to one display of the form: sent twice with the same content it is one contact, with different
    content two. `region` (ISO country) is how telephone numbers are read, `natures` are the keys to choose from.
    Numbering plans change: `phone_as_is` are the digits of an unusual number that the agent has confirmed with the
    citizen; it is then accepted.

    Errors: NotFound without the permission, InvalidInput, StoreUnavailable, StoreFull.
    """
    require_fit(actor, channel, told, region=region, natures=natures, phone_as_is=phone_as_is)
    name, phone, email = map(clean_line, (told.name, told.phone, told.email))
    told = TakenDown(told.text.strip(), name, phone, email, told.nature)
    fields = {name: value for name, value in asdict(told).items() if value}
    said = json.dumps([str(actor.agent_id), fields, [[file.key, file.name] for file in files]], sort_keys=True)
    contact = RawContact(
        channel=channel,
        account="desk",
        external_id=f"{form_id}:{digest_of(said)}",
        body=json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace"),
        media_type="application/json",
        envelope={"agent": str(actor.agent_id)},
        files=tuple(files),
        trace=new_trace(),
    )
    return receive(contact)


def require_fit(
    actor: ActingAgent, channel: str, told: TakenDown, *, region: str, natures: Collection[str], phone_as_is: str = ""
) -> None:
    """Errors: NotFound without the permission, InvalidInput with everything that must be corrected first."""
    require_takes(actor)
    if problems := tuple(_problems(channel, told, region, natures, phone_as_is)):
        raise InvalidInput(*problems)


def _problems(
    channel: str, told: TakenDown, region: str, natures: Collection[str], phone_as_is: str
) -> Iterator[InputProblem]:
    if channel not in entry_channels():
        yield InputProblem("channel", InputFlaw.UNKNOWN_CHOICE)
    for name, most in LONGEST.items():
        if len(getattr(told, name).strip()) > most:
            yield InputProblem(name, InputFlaw.TOO_LONG, {"most": most})
    if not told.text.strip():
        yield InputProblem("text", InputFlaw.EMPTY)
    phone, email = told.phone.strip(), told.email.strip()
    if phone and (found := flaw(phone, region)):
        if found.kind == "not_digits":
            yield InputProblem("phone", InputFlaw.NOT_A_NUMBER)
        elif phone_as_is != digits(phone):
            yield InputProblem("phone", InputFlaw.DOUBTFUL_NUMBER, {"found": found, "digits": digits(phone)})
    if email and not is_email(email):
        yield InputProblem("email", InputFlaw.NOT_AN_EMAIL)
    if told.nature not in ("", *natures):
        yield InputProblem("nature", InputFlaw.UNKNOWN_CHOICE)


def receipt_of(cursor: Cursor, actor: ActingAgent, contact_id: UUID) -> TakenContact:
    """A contact that the agent took themselves.

    Errors: NotFound for any other, and for an agent who may not take contacts any more.
    """
    require_takes(actor)
    cursor.execute(
        "SELECT w.id AS contact_id, r.code, r.received_at, w.channel, k.id AS case_id, k.unit_id FROM raw_contacts w"
        " JOIN receipts r ON r.contact_id = w.id LEFT JOIN contacts c ON c.id = w.id LEFT JOIN cases k ON k.id = c.case_id"
        " WHERE w.id = %s AND w.channel = ANY(%s) AND w.envelope ->> 'agent' = %s",
        [contact_id, entry_channels(), str(actor.agent_id)],
    )
    found = record(cursor, TakenContact)
    if found is None:
        raise NotFound("no such receipt")
    return replace(found, seen=found.unit_id is not None and actor.sees(found.unit_id))
