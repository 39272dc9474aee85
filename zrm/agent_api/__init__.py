"""The agents' side: the desk's pages, its steps and its live events.

`pages/` is the edge for browsers: each module is a router of one page or noun. An edge for programs (`json/`) will
stand beside it and call the same actions of `zrm.casework`.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from zrm.agent_api import pages
from zrm.agent_api.context import DeskContext
from zrm.agent_api.live_updates import Feed

__all__ = ["DeskContext", "install", "lifespan"]


def install(app: FastAPI, context: DeskContext) -> None:
    """Give the application every route of the desk, all below /desk."""
    app.state.desk = context
    for router in pages.ROUTERS:
        app.include_router(router)


def lifespan(context: DeskContext) -> AbstractAsyncContextManager[None]:
    """Run the live events while the block runs; leaving it ends every open stream."""
    return Feed(context).running()
