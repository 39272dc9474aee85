"""The control: a bare FastAPI application that parses the same bodies and does nothing, on the same server settings.

python -m bench.control PORT
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from tests.lab.process import free_port


class Contact(BaseModel):
    """The fields of the JSON door."""

    text: str
    nature: str = ""
    subject: str = ""
    name: str = ""
    phone: str = ""
    email: str = ""
    language: str = ""


app = FastAPI(openapi_url=None)


@app.post("/hooks/twilio/sms/{account}")
async def webhook(account: str, request: Request) -> Response:
    """Twilio's form."""
    parse_qsl((await request.body()).decode(), keep_blank_values=True)
    return Response(b"<Response></Response>", media_type="text/xml")


@app.post("/api/contacts")
async def contact(contact: Contact) -> Response:
    """The JSON door."""
    return Response(b'{"code":"123456789012"}', 201, media_type="application/json")


@app.post("/new")
async def form(request: Request) -> Response:
    """The citizen's form, multipart."""
    async with request.form() as fields:
        fields.get("text")
    return Response(status_code=303, headers={"Location": "/receipt"})


@contextmanager
def running() -> Iterator[tuple[int, int]]:
    """The control in a process of its own: its process id and its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.control", str(port)])
    try:
        until = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            except httpx.TransportError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    # The same setting as in `zrm web`.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
