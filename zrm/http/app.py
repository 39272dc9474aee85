"""The application: every channel's routes, the desk, static files, health and metrics on one FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, remove_compress_type

from zrm import agent_api
from zrm.agent_api.context import DeskContext
from zrm.channels.channel import HasRoutes
from zrm.contract.ports import FrontDesk
from zrm.dispatch.queues import Monitor, Queues
from zrm.http.assets import Assets
from zrm.http.direct_routes import DirectRoutes
from zrm.http.fallback_errors import AWAY, FallbackErrorPages
from zrm.http.operations import operations
from zrm.installation import Runtime
from zrm.ui import headers
from zrm.ui.pages import BUILT_ASSETS, Pages


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


def build_app(runtime: Runtime) -> FastAPI:
    """The application on an open runtime; its lifespan closes what it opened and owns the live events.

    `app.state.end_streams` ends the event streams of open desks, which do not end by themselves.
    """
    desk, inbox = runtime.desk()
    monitor = Monitor(Queues(runtime.redis_url))
    # Connections of their own: a health check must not wait behind the citizens on a busy day.
    watched = runtime.beside("readiness")
    context = _desk_context(runtime, desk, monitor)

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
    routers = [channel.routes(desk) for channel in runtime.config.channels.values() if isinstance(channel, HasRoutes)]
    # Routes are tried one by one: a webhook should not have to pass every page of the portal, nor nested routers.
    for router in sorted(routers, key=lambda router: len(router.routes)):
        app.router.routes.extend(router.routes)
    fallback = FallbackErrorPages(context)
    _add_layers(app, fallback, secure=context.secure)
    agent_api.install(app, context)
    app.mount("/static", Assets(directory=BUILT_ASSETS, check_dir=False), name="static")
    app.router.routes.extend(operations(runtime, watched, monitor).routes)
    for kind in AWAY:
        app.add_exception_handler(kind, fallback.away)
    app.add_exception_handler(ClientDisconnect, fallback.left)
    app.add_exception_handler(Exception, fallback.bug)
    app.add_exception_handler(404, fallback.nothing_here)
    return app


def _desk_context(runtime: Runtime, desk: FrontDesk, monitor: Monitor) -> DeskContext:
    config = runtime.config
    return DeskContext(
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


def _add_layers(app: FastAPI, fallback: FallbackErrorPages, *, secure: bool) -> None:
    """What every request passes before the routes; called when the application has the doors' routes and no others."""
    # Pages are compressed; answers to programs at the doors are not. Live events of a desk must not wait for more
    # bytes.
    remove_compress_type("text/event-stream")
    app.add_middleware(CompressMiddleware, minimum_size=1000, zstd=False)
    app.add_middleware(DirectRoutes, routes=list(app.router.routes), fallback=fallback)
    if secure:
        app.add_middleware(_OnlyOverTls)
