"""Two aggregators of different shapes on loopback: one speaks JSON with keys and signatures, one plain GET and numbers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

KEY, SECRET, TOKEN, PASSWORD = "key-of-the-hub", "secret-of-signatures", "token-of-webhooks", "word-of-the-hub"


@dataclass
class Asked:
    """A request as it came, and what it is answered: (status, body), or nothing: the line is cut."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}


@dataclass
class Aggregator:
    """Answers every request with `answer` and remembers it."""

    answer: tuple[int, str] | Callable[[Asked], tuple[int, str]] | None = (200, "")
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Aggregator:
        aggregator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.path, dict(self.headers), body)
                aggregator.asked.append(asked)
                if aggregator.answer is None:
                    self.close_connection = True
                    return
                status, text = aggregator.answer(asked) if callable(aggregator.answer) else aggregator.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"


def described(url: str) -> dict[str, object]:
    """`channels.sms` with both: +982130001 by the JSON one, 30005000 by the plain one."""
    return {
        "accounts": {"+982130001": {"gateway": "blue"}, "30005000": {"gateway": "green", "language": "fa"}},
        "gateways": {
            "blue": {
                "kind": "http",
                "timeout": 2,
                "send": {
                    "url": f"{url}/v1/messages",
                    "headers": {"Authorization": f"Bearer {KEY}"},
                    "fields": {
                        "recipients": ["{to}"],
                        "sender": "{from}",
                        "content": {"text": "{text}", "unicode": True},
                        "client_ref": "{id}",
                    },
                    "numbers": "digits",
                    "signature": {"header": "X-Sign", "secret": SECRET, "prefix": "v1="},
                    "success": {"at": {"path": "status"}, "values": ["accepted"]},
                    "message_id": {"path": "messages.0.id"},
                    "code": {"path": "error.code"},
                    "errors": {"throttled": ["E429"], "unreachable": ["E21"], "settings": ["E1"], "opted_out": ["E9"]},
                },
                "receive": {
                    "from": "msisdn",
                    "to": "shortcode",
                    "text": "message.body",
                    "id": "id",
                    "signature": {"header": "X-Sign", "secret": SECRET, "encoding": "base64", "digest": "sha1"},
                },
                "report": {
                    "each": "reports",
                    "id": "id",
                    "state": "status",
                    "states": {"delivered": ["DELIVERED"], "failed": ["REJECTED", "EXPIRED"]},
                    "reason": "cause",
                    "token": {"header": "X-Token", "value": TOKEN},
                },
            },
            "green": {
                "kind": "http",
                "timeout": 2,
                "send": {
                    "url": f"{url}/send.php?username=hub",
                    "method": "GET",
                    "body": "query",
                    "fields": {"password": PASSWORD, "to": "{to}", "from": "{from}", "text": "{text}"},
                    "numbers": "national",
                    "success": {"at": {"pattern": r"^\s*(\d{4,})\s*$"}},
                    "message_id": {"pattern": r"^\s*(\d{4,})\s*$"},
                    "code": {"pattern": r"^\s*(-\d+)\s*$"},
                    "errors": {"throttled": ["-9"], "unreachable": ["-3"], "settings": ["-1"], "invalid": ["-4"]},
                },
                "receive": {
                    "body": "query",
                    "charset": "windows-1256",
                    "from": "from",
                    "to": "to",
                    "text": "message",
                    "time": "date",
                    "token": {"field": "key", "value": TOKEN},
                    "answer": "OK",
                },
                "report": {
                    "body": "query",
                    "id": "msgid",
                    "state": "status",
                    "states": {"sent": ["8"], "delivered": ["1"], "failed": ["2", "16"]},
                    "token": {"field": "key", "value": TOKEN},
                },
            },
        },
    }
