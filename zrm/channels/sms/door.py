"""The two webhooks: citizens' messages, and Twilio's reports on our messages.

Twilio is answered after the contact is durable. A 5xx makes it try again (and then its fallback address), so when the
store cannot keep anything the answer is 503 and nothing is lost. This is the hottest path of the installation: the
handler checks the signature, finds the id and passes the bytes on; `parse` interprets them.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from zrm.channels.channel import Installation
from zrm.channels.sms.config import SmsConfig, path_name
from zrm.channels.sms.form import read_form
from zrm.channels.sms.signature import Signatures
from zrm.contract.inbound import JSON, RawContact
from zrm.contract.ports import ReceptionPort
from zrm.contract.refusals import NO_SIGNATURE, UNKNOWN_ACCOUNT, WRONG_SIGNATURE
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_trace

MAX_BODY = 128 * 1024  # bytes; 1600 characters and ten picture addresses need about 30 KiB
FORM = "application/x-www-form-urlencoded"
SMS_PATH = "/hooks/twilio/sms/{account}"
STATUS_PATH = "/hooks/twilio/status/{account}"

_PostKind = Literal["contact", "report"]

_TAKEN = Response(b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>', media_type="text/xml")
_RETRY_AFTER = "10"  # seconds
_ID = re.compile(r"[A-Za-z0-9]{2,64}")
_WORD = re.compile(r"[A-Za-z_]{1,32}")
_SAYS = ("From", "Body", "MediaUrl", "MessageStatus", "SmsStatus", "ErrorCode")
"""The prefixes of the field names that matter; requests to the fallback address have further ones."""

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class _PostLine:
    """One of our numbers: its name in config.yaml and the check of its webhooks."""

    name: str
    signatures: Signatures


class _NotTaken(Exception):
    """The request is answered with `status` and a plain sentence; nothing was kept."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class TwilioDoor:
    """Serves the webhooks of every configured number."""

    def __init__(self, config: SmsConfig, installation: Installation, reception: ReceptionPort) -> None:
        self._reception = reception
        self._lines = {
            path_name(name): _PostLine(
                name, Signatures(account.webhook_secret or account.auth_token, installation.public_url)
            )
            for name, account in config.accounts.items()
            if account.gateway is None
        }

    def router(self) -> APIRouter:
        """The routes, as bare ASGI: the body has to be read exactly as signed, and this path must be fast."""
        router = APIRouter()
        router.routes.append(Route(SMS_PATH, _DoorHook(self, "contact"), methods=["POST"], include_in_schema=False))
        router.routes.append(Route(STATUS_PATH, _DoorHook(self, "report"), methods=["POST"], include_in_schema=False))
        return router

    async def answer(self, scope: Scope, receive: Receive, kind: _PostKind) -> Response:
        """Read one webhook, keep it, and answer in Twilio's format."""
        try:
            contact = await self._read(scope, receive, kind)
            receipt = await self._reception.receive_async(contact)
        except _NotTaken as refusal:
            return PlainTextResponse(str(refusal), refusal.status)
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
        return _TAKEN

    async def _read(self, scope: Scope, receive: Receive, kind: _PostKind) -> RawContact:
        """The request as a contact, its signature checked. Errors: _NotTaken."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != FORM.encode():
            raise _NotTaken(415, f"Expected {FORM}.")
        body = await _body(receive, headers.get(b"content-length", b"0"))
        try:
            fields = read_form(body)
        except ValueError:
            raise _NotTaken(400, "The form cannot be read.") from None
        line = self._lines.get(path_name(scope["path_params"]["account"]))
        query: bytes = scope["query_string"]
        target: bytes = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
        signature = headers.get(b"x-twilio-signature", b"")
        settings = headers.get(b"x-twilio-webhooks-signature-settings", b"")
        if line is None or not line.signatures.genuine(target, fields, signature, settings):
            await self._refuse(scope, line, signed=bool(signature))
            raise _NotTaken(403, "Twilio Request Validation Failed.")
        return RawContact(
            channel="sms",
            account=line.name,
            external_id=_external_id(dict(fields), kind),
            content=digest_of(*(part for field in fields if field[0].startswith(_SAYS) for part in field)),
            body=body,
            media_type=FORM,
            envelope=_envelope(headers, query),
            kind=kind,
            trace=new_trace(),
        )

    async def _refuse(self, scope: Scope, line: _PostLine | None, *, signed: bool) -> None:
        reason = UNKNOWN_ACCOUNT if line is None else WRONG_SIGNATURE if signed else NO_SIGNATURE
        peer = scope["client"][0] if scope.get("client") else ""
        account = line.name if line else ""
        try:
            await asyncio.to_thread(self._reception.refuse, "sms", account, reason, peer)
        except StoreUnavailable:
            _log.warning("refusal not recorded", channel="sms", reason=reason.code)


class _DoorHook:
    """One of the two webhooks as an ASGI application."""

    def __init__(self, door: TwilioDoor, kind: _PostKind) -> None:
        self._door = door
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._door.answer(scope, receive, self._kind)
        except ClientDisconnect:
            _log.info("not received", channel="sms", reason="sender hung up")
            return
        await response(scope, receive, send)


async def _body(receive: Receive, declared: bytes) -> bytes:
    """The whole body. Errors: _NotTaken when it is over the limit, ClientDisconnect."""
    if not declared.isdigit() or len(declared) > 10 or int(declared) > MAX_BODY:
        raise _NotTaken(413, f"Over the limit of {MAX_BODY} bytes.")
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise _NotTaken(413, f"Over the limit of {MAX_BODY} bytes.")
        more = message.get("more_body", False)
    return body


def _envelope(headers: dict[bytes, bytes], query: bytes) -> dict[str, JSON]:
    """What only the door knew: the token that retries share, and our reply's id in the address of a report."""
    envelope: dict[str, JSON] = {}
    if token := headers.get(b"i-twilio-idempotency-token"):
        envelope["idempotency_token"] = _plain(token.decode("latin-1"))
    if query and (reply := dict(parse_qsl(query.decode("latin-1"))).get("reply")):
        envelope["reply"] = _plain(reply)
    return envelope


def _plain(text: str) -> str:
    return text.replace("\0", "")[:100]


def _external_id(fields: dict[str, str], kind: _PostKind) -> str:
    """Twilio's own id of the message; for a report with its state. Errors: _NotTaken when there is none."""
    sid = fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid") or ""
    if not _ID.fullmatch(sid):
        raise _NotTaken(400, "The form has no MessageSid.")
    if kind == "contact":
        return sid
    state = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    if not _WORD.fullmatch(state):
        raise _NotTaken(400, "The form has no MessageStatus.")
    return f"{sid}/{state}"
