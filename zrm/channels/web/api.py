"""`POST /api/contacts`: the same contacts as JSON, for other systems. Answers in JSON, errors as RFC 9457 problems.

This is the hot path of T1: one pass over the body, one hash, one shared commit. What it does not do (folding, persons,
cases) is done later by workers.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection, Mapping
from typing import Final

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from zrm.channels.web.form_validation import clean_line, clean_text
from zrm.channels.web.intake import Intake
from zrm.channels.web.page_renderer import PageRenderer, peer_of
from zrm.channels.web.payload import Payload
from zrm.channels.web.signed_tokens import contact_id
from zrm.contract.ports import ReceptionPort
from zrm.contract.refusals import NO_SECRET, WRONG_SECRET
from zrm.errors import OverQuota, StoreUnavailable
from zrm.kit import log
from zrm.kit.mail_addresses import is_email
from zrm.kit.phones import flaw
from zrm.languages import SOURCE, Language
from zrm.ui.i18n import _, accepted_language, gettext

_log = log.get(__name__)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_ROOM_FOR_THE_REST: Final = 16_384  # everything but the text, JSON's own punctuation included

_FAULTS: Final = {
    "missing": _("is missing"),
    "extra_forbidden": _("is not a known field"),
    "string_too_long": _("is too long"),
    "string_too_short": _("is empty"),
    "string_type": _("must be text"),
    "literal_error": _("is not one of the allowed values"),
    "not_shown": _("holds nothing that can be shown"),
    "not_email": _("is not an e-mail address"),
    "not_phone": _("is not a telephone number"),
    "odd_phone": _("looks like no telephone number that we know; send phone_as_is true if it is right"),
}
_LATER: Final = {
    "peer": _(
        "Your address has sent too many contacts. Nothing was stored. Send it again with the same key after Retry-After."
    ),
    "phone": _(
        "Too many contacts name this telephone number. Nothing was stored. Send it again with the same key after Retry-After."
    ),
    "email": _(
        "Too many contacts name this e-mail address. Nothing was stored. Send it again with the same key after Retry-After."
    ),
    "door": _(
        "Too many contacts have come in all. Nothing was stored. Send it again with the same key after Retry-After."
    ),
}


class ContactApi:
    """The JSON door."""

    def __init__(self, site: PageRenderer, reception: ReceptionPort, intake: Intake) -> None:
        self._site = site
        self._reception = reception
        self._intake = intake
        self._keys = {name: key.get_secret_value().encode() for name, key in site.config.api_keys.items()}
        # A character takes up to 4 bytes, or 12 as an escaped surrogate pair.
        self._max_body = site.config.max_text * 12 + _ROOM_FOR_THE_REST

    async def receive(self, request: Request) -> Response:
        """201 with the tracking code, 200 if the same contact had come before under this key."""
        caller = ""
        if self._keys:
            known = self._caller(request)
            if known is None:
                await self._record_refusal(request)
                return self._problem(
                    request, 401, _("A valid key is needed"), _("Send it as “Authorization: Bearer …”."),
                    headers={"WWW-Authenticate": "Bearer"},
                )  # fmt: skip
            caller = known
        try:
            if not caller:  # a key's owner sends for many citizens
                self._intake.admit("json", peer_of(request))
        except OverQuota as over:
            return self._later(request, over)
        key = request.headers.get("idempotency-key", "")
        if not _KEY.fullmatch(key):
            detail = _(
                "Send an Idempotency-Key header of 1 to 200 printable ASCII characters, a new one for each contact."
            )
            return self._problem(request, 400, _("Idempotency-Key is missing or malformed"), detail)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return self._problem(request, 415, _("The body must be application/json"), "")
        try:
            body = await self._read(request)
        except ClientDisconnect:
            return Response(status_code=400)  # the client has disconnected
        if body is None:
            return self._problem(request, 413, _("The body is too large"), "")
        try:
            payload = Payload.model_validate_json(body)
        except ValidationError as error:
            return await self._invalid(request, body, error)
        try:
            if faults := await self._faults(payload):
                return self._fields_problem(request, faults)
            if not caller:
                self._intake.admit_addresses("json", peer_of(request), phone=payload.phone, email=payload.email)
            receipt = await self._intake.submit(
                contact_id("api", f"{caller}:{key}", (payload.model_dump_json(),)),
                body,
                said=payload.text,
                envelope={"caller": caller},
            )
        except OverQuota as over:
            return self._later(request, over)
        except StoreUnavailable:
            return self._away(request)
        content = f'{{"code":"{receipt.code}","received_at":"{receipt.received_at.isoformat()}"}}'
        return Response(
            content, 200 if receipt.repeated else 201, {"Cache-Control": "no-store"}, media_type="application/json"
        )

    def _caller(self, request: Request) -> str | None:
        """The integrator whose key came with the request; every key is compared, so that timing reveals nothing."""
        scheme, _space, given = request.headers.get("authorization", "").partition(" ")
        secret = (given if scheme.lower() == "bearer" else "").strip().encode("utf-8", "replace")
        matches = [name for name, key in self._keys.items() if hmac.compare_digest(key, secret)]
        return matches[0] if matches else None

    async def _record_refusal(self, request: Request) -> None:
        account = self._site.config.account
        reason = WRONG_SECRET if "authorization" in request.headers else NO_SECRET
        try:
            await run_in_threadpool(self._reception.refuse, "web", account, reason, peer_of(request))
        except StoreUnavailable:
            _log.warning("refusal not recorded", channel="web", reason=reason.code)

    def _later(self, request: Request, over: OverQuota) -> Response:
        return self._problem(
            request, 429, _("Too many contacts in a short time"), _LATER[over.bound],
            headers={"Retry-After": str(over.retry_after)},
        )  # fmt: skip

    async def _read(self, request: Request) -> bytes | None:
        """The body, or None if it is over the limit."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._max_body:
                return None
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def wrong_method(self, request: Request) -> Response:
        """405: only POST is answered here."""
        return self._problem(request, 405, _("Send contacts with POST"), "", headers={"Allow": "POST"})

    async def _invalid(self, request: Request, body: bytes, error: ValidationError) -> Response:
        """All wrong fields: those of the wrong form, and among the others those with a wrong value."""
        faults = [
            (".".join(map(str, fault["loc"])), fault["type"])
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        if any(not place for place, _kind in faults):
            return self._problem(request, 400, _("The body is not a JSON object in UTF-8"), "")
        named = {place.partition(".")[0] for place, _kind in faults}
        sound = {name: value for name, value in json.loads(body).items() if name not in named}
        try:
            faults += await self._faults(Payload.model_construct(**{"text": "", **sound}), besides=named)
        except StoreUnavailable:
            return self._away(request)
        return self._fields_problem(request, faults)

    async def _faults(self, payload: Payload, *, besides: Collection[str] = ()) -> list[tuple[str, str]]:
        """The fields with a wrong value, each with its fault. Errors: StoreUnavailable if the choices are not known."""
        faults = []
        if len(payload.text) > self._site.config.max_text:
            faults.append(("text", "string_too_long"))
        elif "text" not in besides and not clean_text(payload.text):
            faults.append(("text", "not_shown"))
        if payload.nature or payload.subject:
            choices = await self._intake.choices()
            choices.require_known()
            if payload.nature and not choices.knows_nature(clean_line(payload.nature)):
                faults.append(("nature", "literal_error"))
            if payload.subject and not choices.knows_subject(clean_line(payload.subject)):
                faults.append(("subject", "literal_error"))
        phone, email = clean_line(payload.phone), clean_line(payload.email)
        if phone and (found := flaw(phone, self._site.installation.region)):
            if found.kind == "not_digits":
                faults.append(("phone", "not_phone"))
            elif not payload.phone_as_is:
                faults.append(("phone", "odd_phone"))
        if email and not is_email(email):
            faults.append(("email", "not_email"))
        return faults

    def _away(self, request: Request) -> Response:
        return self._problem(
            request, 503, _("The contact could not be kept"), _("Nothing was stored. Send it again with the same key."),
            headers={"Retry-After": "10"},
        )  # fmt: skip

    def _fields_problem(self, request: Request, faults: list[tuple[str, str]]) -> Response:
        language = self._language(request)
        errors = [
            {"field": place[:100], "problem": gettext(language, _FAULTS.get(kind, _("is not valid")))}
            for place, kind in faults[:50]
        ]
        return self._problem(request, 422, _("Some fields must be corrected"), "", errors=errors)

    def _problem(
        self,
        request: Request,
        status: int,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> Response:
        language = self._language(request)
        problem: dict[str, object] = {"type": "about:blank", "title": gettext(language, title), "status": status}
        if detail:
            problem["detail"] = gettext(language, detail)
        if errors:
            problem["errors"] = errors
        return Response(
            json.dumps(problem, ensure_ascii=False),
            status,
            {"Cache-Control": "no-store", "Content-Language": language, **(headers or {})},
            media_type="application/problem+json",
        )

    @staticmethod
    def _language(request: Request) -> Language:
        return accepted_language(request.headers.get("accept-language", "")) or SOURCE
