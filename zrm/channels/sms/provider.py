"""Twilio's API through Twilio's own client, over a transport that knows which requests were certainly not taken.

Twilio's transport cannot say whether a broken request had left already, and its errors lose Retry-After; this one, over
httpx, judges every answer but a success, so that nothing is sent twice and nothing is given up that could be sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from twilio.base.exceptions import TwilioException
from twilio.http.response import Response
from twilio.rest import Client

from zrm.channels.sms.config import TWILIO_API, SmsAccount
from zrm.channels.sms.messages import ACCOUNT_WRONG, NOT_REACHED, REJECTED, UNKNOWN, WAIT, refusal
from zrm.contract.errors import ConfigInvalid, ConnectionFailed, OutcomeUnknown, Rejected, SendError, Throttled

_IDLE = 5.0  # seconds a connection is kept; an older one may be dead, and that would look like a lost message


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for Twilio; addresses as Twilio wants them."""

    to: str
    text: str
    sender: str
    status_callback: str


class Provider:
    """Sends messages; may be used by several threads, in one process."""

    def __init__(self, api_base: str, timeout: float) -> None:
        self._transport = Transport(api_base, timeout)

    def send(self, account: SmsAccount, message: Outgoing) -> str:
        """Send one message by Twilio; its id there. Errors: SendError and nothing else."""
        client = self._client(account)
        sender = (
            {"messaging_service_sid": account.messaging_service_sid}
            if account.messaging_service_sid
            else {"from_": message.sender}
        )
        try:
            taken = client.messages.create(
                to=message.to, body=message.text, status_callback=message.status_callback, **sender
            )
        except (TwilioException, ValueError, KeyError, TypeError, AttributeError):
            # Refusals never get this far: this is a success that Twilio's client cannot parse. It may have been taken.
            raise OutcomeUnknown(UNKNOWN) from None
        if taken.status in ("failed", "undelivered", "canceled"):
            raise Rejected(REJECTED, code=str(taken.error_code or ""))
        if not isinstance(taken.sid, str) or not taken.sid:
            raise OutcomeUnknown(UNKNOWN)
        return taken.sid

    def delivery_status(self, account: SmsAccount, reference: str) -> tuple[str, str]:
        """(status, error code or "") of a message at Twilio. Errors: SendError, retryable where asking again may help."""
        client = self._client(account)
        try:
            message = client.messages(reference).fetch()
        except OutcomeUnknown:  # a query only: nothing was sent
            raise ConnectionFailed(NOT_REACHED) from None
        except (TwilioException, ValueError, KeyError, TypeError, AttributeError):
            raise Rejected(REJECTED) from None
        return str(message.status or ""), str(message.error_code or "")

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _client(self, account: SmsAccount) -> Client:
        return Client(
            account.account_sid,
            account.auth_token,
            http_client=self._transport,
            environment={"TWILIO_EDGE": ""},  # not empty, so that the machine's own environment is not used
        )


class Transport:
    """What Twilio's client calls `http_client`, with another origin if so configured."""

    is_async = False

    def __init__(self, api_base: str, timeout: float) -> None:
        self._api_base = api_base
        self._client = httpx.Client(timeout=timeout, limits=httpx.Limits(keepalive_expiry=_IDLE))

    def request(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One request, never repeated; a success in the form Twilio's client expects. Errors: SendError for all
        else.
        """
        target: Any = {"params": params, "data": data, "headers": headers, "auth": auth}
        try:
            answer = self._client.request(method, self._api_base + url.removeprefix(TWILIO_API), **target)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError):
            raise ConnectionFailed(NOT_REACHED) from None
        except httpx.RequestError:
            raise OutcomeUnknown(UNKNOWN) from None
        if not answer.is_success:
            raise judge(answer.status_code, answer.text, answer.headers)
        return Response(answer.status_code, answer.text, answer.headers)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def judge(status: int, body: str, headers: Mapping[str, str]) -> SendError:
    """The error for an answer that is not a success. `body` may be Twilio's JSON or anything."""
    code = _code(body)
    shown = str(code or status)
    wait = _seconds(headers.get("retry-after"))
    if status == 503:  # it refused to take anything; other server errors leave that open
        return Throttled(WAIT, code=shown, retry_after=wait)
    if status >= 500:
        return OutcomeUnknown(UNKNOWN, code=shown)
    if status < 400:  # Twilio never redirects: another server answers at api_base
        return ConfigInvalid(ACCOUNT_WRONG, code=shown)
    return refusal(status, code, wait)


def _code(body: str) -> int:
    try:
        code = json.loads(body).get("code", 0)
    except (ValueError, AttributeError, RecursionError):
        return 0
    return code if isinstance(code, int) else 0


def _seconds(value: str | None) -> float | None:
    """Retry-After, which is seconds or a date, as seconds; None for an invalid value."""
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) < 8:
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
