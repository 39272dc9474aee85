"""The channel's reasons; the meaning of Twilio's error numbers for an agent, and the error class of each.

Codes from Twilio's error dictionary.
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
from zrm.contract.reasons import Reason, declare

NUMBER_WRONG: Final = declare("sms.number_wrong", "This number does not exist or cannot receive text messages.")
OPTED_OUT: Final = declare("sms.opted_out", "The citizen has asked not to get text messages from this number.")
ACCOUNT_WRONG: Final = declare(
    "sms.account_wrong", "Twilio does not accept the account settings of this number. An operator must correct them."
)
SENDER_WRONG: Final = declare(
    "sms.sender_wrong", "Twilio does not let this number send to that country or person. An operator must check this."
)
CALLBACK_WRONG: Final = declare(
    "sms.callback_wrong", "Twilio does not accept our public address for delivery reports. An operator must correct it."
)
TOO_LONG: Final = declare("sms.too_long", "The text is longer than a text message may be (1600 characters).")
WAIT: Final = declare("sms.wait", "Twilio asks us to wait.")
REJECTED: Final = declare("sms.rejected", "Twilio refused the message.")
NOT_REACHED: Final = declare("sms.not_reached", "Twilio could not be reached.")
UNKNOWN: Final = declare("sms.unknown", "The connection broke after the message had left; it may have been sent.")
NO_ACCOUNT: Final = declare("sms.no_account", "This number of ours is no longer in the configuration.")
NO_TEXT: Final = declare("sms.no_text", "A text message needs a text.")
NO_NUMBER: Final = declare("sms.no_number", "This is not a phone number.")
GATEWAY_WAIT: Final = declare("gateway.wait", "The SMS provider asks us to wait.")
GATEWAY_REJECTED: Final = declare("gateway.rejected", "The SMS provider refused the message.")
GATEWAY_SETTINGS: Final = declare(
    "gateway.settings", "The SMS provider does not accept our settings. An operator must correct them."
)
GATEWAY_NOT_REACHED: Final = declare("gateway.not_reached", "The SMS provider could not be reached.")
GATEWAY_RECEIVES_ONLY: Final = declare(
    "gateway.receives_only", "This number only receives messages: sending is not set up for it."
)
GATEWAY_TOO_LONG: Final = declare("gateway.too_long", "The text is longer than this SMS provider takes.")
PART_TAKEN: Final = declare(
    "sms.part_taken",
    "The network took a part of the message and then refused the rest; the citizen may see the beginning.",
)
FILE_ELSEWHERE: Final = declare("sms.file_elsewhere", "The file is not stored at Twilio; it was not fetched.")
FILE_GONE: Final = declare("sms.file_gone", "Twilio does not have the file (any more).")
FILE_TOO_LARGE: Final = declare("sms.file_too_large", "The file is too large to be fetched.")
NO_FILES: Final = declare("sms.no_files", "Files cannot be sent by text message.")

FOLDER: Final = declare("sms.folder", "channels.sms.folder cannot be written")
TWILIO_ERROR: Final = declare("sms.twilio_error", "Twilio error %(number)s")

NOT_A_MESSAGE: Final = declare("sms.not_a_message", "not a text message")
GATEWAY_GONE: Final = declare("gateway.gone", "the gateway %(name)s is no longer in the configuration")
PARTS_GATEWAY_GONE: Final = declare(
    "gateway.parts_gone", "the gateway of these parts is no longer in the configuration"
)
NO_SENDER: Final = declare("sms.no_sender", "the message does not say who sent it")
NO_SENDER_FIELD: Final = declare("sms.no_sender_field", "the message does not say who sent it (no %(field)s)")
OTHER_NETWORK: Final = declare(
    "sms.other_network", "not a text message but one of another network of Twilio's (%(network)s)"
)
REPORT_WITHOUT_MESSAGE: Final = declare("sms.report_without_message", "the report names no message")
REPORT_INCOMPLETE: Final = declare("sms.report_incomplete", "the report names no message or no state")
NOT_TWILIO: Final = declare("sms.not_twilio", "not a form of Twilio's")
NOT_SMPP: Final = declare("smpp.not_a_message", "not a message of SMPP's")
RECEIVES_NOT: Final = declare("gateway.receives_not", "the provider is not described as one that receives")
REPORTS_NOT: Final = declare("gateway.reports_not", "the provider is not described as one that reports")
NO_REPORTS_AT: Final = declare("gateway.no_reports_at", "no list of reports at %(field)s")
WRONG_SHAPE: Final = declare("gateway.wrong_shape", "not a %(shape)s of the provider's")

OTHER_STATE: Final = declare("sms.other_state", "a state that changes nothing (%(state)s)")
EMPTY_LIST: Final = declare("gateway.empty_list", "an empty list of reports")

CODES: Final[dict[int, tuple[type[SendError], Reason]]] = {
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

FAILURES: Final[dict[str, Reason]] = {
    "21610": OPTED_OUT,
    "30001": declare("sms.queue_full", "Twilio's queue was full."),
    "30002": ACCOUNT_WRONG,
    "30003": declare("sms.phone_off", "The phone was off or out of reach."),
    "30004": declare("sms.blocked", "The phone or its network blocks this message."),
    "30005": NUMBER_WRONG,
    "30006": declare("sms.landline", "This is a landline, or its network cannot take text messages."),
    "30007": declare("sms.filtered", "The phone network filtered the message as unwanted."),
    "30008": declare("sms.no_reason", "The phone network gave no reason."),
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
