"""What all pages of the portal share: language, frame, headers, cookies, and error pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final
from unicodedata import category
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from zrm.channels.channel import Installation
from zrm.channels.web.config import WebConfig
from zrm.channels.web.form_validation import latin_digits
from zrm.kit.cookies import Cookie, cookie
from zrm.languages import LANGUAGES, SOURCE, Language
from zrm.ui import i18n
from zrm.ui.frame import FooterLink, PortalFrame
from zrm.ui.headers import PAGE
from zrm.ui.i18n import _, gettext, ngettext, reader_language
from zrm.ui.pages import Pages
from zrm.ui.viewer import Viewer

TEMPLATES: Final = Path(__file__).parent / "templates"
LANGUAGE_COOKIE: Final = i18n.LANGUAGE_COOKIE
_YEAR: Final = 365 * 24 * 3600

_ENCODED_HEADERS: Final = [(name.lower().encode(), value.encode()) for name, value in PAGE.items()]


class PageRenderer:
    """Renders the portal's pages for one installation."""

    def __init__(self, config: WebConfig, installation: Installation) -> None:
        self.config = config
        self.installation = installation
        self.secure = installation.public_url.startswith("https://")
        self.language_cookie = self.cookie(LANGUAGE_COOKIE, "/")
        self._pages = Pages()
        self._pages.add_folder("web", TEMPLATES)

    def language(self, request: Request) -> Language:
        """The reader's language: from the address, else the cookie, else the browser's header, else ours."""
        # parsing an empty query takes as long as a full one
        query = request.query_params if request.scope["query_string"] else {}
        asked, remembered = query.get("lang", ""), request.cookies.get(self.language_cookie.name, "")
        return reader_language(asked, remembered, request.headers.get("accept-language", "")) or self._own_language

    def keeps_cookies(self, request: Request) -> bool:
        """Whether the cookie that every page sets came back: without cookies, what a redirect needs would be lost."""
        return self.language_cookie.name in request.cookies

    def cookie(self, name: str, path: str) -> Cookie:
        """The name of a cookie of the portal on this installation."""
        return cookie(name, path, secure=self.secure)

    @property
    def _own_language(self) -> Language:
        return self.installation.language if self.installation.language in LANGUAGES else SOURCE

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        language: Language | None = None,
        here: str | None = None,
        headers: Mapping[str, str] | None = None,
        **context: object,
    ) -> HTMLResponse:
        """A finished page. `here` is the address the language switch leads to, if not the request's own."""
        shown = language or self.language(request)
        path = request.url.path if here is None else here
        viewer = Viewer(shown, LANGUAGES[shown].calendar, "auto", self.installation.timezone)
        frame = PortalFrame(
            organisation=self.installation.name.get(shown) or next(iter(self.installation.name.values()), "ZRM"),
            language_hrefs={other: f"{path}?lang={other}" for other in LANGUAGES},
            links=(
                FooterLink(gettext(shown, _("Make a complaint or report")), "/new"),
                FooterLink(gettext(shown, _("Follow your case")), "/track"),
            ),
        )
        text = self._pages.render(f"web/{template}", viewer, frame=frame, config=self.config, **context)
        response = HTMLResponse(text, status_code=status, headers={**PAGE, **(headers or {})})
        if request.cookies.get(self.language_cookie.name) != shown:
            response.set_cookie(
                self.language_cookie.name, shown, max_age=_YEAR, httponly=True, samesite="lax", secure=self.secure
            )
        return response

    def go(self, path: str) -> Response:
        """Redirect to the next page with GET, so that a reload sends nothing twice. `path` is ASCII."""
        response = Response(status_code=303)
        response.raw_headers += [*_ENCODED_HEADERS, (b"location", path.encode("ascii"))]
        return response

    def set_cookie(self, response: Response, name: str, value: str, *, path: str, seconds: int) -> None:
        """A personal cookie, named by `cookie`: not for scripts, not for other sites, and only over TLS where there is
        TLS.

        `value` is a signed token, which needs no quotes; so the line is written here, because http.cookies is slow.
        """
        secure = "; Secure" if self.secure else ""
        cookie = f"{name}={value}; HttpOnly; Max-Age={seconds}; Path={path}; SameSite=lax{secure}"
        response.raw_headers.append((b"set-cookie", cookie.encode("ascii")))

    def drop_cookie(self, response: Response, name: str, *, path: str) -> None:
        """Delete a cookie."""
        response.delete_cookie(name, path=path, httponly=True, samesite="lax", secure=self.secure)

    def problem(
        self,
        request: Request,
        status: int,
        title: str,
        text: str,
        *,
        back: str = "/",
        back_label: str = _("Go to the first page"),
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> HTMLResponse:
        """A page that says what went wrong and what to do; `title`, `text` and `back_label` are msgids."""
        language = self.language(request)
        here = request.url.path if request.method in ("GET", "HEAD") else back
        return self.page(
            request, "problem.html", status=status, here=here, headers=headers,
            heading=gettext(language, title), text=gettext(language, text, **values), back=back,
            back_label=gettext(language, back_label),
        )  # fmt: skip

    def unreadable(self, request: Request, back: str) -> HTMLResponse:
        """400: the request is not a form."""
        return self.problem(
            request, 400, _("We could not read what your browser sent"),
            _("It may have been cut off on the way. Nothing was stored. Please go back and send it again."),
            back=back, back_label=_("Back to the form"),
        )  # fmt: skip

    def wrong_type(self, request: Request, back: str) -> HTMLResponse:
        """415: a media type that no form has."""
        return self.problem(
            request, 415, _("We could not read what your browser sent"),
            _("It was not sent as a form. Nothing was stored. Please use the form on our page."),
            back=back, back_label=_("Back to the form"),
        )  # fmt: skip

    def foreign(self, request: Request, back: str) -> HTMLResponse:
        """403: sent by a page of another site."""
        return self.problem(
            request, 403, _("This was not sent from our own page"),
            _("For your safety we take forms from our own pages only. Nothing was stored."),
            back=back, back_label=_("Open our page"),
        )  # fmt: skip

    def wait(self, request: Request, seconds: int, back: str) -> HTMLResponse:
        """429: too many tries; says when to come again."""
        minutes = max(1, -(-seconds // 60))
        language = self.language(request)
        when = ngettext(
            language,
            "For safety we limit how often this can be tried. Please come again in %(num)s minute.",
            "For safety we limit how often this can be tried. Please come again in %(num)s minutes.",
            minutes,
        )
        return self.page(
            request, "problem.html", status=429, here=back, headers={"Retry-After": str(max(1, seconds))},
            heading=gettext(language, _("Too many tries")), text=when, back=back,
            back_label=gettext(language, _("Back")),
        )  # fmt: skip

    def unavailable(self, request: Request, back: str) -> HTMLResponse:
        """503: our store does not answer."""
        return self.problem(
            request, 503, _("We cannot answer at the moment"),
            _("This is our fault, not yours. Please try again in a few minutes."),
            back=back, back_label=_("Try again"), headers={"Retry-After": "60"},
        )  # fmt: skip

    def is_foreign(self, request: Request) -> bool:
        """Whether a browser states that another site made it send this. A client that states nothing is no browser."""
        fetch_site = request.headers.get("sec-fetch-site")
        if fetch_site is not None:
            return fetch_site not in ("same-origin", "none")
        origin = request.headers.get("origin")
        if origin is None:
            return False
        ours = {request.headers.get("host", ""), urlsplit(self.installation.public_url).netloc}
        try:
            return urlsplit(origin).netloc not in ours
        except ValueError:  # not an address
            return True


class Bare:
    """A request handler as an ASGI application: for the busiest pages, without layers that only other pages need."""

    def __init__(self, handler: Callable[[Request], Awaitable[Response]]) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._handler(Request(scope, receive, send))
        await response(scope, receive, send)


def peer_of(request: Request) -> str:
    """The client's address as the server knows it (behind a trusted proxy: the forwarded one)."""
    return request.client.host if request.client else ""


def typed_code(text: str) -> str:
    """A tracking code as typed or copied, without spaces, dashes and invisible direction marks, in 0-9."""
    return "".join(c for c in latin_digits(text) if not (c.isspace() or c in "-–—‐‑−_./" or category(c) == "Cf"))[:40]
