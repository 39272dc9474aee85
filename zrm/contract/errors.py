"""Why a channel cannot read a contact, and why it cannot send a reply."""

from __future__ import annotations

from typing import ClassVar, Final

from zrm.contract.reasons import Reason, declare

RECEIVER_SAYS: Final = declare("receiver_says", "The receiving service says: %(words)s")
"""Why a delivery failed or is late, in the words of the provider or server that refused it."""


class Unparseable(Exception):
    """The contact cannot be understood: it goes to quarantine with this reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class SendError(Exception):
    """Why a reply did not leave; `reason` is shown to agents and holds no secrets, `code` is the provider's own. See
    the subclasses.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, reason: Reason, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.retry_after = retry_after


class ConfigInvalid(SendError):
    """Our own settings are wrong or missing; an operator must act."""


class ReplyInvalid(SendError):
    """This channel cannot send this reply (no address, too long, bad characters)."""


class ConnectionFailed(SendError):
    """The provider was not reached and has certainly not taken the message."""

    retryable = True


class Throttled(SendError):
    """The provider asks us to wait `retry_after` seconds."""

    retryable = True


class Rejected(SendError):
    """The provider refused; `code` is its own."""


class RecipientUnreachable(SendError):
    """The address does not exist or cannot receive."""


class RecipientOptedOut(SendError):
    """The citizen asked us not to write there."""


class OutcomeUnknown(SendError):
    """The connection broke after the message left: it may have been taken. Shown to a person, never resent by us."""
