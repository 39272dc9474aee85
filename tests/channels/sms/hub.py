"""A web server with one channel's routes on a free loopback port."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn
from fastapi import APIRouter, FastAPI

from zrm.channels.channel import Installation

PUBLIC_URL = "https://hub.example.org"


def installation(public_url: str = PUBLIC_URL, *, language: str = "en", data_dir: str = ".") -> Installation:
    """A small town's installation."""
    return Installation(
        name={"fa": "شهرداری نمونه", "en": "Sample Town"},
        language=language,
        timezone="Asia/Tehran",
        region="IR",
        public_url=public_url,
        data_dir=data_dir,
        secret="installation-secret",
    )


@contextlib.contextmanager
def serving(router: APIRouter) -> Iterator[str]:
    """The base address of a running server with these routes."""
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
