"""The Bot API stand-in's HTTP side: one request in, the fields checked against the description, one answer out."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.lab import telegram_contract as contract
from tests.lab.process import LOOPBACK
from tests.lab.telegram_words import Behaviour, Cut, Fail, Flood, Hold, Upload

if TYPE_CHECKING:
    from tests.lab.telegram import Bot, TelegramStandIn

FILE_LIMIT = 20_000_000
_METHOD = re.compile(r"/bot(?P<token>[^/]+)/(?P<method>[A-Za-z]+)")
_FILE = re.compile(r"/file/bot(?P<token>[^/]+)/documents/(?P<name>[^/]+)")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Server(ThreadingHTTPServer):
    """Serves one stand-in."""

    daemon_threads = True

    def __init__(self, telegram: TelegramStandIn) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.telegram = telegram

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """A client that disconnects is expected; anything else is reported."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Refused(Exception):
    """The API's own error."""

    def __init__(self, status: int, description: str, **parameters: object) -> None:
        super().__init__(description)
        self.status = status
        self.parameters = parameters


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """A method or a file."""
        self._serve()

    def do_POST(self) -> None:
        """A method."""
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.telegram.away.is_set():
            self.close_connection = True
            return
        path = unquote(urlsplit(self.path).path)
        if file := _FILE.fullmatch(path):
            bot = self.server.telegram.bots.get(file["token"])
            data = bot.files.get(file["name"]) if bot else None
            self._send(404 if data is None else 200, data or b"", "application/octet-stream")
            return
        try:
            result = self._call(path, body)
        except _Refused as refused:
            value: dict[str, Any] = {"ok": False, "error_code": refused.status, "description": str(refused)}
            if refused.parameters:
                value["parameters"] = refused.parameters
            self._send(refused.status, json.dumps(value).encode(), "application/json")
        else:
            if result is not None:
                shown = json.dumps({"ok": True, "result": result})
                self._send(200, shown.encode(), "application/json")

    def _call(self, path: str, body: bytes) -> object:
        """The method's result; None if the connection is to break. Errors: _Refused."""
        telegram = self.server.telegram
        match = _METHOD.fullmatch(path)
        if match is None:
            raise _Refused(404, "Not Found")
        bot = telegram.bots.get(match["token"])
        if bot is None:
            raise _Refused(401, "Unauthorized")
        method = next((name for name in contract.METHODS if name.lower() == match["method"].lower()), "")
        if not method:
            self._violation(404, f"no method {match['method']}")
        values = _typed(contract.fields(contract.METHODS[method]), self._fields(body))
        if broken := contract.breaches(contract.METHODS[method], _plain(values), method):
            self._violation(400, *broken)
        handler = getattr(self, f"_{method.lower()}")
        return handler(bot, values)

    # ------------------------------------------------------------ methods

    def _getme(self, bot: Bot, _: Mapping[str, Any]) -> object:
        return bot.as_user()

    def _getupdates(self, bot: Bot, values: Mapping[str, Any]) -> object:
        if bot.webhook:
            raise _Refused(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete it first",
            )
        return bot.fetch(values.get("offset"), values.get("limit", 100), values.get("timeout", 0))

    def _setwebhook(self, bot: Bot, values: Mapping[str, Any]) -> object:
        if "secret_token" in values and not _SECRET.fullmatch(values["secret_token"]):
            self._violation(400, "setWebhook.secret_token: unallowed characters")
        bot.set_webhook(values)
        return True

    def _deletewebhook(self, bot: Bot, values: Mapping[str, Any]) -> object:
        bot.set_webhook({})
        if values.get("drop_pending_updates"):
            bot.waiting.clear()
        return True

    def _getwebhookinfo(self, bot: Bot, _: Mapping[str, Any]) -> object:
        count = len(bot.waiting)
        return {"url": bot.webhook.get("url", ""), "has_custom_certificate": False, "pending_update_count": count}

    def _sendmessage(self, bot: Bot, values: Mapping[str, Any]) -> object:
        if not values["text"].strip():
            raise _Refused(400, "Bad Request: message text is empty")
        if len(values["text"].encode("utf-16-le")) // 2 > 4096:
            self._violation(400, "sendMessage.text: message is too long")
        for row in values.get("reply_markup", {}).get("inline_keyboard", []):
            for button in row:
                if not 1 <= len(button.get("callback_data", "x").encode()) <= 64:
                    self._violation(400, "BUTTON_DATA_INVALID")
        return self._message(bot, values)

    def _senddocument(self, bot: Bot, values: Mapping[str, Any]) -> object:
        return self._message(bot, values)

    def _message(self, bot: Bot, values: Mapping[str, Any]) -> object:
        chat_id = int(values["chat_id"])
        telegram = self.server.telegram
        with telegram.changed:
            chat = bot.chats.get(chat_id)
            behaviour: Behaviour | None = telegram.behaviours.popleft() if telegram.behaviours else None
        if chat is None:
            known = any(chat_id in other.chats for other in telegram.bots.values())
            if known:
                raise _Refused(403, "Forbidden: bot can't initiate conversation with a user")
            raise _Refused(400, "Bad Request: chat not found")
        if chat.blocked:
            raise _Refused(403, "Forbidden: bot was blocked by the user")
        if not self._meet(behaviour, lambda: bot.accept(chat_id, values)):
            return None
        return bot.accept(chat_id, values)

    def _getfile(self, bot: Bot, values: Mapping[str, Any]) -> object:
        telegram = self.server.telegram
        with telegram.changed:
            behaviour = telegram.file_behaviours.popleft() if telegram.file_behaviours else None
        data = bot.files.get(values["file_id"])
        if data is None:
            raise _Refused(400, "Bad Request: invalid file_id")
        if len(data) > FILE_LIMIT:
            raise _Refused(400, "Bad Request: file is too big")
        if not self._meet(behaviour, lambda: None):
            return None
        name = values["file_id"]
        found = {"file_id": name, "file_unique_id": name[:10], "file_size": len(data)}
        return {**found, "file_path": f"documents/{name}"}

    def _answercallbackquery(self, bot: Bot, values: Mapping[str, Any]) -> object:
        bot.answered_buttons.append(values["callback_query_id"])
        return True

    # ------------------------------------------------------------ plumbing

    def _meet(self, behaviour: Behaviour | None, accept: Any) -> bool:
        """Apply the requested behaviour; False if no answer is to be sent. Errors: _Refused."""
        match behaviour:
            case Flood(seconds):
                raise _Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
            case Fail(status, description):
                raise _Refused(status, description)
            case Cut(accepted):
                if accepted:
                    accept()
                self.close_connection = True
                return False
            case Hold(released, reached):
                self.server.telegram.held.append(behaviour)
                reached.set()
                released.wait()
        return True

    def _fields(self, body: bytes) -> dict[str, object]:
        found: dict[str, object] = {}
        found.update({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
        kind = self.headers.get_content_type()
        if not body:
            return found
        if kind == "application/json":
            return {**found, **json.loads(body)}
        if kind == "application/x-www-form-urlencoded":
            form = parse_qs(body.decode(), keep_blank_values=True)
            return {**found, **{name: values[0] for name, values in form.items()}}
        if kind == "multipart/form-data":
            return {**found, **_multipart(self.headers["Content-Type"], body)}
        return self._violation(415, f"body of type {kind}")

    def _violation(self, status: int, *sentences: str) -> dict[str, object]:
        self.server.telegram.violations.extend(sentences)
        raise _Refused(status, f"Bad Request: {'; '.join(sentences)}")

    def _send(self, status: int, content: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: the test's own output is enough."""


def _multipart(content_type: str, body: bytes) -> dict[str, object]:
    """A form with files; a field that says attach://name is the file of that name."""
    parsed = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: dict[str, object] = {}
    for part in parsed.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        filename = part.get_filename()
        found[name] = Upload(filename, data) if filename is not None else data.decode()
    for name, value in list(found.items()):
        if isinstance(value, str) and value.startswith("attach://"):
            found[name] = found.pop(value.removeprefix("attach://"))
    return found


def _typed(known: Mapping[str, contract.Field], values: Mapping[str, object]) -> dict[str, Any]:
    """Strings of a form as the types they stand for."""
    return {name: _value(known[name], value) if name in known else value for name, value in values.items()}


def _value(field: contract.Field, value: object) -> object:
    if not isinstance(value, str):
        return value
    if "Integer" in field.types and re.fullmatch(r"-?\d+", value):
        return int(value)
    if "Boolean" in field.types and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if "String" not in field.types:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _plain(values: Mapping[str, Any]) -> dict[str, object]:
    """The values with files as bytes, as the description calls them."""
    return {name: value.data if isinstance(value, Upload) else value for name, value in values.items()}
