"""Proxies of the environment: honoured for strangers, never for what runs beside us, and none that breaks everything."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator

import httpx
import pytest

from zrm.kit import proxies


class _Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"through the proxy")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    """A server that answers everything, as a proxy would."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for each in (name, name.upper()):
            monkeypatch.setenv(each, "")  # so that what is settled is taken back
            monkeypatch.delenv(each)
    return monkeypatch


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_strangers_are_asked_through_the_proxy_and_neighbours_never(
    server: int, clean: pytest.MonkeyPatch, host: str
) -> None:
    clean.setenv("HTTP_PROXY", f"http://127.0.0.1:{server}")
    assert proxies.settle(os.environ) == []
    assert httpx.get("http://provider.invalid/").text == "through the proxy"
    clean.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert httpx.get(f"http://{host}:{server}/").status_code == 200


def test_what_was_spared_stays_spared() -> None:
    environment = {"NO_PROXY": "db.example, 10.0.0.5"}
    assert proxies.settle(environment) == []
    assert environment["no_proxy"] == environment["NO_PROXY"] == "db.example,10.0.0.5,localhost,127.0.0.1,::1"
    everything = {"no_proxy": "*", "http_proxy": "http://proxy.example"}
    assert proxies.settle(everything) == []
    assert everything == {"no_proxy": "*", "http_proxy": "http://proxy.example"}


@pytest.mark.parametrize(
    "address", ["socks5://u:hush-hush@127.0.0.1:1080", "nonsense://hush-hush", "http://", "http://x:hush"]
)
def test_a_proxy_that_cannot_be_used_is_left_out_and_said(clean: pytest.MonkeyPatch, address: str) -> None:
    environment = {"ALL_PROXY": address, "HTTPS_PROXY": "proxy.example:3128"}
    (problem,) = proxies.settle(environment)
    assert problem.startswith("ALL_PROXY in the environment is ignored: ")
    assert "hush" not in problem
    assert "ALL_PROXY" not in environment
    for name, value in environment.items():
        clean.setenv(name, value)
    httpx.Client().close()
