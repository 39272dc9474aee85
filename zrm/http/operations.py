"""What programs that watch the installation ask: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from itertools import chain
from typing import Final, Generic, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool

from zrm.dispatch.queues import Monitor, QueueAway
from zrm.errors import StoreUnavailable
from zrm.insight.metrics import exposition
from zrm.installation import Runtime
from zrm.kit.peers import is_loopback
from zrm.readiness import health_problems, queue_problems, readiness

_PATIENCE: Final = 5.0  # seconds after which a health check is answered, whatever hangs
_A_MOMENT: Final = 2.0  # seconds of those for checks that only report `degraded`
_FORWARDING: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
T = TypeVar("T")


def operations(runtime: Runtime, watched: Runtime, monitor: Monitor) -> APIRouter:
    """The routes. `watched` is the installation on connections of its own, for readiness alone."""
    router = APIRouter()

    @router.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        """The process answers."""
        return PlainTextResponse("ok\n")

    _add_readiness(router, watched, monitor)
    _add_metrics(router, runtime, monitor)
    return router


def _add_readiness(router: APIRouter, watched: Runtime, monitor: Monitor) -> None:
    ready = _SingleFlight(lambda: readiness(watched))
    roles = _SingleFlight(lambda: health_problems(watched, "web"), patience=_A_MOMENT)
    queue = _SingleFlight(lambda: queue_problems(monitor), patience=_A_MOMENT)

    @router.get("/readyz", include_in_schema=False)
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


def _add_metrics(router: APIRouter, runtime: Runtime, monitor: Monitor) -> None:
    def depths() -> list[tuple[str, int, int]]:
        try:
            found = [(state.topic, state.waiting, state.failed) for state in monitor.states()]
        except QueueAway as error:
            monitor.outage.begun(error)
            return []
        monitor.outage.over()
        return found

    numbers = _SingleFlight(lambda: exposition(runtime.database, depths))
    token = runtime.config.settings.metrics.token

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        """Metrics in Prometheus' text format, for authorised readers."""
        if not _may_read_metrics(request, token):
            return PlainTextResponse(
                "Metrics need metrics.token of config.yaml; without a token only clients on this machine may read them.\n",
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
