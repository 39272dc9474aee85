"""The live stream of one open page, as server-sent events written by hand."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from zrm.agent_api.context import Desk
from zrm.agent_api.desk_request import SignedIn
from zrm.agent_api.live_connections import OpenDesk
from zrm.agent_api.pages.error_pages import page_router

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


router = page_router()


@router.get("/desk/events")
async def events(request: Request, context: Desk, desk_request: SignedIn) -> Response:
    """Changes from now on, or since the page was begun."""
    desk = OpenDesk(
        desk_request.agent.id,
        desk_request.session.token_hash,
        desk_request.grants,
        (desk_request.viewer.language, desk_request.viewer.calendar),
    )
    stream = context.hub.stream(desk, _since(request), request.headers.get("last-event-id", ""))
    return StreamingResponse(stream, media_type="text/event-stream", headers=_HEADERS)


def _since(request: Request) -> float:
    """When the page was begun, before anything in it was read.

    A page that does not say counts as infinitely old, and is told to refresh.
    """
    try:
        return float(request.query_params.get("since", "0"))
    except ValueError:
        return 0.0
