"""The bot channels: what `zrm.channels.registry` builds, one class a messenger.

Each messenger is a kind of its own: the desk names it, a user's number differs between them, and an answer must go to
the messenger the number belongs to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from threading import Event
from typing import ClassVar
from urllib.parse import urlsplit

from fastapi import APIRouter

from zrm.channels.channel import ChannelConfig, Installation
from zrm.channels.telegram import messages
from zrm.channels.telegram.code_requests import CodeRequests
from zrm.channels.telegram.config import BaleConfig, BotsConfig, TelegramConfig
from zrm.channels.telegram.door import TelegramDoor
from zrm.channels.telegram.listener import TelegramListener
from zrm.channels.telegram.parse import read_contact
from zrm.channels.telegram.platform import BALE, TELEGRAM, Platform
from zrm.channels.telegram.send import TEXT_LIMIT, send_reply
from zrm.channels.telegram.webhook import Webhook
from zrm.contract.capabilities import Capabilities
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import Parsed, RawContact
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import FrontDesk


class BotChannel:
    """Bots on one messenger that speaks the Bot API."""

    platform: ClassVar[Platform]

    def __init__(self, config: BotsConfig, installation: Installation) -> None:
        self._config = config
        self._installation = installation

    def routes(self, desk: FrontDesk) -> APIRouter:
        """The webhook."""
        return Webhook(self._config, self.platform, self.door(desk), desk.reception).router()

    def door(self, desk: FrontDesk) -> TelegramDoor:
        """The receiving side, with the ports it uses."""
        kind, installation = self.platform.kind, self._installation
        return TelegramDoor(
            self._config,
            self.platform,
            installation,
            reception=desk.reception,
            files=desk.files,
            self_service=desk.self_service,
            checkpoints=desk.checkpoints,
            code_requests=CodeRequests(kind, installation, desk.tracking, desk.self_service),
        )

    def listen(self, desk: FrontDesk, stop: Event) -> None:
        """Poll for updates, set webhooks, file expired drafts, until `stop`."""

        async def run() -> None:
            await TelegramListener(self._config, self.platform, self._installation, self.door(desk)).run(stop)

        asyncio.run(run())

    def parse(self, raw: RawContact) -> list[Parsed]:
        """The message, or why there is none. Errors: Unparseable."""
        if raw.channel != self.platform.kind or raw.kind != "contact":
            raise Unparseable(messages.NOT_OURS)
        return [read_contact(raw, self.platform)]

    def send(self, reply: Reply) -> Sent:
        """Send one answer into its chat; the messenger's response is the only report. Errors: SendError."""
        return send_reply(reply, self._config, self.platform, self._installation)

    def accounts(self) -> list[str]:
        """Our bots, in the order of the file."""
        return list(self._config.bots)

    def redact(self) -> list[str]:
        """Tokens (whole, and the part that is secret) and secrets."""
        hidden = []
        for bot in self._config.bots.values():
            hidden += [bot.token, bot.token.partition(":")[2]]
            hidden += [bot.secret] if bot.secret else []
        return hidden

    def check(self) -> list[str]:
        """What prevents the messenger from reaching us."""
        section = f"channels.{self.platform.kind}"
        problems = []
        if not self._config.bots:
            problems.append(f"{section}.bots is empty: no citizen can write to us there")
        hooked = any(bot.mode == "webhook" and bot.base_url is None for bot in self._config.bots.values())
        if hooked and urlsplit(self._installation.public_url).scheme != "https":
            problems.append(f"{section}: a bot has a webhook, but public_url is not https")
        return problems


def _capabilities(kind: str, names: Mapping[str, str], icon: str) -> Capabilities:
    """Of a messenger's bots: a user's number there is an address of the messenger's own kind."""
    return Capabilities(
        names=names,
        in_sentence={"fa": f"در {names['fa']}", "en": f"on {names['en']}"},
        icon=icon,
        address_kind=kind,
        reply=True,
        attachments=True,
        max_text=TEXT_LIMIT,
        acknowledges=True,
        asks_rating=True,
    )


class TelegramChannel(BotChannel):
    """Bots on Telegram."""

    kind: ClassVar[str] = "telegram"
    Config: ClassVar[type[ChannelConfig]] = TelegramConfig
    can: ClassVar[Capabilities] = _capabilities("telegram", {"fa": "تلگرام", "en": "Telegram"}, "brand-telegram")
    platform: ClassVar[Platform] = TELEGRAM


class BaleChannel(BotChannel):
    """Bots on Bale."""

    kind: ClassVar[str] = "bale"
    Config: ClassVar[type[ChannelConfig]] = BaleConfig
    can: ClassVar[Capabilities] = _capabilities("bale", {"fa": "بله", "en": "Bale"}, "message")
    platform: ClassVar[Platform] = BALE
