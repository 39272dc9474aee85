"""One bot's line to the Bot API, by python-telegram-bot's own client; and what its errors mean to us."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import httpx

# The library's future way of saying how long to wait; the present one warns at every use. Read when an error is made.
os.environ.setdefault("PTB_TIMEDELTA", "true")

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, KeyboardButton, ReplyKeyboardMarkup
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

from zrm.channels.telegram import words
from zrm.channels.telegram.config import BotConfig
from zrm.channels.telegram.platform import WANTED, Platform
from zrm.channels.telegram.words import Say
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientUnreachable,
    Rejected,
    SendError,
    Throttled,
)
from zrm.contract.inbound import JSON

DOWNLOAD_LIMIT: Final = 20_000_000
"""Bytes of the largest file the Bot API gives to a bot."""

UPLOAD_LIMIT: Final = 50_000_000
"""Bytes of the largest file the Bot API takes from a bot."""

# The library logs the answers it cannot read, and an answer may be what citizens wrote. We say what failed ourselves.
logging.getLogger("telegram").setLevel(logging.CRITICAL)

_TRIES: Final = 3
_LONGEST_WAIT: Final = 10.0  # seconds of flood control that are waited out on the spot
_POLL: Final = 25  # seconds a request for updates stays open
_SLACK: Final = 10

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

T = TypeVar("T")


class FileTooBig(Exception):
    """The file is over the messenger's limit."""


class FileNotGiven(Exception):
    """The messenger did not give us the file, now or at all."""


class Client:
    """A bot's client; belongs to one event loop. `close` when done."""

    def __init__(self, config: BotConfig, platform: Platform, timeout: float, *, connections: int = 8) -> None:
        self._platform = platform
        base = config.base_url or platform.api
        self._requests = [
            HTTPXRequest(
                connection_pool_size=connections,
                connect_timeout=timeout,
                read_timeout=timeout,
                write_timeout=timeout,
                media_write_timeout=4 * timeout,
                pool_timeout=timeout,
                # An idle connection may be dead, and a message sent into it would have an unknown end.
                httpx_kwargs={"limits": httpx.Limits(max_connections=connections, keepalive_expiry=5)},
            )
            for _ in range(2)
        ]
        self.bot = Bot(
            config.token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=self._requests[0],
            get_updates_request=self._requests[1],
        )

    async def updates(self, offset: int | None) -> list[JSON]:
        """The updates that wait, as the messenger sent them; waits for the first. Errors: TelegramError.

        Asked for by hand, because the library would refuse a whole batch for one update it cannot read.
        """
        fields: dict[str, str] = {"timeout": str(_POLL), "limit": "100"}
        if offset is not None:
            fields["offset"] = str(offset)
        if self._platform.chooses:
            fields["allowed_updates"] = "[" + ",".join(f'"{kind}"' for kind in WANTED) + "]"
        found = await self._requests[1].post(
            f"{self.bot.base_url}/getUpdates?{urlencode(fields)}", read_timeout=_POLL + _SLACK
        )
        # The library says "object" where the Bot API answers a list.
        return list(found) if isinstance(found, list) else []

    async def fetch(self, file_id: str, size: int) -> bytes:
        """A file's bytes. Errors: FileTooBig, FileNotGiven (after a few tries)."""
        if size > DOWNLOAD_LIMIT:
            raise FileTooBig
        try:
            return await patiently(lambda: self._fetch(file_id), harmless=True)
        except BadRequest as error:
            if "too big" in error.message.lower():
                raise FileTooBig from None
            raise FileNotGiven(type(error).__name__) from None
        except TelegramError as error:
            raise FileNotGiven(type(error).__name__) from None

    async def _fetch(self, file_id: str) -> bytes:
        query = urlencode({"file_id": file_id})
        found: object = await self._requests[0].post(f"{self.bot.base_url}/getFile?{query}")
        path = found.get("file_path") if isinstance(found, dict) else None
        if not isinstance(found, dict) or not isinstance(path, str) or not path:
            raise FileNotGiven("no path")
        size = found.get("file_size")
        if isinstance(size, int) and size > DOWNLOAD_LIMIT:
            raise FileTooBig
        data = await self._requests[0].retrieve(f"{self.bot.base_file_url}/{quote(path)}")
        if isinstance(size, int) and not isinstance(size, bool) and len(data) != size:
            raise NetworkError("the file came in part")
        return data

    async def say(self, chat: int, say: Say) -> None:
        """Show one message of the dialogue, waiting out a short flood control. Errors: TelegramError."""
        markup = _markup(say)
        await patiently(lambda: self.bot.send_message(chat, say.text, reply_markup=markup), harmless=False)

    async def release(self, button_id: str) -> None:
        """Tell the citizen's messenger that its button was heard. Errors: TelegramError."""
        await self.bot.answer_callback_query(button_id)

    async def call_me(self, url: str, secret: str) -> None:
        """Have updates sent to our webhook. Errors: TelegramError."""
        await self.bot.set_webhook(
            url, secret_token=secret, allowed_updates=list(WANTED), max_connections=20, drop_pending_updates=False
        )

    async def do_not_call(self) -> None:
        """Have updates wait for us to ask; what waits already is kept. Errors: TelegramError."""
        await self.bot.delete_webhook(drop_pending_updates=False)

    async def close(self) -> None:
        """Close the connections."""
        for request in self._requests:
            await request.shutdown()


async def patiently(call: Callable[[], Awaitable[T]], *, harmless: bool) -> T:
    """A call tried a few times; `harmless` if it may be made twice, else only what surely was not heard is said again.

    Errors: TelegramError.
    """
    for tries in range(1, _TRIES):
        try:
            return await call()
        except RetryAfter as error:
            if (wait := seconds_of(error)) > _LONGEST_WAIT:
                raise
            await asyncio.sleep(wait)
        except (BadRequest, ChatMigrated, Forbidden, InvalidToken):
            raise
        except NetworkError as error:
            if not harmless and not isinstance(error.__cause__, _NOT_SENT):
                raise
            await asyncio.sleep(0.2 * tries)
    return await call()


def seconds_of(error: RetryAfter) -> float:
    """How long the messenger asks us to wait."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def judge(error: TelegramError) -> SendError:
    """Which of our errors one of the library's is, for a message that was to be sent."""
    match error:
        case RetryAfter():
            return Throttled(words.WAIT, code="429", retry_after=seconds_of(error))
        case Forbidden():
            return RecipientUnreachable(words.BLOCKED, code="403")
        case InvalidToken():
            return ConfigInvalid(words.TOKEN_WRONG, code="401")
        case ChatMigrated():
            return RecipientUnreachable(words.NO_SUCH_CHAT, code="400")
        case BadRequest():
            said = error.message.lower()
            if "chat not found" in said or "user not found" in said or "peer_id_invalid" in said:
                return RecipientUnreachable(words.NO_SUCH_CHAT, code="400")
            return Rejected(words.REFUSED, code="400")
        case NetworkError() if isinstance(error.__cause__, _NOT_SENT):
            return ConnectionFailed(words.NOT_REACHED)
        case NetworkError():
            return OutcomeUnknown(words.UNKNOWN)
    # What is left: an answer nobody understands. The message may have been taken.
    return OutcomeUnknown(words.UNKNOWN)


def _markup(say: Say) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
    if say.buttons:
        return InlineKeyboardMarkup(
            [[InlineKeyboardButton(label, callback_data=data) for label, data in row] for row in say.buttons]
        )
    if say.keys:
        return ReplyKeyboardMarkup(
            [
                [KeyboardButton(key, request_contact=True if key == say.phone_key else None) for key in row]
                for row in say.keys
            ],
            resize_keyboard=True,
        )
    return None
