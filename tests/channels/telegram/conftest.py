"""The messenger's stand-in, and houses of bots around it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.channels.telegram.house import SECRET, BotHouse
from tests.lab.telegram import Bot, TelegramStandIn
from zrm.channels.telegram.channel import BotChannel, TelegramChannel
from zrm.config import Settings
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database

OpenHouse = Callable[..., BotHouse]


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as telegram:
        yield telegram


@pytest.fixture
def bot(telegram: TelegramStandIn) -> Bot:
    return telegram.bot("info")


@pytest.fixture
def open_house(
    telegram: TelegramStandIn, database: Database, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> Iterator[OpenHouse]:
    """Opens a running house: `open_house(bot, mode="webhook")`."""
    with contextlib.ExitStack() as ends:
        inbox = Inbox(database, blobs)
        ends.callback(inbox.close)

        def open_house(
            *bots: Bot,
            mode: str = "polling",
            kind: type[BotChannel] = TelegramChannel,
            language: str = "fa",
            **config: Any,
        ) -> BotHouse:
            sections = {
                bot.name: {
                    "token": bot.token,
                    "mode": mode,
                    "base_url": telegram.url,
                    "secret": f"{SECRET}-{bot.name}" if mode == "webhook" else None,
                }
                for bot in bots
            }
            house = BotHouse(database, inbox, settings, tmp_path, kind, sections, language=language, **config)
            return ends.enter_context(house)

        yield open_house
