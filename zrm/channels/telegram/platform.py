"""The messengers that speak the Bot API. Bale copied it from Telegram; this file has the differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from zrm.contract.addresses import AddressKind


@dataclass(frozen=True, slots=True)
class Platform:
    """One messenger. `api` without a trailing slash; `address` the kind of its users' numbers.

    `signs`: its webhooks carry a secret header. `chooses`: it accepts a list of wanted kinds of updates.
    """

    kind: str
    api: str
    address: AddressKind
    signs: bool
    chooses: bool


TELEGRAM: Final = Platform("telegram", "https://api.telegram.org", "telegram", signs=True, chooses=True)
BALE: Final = Platform("bale", "https://tapi.bale.ai", "bale", signs=False, chooses=False)

WANTED: Final = ("message", "edited_message", "callback_query", "my_chat_member")
"""The kinds of updates we request; others are kept and ignored with their reason."""
