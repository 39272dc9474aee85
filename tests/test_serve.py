"""The web server's patience: whoever drips a request is let go, whoever is only slow is not, and neighbours notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tests.lab.process import free_port, wait_until
from zrm import serve
from zrm.config import Web

HEAD = b"POST /%s HTTP/1.1\r\nHost: zrm.test\r\nContent-Length: 4\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the client's address and the body; /slow sleeps before it reads."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(2.5)
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["client"][0].encode() + b" " + body[:64]})


@contextlib.contextmanager
def running(*proxies: str) -> Iterator[int]:
    port = free_port()
    server = serve.Server(serve.config(app, Web(port=port, trusted_proxies=list(proxies))))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the web server")
        yield port
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(serve, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(serve, "BODY_SECONDS", 1.0)
    with running() as port:
        yield port


def drip(port: int, begin: bytes, drop: bytes = b"a", seconds: float = 8.0) -> bytes:
    """What the server says to a client that sends `begin` and then a drop every tenth of a second."""
    said = b""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(begin)
        client.settimeout(0.1)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                piece = client.recv(4096)
            except TimeoutError:
                with contextlib.suppress(OSError):
                    client.sendall(drop)
                continue
            except OSError:
                return said
            if not piece:
                return said
            said += piece
    raise AssertionError(f"still served after {seconds} s; it said {said!r}")


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HTTP/1.1\r\nHost: zrm.test\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: zrm.test\r\nContent-Length: 100000\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: zrm.test\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n",
    ],
)
def test_a_client_that_drips_is_told_and_let_go(port: int, begin: bytes) -> None:
    assert drip(port, begin).startswith(b"HTTP/1.1 408 ")
    assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200


def test_an_empty_line_now_and_then_does_not_keep_an_idle_connection(port: int) -> None:
    said = drip(port, b"GET / HTTP/1.1\r\nHost: zrm.test\r\n\r\n", b"\r\n")
    assert said.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408 " in said


def test_a_silent_client_is_let_go_without_a_word(port: int) -> None:
    assert drip(port, b"", b"") == b""


def test_a_head_without_an_end_does_not_fill_the_memory(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(OSError):
        client.sendall(b"GET / HTTP/1.1\r\nHost: zrm.test\r\nX-Long: ")
        for _ in range(64):
            client.sendall(b"a" * 65536)
            time.sleep(0.01)
        raise AssertionError("4 MB of one header were taken")
    assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200


def test_a_long_body_is_no_long_head(port: int) -> None:
    answer = httpx.post(f"http://127.0.0.1:{port}/", content=b"x" * 3_000_000, trust_env=False)
    assert answer.text == "127.0.0.1 " + "x" * 64
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert [client.post("/", content=b"y" * 70_000).status_code for _ in range(5)] == [200] * 5


def test_an_app_that_is_slow_itself_costs_nobody_the_connection(port: int) -> None:
    answer = httpx.post(f"http://127.0.0.1:{port}/slow", content=b"x" * 1_000_000, trust_env=False, timeout=20)
    assert answer.status_code == 200


def test_requests_in_one_packet_are_all_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall((HEAD % b"" + b"body") * 3)
        said = b""
        while said.count(b"200 OK") < 3:
            said += client.recv(4096)


def test_who_the_client_is_comes_from_a_trusted_proxy_only() -> None:
    forged = {"X-Forwarded-For": "203.0.113.7, 198.51.100.9"}
    with running() as port:
        assert httpx.get(f"http://127.0.0.1:{port}/", headers=forged, trust_env=False).text == "127.0.0.1 "
    with running("127.0.0.0/8") as port:
        # What a client writes itself stands before what the proxy adds, and is not believed.
        assert httpx.get(f"http://127.0.0.1:{port}/", headers=forged, trust_env=False).text == "198.51.100.9 "


def test_the_environment_of_other_servers_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    with running() as port:
        forged = {"X-Forwarded-For": "203.0.113.7"}
        assert httpx.get(f"http://127.0.0.1:{port}/", headers=forged, trust_env=False).text == "127.0.0.1 "
