"""The channel's own process: polls for updates, sets the webhooks, files expired drafts.

An update is confirmed (to the messenger, by the next request's offset) only when it is durable here. The messenger
keeps unconfirmed updates for a day, so they are replayed after an outage of ours: those that we have are recognised by
their name. No offset is kept over a pause: after a week without updates the messenger counts from a new, random number,
and an old offset would make it drop updates.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from threading import Event
from typing import Final, TypeVar

from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from zrm.channels.channel import Installation
from zrm.channels.telegram.client import seconds_of
from zrm.channels.telegram.config import BotsConfig
from zrm.channels.telegram.door import TelegramDoor
from zrm.channels.telegram.platform import Platform
from zrm.contract.inbound import JSON
from zrm.errors import StoreUnavailable
from zrm.kit import log

_LOOK: Final = 0.1  # seconds between checks of `stop`
_SWEEP: Final = 0.5  # seconds between looks for expired drafts
_PAUSE: Final = 2.0  # seconds after a failure, doubled up to …
_LONGEST_PAUSE: Final = 60.0
_AT_ONCE: Final = 8  # chats whose updates are handled concurrently

_log = log.get(__name__)

T = TypeVar("T")


class TelegramListener:
    """All bots of one messenger."""

    def __init__(self, config: BotsConfig, platform: Platform, installation: Installation, door: TelegramDoor) -> None:
        self._config = config
        self._platform = platform
        self._installation = installation
        self._door = door
        self._stopping = asyncio.Event()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self, stop: Event) -> None:
        """Run until `stop` is set; work in progress is finished."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for key, bot in self._config.bots.items():
                    tasks.create_task(self._poll(key) if bot.mode == "polling" else self._be_called(key))
                tasks.create_task(self._sweep())
                # `stop` is a thread's event: waiting in a thread would block the process when a task above has failed.
                while not stop.is_set():  # noqa: ASYNC110  # see above
                    await asyncio.sleep(_LOOK)
                self._stopping.set()
        finally:
            await self._door.close()

    # ------------------------------------------------------------ polling

    async def _poll(self, bot: str) -> None:
        client = self._door.client(bot)
        offset: int | None = None
        pause, asked = _PAUSE, False
        while not self._stopping.is_set():
            try:
                if not asked:
                    await client.do_not_call()
                    asked = True
                updates = await self._unless_stopping(client.updates(offset))
                if updates is None:
                    return
                # An empty answer means that the messenger has dropped everything below the offset, which is no longer
                # needed.
                offset = await self._take(bot, updates) if updates else None
                pause = _PAUSE
            except RetryAfter as error:
                await self._wait(seconds_of(error))
            except (TelegramError, StoreUnavailable) as error:
                asked = asked and not isinstance(error, Conflict)  # a webhook was set, or another process polls as well
                self._complain(bot, error)
                await self._wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _take(self, bot: str, updates: Sequence[JSON]) -> int | None:
        """Handle a batch, each chat's updates in order; the next offset. Errors: StoreUnavailable (nothing is
        confirmed).
        """
        chats: dict[str, list[JSON]] = {}
        for update in updates:
            chats.setdefault(_chat_of(update), []).append(update)
        done = await asyncio.gather(*(self._take_chat(bot, chat) for chat in chats.values()), return_exceptions=True)
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
        numbers = [number for update in updates if (number := _number_of(update)) > 0]
        return max(numbers) + 1 if numbers else None

    async def _take_chat(self, bot: str, updates: Sequence[JSON]) -> None:
        async with self._places:
            for update in updates:
                body = json.dumps(update, ensure_ascii=False).encode("utf-8", "surrogatepass")
                await self._door.say(bot, await self._door.handle_update(bot, body))

    # ------------------------------------------------------------ webhooks

    async def _be_called(self, bot: str) -> None:
        """Set our webhook address, until the messenger accepts it."""
        url = f"{self._installation.public_url}/hooks/{self._platform.kind}/{bot}"
        secret, pause = self._config.bots[bot].secret or "", _PAUSE
        while not self._stopping.is_set():
            try:
                await self._door.client(bot).call_me(url, secret)
            except TelegramError as error:
                self._complain(bot, error)
                await self._wait(seconds_of(error) if isinstance(error, RetryAfter) else pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                _log.info("webhook set", channel=self._platform.kind, account=bot)
                return

    # ------------------------------------------------------------ expired drafts

    async def _sweep(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._door.sweep()
            except StoreUnavailable as error:
                self._complain("", error)
                await self._wait(_PAUSE)
            await self._wait(_SWEEP)

    # ------------------------------------------------------------ waiting

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _unless_stopping(self, work: Coroutine[None, None, T]) -> T | None:
        """The work's result; None if we stop before. Only waiting is cut short, never handling."""
        task, stopping = asyncio.create_task(work), asyncio.create_task(self._stopping.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    def _complain(self, bot: str, error: Exception) -> None:
        say = _log.error if isinstance(error, InvalidToken) else _log.warning
        say("messenger not reached", channel=self._platform.kind, account=bot, error=type(error).__name__)


def _chat_of(update: JSON) -> str:
    """The key of updates to be handled in order: their sender."""
    if isinstance(update, dict):
        for key in ("message", "edited_message", "callback_query", "my_chat_member"):
            inner = update.get(key)
            if isinstance(inner, dict) and isinstance(sender := inner.get("from"), dict):
                return str(sender.get("id"))
    return ""


def _number_of(update: JSON) -> int:
    number = update.get("update_id") if isinstance(update, dict) else 0
    return number if isinstance(number, int) and not isinstance(number, bool) else 0
