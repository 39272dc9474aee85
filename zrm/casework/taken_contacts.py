"""Taken contacts: a call, a visit or a letter that an agent takes down becomes a contact like any other, by the same inbox.

Whoever may take contacts anywhere may take them for everybody: which unit it is for is only known once it is filed. Nothing
is judged here but the permission and what the record could not hold.
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


def ways() -> list[str]:
    """The channels of what agents take down."""
    return [kind for kind, can in registered().items() if can.taken_down]


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
    """A receipt as it is shown to the agent who took the contact; case and unit are None until it is filed.

    `seen`: the case is in a unit whose cases the agent sees.
    """

    contact_id: UUID
    code: str
    received_at: datetime
    way: str
    case_id: UUID | None
    unit_id: UUID | None
    seen: bool = False


def require_takes(actor: ActingAgent) -> None:
    """Errors: NotFound for who may take contacts nowhere."""
    actor.grants.require_anywhere(Permission.TAKE_CONTACTS)


def take(
    receive: Callable[[RawContact], Receipt],
    actor: ActingAgent,
    way: str,
    form_id: UUID,
    told: TakenDown,
    files: Sequence[StoredFile] = (),
    *,
    region: str,
    natures: Collection[str],
    phone_as_is: str = "",
) -> Receipt:
    """Make it durable by `receive` (the front desk's, as every door does) and give its receipt.

    `form_id` is of one showing of the form: sent twice it is one contact, with other words another. `region` (ISO country)
    is how telephone numbers are read, `natures` are the keys to choose from. Numbering plans change: `phone_as_is` are the digits of a doubtful number that the
    agent has asked the citizen about, which is then believed.

    Errors: NotFound for who may not take contacts, InvalidInput, StoreUnavailable, StoreFull.
    """
    require_fit(actor, way, told, region=region, natures=natures, phone_as_is=phone_as_is)
    name, phone, email = map(clean_line, (told.name, told.phone, told.email))
    told = TakenDown(told.text.strip(), name, phone, email, told.nature)
    fields = {name: value for name, value in asdict(told).items() if value}
    said = json.dumps([str(actor.agent_id), fields, [[file.key, file.name] for file in files]], sort_keys=True)
    contact = RawContact(
        channel=way,
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
    actor: ActingAgent, way: str, told: TakenDown, *, region: str, natures: Collection[str], phone_as_is: str = ""
) -> None:
    """Errors: NotFound for who may not take contacts, InvalidInput with everything that must be put right first."""
    require_takes(actor)
    if problems := tuple(_problems(way, told, region, natures, phone_as_is)):
        raise InvalidInput(*problems)


def _problems(
    way: str, told: TakenDown, region: str, natures: Collection[str], phone_as_is: str
) -> Iterator[InputProblem]:
    if way not in ways():
        yield InputProblem("way", InputFlaw.UNKNOWN_CHOICE)
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
    """What the agent took down themselves.

    Errors: NotFound for anything else, and for who may not take contacts any more.
    """
    require_takes(actor)
    cursor.execute(
        "SELECT w.id AS contact_id, r.code, r.received_at, w.channel AS way, k.id AS case_id, k.unit_id FROM raw_contacts w"
        " JOIN receipts r ON r.contact_id = w.id LEFT JOIN contacts c ON c.id = w.id LEFT JOIN cases k ON k.id = c.case_id"
        " WHERE w.id = %s AND w.channel = ANY(%s) AND w.envelope ->> 'agent' = %s",
        [contact_id, ways(), str(actor.agent_id)],
    )
    found = record(cursor, TakenContact)
    if found is None:
        raise NotFound("no such receipt")
    return replace(found, seen=found.unit_id is not None and actor.sees(found.unit_id))
