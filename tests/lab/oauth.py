"""A token server on loopback: issues access tokens (RFC 6749) and tells a mail server to which mailbox one belongs (RFC 7662)."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs

from tests.lab.process import LOOPBACK


class TokenServer:
    """Use as a context manager. Tokens are valid for `mailbox`; `revoke` invalidates all of them."""

    def __init__(self, mailbox: str) -> None:
        self.mailbox = mailbox
        self.requests: list[dict[str, str]] = []
        self._tokens: set[str] = set()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def token_url(self) -> str:
        """The address that issues tokens."""
        return f"http://{LOOPBACK}:{self._server.server_port}/token"

    @property
    def introspection_url(self) -> str:
        """The address where a mail server asks about a token."""
        return f"http://{LOOPBACK}:{self._server.server_port}/introspect"

    def revoke(self) -> None:
        """Invalidate all tokens issued so far."""
        self._tokens.clear()

    def __enter__(self) -> "TokenServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        if path == "/token":
            self.requests.append(form)
            if form.get("client_secret") != "right":
                return 401, {"error": "invalid_client"}
            token = f"token-{len(self.requests)}"
            self._tokens.add(token)
            return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        active = form.get("token") in self._tokens
        return 200, {"active": "true" if active else "false", "email": self.mailbox}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # a name of http.server
                size = int(self.headers.get("Content-Length", "0"))
                form = {key: values[0] for key, values in parse_qs(self.rfile.read(size).decode()).items()}
                status, answer = server._answer(self.path, form)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # a name of http.server
                return

        return Handler
