"""The agents' side: the desk's pages, its steps and its live events."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter

from zrm.agent_api import (
    account,
    case_page,
    case_steps,
    confirm,
    files,
    lists,
    operations,
    provider_pages,
    search_page,
    security_page,
    sign_in,
    stream,
    taken,
    templates_page,
)
from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import Guard
from zrm.agent_api.error_pages import route_class
from zrm.agent_api.live_updates import Feed

__all__ = ["DeskContext", "lifespan", "router"]


def router(context: DeskContext) -> APIRouter:
    """Every route of the desk, all below /desk."""
    desk = APIRouter(route_class=route_class(context), include_in_schema=False)
    guard = Guard(context)
    for pages in (
        sign_in,
        provider_pages,
        confirm,
        lists,
        search_page,
        taken,
        case_page,
        templates_page,
        case_steps,
        files,
        operations,
        account,
        security_page,
        stream,
    ):
        pages.add(desk, context, guard)
    return desk


def lifespan(context: DeskContext) -> AbstractAsyncContextManager[None]:
    """Run the live events while the block runs; leaving it ends every open stream."""
    return Feed(context).running()
