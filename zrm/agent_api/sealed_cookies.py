"""What the desk hands to a browser for some minutes and accepts when it comes back: sealed cookies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from zrm.agent_api.context import DeskContext


@dataclass(frozen=True, slots=True)
class SealedState:
    """The content: its purpose, its secrets, and the page to go on with."""

    purpose: str
    secrets: tuple[str, ...]
    next_href: str = ""


class SealedCookie:
    """The cookie for one purpose. A browser has one at a time; it is removed once it was used."""

    def __init__(self, context: DeskContext, name: str, path: str, *, seconds: int) -> None:
        self._secure = context.secure
        self._cookie = context.cookie(name, path)
        self._seconds = seconds
        self._seal = URLSafeTimedSerializer(context.secret, salt=f"zrm.desk.{name}")

    def write(self, response: Response, state: SealedState) -> None:
        """Give it to the browser."""
        sealed: str | bytes = self._seal.dumps(asdict(state))
        response.set_cookie(
            self._cookie.name,
            sealed if isinstance(sealed, str) else sealed.decode(),
            max_age=self._seconds,
            path=self._cookie.path,
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )

    def read(self, request: Request, purpose: str) -> SealedState | None:
        """What the browser brings back; None if it is not ours, for another purpose, or too old."""
        try:
            said: dict[str, Any] = self._seal.loads(request.cookies.get(self._cookie.name, ""), max_age=self._seconds)
        except BadData:
            return None
        state = SealedState(said["purpose"], tuple(said["secrets"]), said["next_href"])
        return state if state.purpose == purpose else None

    def drop(self, response: Response) -> None:
        """Remove it."""
        response.delete_cookie(self._cookie.name, path=self._cookie.path, secure=self._secure)
