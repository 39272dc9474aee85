"""The HTTP door: one multipart form from the hook of a fax server, with a secret.

The hook is answered after the fax is durable; on anything but 200 it drops the fax into the spool instead.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import Final

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive

from zrm.channels.fax.record import FIELDS, contact
from zrm.contract.inbound import RawContact
from zrm.contract.ports import ReceptionPort
from zrm.contract.refusals import NO_SECRET, WRONG_SECRET
from zrm.errors import StoreUnavailable, TooLarge
from zrm.kit import log

PATH: Final = "/hooks/fax"
_FORM_ROOM: Final = 64 * 1024  # bytes for everything in the form except the file
_RETRY_AFTER: Final = "10"  # seconds
_AT_ONCE: Final = 4  # faxes held in memory

_log = log.get(__name__)


class HandOff:
    """Accepts faxes from hooks that know `token`; up to `max_bytes` each, on `line` if they do not say which."""

    def __init__(self, reception: ReceptionPort, *, token: str, max_bytes: int, line: str) -> None:
        self._reception = reception
        self._token = token.encode()
        self._max_bytes = max_bytes
        self._line = line
        self._room = asyncio.Semaphore(_AT_ONCE)

    def router(self) -> APIRouter:
        """The one route."""
        router = APIRouter()
        router.add_route(PATH, self._take, methods=["POST"], include_in_schema=False)
        return router

    async def _take(self, request: Request) -> Response:
        if not self._known(request):
            await self._refuse(request)
            return PlainTextResponse("The token is missing or wrong.", 401, {"WWW-Authenticate": "Bearer"})
        try:
            async with self._room:
                fax = await self._read(request)
                receipt = await asyncio.to_thread(self._reception.receive, fax)
        except TooLarge as error:
            return PlainTextResponse(f"Over the limit of {error.limit} bytes.", 413)
        except (HTTPException, MultiPartException, ValueError):
            return PlainTextResponse("Expected a multipart form with the fax's fields.", 400)
        except (StoreUnavailable, OSError) as error:
            # OSError: no room for the upload's temporary file.
            _log.warning("not received", channel="fax", reason=type(error).__name__)
            return PlainTextResponse("Nothing was kept; send it again.", 503, {"Retry-After": _RETRY_AFTER})
        except ClientDisconnect:
            _log.info("not received", channel="fax", reason="sender hung up")
            return Response(status_code=400)
        _log.info(
            "received",
            channel="fax",
            contact=str(receipt.contact_id),
            trace=fax.trace,
            repeated=receipt.repeated,
            size=len(fax.body),
        )
        return PlainTextResponse("received")

    def _known(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode("latin-1"), self._token)

    async def _refuse(self, request: Request) -> None:
        reason = WRONG_SECRET if "authorization" in request.headers else NO_SECRET
        peer = request.client.host if request.client else ""
        try:
            await asyncio.to_thread(self._reception.refuse, "fax", self._line, reason, peer)
        except StoreUnavailable:
            _log.warning("refusal not recorded", channel="fax", reason=reason.code)

    async def _read(self, request: Request) -> RawContact:
        """The form as a contact. Errors: TooLarge, ValueError, and those of the form's parser."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
            raise ValueError("not multipart")
        limit = self._max_bytes + _FORM_ROOM
        declared = request.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            raise ValueError("not a length")
        if len(declared) > 12 or int(declared) > limit:
            raise TooLarge(self._max_bytes)
        counted = Request(request.scope, _counting(request.receive, limit, self._max_bytes))
        async with counted.form(max_files=1, max_fields=4 * len(FIELDS), max_part_size=_FORM_ROOM) as form:
            fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
            upload = form.get("file")
            tiff = await upload.read() if isinstance(upload, UploadFile) else None
        if tiff is not None and len(tiff) > self._max_bytes:
            raise TooLarge(self._max_bytes)
        if tiff is None and not fields.get("call", "").strip():
            raise ValueError("neither a file nor a call")
        return await asyncio.to_thread(contact, fields, tiff, line=self._line)


def _counting(receive: Receive, limit: int, named: int) -> Receive:
    """The same ASGI channel, which raises TooLarge(`named`) once `limit` bytes have come."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise TooLarge(named)
        return message

    return counted
