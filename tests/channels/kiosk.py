"""A channel that is no part of the product: terminals in public halls, where citizens write and read with a card.

It shows what adding a channel takes: this module with the translations beside it, and one line of the registry.
A terminal's server posts what was written to `/hooks/kiosk/{account}` and the status of our answers to
`/hooks/kiosk/{account}/reports`, with the token; answers are
posted to the server's `url`.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from typing import ClassVar, Final, Literal

import httpx
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from zrm.channels.channel import ChannelConfig, Installation
from zrm.contract.addresses import Sender
from zrm.contract.capabilities import Capabilities
from zrm.contract.errors import RECEIVER_SAYS, ConnectionFailed, RecipientUnreachable, Rejected, Unparseable
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Inbound, Parsed, RawContact, Report, Thread
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import FrontDesk, ReceptionPort
from zrm.contract.reasons import declare
from zrm.errors import StoreUnavailable

NOT_A_TERMINAL: Final = declare("test.kiosk.not_a_terminal", "not what a terminal writes")
NOT_REACHED: Final = declare("test.kiosk.not_reached", "The terminals cannot be reached.")
NO_CARD: Final = declare("test.kiosk.no_card", "No such card is in the hall.")
DRAWING: Final = "M4 20h16M6 20V8l6-4l6 4v12"


def sheets(data: bytes) -> Iterator[bytes]:
    """The PDF, then a picture of each sheet, of what a terminal scanned."""
    yield b"%PDF-1.4 of " + data
    yield b"\x89PNG\r\n of " + data


class KioskConfig(ChannelConfig):
    """`url` of the terminals' server, the `token` it shows us, and the halls that have a terminal."""

    url: str
    token: str = Field(min_length=8)
    halls: list[str]


class KioskDoor:
    """The terminals' webhook."""

    def __init__(self, config: KioskConfig, reception: ReceptionPort) -> None:
        self._config = config
        self._reception = reception

    def router(self) -> APIRouter:
        """Both routes."""
        router = APIRouter()
        router.routes.append(Route("/hooks/kiosk/{hall}", self._receive, methods=["POST"]))
        router.routes.append(Route("/hooks/kiosk/{hall}/reports", self._receive, methods=["POST"]))
        return router

    async def _receive(self, request: Request) -> Response:
        hall, body = request.path_params["hall"], await request.body()
        if not hmac.compare_digest(request.headers.get("token", ""), self._config.token):
            return PlainTextResponse("The token is wrong.", 401)
        kind: Literal["report", "contact"] = "report" if request.url.path.endswith("/reports") else "contact"
        external_id = request.headers["idempotency-key"]
        raw = RawContact("kiosk", hall, external_id, body, "application/json", kind=kind)
        try:
            receipt = await self._reception.receive_async(raw)
        except StoreUnavailable:
            return PlainTextResponse("Nothing was kept; send it again.", 503)
        return JSONResponse({"code": receipt.code}, 200 if receipt.repeated else 201)


class KioskChannel:
    """Terminals in public halls."""

    kind: ClassVar[str] = "kiosk"
    Config: ClassVar[type[ChannelConfig]] = KioskConfig
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "پایانهٔ سالن", "en": "Hall terminal"},
        in_sentence={"fa": "در پایانهٔ سالن", "en": "at a hall terminal"},
        icon="kiosk",
        drawing=DRAWING,
        address_kind="card",
        reply=True,
        reports=True,
        max_text=400,
        acknowledges=True,
        asks_rating=True,
        original_suffix="json",
        renderer="tests.channels.kiosk:sheets",
    )

    def __init__(self, config: KioskConfig, installation: Installation) -> None:
        self._config = config

    def routes(self, desk: FrontDesk) -> APIRouter:
        """The webhook."""
        return KioskDoor(self._config, desk.reception).router()

    def parse(self, raw: RawContact) -> list[Parsed]:
        """What was written, or what became of an answer. Errors: Unparseable."""
        try:
            said = json.loads(raw.body)
            if raw.kind == "report":
                return [Report(said["ref"], said["state"])]
            senders = (Sender("card", said["card"], said["name"]),)
            scanned = base64.b64decode(said.get("scan", ""))
            files = (InboundFile("scan.raw", "application/octet-stream", scanned, role="pages"),) if scanned else ()
            thread = Thread(open_line=True)
            return [Inbound(senders, said["text"], language=said["language"], thread=thread, files=files)]
        except (KeyError, TypeError, ValueError):
            raise Unparseable(NOT_A_TERMINAL) from None

    def send(self, reply: Reply) -> Sent:
        """Hand an answer to the terminals' server. Errors: SendError."""
        message = {"hall": reply.account, "card": reply.to, "text": reply.text, "ref": str(reply.id)}
        try:
            answer = httpx.post(self._config.url, json=message, timeout=10)
        except httpx.ConnectError as error:
            raise ConnectionFailed(NOT_REACHED(words=type(error).__name__)) from None
        if answer.status_code == 404:
            raise RecipientUnreachable(NO_CARD)
        if answer.is_error:
            raise Rejected(RECEIVER_SAYS(words=answer.text), code=str(answer.status_code))
        return Sent(message["ref"], final=False)

    def accounts(self) -> list[str]:
        """The halls."""
        return self._config.halls

    def redact(self) -> list[str]:
        """The token."""
        return [self._config.token]

    def check(self) -> list[str]:
        """Nothing that could be looked at from here."""
        return []
