"""The web role: every channel's routes, the desk, static files, health and metrics on one FastAPI application."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from mimetypes import guess_type
from pathlib import Path
from typing import Final, Generic, TypeVar
from urllib.parse import quote, urlsplit

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, remove_compress_type

from zrm import agent_api
from zrm.agent_api.context import DeskContext
from zrm.agent_api.pages.error_pages import reader_of
from zrm.casestore.schema import NO_WAY, BrokenMigrations, SchemaState, state
from zrm.channels.channel import HasRoutes
from zrm.dispatch.queues import Monitor, QueueAway, Queues
from zrm.errors import StoreUnavailable
from zrm.inbox.writer import refusal
from zrm.insight.metrics import exposition
from zrm.installation import Runtime
from zrm.kit import log
from zrm.kit.ids import new_trace
from zrm.kit.peers import is_loopback
from zrm.languages import LANGUAGES
from zrm.ui import headers
from zrm.ui.frame import PortalFrame
from zrm.ui.pages import Pages

_log = log.get(__name__)
_STATIC = Path(__file__).parent / "ui" / "static" / "build"
_PATIENCE: Final = 5.0  # seconds after which a health check is answered, whatever hangs
_A_MOMENT: Final = 2.0  # seconds of those for checks that only report `degraded`
_AWAY: Final = (StoreUnavailable, psycopg.OperationalError)
_FORWARDING: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
T = TypeVar("T")


class _Assets(StaticFiles):
    """Built assets carry a hash in their names, so a browser may cache them for ever.

    The build has compressed them: a brotli and a gzip version lie beside each file for which they are smaller.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        accepted = {
            name.partition(";")[0].strip() for name in Headers(scope=scope).get("accept-encoding", "").split(",")
        }
        for encoding, ending in (("br", ".br"), ("gzip", ".gz")):
            if encoding in accepted and (Path(str(self.directory)) / f"{path}{ending}").is_file():
                response = await super().get_response(f"{path}{ending}", scope)
                response.headers["Content-Encoding"] = encoding
                response.headers["Content-Type"] = guess_type(path)[0] or "application/octet-stream"
                response.headers["Vary"] = "Accept-Encoding"
                return response
        return await super().get_response(path, scope)

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


class _OnlyOverTls:
    """Adds Strict-Transport-Security, one year, to every answer of the application.

    Only for an installation whose public address is https. Subdomains are not included: they may belong to others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_it(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], headers.STRICT_TRANSPORT]
            await send(message)

        await self._app(scope, receive, send_with_it if scope["type"] == "http" else send)


class _DirectRoutes:
    """Calls the doors that are ASGI applications themselves, without the layers that only pages need.

    FastAPI's exit stack, exception handlers and route search cost a webhook or a form 25 µs, as much as its own work.
    Errors that a door does not handle still reach the fallback error pages, which stand outside this layer.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], resorts: _FallbackErrorPages) -> None:
        self._app = app
        self._resorts = resorts
        doors = [
            route for route in routes if isinstance(route, Route) and route.app is route.endpoint and _is_plain(route)
        ]
        # Looked up by method and path, without the last part where that is a parameter: "/hooks/x/{account}".
        self._doors = {
            (method, start): (route, name.removesuffix("}"))
            for route in doors
            for start, _, name in [route.path.partition("{")]
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._door(scope) if scope["type"] == "http" else None
        if door is None:
            await self._app(scope, receive, send)
            return
        try:
            await door(scope, receive, send)
        except ClientDisconnect as error:
            await (await self._resorts.left(Request(scope), error))(scope, receive, send)
        except _AWAY as error:
            await (await self._resorts.away(Request(scope), error))(scope, receive, send)

    def _door(self, scope: Scope) -> ASGIApp | None:
        path: str = scope["path"]
        if (found := self._doors.get((scope["method"], path))) is not None and not found[1]:
            return found[0].app
        start, slash, last = path.rpartition("/")
        if last and (found := self._doors.get((scope["method"], start + slash))) is not None and found[1]:
            scope["path_params"] = {found[1]: last}
            return found[0].app
        return None


def _is_plain(route: Route) -> bool:
    """Whether the only parameter of its path is the last part, as text."""
    start, _, name = route.path.partition("{")
    return not name or (start.endswith("/") and name.removesuffix("}") in route.param_convertors)


class _FallbackErrorPages:
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
        if self._context.secure:  # sent outside all middleware, so outside `_OnlyOverTls` too
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
            text = self._context.pages.render(template, viewer, frame=frame, again_href=_again(request), **values)
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


def _again(request: Request) -> str:
    """Where to try again: the same address, or the page of the form that was sent; always a path of this site."""
    if request.method != "POST":
        path, query = quote(request.url.path), request.url.query
    else:
        sent_from = urlsplit(request.headers.get("referer", ""))
        path, query = (sent_from.path, sent_from.query) if sent_from.netloc == request.headers.get("host") else ("", "")
    if not path.startswith("/") or path.startswith("//"):
        return "/"
    return f"{path}?{query}" if query else path


class _SingleFlight(Generic[T]):
    """Runs one check at a time: callers that arrive meanwhile share its answer, so a store that hangs holds one thread
    and not one for each health check.
    """

    def __init__(self, question: Callable[[], T], *, patience: float | None = None) -> None:
        self._question = question
        self._patience = patience
        self._under_way: asyncio.Task[T] | None = None

    async def answer(self) -> T:
        """The answer. Errors: TimeoutError after `_PATIENCE` seconds or its own patience, and the errors of the
        check.
        """
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(run_in_threadpool(self._question))
        async with asyncio.timeout(self._patience or _PATIENCE):
            return await asyncio.shield(self._under_way)

    async def answer_or(self, otherwise: T) -> T:
        """The answer, or `otherwise` after the time limit. Errors: those of the check."""
        try:
            return await self.answer()
        except TimeoutError:
            return otherwise


def build_app(runtime: Runtime) -> FastAPI:
    """The application on an open runtime; its lifespan closes what it opened and owns the live events.

    `app.state.end_streams` ends the event streams of open desks, which do not end by themselves.
    """
    config = runtime.config
    desk, inbox = runtime.desk()
    monitor = Monitor(Queues(runtime.redis_url))
    # Connections of their own: a health check must not wait behind the citizens on a busy day.
    watched = runtime.beside("readiness")
    context = DeskContext(
        settings=config.settings,
        database=runtime.database,
        blobs=runtime.blobs,
        pages=Pages(),
        secret=config.secret,
        senders=tuple(config.senders()),
        own_addresses=config.own_addresses(),
        monitor=monitor,
        receive=desk.reception.receive,
        health=runtime.health("web"),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(agent_api.lifespan(context))
            for router in routers:
                await stack.enter_async_context(router.lifespan_context(app))
            yield
        await run_in_threadpool(inbox.close)
        watched.close()

    app = FastAPI(
        title="ZRM",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # No telemetry of requests and errors; and looking for it in the environment would cost 5 µs.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.end_streams = context.hub.close_all
    routers = [channel.routes(desk) for channel in config.channels.values() if isinstance(channel, HasRoutes)]
    # Routes are tried one by one: a webhook should not have to pass every page of the portal, nor nested routers.
    for router in sorted(routers, key=lambda router: len(router.routes)):
        app.router.routes.extend(router.routes)
    # Pages are compressed; answers to programs at the doors are not. Live events of a desk must not wait for more
    # bytes.
    remove_compress_type("text/event-stream")
    app.add_middleware(CompressMiddleware, minimum_size=1000, zstd=False)
    resorts = _FallbackErrorPages(context)
    app.add_middleware(_DirectRoutes, routes=list(app.router.routes), resorts=resorts)
    if context.secure:
        app.add_middleware(_OnlyOverTls)
    agent_api.install(app, context)
    app.mount("/static", _Assets(directory=_STATIC, check_dir=False), name="static")
    _add_operations(app, runtime, watched, monitor)
    for kind in _AWAY:
        app.add_exception_handler(kind, resorts.away)
    app.add_exception_handler(ClientDisconnect, resorts.left)
    app.add_exception_handler(Exception, resorts.bug)
    app.add_exception_handler(404, resorts.nothing_here)
    return app


def _add_operations(app: FastAPI, runtime: Runtime, watched: Runtime, monitor: Monitor) -> None:
    def depths() -> list[tuple[str, int, int]]:
        try:
            found = [(state.topic, state.waiting, state.failed) for state in monitor.states()]
        except QueueAway as error:
            monitor.outage.begun(error)
            return []
        monitor.outage.over()
        return found

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        """The process answers."""
        return PlainTextResponse("ok\n")

    ready = _SingleFlight(lambda: readiness(watched))
    roles = _SingleFlight(lambda: health_problems(watched, "web"), patience=_A_MOMENT)
    queue = _SingleFlight(lambda: queue_problems(monitor), patience=_A_MOMENT)
    numbers = _SingleFlight(lambda: exposition(runtime.database, depths))

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        """503 only while contacts cannot be kept; `degraded` lists other faults, for which a balancer keeps us in
        service.
        """
        kept, *degraded = await asyncio.gather(
            ready.answer_or((["PostgreSQL or the blob folder hangs"], [])),
            roles.answer_or(["PostgreSQL hangs; whether the roles are alive is not known"]),
            queue.answer_or(["Redis or Valkey hangs; contacts are kept but not filed"]),
        )
        problems, remarks = kept
        told = {"ready": not problems, "problems": problems, "degraded": [*remarks, *chain(*degraded)]}
        return JSONResponse(told, status_code=503 if problems else 200)

    token = runtime.config.settings.metrics.token

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        """Metrics in Prometheus' text format, for authorised readers."""
        if not _may_read_metrics(request, token):
            return PlainTextResponse(
                "Metrics are for who shows metrics.token of config.yaml; without one, for this machine itself.\n",
                status_code=401 if token else 403,
                headers={"WWW-Authenticate": "Bearer"} if token else {},
            )
        try:
            text = await numbers.answer()
        except TimeoutError:
            raise StoreUnavailable("the store hangs") from None
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _may_read_metrics(request: Request, token: str | None) -> bool:
    """With a configured token, any client that sends it; without one, only clients on this machine that come by no
    proxy.
    """
    if token is not None:
        kind, _space, shown = request.headers.get("authorization", "").partition(" ")
        given = shown.strip().encode("utf-8", "surrogatepass")
        return kind.lower() == "bearer" and hmac.compare_digest(given, token.encode())
    forwarded = any(name in request.headers for name in _FORWARDING)
    return not forwarded and is_loopback(request.client.host if request.client else "")


def readiness(runtime: Runtime) -> tuple[list[str], list[str]]:
    """What prevents contacts from being kept, and what else is wrong with the store; a sentence each."""
    problems, remarks = schema_findings(runtime)
    return [*problems, *blob_problems(runtime)], remarks


def schema_findings(runtime: Runtime) -> tuple[list[str], list[str]]:
    """Why no contact can be kept in the database, and what is wrong with its schema although contacts can be kept.

    An older schema lacks what this version needs. A newer schema is normal on a node during a rolling upgrade. Leaves
    nothing written.
    """
    try:
        found = state(runtime.database)
        if found is SchemaState.UNRELEASED:
            return [NO_WAY], []
        if found is SchemaState.OLDER:
            return ["the database does not have the newest schema; run `zrm migrate`"], []
        refused = refusal(runtime.database)
        if found is SchemaState.CURRENT:
            return [f"PostgreSQL keeps no contact ({refused})"] if refused else [], []
        newer = "the database has a newer schema than this version of ZRM knows"
        if refused:
            return [f"{newer}, and keeps no contact of this one ({refused}); install the newer version here too"], []
        return [], [f"{newer}; install the newer version here too"]
    except BrokenMigrations as error:
        _log.error("migrations cannot be read", error=str(error))
        return ["the migrations of this installation do not fit together; the log says why"], []
    except psycopg.Error:
        return ["PostgreSQL does not answer"], []


def queue_problems(monitor: Monitor) -> list[str]:
    """Whether the queue answers."""
    try:
        monitor.ping()
    except QueueAway:
        return ["Redis or Valkey does not answer; contacts are kept but not filed"]
    return []


def health_problems(runtime: Runtime, asker: str = "") -> list[str]:
    """Which roles give no heartbeat, other than the caller's, and what waits too long; a sentence each.

    Empty while the store is away: `schema_findings` reports that.
    """
    try:
        with runtime.database.cursor() as cursor:
            return [str(problem) for problem in runtime.health(asker).problems(cursor)]
    except psycopg.OperationalError:
        return []
    except psycopg.Error as error:
        return [f"whether the roles are alive cannot be read ({type(error).__name__})"]


def blob_problems(runtime: Runtime) -> list[str]:
    """Whether the blob folder can be used."""
    try:
        runtime.blobs.require_own()
        runtime.blobs.root.mkdir(parents=True, exist_ok=True)
        probe = runtime.blobs.root / ".probe"
        probe.write_bytes(b"ok")
        probe.unlink(missing_ok=True)  # another caller may have been faster
    except OSError as error:
        return [f"{runtime.blobs.root} cannot be written: {error.strerror}"]
    except StoreUnavailable as error:
        return [str(error)]
    return []
