"""An answer in the chat: the text in as many messages as needed, then its files; plain, without markup.

An answer of several messages can break in the middle. Sent messages are never sent again automatically: the remaining
ones are retried for a short while, and if they fail, a person is told that only a part was certainly sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from telegram import InputFile, Message, ReplyParameters
from telegram.error import TelegramError

from zrm.channels.channel import Installation
from zrm.channels.telegram import messages
from zrm.channels.telegram.client import UPLOAD_LIMIT, Client, judge
from zrm.channels.telegram.config import BotsConfig
from zrm.channels.telegram.parse import message_number
from zrm.channels.telegram.platform import Platform
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientUnreachable,
    ReplyInvalid,
    SendError,
    Throttled,
)
from zrm.contract.files import StoredFile
from zrm.contract.outbound import Reply, Sent
from zrm.errors import NotFound
from zrm.kit.blobs import BlobStore

MESSAGE_LIMIT: Final = 4096
"""Longest message, in UTF-16 units, as the messengers count."""

TEXT_LIMIT: Final = 16_000
_TRIES: Final = 4  # seconds for the rest of an answer of which a part has left
_LONGEST_WAIT: Final = 20.0


@dataclass(frozen=True, slots=True)
class _UploadedFile:
    file: StoredFile
    data: bytes


def send_reply(reply: Reply, config: BotsConfig, platform: Platform, installation: Installation) -> Sent:
    """Send one reply and wait for the messenger's response. Errors: SendError and nothing else."""
    if reply.account not in config.bots:
        raise ConfigInvalid(messages.NO_BOT)
    if not reply.to.isascii() or not reply.to.isdigit() or len(reply.to) > 18:
        raise ReplyInvalid(messages.NO_CHAT)
    if not reply.text.strip() and not reply.files:
        raise ReplyInvalid(messages.NO_TEXT)
    if units(reply.text) > TEXT_LIMIT:
        raise ReplyInvalid(messages.TOO_LONG)
    return asyncio.run(_send(reply, config, platform, _files(reply, installation)))


async def _send(reply: Reply, config: BotsConfig, platform: Platform, files: list[_UploadedFile]) -> Sent:
    client = Client(config.bots[reply.account], platform, config.timeout, connections=1)
    try:
        chat = int(reply.to)
        answered = _answered(reply, platform, chat)
        quoting = ReplyParameters(answered, allow_sending_without_reply=True) if answered else None
        pieces: list[Callable[[], Awaitable[Message]]] = []
        for text in split(reply.text):
            pieces.append(_text_piece(client, chat, text, quoting))
            quoting = None
        for file in files:
            pieces.append(_file_piece(client, chat, file, quoting))
            quoting = None
        first = await _one(pieces[0], left=False)
        for piece in pieces[1:]:
            await _one(piece, left=True)
        return Sent(f"{chat}:{first.message_id}", final=True)
    finally:
        await client.close()


def _answered(reply: Reply, platform: Platform, chat: int) -> int:
    """The number of the newest message of this very chat that the case has; 0 if it has none."""
    named = (reply.in_reply_to, *reversed(reply.references))
    return next((found for name in named if (found := message_number(name, platform, reply.account, chat))), 0)


def _text_piece(
    client: Client, chat: int, text: str, quoting: ReplyParameters | None
) -> Callable[[], Awaitable[Message]]:
    return lambda: client.bot.send_message(chat, text, reply_parameters=quoting)


def _file_piece(
    client: Client, chat: int, file: _UploadedFile, quoting: ReplyParameters | None
) -> Callable[[], Awaitable[Message]]:
    return lambda: client.bot.send_document(
        chat, InputFile(file.data, filename=file.file.name or "file"), reply_parameters=quoting
    )


async def _one(piece: Callable[[], Awaitable[Message]], *, left: bool) -> Message:
    """Send one piece. `left`: a part of this answer has left already. Errors: SendError."""
    for tries in range(_TRIES):
        try:
            return await piece()
        except TelegramError as error:
            judged = judge(error)
            if not left:
                raise judged from None
            wait = judged.retry_after if judged.retry_after is not None else 2.0**tries
            again = isinstance(judged, (Throttled, ConnectionFailed)) and wait <= _LONGEST_WAIT and tries + 1 < _TRIES
            if not again:
                raise _broken(judged) from None
            await asyncio.sleep(wait)
    raise OutcomeUnknown(messages.HALF_SENT)


def _broken(judged: SendError) -> SendError:
    """The error to raise after a part of the answer has left: none that would send it again from the start."""
    if isinstance(judged, RecipientUnreachable):
        return judged
    return OutcomeUnknown(messages.HALF_SENT, code=judged.code)


def _files(reply: Reply, installation: Installation) -> list[_UploadedFile]:
    if any(file.size > UPLOAD_LIMIT for file in reply.files):
        raise ReplyInvalid(messages.FILE_TOO_BIG)
    blobs = BlobStore(Path(installation.data_dir) / "blobs")
    try:
        return [_UploadedFile(file, blobs.get(file.key)) for file in reply.files]
    except NotFound:
        raise ReplyInvalid(messages.FILE_GONE) from None
    except OSError:
        raise ConnectionFailed(messages.FILE_AWAY) from None


def split(text: str, limit: int = MESSAGE_LIMIT) -> list[str]:
    """The text in messages of at most `limit` UTF-16 units, cut at a paragraph, line or word if possible."""
    pieces = []
    rest = text.strip()
    while units(rest) > limit:
        end = _fitting(rest, limit)
        cut = next((at for mark in ("\n\n", "\n", " ") if (at := rest.rfind(mark, end // 2, end + 1)) > 0), end)
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest:
        pieces.append(rest)
    return pieces


def _fitting(text: str, limit: int) -> int:
    """How many characters of the text fit into this many units."""
    used = 0
    for index, character in enumerate(text):
        used += 2 if ord(character) > 0xFFFF else 1
        if used > limit:
            return index
    return len(text)


def units(text: str) -> int:
    """A text's length in UTF-16 units."""
    return len(text) + sum(ord(character) > 0xFFFF for character in text)
