"""Why a mail could not be read or sent."""

from __future__ import annotations

from typing import Final

from zrm.contract.reasons import declare

NO_WAY_OUT: Final = declare("email.no_way_out", "E-mail cannot be sent: `submit` is missing in the configuration.")
NO_MAILBOX: Final = declare("email.no_mailbox", "The mailbox this answer should come from is not in the configuration.")
OWN_ADDRESS: Final = declare("email.own_address", "This is one of our own addresses: the answer would come back to us.")
DKIM_KEY: Final = declare("email.dkim_key", "The key that signs our mail (`dkim`) cannot be used.")
FILE_GONE: Final = declare("email.file_gone", "A file of this answer is no longer in the store.")
FILE_AWAY: Final = declare("email.file_away", "A file of this answer cannot be read at the moment.")
FOLDER: Final = declare("email.folder", "The folder for outgoing mail cannot be written.")
NOT_REACHED: Final = declare("email.not_reached", "The mail server cannot be reached.")
PASSWORD_WRONG: Final = declare("email.password_wrong", "The mail server does not accept our name and password.")
NO_ENCRYPTION: Final = declare("email.no_encryption", "The mail server offers no encryption or no sign-in.")
NO_AUTHORITY: Final = declare("email.no_authority", "The file of the authority to trust (`submit.trust`) is missing.")
CERTIFICATE_WRONG: Final = declare("email.certificate_wrong", "The mail server's certificate cannot be trusted.")
BROKEN_OFF: Final = declare("email.broken_off", "The connection to the mail server broke before the message left.")
LETTERS: Final = declare("email.letters", "This address has characters that the mail server does not support.")
UNKNOWN: Final = declare("email.unknown", "The mail server did not say whether it accepted the message.")
WAIT: Final = declare("email.wait", "The mail server asks us to try again later.")
NONSENSE: Final = declare("email.nonsense", "The mail server gave an unexpected answer.")
NO_SUCH_MAILBOX: Final = declare("email.no_such_mailbox", "The mail server says that there is no such mailbox.")
SIGN_IN_WANTED: Final = declare("email.sign_in_wanted", "The mail server requires sign-in or encryption.")
MAILBOX_FULL: Final = declare("email.mailbox_full", "The citizen's mailbox is full.")
REFUSED: Final = declare("email.refused", "The mail server refused the message.")
NOT_AN_ADDRESS: Final = declare("email.not_an_address", "This is not an e-mail address that can be written to.")
DOMAIN_WRONG: Final = declare("email.domain_wrong", "The part of the address after the @ is not a valid domain.")
TOKEN_WRONG: Final = declare("email.token_wrong", "The reply token has characters an address cannot have.")
DOMAIN_BUSY: Final = declare(
    "email.domain_busy", "The limit of messages to this mail provider is reached; this answer is sent later."
)

EMPTY: Final = declare("email.empty", "the message is empty")
NOT_HANDED_OVER: Final = declare(
    "email.not_handed_over", "the mail server could not hand this message over; it is still in the mailbox there"
)
