"""Pictures of a message, over real HTTP from a stand-in that asks for the account's key, and a message's status."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.channels.sms.hub import installation
from tests.channels.sms.test_send import Channels, reply
from tests.lab.process import free_port
from tests.lab.twilio import TwilioStandIn
from zrm.channels.sms import media
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.contract.errors import ConfigInvalid, ConnectionFailed, Rejected, SendError, Throttled
from zrm.contract.files import Fetched
from zrm.contract.inbound import Report

NUMBER = "+982130001"
SID, TOKEN = "AC" + "0" * 32, "token-of-the-account"
KEY = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()


class Media(ThreadingHTTPServer):
    """What lies at Twilio's: a picture, one that went away, one elsewhere."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Media

    def do_GET(self) -> None:
        self.server.keys.append((self.path, self.headers.get("Authorization")))
        status, body = {
            "/picture": (200, b"\x89PNG picture"),
            "/soon": (404, b""),
            "/gone": (410, b""),
            "/broken": (500, b""),
            "/throttled": (429, b""),
            "/moved": (307, b""),
            "/away": (307, b""),
            "/round": (307, b""),
            "/large": (200, b"x" * 2000),
        }[self.path]
        if self.headers.get("Authorization") != KEY:
            status, body = 401, b""
        self.send_response(status)
        self.send_header("Content-Type", "image/png; charset=binary")
        self.send_header("Content-Length", str(len(body)))
        if status == 307:
            where = {"/moved": "/picture", "/away": "http://127.0.0.1:1/metadata", "/round": "/round"}[self.path]
            self.send_header("Location", where)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@pytest.fixture
def server() -> Iterator[Media]:
    server = Media()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def channel(url: str, token: str = TOKEN) -> SmsChannel:
    line = {"account_sid": SID, "auth_token": token}
    return SmsChannel(
        SmsConfig.model_validate({"accounts": {NUMBER: line}, "api_base": url, "timeout": 5}), installation()
    )


def test_picture_comes_with_the_accounts_key_and_without_redirects_losing_it(server: Media) -> None:
    line = channel(server.url)
    for path in ("/picture", "/moved"):
        assert line.fetch(NUMBER, server.url + path) == Fetched(b"\x89PNG picture", "image/png")


@pytest.mark.parametrize(
    ("path", "error", "retryable"),
    [
        ("/soon", ConnectionFailed, True),
        ("/broken", ConnectionFailed, True),
        ("/throttled", Throttled, True),
        ("/gone", Rejected, False),
        ("/away", Rejected, False),
        ("/round", Rejected, False),
    ],
)
def test_what_cannot_be_fetched_says_whether_to_come_again(
    server: Media, path: str, error: type[SendError], retryable: bool
) -> None:
    with pytest.raises(error) as caught:
        channel(server.url).fetch(NUMBER, server.url + path)
    assert caught.value.retryable is retryable
    assert TOKEN not in str(caught.value)


def test_wrong_key_is_the_operators_matter(server: Media) -> None:
    with pytest.raises(ConfigInvalid):
        channel(server.url, "another-token").fetch(NUMBER, server.url + "/picture")


def test_nobody_is_ready_to_answer(server: Media) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ConnectionFailed):
        channel(url).fetch(NUMBER, url + "/picture")


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/x", "https://twilio.com.evil.example/x", "file:///etc/passwd", "", "//x"]
)
def test_only_twilio_is_asked_and_only_twilio_sees_the_key(server: Media, address: str) -> None:
    with pytest.raises(Rejected):
        channel(server.url).fetch(NUMBER, address)
    assert server.keys == []


def test_file_without_end_is_given_up(server: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_FILE", 1000)
    with pytest.raises(Rejected):
        channel(server.url).fetch(NUMBER, server.url + "/large")


def test_twilio_is_asked_what_became_of_a_message() -> None:
    with TwilioStandIn() as account:
        channels = Channels(account)
        line = channels()
        reference = line.send(reply()).provider_ref
        assert line.delivery_status(NUMBER, reference) is None, "still queued there: it does not know either"
        account.messages[reference].status = "delivered"
        assert line.delivery_status(NUMBER, reference) == Report(reference, "delivered")
        account.messages[reference].status, account.messages[reference].error_code = "undelivered", 30005
        failed = line.delivery_status(NUMBER, reference)
        assert failed is not None
        assert (failed.state, bool(failed.reason)) == ("failed", True)
        with pytest.raises(SendError):
            line.delivery_status(NUMBER, "SM" + "0" * 32)
        assert line.delivery_status(NUMBER, "file:x") is None
        line.close()
