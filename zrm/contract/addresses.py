"""A citizen's address: its kind, and how a channel states it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

AddressKind: TypeAlias = str
"""The kind of an address: `EMAIL`, `PHONE`, or a kind that a channel names in its capabilities, such as a messenger's
user number, which is the same for all of its bots."""

EMAIL: Final = "email"
PHONE: Final = "phone"
"""Values are E.164 where valid, else the digits as they came."""


@dataclass(frozen=True, slots=True)
class Sender:
    """An address as the channel gave it; the normalizer makes the value comparable and keeps `raw`.

    `claimed`: only stated, typed into a form or written where anyone can write anything. The contact did not come from
    it, so it proves nothing ([ADR 4](docs/adr/0004-claimed-addresses.md)).
    """

    kind: AddressKind
    raw: str
    name: str = ""
    claimed: bool = False
