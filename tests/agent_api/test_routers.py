"""Each page of the desk is a router that stands alone: in an application of its own it answers as in the whole desk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIRouter

from zrm.agent_api import DeskContext, pages
from zrm.config import Settings
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.ui.pages import Pages

OPEN = {
    "/desk/sign-in",
    "/desk/sign-in/provider",
    "/desk/sign-in/provider/answer",
    "/desk/sign-in/passkey",
    "/desk/sign-in/passkey/options",
}
"""Pages for visitors who are not signed in."""


@pytest.mark.parametrize("router", pages.ROUTERS, ids=lambda router: router.routes[0].path)
def test_a_page_alone_asks_who_is_there(router: APIRouter, settings: Settings, tmp_path: Path) -> None:
    """Nothing but the context is needed, and nobody without a session reaches the store."""
    app = FastAPI()
    nowhere = Database("postgresql://127.0.0.1:1/none")
    app.state.desk = DeskContext(settings, nowhere, BlobStore(tmp_path), Pages(), b"a secret of this test")
    app.include_router(router)
    for answer in asyncio.run(_asked(app, router)):
        if answer.url.path == "/desk/events":  # a script asks there, which could not follow
            assert answer.status_code == 401
        else:
            assert answer.status_code == 303, answer.url
            assert answer.headers["location"].startswith("/desk/sign-in"), answer.url
    nowhere.close()


async def _asked(app: FastAPI, router: APIRouter) -> list[httpx.Response]:
    """The answers of everything behind sign-in to visitors without a session."""
    answers = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            if route.path in OPEN:
                continue
            path = route.path
            for name in route.param_convertors:
                path = path.replace(f"{{{name}}}", "open" if name == "view" else "01890000-0000-7000-8000-000000000000")
            answers += [await client.request(method, path) for method in route.methods or ()]
    return answers
