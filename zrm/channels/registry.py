"""The list of channels. To add one, add its folder and a line here."""

from __future__ import annotations

from typing import Any, Final

from zrm.channels.email.channel import EmailChannel
from zrm.channels.fax.channel import FaxChannel
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.taken.channel import CallChannel, LetterChannel, VisitChannel
from zrm.channels.telegram.channel import BaleChannel, TelegramChannel
from zrm.channels.voice_ivr.channel import VoiceChannel
from zrm.channels.web.channel import WebChannel
from zrm.contract import capabilities

# type[Any]: a protocol cannot declare constructors; `Channel`'s docstring does, and installation.py relies on it.
CHANNELS: Final[dict[str, type[Any]]] = {}


def register(channel: type[Any]) -> None:
    """Register a channel's class by its kind, and its capabilities for every room."""
    CHANNELS[channel.kind] = channel
    capabilities.register(channel.kind, channel.can)


for _channel in (
    WebChannel,
    EmailChannel,
    SmsChannel,
    VoiceChannel,
    FaxChannel,
    TelegramChannel,
    BaleChannel,
    CallChannel,
    VisitChannel,
    LetterChannel,
):
    register(_channel)
