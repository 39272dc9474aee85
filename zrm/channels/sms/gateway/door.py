"""The webhooks of described providers: a citizen's message, a delivery report. Answered after the contact is durable."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from zrm.channels.sms.gateway.config import Hook, HttpGateway, Message, Receiving, Reporting
from zrm.channels.sms.gateway.fields import Unreadable, part_of, read_fields, words_at
from zrm.channels.sms.gateway.read import words_of
from zrm.channels.sms.gateway.send import sign
from zrm.contract.inbound import JSON, RawContact
from zrm.contract.ports import ReceptionPort
from zrm.contract.refusals import WRONG_SIGNATURE
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_trace
from zrm.kit.text import digits

MESSAGE_PATH = "/hooks/sms/{gateway}/message"
REPORT_PATH = "/hooks/sms/{gateway}/report"
MAX_BODY = 128 * 1024

_RETRY_AFTER = "10"  # seconds
_log = log.get(__name__)


class GatewayDoor:
    """Serves the webhooks of every described provider. `lines` are our numbers by gateway, in the file's order."""

    def __init__(
        self, gateways: Mapping[str, HttpGateway], lines: Mapping[str, list[str]], reception: ReceptionPort
    ) -> None:
        self._gateways = gateways
        self._lines = lines
        self._reception = reception

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()

        @router.api_route(MESSAGE_PATH, methods=["GET", "POST"], include_in_schema=False)
        async def message(gateway: str, request: Request) -> Response:
            known = self._gateways.get(gateway)
            return await self._take(gateway, known.receive if known else None, request, "contact")

        @router.api_route(REPORT_PATH, methods=["GET", "POST"], include_in_schema=False)
        async def report(gateway: str, request: Request) -> Response:
            known = self._gateways.get(gateway)
            return await self._take(gateway, known.report if known else None, request, "report")

        return router

    async def _take(
        self, name: str, hook: Receiving | Reporting | None, request: Request, kind: Literal["contact", "report"]
    ) -> Response:
        if hook is None:
            return PlainTextResponse("There is no such address here.", 404)
        try:
            body = await _body(request, hook)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return PlainTextResponse(f"Over the limit of {MAX_BODY} bytes.", 413)
        try:
            if not _genuine(hook, request, body):
                await asyncio.to_thread(
                    self._reception.refuse,
                    "sms",
                    name,
                    WRONG_SIGNATURE,
                    request.client.host if request.client else "",
                )
                return PlainTextResponse("Signature or token is wrong.", 403)
            contact = self._contact(name, hook, body, kind)
            if contact is None:
                return PlainTextResponse("A field that was agreed on is missing.", 400)
            receipt = await self._reception.receive_async(contact)
        except Unreadable:
            return PlainTextResponse(f"Expected {hook.body}.", 400)
        except StoreUnavailable:
            _log.warning("not received", channel="sms", reason="store unavailable")
            return PlainTextResponse("Nothing was kept; send it again.", 503, {"Retry-After": _RETRY_AFTER})
        _log.info(
            "received",
            channel="sms",
            kind=kind,
            contact=str(receipt.contact_id),
            trace=contact.trace,
            repeated=receipt.repeated,
        )
        return PlainTextResponse(hook.answer)

    def _contact(
        self, name: str, hook: Receiving | Reporting, body: bytes, kind: Literal["contact", "report"]
    ) -> RawContact | None:
        stored = _without_token(hook, body)
        if isinstance(hook, Receiving):
            fields = read_fields(body, hook.body, hook.charset)
            if not words_at(fields, hook.from_) or (hook.id is None and not words_at(fields, hook.time)):
                return None
            identity, account = identify(hook, fields, stored), account_of(hook, fields, self._lines.get(name, []))
            content = said_in(hook, fields, stored)
        else:
            # A report is the same if all of it is.
            identity, account, content = hashlib.sha256(stored).hexdigest()[:40], "", ""
        if not identity:
            return None
        return RawContact(
            channel="sms",
            account=account or next(iter(self._lines.get(name, [])), name),
            external_id=f"{name}:{identity}",
            body=stored,
            media_type="application/json" if hook.body == "json" else "application/x-www-form-urlencoded",
            envelope={"gateway": name},
            kind=kind,
            trace=new_trace(),
            content=content,
        )


def identify(how: Message, fields: JSON, stored: bytes) -> str:
    """What tells a message from all others of its provider: its id there, else its whole content; empty if it has no
    id.

    Parts may share the id of their message, so the part number is added.
    """
    if how.id is None:
        return hashlib.sha256(stored).hexdigest()[:40]
    identity = words_at(fields, how.id)[:100]
    place = part_of(how, fields)
    return f"{identity}/{place[2]}" if identity and place else identity


def said_in(how: Message, fields: JSON, stored: bytes) -> str:
    """The digest of a message's content: the same for the door and the inbox, whatever format each has."""
    return digest_of(digits(words_at(fields, how.from_)), words_of(how, stored, fields), repr(part_of(how, fields)))


def account_of(how: Message, fields: JSON, lines: Sequence[str]) -> str:
    """Our number that received a message; empty if it names none of ours."""
    wanted = digits(words_at(fields, how.to))
    return next((line for line in lines if wanted and digits(line) == wanted), "")


async def _body(request: Request, hook: Hook) -> bytes | None:
    """The bytes with the fields; None when they are too large."""
    if hook.body == "query":
        return request.scope["query_string"] if len(request.scope["query_string"]) <= MAX_BODY else None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _genuine(hook: Hook, request: Request, body: bytes) -> bool:
    if hook.signature is not None:
        given = request.headers.get(hook.signature.header, "")
        if not hmac.compare_digest(given.encode(), sign(hook.signature, body).encode()):
            return False
    if hook.token is None:
        return True
    if hook.token.header is not None:
        given = request.headers.get(hook.token.header, "")
    else:
        given = words_at(read_fields(body, hook.body, hook.charset), hook.token.field)
    return hmac.compare_digest(given.encode(), hook.token.value.encode())


def _without_token(hook: Hook, body: bytes) -> bytes:
    """The secret is not stored with every message."""
    if hook.token is None or hook.token.field is None:
        return body
    pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, encoding="latin-1")
    kept = [(name, value) for name, value in pairs if name != hook.token.field]
    return urlencode(kept, encoding="latin-1").encode()
