"""The webhook of each bot: the caller is authenticated by a secret in a header, compared in constant time.

The messenger is answered after the update is durable; the bot's messages follow. A 503 makes the messenger deliver the
update again, which it does for a day.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from zrm.channels.telegram.config import BotsConfig
from zrm.channels.telegram.door import TelegramDoor
from zrm.channels.telegram.platform import Platform
from zrm.contract.ports import ReceptionPort
from zrm.contract.refusals import NO_SECRET, WRONG_SECRET
from zrm.errors import StoreUnavailable
from zrm.kit import log

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105  # the header's name, not what it carries
MAX_BODY = 1024 * 1024  # bytes; the longest message with all its fields is some 60 KiB
_RETRY_AFTER = "10"  # seconds

_log = log.get(__name__)


class Webhook:
    """Serves the webhooks of one messenger's bots."""

    def __init__(self, config: BotsConfig, platform: Platform, door: TelegramDoor, reception: ReceptionPort) -> None:
        self._platform = platform
        self._door = door
        self._reception = reception
        self._secrets = {
            key: bot.secret for key, bot in config.bots.items() if bot.mode == "webhook" and bot.secret is not None
        }

    def router(self) -> APIRouter:
        """The one route; the clients are closed with the server."""

        @asynccontextmanager
        async def lifespan(_: object) -> AsyncIterator[None]:
            yield
            await self._door.close()

        router = APIRouter(lifespan=lifespan)
        path = f"/hooks/{self._platform.kind}/{{bot}}"
        router.routes.append(Route(path, self.answer, methods=["POST"], include_in_schema=False))
        return router

    async def answer(self, request: Request) -> Response:
        """Take one update, or answer why not."""
        bot = str(request.path_params["bot"])
        secret = self._secrets.get(bot)
        given = request.headers.get(SECRET_HEADER, "")
        # An unknown bot is compared too, so that timing does not reveal which bots exist.
        if not hmac.compare_digest(given.encode(), (secret or "no such bot").encode()) or secret is None:
            await self._refuse(request, bot if secret is not None else "", given)
            return PlainTextResponse("The secret is wrong.", 401)
        try:
            body = await _body(request)
            if body is None:
                return PlainTextResponse(f"Over the limit of {MAX_BODY} bytes.", 413)
            says = await self._door.handle_update(bot, body)
        except ClientDisconnect:
            return Response(status_code=400)
        except StoreUnavailable:
            _log.warning("not received", channel=self._platform.kind, account=bot, reason="store unavailable")
            return PlainTextResponse("Nothing was kept; send it again.", 503, {"Retry-After": _RETRY_AFTER})
        return Response(background=BackgroundTask(self._door.say, bot, says) if says else None)

    async def _refuse(self, request: Request, account: str, given: str) -> None:
        reason = WRONG_SECRET if given else NO_SECRET
        peer = request.client.host if request.client else ""
        try:
            await asyncio.to_thread(self._reception.refuse, self._platform.kind, account, reason, peer)
        except StoreUnavailable:
            _log.warning("refusal not recorded", channel=self._platform.kind, reason=reason.code)


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is over the limit."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or len(declared) > 10 or int(declared) > MAX_BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)
