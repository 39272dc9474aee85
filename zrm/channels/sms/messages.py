"""What Twilio's numbers mean to an agent, and which of our errors each of them is.

The sentences are message ids: the desk shows them in the agent's language. Codes from Twilio's error dictionary.
"""

from __future__ import annotations

from typing import Final

from zrm.contract.errors import (
    ConfigInvalid,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    ReplyInvalid,
    SendError,
    Throttled,
)
from zrm.ui.i18n import _

NUMBER_WRONG: Final = _("This number does not exist or cannot receive text messages.")
OPTED_OUT: Final = _("The citizen has asked not to get text messages from this number.")
ACCOUNT_WRONG: Final = _("Twilio does not accept the account settings of this number. An operator must correct them.")
SENDER_WRONG: Final = _("Twilio does not let this number send to that country or person. An operator must look.")
CALLBACK_WRONG: Final = _(
    "Twilio does not accept our public address for delivery reports. An operator must correct it."
)
TOO_LONG: Final = _("The text is longer than a text message may be (1600 characters).")
WAIT: Final = _("Twilio asks us to wait.")
REJECTED: Final = _("Twilio refused the message.")
NOT_REACHED: Final = _("Twilio could not be reached.")
UNKNOWN: Final = _("The connection broke after the message had left; it may have been sent.")
NO_ACCOUNT: Final = _("This number of ours is no longer in the configuration.")
NO_TEXT: Final = _("A text message needs a text.")
NO_NUMBER: Final = _("This is not a phone number.")
GATEWAY_WAIT: Final = _("The SMS provider asks us to wait.")
GATEWAY_REJECTED: Final = _("The SMS provider refused the message.")
GATEWAY_SETTINGS: Final = _("The SMS provider does not accept our settings. An operator must correct them.")
GATEWAY_NOT_REACHED: Final = _("The SMS provider could not be reached.")
GATEWAY_RECEIVES_ONLY: Final = _("This number only receives messages: sending is not set up for it.")
GATEWAY_TOO_LONG: Final = _("The text is longer than this SMS provider takes.")
PART_TAKEN: Final = _(
    "The network took a part of the message and then refused the rest; the citizen may see the beginning."
)
FILE_ELSEWHERE: Final = _("The file does not lie at Twilio's; it was not fetched.")
FILE_GONE: Final = _("Twilio does not have the file (any more).")
FILE_TOO_LARGE: Final = _("The file is too large to be fetched.")
NO_FILES: Final = _("Files cannot be sent by text message.")

CODES: Final[dict[int, tuple[type[SendError], str]]] = {
    20003: (ConfigInvalid, ACCOUNT_WRONG),  # authentication
    20005: (ConfigInvalid, ACCOUNT_WRONG),  # account not active
    20008: (ConfigInvalid, ACCOUNT_WRONG),  # test credentials
    20404: (ConfigInvalid, ACCOUNT_WRONG),  # no such account
    20429: (Throttled, WAIT),
    21211: (RecipientUnreachable, NUMBER_WRONG),
    21212: (ConfigInvalid, SENDER_WRONG),  # invalid From
    21214: (RecipientUnreachable, NUMBER_WRONG),
    21217: (RecipientUnreachable, NUMBER_WRONG),
    21265: (RecipientUnreachable, NUMBER_WRONG),  # To is a short code
    21266: (ReplyInvalid, NO_NUMBER),  # To is our own From
    21408: (ConfigInvalid, SENDER_WRONG),  # region not enabled
    21602: (ReplyInvalid, NO_TEXT),
    21603: (ConfigInvalid, SENDER_WRONG),
    21604: (ReplyInvalid, NO_NUMBER),
    21605: (ReplyInvalid, TOO_LONG),
    21606: (ConfigInvalid, SENDER_WRONG),
    21609: (ConfigInvalid, CALLBACK_WRONG),
    21610: (RecipientOptedOut, OPTED_OUT),
    21611: (Throttled, WAIT),  # our queue at Twilio is full
    21612: (RecipientUnreachable, SENDER_WRONG),  # no route from this number of ours
    21614: (RecipientUnreachable, NUMBER_WRONG),
    21617: (ReplyInvalid, TOO_LONG),
    21619: (ReplyInvalid, NO_TEXT),
    21659: (ConfigInvalid, SENDER_WRONG),
    21660: (ConfigInvalid, SENDER_WRONG),
    21701: (ConfigInvalid, SENDER_WRONG),  # no such messaging service
    21703: (ConfigInvalid, SENDER_WRONG),  # messaging service without numbers
    63038: (Throttled, WAIT),  # daily limit of the account
}

FAILURES: Final[dict[str, str]] = {
    "21610": OPTED_OUT,
    "30001": _("Twilio's queue was full."),
    "30002": ACCOUNT_WRONG,
    "30003": _("The phone was off or out of reach."),
    "30004": _("The phone or its network blocks this message."),
    "30005": NUMBER_WRONG,
    "30006": _("This is a landline, or its network cannot take text messages."),
    "30007": _("The phone network filtered the message as unwanted."),
    "30008": _("The phone network gave no reason."),
}


def refusal(status: int, code: int, retry_after: float | None) -> SendError:
    """Twilio's refusal (HTTP 4xx, its own error number or 0) as one of ours."""
    shown = str(code or status)
    if status == 429:
        return Throttled(WAIT, code=shown, retry_after=retry_after)
    if code in CODES:
        kind, sentence = CODES[code]
        return kind(sentence, code=shown, retry_after=retry_after if kind is Throttled else None)
    if status in (401, 403, 404):
        return ConfigInvalid(ACCOUNT_WRONG, code=shown)
    return Rejected(REJECTED, code=shown)
