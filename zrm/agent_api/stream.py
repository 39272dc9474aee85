"""The live stream of one open page, as server-sent events written by hand."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest, Guard
from zrm.agent_api.live_connections import OpenDesk

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the stream on the router."""

    @router.get("/desk/events")
    async def events(request: Request, visit: DeskRequest = Depends(guard.visit)) -> Response:
        desk = OpenDesk(
            visit.agent.id,
            visit.session.token_hash,
            visit.grants,
            visit.visible,
            (visit.viewer.language, visit.viewer.calendar),
        )
        stream = context.hub.stream(desk, _since(request), request.headers.get("last-event-id", ""))
        return StreamingResponse(stream, media_type="text/event-stream", headers=_HEADERS)


def _since(request: Request) -> float:
    """When the page was begun, before anything in it was read.

    A page that does not say is as old as can be, and is told to refresh.
    """
    try:
        return float(request.query_params.get("since", "0"))
    except ValueError:
        return 0.0
