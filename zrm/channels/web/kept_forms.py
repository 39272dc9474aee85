"""Forms that are shown again: kept for a while, so that every post is answered by a redirect (303).

The "back" button then leads to pages that are requested with GET, and no browser asks whether to send the form again.
The typed fields are in the store as a dialogue state, under a key of two halves: the browser's cookie and the form's
own identity in the address. Neither half alone opens it, and it is deleted once the form was accepted.

A browser without cookies, and a form too large to keep, get the page itself as the answer to the post.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from zrm.channels.web.form_validation import FieldError
from zrm.channels.web.page_renderer import PageRenderer
from zrm.channels.web.view_models import Size
from zrm.contract.inbound import JSON
from zrm.contract.ports import CheckpointsPort
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.text import clean
from zrm.languages import Language

_log = log.get(__name__)
BROWSER_COOKIE: Final = "zrm_forms"
KEPT_SECONDS: Final = 6 * 3600
MOST_KEPT: Final = 256 * 1024
"""Characters of one form; a longer one is shown at once instead."""

_HALF: Final = 32  # hex digits


@dataclass(frozen=True, slots=True)
class KeptForm:
    """A form as it was posted: its fields, its files' signed tokens, its errors, and a notice (a msgid)."""

    fields: dict[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    problems: tuple[FieldError, ...] = ()
    note: str = ""


class KeptForms:
    """Keeps forms between the post and the page that shows them."""

    def __init__(self, site: PageRenderer, checkpoints: CheckpointsPort) -> None:
        self._site = site
        self._checkpoints = checkpoints
        self._cookie = site.cookie(BROWSER_COOKIE, "/")

    async def show(
        self, request: Request, path: str, form: KeptForm, *, nonce: str = "", language: Language | None = None
    ) -> Response | None:
        """The redirect to `path`, where `kept` finds the form; None where it has to be shown at once.

        `nonce` is the form's identity, if it has one; the same form posted again replaces itself. Errors:
        StoreUnavailable.
        """
        if not self._site.keeps_cookies(request):
            return None
        note = _note(form)
        if len(json.dumps(note, ensure_ascii=False)) > MOST_KEPT:
            return None
        browser = self._browser(request) or secrets.token_hex(_HALF // 2)
        nonce = nonce or secrets.token_hex(_HALF // 2)
        await run_in_threadpool(self._checkpoints.save_state, "web", f"{browser}:{nonce}", note, seconds=KEPT_SECONDS)
        query = {"form": nonce} | ({"lang": language} if language else {})
        response = self._site.go(f"{path}?{urlencode(query)}")
        self._site.set_cookie(response, self._cookie.name, browser, path=self._cookie.path, seconds=KEPT_SECONDS)
        return response

    async def kept(self, request: Request) -> KeptForm | None:
        """The form that the address names and this browser posted, if it is still kept. Errors: StoreUnavailable."""
        browser, nonce = self._browser(request), request.query_params.get("form", "")
        if not browser or not _is_half(nonce):
            return None
        note = await run_in_threadpool(self._checkpoints.load_state, "web", f"{browser}:{nonce}")
        return _form(note) if isinstance(note, dict) else None

    async def forget(self, request: Request, nonce: str) -> None:
        """The form was accepted: delete it. If the store is away meanwhile it expires."""
        browser = self._browser(request)
        if not browser:
            return
        try:
            await run_in_threadpool(self._checkpoints.save_state, "web", f"{browser}:{nonce}", None, seconds=0)
        except StoreUnavailable:
            _log.warning("kept form not forgotten", channel="web")

    def _browser(self, request: Request) -> str:
        value = request.cookies.get(self._cookie.name, "")
        return value if _is_half(value) else ""


def _is_half(value: str) -> bool:
    return len(value) == _HALF and set(value) <= set("0123456789abcdef")


def _note(form: KeptForm) -> JSON:
    """The form as the store can hold it: NUL and half surrogates are left out."""
    return {
        "fields": {name: clean(value) for name, value in form.fields.items()},
        "files": list(form.files),
        "problems": [
            [problem.field, problem.message, _values(problem), problem.insist] for problem in form.problems
        ],
        "note": form.note,
    }  # fmt: skip


def _values(problem: FieldError) -> dict[str, JSON]:
    return {
        name: {"bytes": int(value)}
        if isinstance(value, Size)
        else value
        if isinstance(value, int)
        else clean(str(value))
        for name, value in (problem.values or {}).items()
    }


def _form(note: dict[str, JSON]) -> KeptForm:
    problems = cast("Sequence[tuple[str, str, dict[str, JSON], str]]", note["problems"])
    return KeptForm(
        cast("dict[str, str]", note["fields"]),
        tuple(cast("list[str]", note["files"])),
        tuple(
            FieldError(
                place,
                message,
                {
                    name: Size(cast("int", value["bytes"])) if isinstance(value, dict) else value
                    for name, value in values.items()
                },
                insist,
            )
            for place, message, values, insist in problems
        ),
        cast("str", note["note"]),
    )
