"""Answers for errors that nothing else has answered."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

import psycopg
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.pages.error_pages import reader_of
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.ids import new_trace
from zrm.languages import LANGUAGES
from zrm.ui import headers
from zrm.ui.frame import PortalFrame

AWAY: Final = (StoreUnavailable, psycopg.OperationalError)
"""The errors that mean: the store does not answer."""
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_log = log.get(__name__)


class FallbackErrorPages:
    """Answers for errors that no page of ours handled: a page in the reader's language, or plain text for a program.

    The pages read nothing from the store, and nothing here raises: without a page the answer is plain text.
    """

    def __init__(self, context: DeskContext) -> None:
        self._context = context

    async def nothing_here(self, request: Request, error: Exception) -> Response:
        """An unknown address."""
        page = self._page(request, "nothing.html", 404)
        detail = getattr(error, "detail", "Not Found")
        return page or JSONResponse({"detail": detail}, status_code=404, headers=getattr(error, "headers", None))

    async def away(self, request: Request, error: Exception) -> Response:
        """The store does not answer: the sender is asked to try again."""
        _log.error("store is away", path=request.url.path, error=type(error).__name__)
        page = self._page(request, "away.html", 503) or PlainTextResponse(
            "سامانه چند لحظه در دسترس نیست. لطفاً دوباره تلاش کنید.\n"
            "The service is away for a moment. Please try again.\n",
            status_code=503,
        )
        page.headers["Retry-After"] = "5"
        return page

    async def left(self, request: Request, _error: Exception) -> Response:
        """The client disconnected before its request was complete: not an error of ours, and there is no reader."""
        _log.info("client left", path=request.url.path)
        return Response(status_code=400)

    async def bug(self, request: Request, error: Exception) -> Response:
        """An error of ours: the log has the details under the incident number, and the reader sees only that number."""
        incident = new_trace()
        _log.error("bug", path=request.url.path, incident=incident, error=type(error).__name__)
        response = self._page(request, "incident.html", 500, incident=incident) or PlainTextResponse(
            f"خطایی در سامانه رخ داد و ثبت شد. شمارهٔ رخداد: {incident}\n"
            f"Something went wrong on our side and has been recorded. Incident: {incident}\n",
            status_code=500,
        )
        if self._context.secure:  # sent outside all middleware, so outside `app._OnlyOverTls` too
            response.raw_headers.append(headers.STRICT_TRANSPORT)
        return response

    def _page(self, request: Request, template: str, status: int, **values: object) -> Response | None:
        """The page; None for a program, or when the page cannot be rendered."""
        if not _is_browser(request):
            return None
        try:
            viewer, name = reader_of(self._context, request), self._context.settings.organisation.name
            here = "/" if request.method == "POST" else ""
            frame = PortalFrame(
                organisation=name.in_language(viewer.language),
                language_hrefs={other: f"{here}?lang={other}" for other in LANGUAGES},
                home_href="/desk" if request.url.path.startswith("/desk/") else "/",
            )
            text = self._context.pages.render(template, viewer, frame=frame, again_href=again_href(request), **values)
            return HTMLResponse(text, status_code=status, headers=headers.PAGE)
        except Exception as error:  # noqa: BLE001  # whatever it is, the reader is still told in plain words
            _log.error("error page cannot be drawn", template=template, error=type(error).__name__)
            return None


def _is_browser(request: Request) -> bool:
    """Whether a person waits for a page: a browser that asked for one, or sent a form."""
    if "text/html" not in request.headers.get("accept", ""):
        return False
    form = request.headers.get("content-type", "").startswith(_FORMS)
    return request.method in ("GET", "HEAD") or (request.method == "POST" and form)


def again_href(request: Request) -> str:
    """Where to try again: the same address, or the page of the form that was sent; always a path of this site."""
    if request.method != "POST":
        path, query = quote(request.url.path), request.url.query
    else:
        sent_from = urlsplit(request.headers.get("referer", ""))
        path, query = (sent_from.path, sent_from.query) if sent_from.netloc == request.headers.get("host") else ("", "")
    if not path.startswith("/") or path.startswith("//"):
        return "/"
    return f"{path}?{query}" if query else path
