"""The messenger's stand-in, and installations of bots around it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.channels.telegram.installation import SECRET, BotInstallation
from tests.lab.telegram import Bot, TelegramStandIn
from zrm.channels.telegram.channel import BotChannel, TelegramChannel
from zrm.config import Settings
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database

OpenInstallation = Callable[..., BotInstallation]


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as telegram:
        yield telegram


@pytest.fixture
def bot(telegram: TelegramStandIn) -> Bot:
    return telegram.bot("info")


@pytest.fixture
def open_installation(
    telegram: TelegramStandIn, database: Database, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> Iterator[OpenInstallation]:
    """Opens a running installation: `open_installation(bot, mode="webhook")`."""
    with contextlib.ExitStack() as ends:
        inbox = Inbox(database, blobs)
        ends.callback(inbox.close)

        def open_installation(
            *bots: Bot,
            mode: str = "polling",
            kind: type[BotChannel] = TelegramChannel,
            language: str = "fa",
            **config: Any,
        ) -> BotInstallation:
            sections = {
                bot.name: {
                    "token": bot.token,
                    "mode": mode,
                    "base_url": telegram.url,
                    "secret": f"{SECRET}-{bot.name}" if mode == "webhook" else None,
                }
                for bot in bots
            }
            installation = BotInstallation(
                database, inbox, settings, tmp_path, kind, sections, language=language, **config
            )
            return ends.enter_context(installation)

        yield open_installation
