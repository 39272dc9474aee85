"""Why a door turned an attempt away that is no contact: recorded by `ReceptionPort.refuse`, with the peer only as a hash."""

from __future__ import annotations

from typing import Final

from zrm.contract.reasons import declare

NO_SECRET: Final = declare("refusal.no_secret", "The request had no secret.")
WRONG_SECRET: Final = declare("refusal.wrong_secret", "The request had a wrong secret.")
NO_SIGNATURE: Final = declare("refusal.no_signature", "The request had no signature.")
WRONG_SIGNATURE: Final = declare("refusal.wrong_signature", "The request had a wrong signature.")
UNKNOWN_ACCOUNT: Final = declare("refusal.unknown_account", "The request named an account that is not ours.")
UNKNOWN_PEER: Final = declare("refusal.unknown_peer", "The connection came from a machine that may not connect.")
TOO_LARGE: Final = declare("refusal.too_large", "The file was too large for the door.")
