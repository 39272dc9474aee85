"""Why a channel cannot read a contact, and why it cannot send a reply."""

from __future__ import annotations

from typing import ClassVar


class Unparseable(Exception):
    """The contact cannot be understood: it goes to quarantine with this message as the reason."""


class SendError(Exception):
    """Why a reply did not leave; the message is for an agent's eyes, without secrets. See the subclasses."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class ConfigInvalid(SendError):
    """Our own settings are wrong or missing; an operator must act."""


class ReplyInvalid(SendError):
    """This reply cannot be sent by this channel (no address, too long, bad characters)."""


class ConnectionFailed(SendError):
    """The provider was not reached and has surely not taken the message."""

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
