"""One bot's client of the Bot API, python-telegram-bot's own; and its errors as ours."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import httpx

# The library's future type for waiting times; the present one warns at every use. Read when an error is made.
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

from zrm.channels.telegram import messages
from zrm.channels.telegram.config import BotConfig
from zrm.channels.telegram.messages import OutgoingMessage
from zrm.channels.telegram.platform import WANTED, Platform
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

# The library logs answers it cannot read, and they may hold citizens' words. We log failures ourselves.
logging.getLogger("telegram").setLevel(logging.CRITICAL)

_TRIES: Final = 3
_LONGEST_WAIT: Final = 10.0  # seconds of flood control that are waited out at once
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
                # An idle connection may be dead, and the outcome of a message sent over it would be unknown.
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
        """The pending updates, as the messenger sent them; waits for the first. Errors: TelegramError.

        Requested without the library's parser, which would refuse a whole batch for one update it cannot read.
        """
        fields: dict[str, str] = {"timeout": str(_POLL), "limit": "100"}
        if offset is not None:
            fields["offset"] = str(offset)
        if self._platform.chooses:
            fields["allowed_updates"] = "[" + ",".join(f'"{kind}"' for kind in WANTED) + "]"
        found = await self._requests[1].post(
            f"{self.bot.base_url}/getUpdates?{urlencode(fields)}", read_timeout=_POLL + _SLACK
        )
        # The library declares "object" where the Bot API returns a list.
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

    async def say(self, chat: int, say: OutgoingMessage) -> None:
        """Show one message of the dialogue, waiting out a short flood control. Errors: TelegramError."""
        markup = _markup(say)
        await patiently(lambda: self.bot.send_message(chat, say.text, reply_markup=markup), harmless=False)

    async def release(self, button_id: str) -> None:
        """Acknowledge a pressed button to the citizen's messenger. Errors: TelegramError."""
        await self.bot.answer_callback_query(button_id)

    async def call_me(self, url: str, secret: str) -> None:
        """Have updates sent to our webhook. Errors: TelegramError."""
        await self.bot.set_webhook(
            url, secret_token=secret, allowed_updates=list(WANTED), max_connections=20, drop_pending_updates=False
        )

    async def do_not_call(self) -> None:
        """Have updates wait for polling; pending ones are kept. Errors: TelegramError."""
        await self.bot.delete_webhook(drop_pending_updates=False)

    async def close(self) -> None:
        """Close the connections."""
        for request in self._requests:
            await request.shutdown()


async def patiently(call: Callable[[], Awaitable[T]], *, harmless: bool) -> T:
    """A call with a few tries; `harmless` if it may be made twice, else it is repeated only if it was certainly not
    received.

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
    """The error of ours for one of the library's, for a message that was to be sent."""
    match error:
        case RetryAfter():
            return Throttled(messages.WAIT, code="429", retry_after=seconds_of(error))
        case Forbidden():
            return RecipientUnreachable(messages.BLOCKED, code="403")
        case InvalidToken():
            return ConfigInvalid(messages.TOKEN_WRONG, code="401")
        case ChatMigrated():
            return RecipientUnreachable(messages.NO_SUCH_CHAT, code="400")
        case BadRequest():
            said = error.message.lower()
            if "chat not found" in said or "user not found" in said or "peer_id_invalid" in said:
                return RecipientUnreachable(messages.NO_SUCH_CHAT, code="400")
            return Rejected(messages.REFUSED, code="400")
        case NetworkError() if isinstance(error.__cause__, _NOT_SENT):
            return ConnectionFailed(messages.NOT_REACHED)
        case NetworkError():
            return OutcomeUnknown(messages.UNKNOWN)
    # What is left: an unknown answer. The message may have been taken.
    return OutcomeUnknown(messages.UNKNOWN)


def _markup(say: OutgoingMessage) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
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
