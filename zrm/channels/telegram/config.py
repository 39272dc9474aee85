"""The sections `channels.telegram` and `channels.bale` of config.yaml."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from zrm.channels.channel import ChannelConfig
from zrm.languages import Language


class BotConfig(BaseModel):
    """One bot of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: str = Field(
        pattern=r"^[0-9]{3,20}:[A-Za-z0-9_-]{8,128}$",
        json_schema_extra={"expected": "a token such as 123456789:AAbb-cc, as the bot's maker gave it"},
        description="The bot's token, as ${NAME}; its maker gave it.",
    )
    mode: Literal["polling", "webhook"] = Field(
        default="polling", description="Whether we ask for updates, or are called at <public_url>/hooks/telegram/<bot>."
    )
    secret: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{16,256}$",
        json_schema_extra={"expected": "16 to 256 ASCII letters, digits, _ and -"},
        description="As ${NAME}: 16 to 256 letters, digits, _ and - that prove a webhook call; needed for a webhook.",
    )
    language: Language | None = Field(
        default=None, description="Language the bot begins in; without it the citizen's own, else the installation's."
    )
    base_url: str | None = Field(
        default=None, description="A Bot API server of one's own in place of the messenger's, without a path."
    )

    @field_validator("base_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/") or url.query:
            raise ValueError("expected an http or https address without a path, such as https://api.telegram.org")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _provable(self) -> BotConfig:
        if self.mode == "webhook" and not self.secret:
            raise ValueError("mode: webhook needs a secret")
        return self


class BotsConfig(ChannelConfig):
    """Bots on one messenger. `bots` maps a key of our own to each; the key is the account of the bot's cases."""

    bots: dict[str, BotConfig] = Field(default_factory=dict, description="Our bots.")
    unfinished_minutes: float = Field(
        default=30,
        gt=0,
        le=24 * 60,
        description="A dialogue left alone for so long is filed as far as it got.",
    )
    album_seconds: float = Field(
        default=3, gt=0, le=60, description="How long the photos of one album are waited for, to be one contact."
    )
    timeout: float = Field(default=15, gt=0, le=120, description="Seconds to wait for the API, for each step.")

    @field_validator("bots")
    @classmethod
    def _distinct(cls, bots: dict[str, BotConfig]) -> dict[str, BotConfig]:
        for key in bots:
            if not (key.isascii() and key.replace("-", "").replace("_", "").isalnum() and len(key) <= 32):
                raise ValueError(f"{key!r}: expected letters, digits, - and _")
        for name, values in (
            ("token", [bot.token for bot in bots.values()]),
            ("secret", [bot.secret for bot in bots.values() if bot.secret]),
        ):
            if len(set(values)) != len(values):  # else messages to one bot would be filed under the other
                raise ValueError(f"two bots have the same {name}")
        return bots


class TelegramConfig(BotsConfig):
    """Bots on Telegram."""


class BaleConfig(BotsConfig):
    """Bots on Bale."""

    @field_validator("bots")
    @classmethod
    def _asked_only(cls, bots: dict[str, BotConfig]) -> dict[str, BotConfig]:
        for key, bot in bots.items():
            if bot.mode == "webhook":
                raise ValueError(
                    f"{key}: Bale's webhooks carry no secret, so anyone could forge them; use mode: polling"
                )
        return bots
