"""The vocabulary of the Twilio stand-in: behaviours, stored messages, sent webhooks."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

import httpx

from tests.lab import twilio_contract as contract


@dataclass(frozen=True)
class Refuse:
    """Answer with an error of Twilio's; `retry_after` in seconds goes into the header of that name."""

    code: int
    status: int = 400
    retry_after: int | None = None


THROTTLE = Refuse(20429, 429, retry_after=1)
FAIL = Refuse(20500, 500)


@dataclass(frozen=True)
class Hold:
    """Accept the message but answer only when `release` is called."""

    released: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Release the answer."""
        self.released.set()


@dataclass(frozen=True)
class Cut:
    """Close the connection without an answer, before or after the message was accepted."""

    accepted: bool


Behaviour = Refuse | Hold | Cut


@dataclass
class Message:
    """A message at Twilio: the request and its status."""

    sid: str
    account: str
    form: Mapping[str, Sequence[str]]
    direction: str
    status: str
    created: datetime
    error_code: int | None = None

    @property
    def to(self) -> str:
        """The number it goes to."""
        return self._one("To")

    @property
    def sender(self) -> str:
        """The number it comes from."""
        return self._one("From")

    @property
    def body(self) -> str:
        """Its text."""
        return self._one("Body")

    @property
    def status_callback(self) -> str | None:
        """The public URL for its reports, if there is one."""
        return self._one("StatusCallback") or None

    def _one(self, name: str) -> str:
        return next(iter(self.form.get(name, ())), "")

    def as_json(self) -> dict[str, object]:
        """The message in the form of Twilio's answer."""
        path = f"/2010-04-01/Accounts/{self.account}/Messages/{self.sid}"
        day = format_datetime(self.created)
        return {
            "sid": self.sid,
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": day,
            "date_updated": day,
            "date_sent": day if self.status in ("sent", "delivered", "undelivered") else None,
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": contract.ERRORS.get(self.error_code) if self.error_code else None,
            "from": self.sender or None,
            "messaging_service_sid": self._one("MessagingServiceSid") or None,
            "num_media": str(len(self.form.get("MediaUrl", ()))),
            "num_segments": str(contract.segments(self.body)),
            "price": None,
            "price_unit": "USD",
            "status": self.status,
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": self.to,
            "uri": f"{path}.json",
        }


@dataclass(frozen=True)
class Delivery:
    """One webhook call: what was sent, and the hub's answer."""

    public_url: str
    send_to: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    answer: httpx.Response

    @property
    def sid(self) -> str:
        """The message it refers to."""
        return self.params["MessageSid"]
