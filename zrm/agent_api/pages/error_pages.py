"""How the desk's errors become responses. One route class, so that no page can forget one."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from fastapi.routing import APIRoute

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest, ForgedForm, ProofNeeded, SignInNeeded, StageNeeded
from zrm.errors import (
    Conflict,
    Forbidden,
    InputRefused,
    NotAllowed,
    NotFound,
    StoreFull,
    StoreUnavailable,
    TooLarge,
    TooManyTries,
)
from zrm.kit import log
from zrm.security.sessions import Stage
from zrm.ui import headers
from zrm.ui.i18n import LANGUAGE_COOKIE, _, reader_language
from zrm.ui.viewer import Viewer

_log = log.get(__name__)

_PAGES: dict[type[Exception], tuple[int, str, str]] = {
    NotFound: (404, _("There is nothing here"), _("It does not exist, or it is not in your units.")),
    RequestValidationError: (404, _("There is nothing here"), _("It does not exist, or it is not in your units.")),
    Forbidden: (403, _("You do not have permission for this"), _("Ask the person who manages your permissions.")),
    ForgedForm: (403, _("This form has expired"), _("Nothing was done. Go back, reload the page and try again.")),
    Conflict: (409, _("Somebody else has changed this"), _("Nothing was done. Check how it is now and decide again.")),
    NotAllowed: (409, _("This is not possible now"), _("Nothing was done. Check how it is now and decide again.")),
    InputRefused: (422, _("This is not possible now"), _("Nothing was done. Check how it is now and decide again.")),
    TooLarge: (413, _("Too long"), _("Nothing was done. Shorten it and try again.")),
    TooManyTries: (429, _("Too many tries"), _("Wait a while and try again.")),
    StoreFull: (
        507,
        _("There is no room for files"),
        _("Nothing was done. Send it without the files, or tell the system administrator."),
    ),
    StoreUnavailable: (503, _("The database cannot be reached"), _("Nothing was done. Try again in a moment.")),
}
_CASE_PAGE: Final = re.compile(r"/desk/cases/[0-9a-f-]{36}(?=/)")
_NOT_STORED = {"Cache-Control": "no-store"}
STAGE_PAGES = {
    Stage.SIGNED_IN: "/desk",
    Stage.SECOND_STEP: "/desk/sign-in/second",
    Stage.SET_UP: "/desk/security/set-up",
}
"""Where a session of each stage is sent."""
PageHandler = Callable[[Request], Awaitable[Response]]


class DeskRoute(APIRoute):
    """The class of every route of the desk: it answers the desk's errors with the desk's pages."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The handler, wrapped in the desk's responses to errors."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await _answer(request.app.state.desk, request, inner)

        return handle


def page_router() -> APIRouter:
    """A router of pages of the desk."""
    return APIRouter(route_class=DeskRoute, include_in_schema=False)


async def _answer(context: DeskContext, request: Request, inner: PageHandler) -> Response:
    try:
        return await _with_uploads(request, inner)
    except SignInNeeded:
        return _to_sign_in(request)
    except StageNeeded as error:
        return _to_stage(request, error.stage)
    except ProofNeeded:
        return RedirectResponse(
            f"/desk/confirm?next={quote(_came_from(request), safe='')}", status_code=303, headers=_NOT_STORED
        )
    except psycopg.OperationalError as error:
        _log.error("store is away", path=request.url.path, error=type(error).__name__)
        response = error_page(context, request, *_PAGES[StoreUnavailable])
        response.headers["Retry-After"] = "5"
        return response
    except tuple(_PAGES) as error:
        known = next(kind for kind in _PAGES if isinstance(error, kind))
        if isinstance(error, ForgedForm):
            _log.warning("form without its token", path=request.url.path)
        response = error_page(context, request, *_PAGES[known])
        if isinstance(error, TooManyTries):
            response.headers["Retry-After"] = str(error.retry_after)
        return response


async def _with_uploads(request: Request, inner: PageHandler) -> Response:
    """The response; in any case the files that came with the request are released."""
    try:
        return await inner(request)
    finally:
        for file in getattr(request.state, "uploads", ()):
            await file.close()


def error_page(context: DeskContext, request: Request, status: int, title: str, text: str) -> Response:
    """An error in words, in the reader's language as far as it is known; it reads nothing from the store."""
    viewer = reader_of(context, request)
    html = context.pages.render("desk/error.html", viewer, title=title, text=text, status=status)
    return HTMLResponse(html, status_code=status, headers=headers.PAGE)


def reader_of(context: DeskContext, request: Request) -> Viewer:
    """The reader of the response: the signed-in agent, as far as that is known, else an unknown one."""
    desk_request: DeskRequest | None = getattr(request.state, "desk_request", None)
    return desk_request.viewer if desk_request else guess_viewer(context, request)


def guess_viewer(context: DeskContext, request: Request) -> Viewer:
    """An unknown reader: the language they chose or their browser asks for, else the installation's."""
    organisation = context.settings.organisation
    asked, remembered = (
        request.query_params.get("lang", ""),
        request.cookies.get(context.cookie(LANGUAGE_COOKIE, "/").name, ""),
    )
    language = reader_language(asked, remembered, request.headers.get("accept-language", "")) or organisation.language
    calendar = organisation.calendar if language == organisation.language else "gregorian"
    return Viewer(language, calendar, "auto", organisation.timezone)


def _to_stage(request: Request, stage: Stage) -> Response:
    """Send the agent to what the session is valid for; a stream only gets a refusal."""
    if request.url.path == "/desk/events":
        return PlainTextResponse("", status_code=401, headers=_NOT_STORED)
    return RedirectResponse(STAGE_PAGES[stage], status_code=303, headers=_NOT_STORED)


def _came_from(request: Request) -> str:
    """The page to go on with: the one requested or, for a form, the one it stands on; always one of the desk."""
    path = request.url.path if request.method == "GET" else _page_of_form(request)
    return path if path.startswith("/desk/") and "\\" not in path else "/desk/security"


def _page_of_form(request: Request) -> str:
    """The page of the desk on which a form stands, empty if unknown. A step of a case stands on the case's page, whatever
    address that page was answered under.
    """
    if case := _CASE_PAGE.match(request.url.path):
        return case[0]
    path = urlsplit(request.headers.get("referer", "")).path
    return path if path.startswith("/desk/") and "\\" not in path and not path.startswith("/desk/sign-in") else ""


def _to_sign_in(request: Request) -> Response:
    """Send the agent to the sign-in page and, after it, back; a stream only gets a refusal."""
    if request.url.path == "/desk/events":
        return PlainTextResponse("", status_code=401, headers={"Cache-Control": "no-store"})
    target = "/desk/sign-in"
    if request.method == "GET":
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    else:
        back = _page_of_form(request)
    if back not in ("", "/desk", "/desk/"):
        target += f"?next={quote(back, safe='')}"
    return RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
