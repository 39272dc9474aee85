"""Doors that are ASGI applications themselves, called without the layers that only pages need."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from zrm.http.fallback_errors import AWAY, FallbackErrorPages


class DirectRoutes:
    """Calls the doors that are ASGI applications themselves, without the layers that only pages need.

    FastAPI's exit stack, exception handlers and route search cost a webhook or a form 25 µs, as much as its own work.
    Errors that a door does not handle still reach the fallback error pages, which stand outside this layer.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], fallback: FallbackErrorPages) -> None:
        self._app = app
        self._fallback = fallback
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
        """Call the door with this method and path, or the application where there is none."""
        door = self._door(scope) if scope["type"] == "http" else None
        if door is None:
            await self._app(scope, receive, send)
            return
        try:
            await door(scope, receive, send)
        except ClientDisconnect as error:
            await (await self._fallback.left(Request(scope), error))(scope, receive, send)
        except AWAY as error:
            await (await self._fallback.away(Request(scope), error))(scope, receive, send)

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
