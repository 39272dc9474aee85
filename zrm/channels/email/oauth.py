"""Access tokens for mail servers that require OAuth 2.0 instead of a password (RFC 6749, XOAUTH2)."""

from __future__ import annotations

import time
from threading import Lock
from typing import Final

import httpx

from zrm.channels.email.config import OAuth

_EARLY: Final = 60.0  # seconds before its end at which a token is renewed
_TIMEOUT: Final = 20.0


class TokenUnavailable(Exception):
    """No access token can be obtained; the message says why, without secrets."""


class TokenSource:
    """Gets a token when needed and keeps it until shortly before it expires. Thread-safe."""

    def __init__(self, config: OAuth) -> None:
        self._config = config
        self._lock = Lock()
        self._token = ""
        self._ends = 0.0
        self._refresh_token = config.refresh_token

    def token(self) -> str:
        """A valid token. Errors: TokenUnavailable."""
        with self._lock:
            if not self._token or time.monotonic() > self._ends - _EARLY:
                self._renew()
            return self._token

    def forget(self) -> None:
        """The server refused the token: get another one next time."""
        with self._lock:
            self._token = ""

    def _renew(self) -> None:
        config = self._config
        form = {"client_id": config.client_id, "client_secret": config.client_secret, "scope": config.scope}
        form |= (
            {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
            if self._refresh_token
            else {"grant_type": "client_credentials"}
        )
        try:
            answer = httpx.post(
                config.token_url, data={key: value for key, value in form.items() if value}, timeout=_TIMEOUT
            )
            body = answer.json() if answer.status_code == httpx.codes.OK else {}
        except httpx.HTTPError as error:
            raise TokenUnavailable(f"the token server cannot be reached: {type(error).__name__}") from None
        except ValueError:
            raise TokenUnavailable("the token server's answer cannot be read") from None
        token = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(token, str) or not token:
            raise TokenUnavailable(f"the token server gave no token ({answer.status_code})")
        lasts = body.get("expires_in")
        self._token = token
        self._ends = time.monotonic() + (float(lasts) if isinstance(lasts, (int, float)) else 300.0)
        rotated = body.get("refresh_token")
        if isinstance(rotated, str) and rotated:
            self._refresh_token = rotated
