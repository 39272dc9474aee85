"""The web server's patience: whoever drips a request is let go, whoever is only slow is not, and neighbours notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tests.lab.process import LOOPBACK, free_port, wait_until
from zrm.config import Web
from zrm.http import server as http_server
from zrm.kit.listening import listen

FAILED: list[Exception] = []
"""What went wrong in answering."""

HEAD = b"POST /%s HTTP/1.1\r\nHost: zrm.test\r\nContent-Length: 4\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the client's address and the body; /slow sleeps before it reads, /thinks afterwards."""
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
    if scope["path"] == "/thinks":
        await asyncio.sleep(0.5)
    try:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["client"][0].encode() + b" " + body[:64]})
    except Exception as error:
        FAILED.append(error)
        raise


@contextlib.contextmanager
def running(*proxies: str) -> Iterator[int]:
    port = free_port()
    server = http_server.Server(http_server.config(app, Web(port=port, trusted_proxies=list(proxies))))
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
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(http_server, "BODY_SECONDS", 1.0)
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
            more = client.recv(4096)
            assert more, f"the line was closed after {said!r}"
            said += more


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


class Endless:
    """An app with an answer that ends when it is told to, as an open desk's events do; others are answered at once."""

    def __init__(self) -> None:
        self._over: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.followed = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] != "/events":
            await app(scope, receive, send)
            return
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        self.followed.set()
        await self._over.wait()
        await send({"type": "http.response.body", "body": b""})

    def end(self) -> None:
        if self._loop is not None and self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)


def test_a_restart_on_a_socket_kept_open_refuses_nobody() -> None:
    """Clients with a new connection for each request, and such that keep theirs, while the server restarts three times."""
    (door,) = listen(LOOPBACK, 0)
    url = f"http://{LOOPBACK}:{door.getsockname()[1]}"
    over, failures, answered = threading.Event(), list[str](), list[int]()

    def ask(*, keep: bool) -> None:
        with httpx.Client(trust_env=False, timeout=30) as kept:
            while not over.is_set():
                try:
                    answer = kept.post(url, content=b"x") if keep else httpx.post(url, content=b"x", trust_env=False)
                    answered.append(answer.status_code)
                except httpx.HTTPError as error:
                    failures.append(f"{'kept' if keep else 'new'}: {error!r}")
                time.sleep(0.005)

    clients = [threading.Thread(target=ask, kwargs={"keep": number % 2 == 0}) for number in range(6)]
    with door:
        for turn in range(4):
            endless = Endless()
            server = http_server.Server(http_server.config(endless, Web()), endless.end)
            thread = threading.Thread(target=server.run, args=([door.dup()],))
            thread.start()
            if turn == 0:
                for client in clients:
                    client.start()
            with httpx.stream("GET", f"{url}/events", trust_env=False, timeout=30) as desk:
                assert endless.followed.wait(30)
                begun = len(answered)
                wait_until(lambda begun=begun: len(answered) > begun + 30, "clients to be served")  # type: ignore[misc]  # bound on purpose
                if turn == 3:
                    over.set()
                    for client in clients:
                        client.join()
                server.should_exit = True
                assert b"".join(desk.iter_raw()).endswith(b""), "the stream ends and is not cut off"
            thread.join()
    assert failures == []
    assert set(answered) == {200}


def test_a_request_that_comes_while_the_server_ends_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a connection whose client has not spoken yet, and on one that was kept: neither could know."""
    monkeypatch.setattr(http_server, "LAST_CHANCE", 4.0)
    (door,) = listen(LOOPBACK, 0)
    address = door.getsockname()
    server = http_server.Server(http_server.config(app, Web()))
    thread = threading.Thread(target=server.run, args=([door],))
    thread.start()
    with socket.create_connection(address) as silent, socket.create_connection(address) as kept:
        kept.sendall(HEAD % b"first" + b"body")
        said = b""
        while not said.endswith(b"0\r\n\r\n"):
            said += kept.recv(4096)
        wait_until(lambda: len(server.server_state.connections) == 2, "both to be taken in")
        server.should_exit = True
        wait_until(lambda: all(getattr(one, "last", False) for one in server.server_state.connections), "its end")
        for client in (silent, kept):
            client.sendall(HEAD % b"late" + b"body")
            said = client.makefile("rb").read()
            assert said.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in said
    thread.join()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_client_that_leaves_between_its_requests_is_no_error(port: int, reset: bool, whole: bool) -> None:
    """Several requests on one connection, and gone while the first is answered; the last may be cut off in its body."""
    request = HEAD % b"thinks" + b"body"
    last = HEAD % b"x" + (b"body" if whole else b"bo")
    for count in (1, 2, 3):
        with socket.create_connection((LOOPBACK, port)) as client:
            client.sendall(request * count + last)
            time.sleep(0.1)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(1)
    assert httpx.post(f"http://{LOOPBACK}:{port}/", content=b"well").text.endswith("well")
    failed, FAILED[:] = list(FAILED), []
    assert failed == []


def test_a_server_whose_loop_hangs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HANGS_AFTER", 1.0)
    go_on = threading.Event()

    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            go_on.wait(20)  # what must never happen, and did
            await app(scope, receive, send)

    port = free_port()
    server = http_server.Server(http_server.config(hanging, Web(port=port)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the web server")
        assert server.turns()
        with socket.create_connection((LOOPBACK, port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: zrm.test\r\n\r\n")
            wait_until(lambda: not server.turns(), "the hanging loop to be noticed", 20)
            go_on.set()
            wait_until(server.turns, "the loop to turn again", 20)
    finally:
        go_on.set()
        server.should_exit = True
        thread.join()
