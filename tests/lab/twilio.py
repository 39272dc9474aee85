"""A stand-in for Twilio on loopback: it stores messages, checks requests against the contract, and calls back.

`next` sets its next answers; the magic numbers of Twilio's test credentials are refused as by Twilio.
"""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.lab import twilio_contract as contract
from tests.lab.process import LOOPBACK, PeerError
from tests.lab.twilio_words import FAIL, THROTTLE, Behaviour, Cut, Delivery, Hold, Message, Refuse

__all__ = ["FAIL", "THROTTLE", "Behaviour", "Cut", "Delivery", "Hold", "Message", "Refuse", "TwilioStandIn"]


class TwilioStandIn:
    """One account at Twilio. A context manager; leaving it raises AssertionError if the contract was violated,

    unless `strict` is False. `url` is what replaces https://api.twilio.com in the product's configuration.
    """

    def __init__(self, *, strict: bool = True) -> None:
        self.account = "AC" + secrets.token_hex(16)
        self.token = secrets.token_hex(16)
        self.strict = strict
        self.messages: dict[str, Message] = {}
        self.violations: list[str] = []
        self._behaviours: deque[Behaviour] = deque()
        self._changed = threading.Condition()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="twilio", daemon=True)

    @property
    def url(self) -> str:
        """The address of its API, without a trailing slash."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def __enter__(self) -> "TwilioStandIn":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            for behaviour in self._server.held:
                behaviour.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self.strict and error is None and self.violations:
            raise AssertionError(f"Twilio's contract was broken: {self.violations}")

    # Behaviour of the next requests.

    def next(self, *behaviours: Behaviour) -> None:
        """Use these behaviours for the next requests to send a message, one each; later ones are accepted."""
        self._behaviours.extend(behaviours)

    def outbound(self) -> list[Message]:
        """The messages the hub sent, in order."""
        return [message for message in self.messages.values() if message.direction == "outbound-api"]

    def wait_for_message(self, count: int = 1, seconds: float = 30.0) -> list[Message]:
        """The messages the hub sent, once there are at least `count`."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.outbound()) >= count, seconds):
                raise PeerError(f"{len(self.outbound())} of {count} messages reached Twilio in {seconds:.0f} s")
            return self.outbound()

    # Webhooks.

    def send_sms(
        self,
        public_url: str,
        *,
        body: str,
        sender: str = "+989121234567",
        to: str = "+15005550006",
        media: Sequence[tuple[str, str]] = (),
        send_to: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Delivery:
        """A citizen's SMS: call the hub's webhook, signed over `public_url`, sent to `send_to` (the loopback address).

        `media` are pairs of URL and content type. `extra` adds or replaces fields before signing.
        """
        sid = ("MM" if media else "SM") + secrets.token_hex(16)
        params = {
            "ToCountry": "US",
            "ToState": "",
            "SmsMessageSid": sid,
            "NumMedia": str(len(media)),
            "ToCity": "",
            "FromZip": "",
            "SmsSid": sid,
            "FromState": "",
            "SmsStatus": "received",
            "FromCity": "",
            "Body": body,
            "FromCountry": "IR",
            "To": to,
            "ToZip": "",
            "NumSegments": str(contract.segments(body)),
            "MessageSid": sid,
            "AccountSid": self.account,
            "From": sender,
            "ApiVersion": "2010-04-01",
        }
        for number, (url, content_type) in enumerate(media):
            params |= {f"MediaUrl{number}": url, f"MediaContentType{number}": content_type}
        form = {name: [value] for name, value in params.items()}
        self.messages[sid] = Message(sid, self.account, form, "inbound", "received", datetime.now(UTC))
        return self._deliver(public_url, send_to or public_url, params | dict(extra or {}), secrets.token_hex(16))

    def report(
        self, message: Message, status: str, *, error_code: int | None = None, send_to: str | None = None
    ) -> Delivery:
        """Report the status of a message to the hub, at the URL that the hub named for reports."""
        if status not in contract.STATUSES:
            raise ValueError(f"Twilio has no status {status!r}")
        if message.status_callback is None:
            raise ValueError("the hub asked for no reports on this message")
        message.status, message.error_code = status, error_code
        params = {
            "SmsSid": message.sid,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": message.to,
            "MessageSid": message.sid,
            "AccountSid": self.account,
            "From": message.sender,
            "ApiVersion": "2010-04-01",
        }
        if error_code is not None:
            params["ErrorCode"] = str(error_code)
        target = send_to or message.status_callback
        return self._deliver(message.status_callback, target, params, secrets.token_hex(16))

    def retry(self, delivery: Delivery) -> Delivery:
        """Send the same webhook again, as Twilio does without an answer: same fields, same idempotency token."""
        token = delivery.headers["I-Twilio-Idempotency-Token"]
        return self._deliver(delivery.public_url, delivery.send_to, delivery.params, token)

    def signature(self, public_url: str, params: Mapping[str, str]) -> str:
        """Twilio's signature: HMAC-SHA1 by the auth token over the URL and the sorted fields, in base64."""
        text = public_url + "".join(name + params[name] for name in sorted(params))
        return base64.b64encode(hmac.new(self.token.encode(), text.encode(), hashlib.sha1).digest()).decode()

    def _deliver(self, public_url: str, send_to: str, params: Mapping[str, str], token: str) -> Delivery:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "X-Twilio-Signature": self.signature(public_url, params),
            "I-Twilio-Idempotency-Token": token,
        }
        answer = httpx.post(send_to, content=urlencode(params), headers=headers, timeout=15, trust_env=False)
        return Delivery(public_url, send_to, dict(params), headers, answer)

    # Called by the server's threads.

    def take_behaviour(self) -> Behaviour | None:
        """The behaviour for the next request; None for acceptance."""
        return self._behaviours.popleft() if self._behaviours else None

    def accept(self, form: Mapping[str, Sequence[str]]) -> Message:
        """Keep a message as queued."""
        sid = ("MM" if form.get("MediaUrl") else "SM") + secrets.token_hex(16)
        message = Message(sid, self.account, dict(form), "outbound-api", "queued", datetime.now(UTC))
        with self._changed:
            self.messages[sid] = message
            self._changed.notify_all()
        return message


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, twilio: TwilioStandIn) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.twilio = twilio
        self.held: list[Hold] = []

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """A client that disconnects is expected; anything else is reported."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Create a message."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        twilio = self.server.twilio
        if not self._signed_in():
            return
        if urlsplit(self.path).path != f"/2010-04-01/Accounts/{twilio.account}/Messages.json":
            self._violation(404, 20404, f"POST to {urlsplit(self.path).path}")
            return
        if self.headers.get_content_type() != "application/x-www-form-urlencoded":
            self._violation(415, 20404, f"body of type {self.headers.get_content_type()}")
            return
        form = parse_qs(content.decode(), keep_blank_values=True)
        if broken := contract.breaches(contract.CREATE_FIELDS, form):
            self._violation(400, 20404, *broken)
            return
        if code := _refusal(form):
            self._refuse(Refuse(code))
            return
        self._meet(twilio.take_behaviour(), form)

    def do_GET(self) -> None:
        """One message, or those that fit a query."""
        if not self._signed_in():
            return
        twilio = self.server.twilio
        parts = urlsplit(self.path)
        base = f"/2010-04-01/Accounts/{twilio.account}/Messages"
        if parts.path == f"{base}.json":
            query = parse_qs(parts.query, keep_blank_values=True)
            if broken := contract.breaches(contract.LIST_FIELDS, query):
                self._violation(400, 20404, *broken)
                return
            wanted = {name: query[name][0] for name in ("To", "From") if name in query}
            found = [
                message.as_json()
                for message in reversed(twilio.messages.values())
                if wanted.get("To", message.to) == message.to and wanted.get("From", message.sender) == message.sender
            ]
            size = int(query.get("PageSize", ["50"])[0])
            self._answer(200, {"messages": found[:size], "page": 0, "page_size": size, "next_page_uri": None})
            return
        sid = parts.path.removeprefix(f"{base}/").removesuffix(".json")
        message = twilio.messages.get(sid)
        if message is None:
            self._refuse(Refuse(20404, 404))
            return
        self._answer(200, message.as_json())

    def _meet(self, behaviour: Behaviour | None, form: Mapping[str, Sequence[str]]) -> None:
        match behaviour:
            case Refuse():
                self._refuse(behaviour)
            case Cut(accepted):
                if accepted:
                    self.server.twilio.accept(form)
                self.close_connection = True
            case Hold(released, reached):
                self.server.held.append(behaviour)
                message = self.server.twilio.accept(form)
                reached.set()
                released.wait()
                self._answer(201, message.as_json())
            case None:
                self._answer(201, self.server.twilio.accept(form).as_json())

    def _signed_in(self) -> bool:
        twilio = self.server.twilio
        expected = "Basic " + base64.b64encode(f"{twilio.account}:{twilio.token}".encode()).decode()
        if self.headers.get("Authorization") == expected:
            return True
        self._refuse(Refuse(20003, 401))
        return False

    def _violation(self, status: int, code: int, *sentences: str) -> None:
        self.server.twilio.violations.extend(sentences)
        self._answer(status, {"code": code, "message": "; ".join(sentences), "more_info": "", "status": status})

    def _refuse(self, refusal: Refuse) -> None:
        body = {
            "code": refusal.code,
            "message": contract.ERRORS[refusal.code],
            "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
            "status": refusal.status,
        }
        headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
        self._answer(refusal.status, body, headers)

    def _answer(self, status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: the test's own output is enough."""


def _refusal(form: Mapping[str, Sequence[str]]) -> int | None:
    """The code with which Twilio refuses such a message; None if it accepts it."""
    to, sender, body = (next(iter(form.get(name, ())), "") for name in ("To", "From", "Body"))
    if not to:
        return 21604
    if not sender and not form.get("MessagingServiceSid"):
        return 21603
    if not body and not form.get("MediaUrl") and not form.get("ContentSid"):
        return 21602
    if len(body) > contract.LONGEST_BODY:
        return 21617
    return contract.MAGIC_TO.get(to) or contract.MAGIC_FROM.get(sender)
