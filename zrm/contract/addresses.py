"""The address of a citizen: its kind, and how a channel states it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AddressKind(StrEnum):
    """How a person can be reached. `phone` values are E.164 where valid, else the digits as they came.

    `telegram` and `bale` values are the messenger's own number of the user, the same for every bot there.
    """

    EMAIL = "email"
    PHONE = "phone"
    TELEGRAM = "telegram"
    BALE = "bale"


@dataclass(frozen=True, slots=True)
class Sender:
    """An address as the channel gave it; the normalizer makes the value comparable and keeps `raw`.

    `claimed`: only stated, typed into a form or written where anybody can write anything. The contact did not come from
    it, so it proves nothing ([ADR 4](docs/adr/0004-claimed-addresses.md)).
    """

    kind: AddressKind
    raw: str
    name: str = ""
    claimed: bool = False
