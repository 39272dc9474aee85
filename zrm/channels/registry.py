"""Which channels there are. Adding one is a folder and a line here."""

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

# type[Any]: a protocol cannot say how its classes are built; `Channel`'s docstring does, and installation.py holds them to it.
CHANNELS: Final[dict[str, type[Any]]] = {}


def register(channel: type[Any]) -> None:
    """Make a channel's class known by its kind, and its capabilities to every room."""
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
