"""Pictures, sound and video of a message: stored at Twilio behind the account's key, and fetched by a worker.

The address came in a signed webhook; even so, only Twilio is requested and only Twilio gets the key: an attacker with
the secret must not be able to direct our requests into our own network.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from zrm.channels.sms.config import SmsAccount
from zrm.channels.sms.messages import ACCOUNT_WRONG, FILE_ELSEWHERE, FILE_GONE, FILE_TOO_LARGE, NOT_REACHED, WAIT
from zrm.contract.errors import ConfigInvalid, ConnectionFailed, Rejected, Throttled
from zrm.contract.files import Fetched

MAX_FILE: Final = 32 * 1024 * 1024
"""Bytes; Twilio itself accepts up to 5 MiB in and, for some networks, up to 16."""

_HOPS: Final = 3
_ABSENT: Final = (404, 409, 425)  # Twilio announces a message before its files are available everywhere


def fetch_media(account: SmsAccount, address: str, api_base: str, timeout: float) -> Fetched:
    """The file at a Twilio address. Errors: SendError, retryable if the file may be available later."""
    if not _twilios(address, api_base):
        raise Rejected(FILE_ELSEWHERE)
    own = urlsplit(address).netloc
    with httpx.Client(timeout=timeout, follow_redirects=False) as client:
        for _ in range(_HOPS):
            auth = (account.account_sid, account.auth_token) if urlsplit(address).netloc == own else None
            try:
                with client.stream("GET", address, auth=auth) as answer:
                    if answer.is_redirect:
                        address = urljoin(address, answer.headers.get("location", ""))
                        if not address.startswith("https://") and urlsplit(address).netloc != own:
                            raise Rejected(FILE_ELSEWHERE)
                        continue
                    _judge(answer)
                    return Fetched(_read(answer), answer.headers.get("content-type", "").partition(";")[0].strip())
            except (httpx.RequestError, httpx.InvalidURL):
                raise ConnectionFailed(NOT_REACHED) from None
    raise Rejected(FILE_GONE)


def _twilios(address: str, api_base: str) -> bool:
    if address.startswith(f"{api_base}/"):
        return True
    url = urlsplit(address)
    return url.scheme == "https" and (url.hostname or "").endswith(".twilio.com")


def _judge(answer: httpx.Response) -> None:
    """Check the status. Errors: SendError for all but a success."""
    if answer.is_success:
        return
    code = str(answer.status_code)
    if answer.status_code in (401, 403):
        raise ConfigInvalid(ACCOUNT_WRONG, code=code)
    if answer.status_code == 429:
        raise Throttled(WAIT, code=code)
    if answer.status_code in _ABSENT or answer.status_code >= 500:
        raise ConnectionFailed(FILE_GONE, code=code)
    raise Rejected(FILE_GONE, code=code)


def _read(answer: httpx.Response) -> bytes:
    data = bytearray()
    for piece in answer.iter_bytes():
        data += piece
        if len(data) > MAX_FILE:
            raise Rejected(FILE_TOO_LARGE)
    return bytes(data)
