"""The list of channels. To add one, add its folder and a line here."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Final

from zrm.channels.email.channel import EmailChannel
from zrm.channels.fax.channel import FaxChannel
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.taken.channel import CallChannel, LetterChannel, VisitChannel
from zrm.channels.telegram.channel import BaleChannel, TelegramChannel
from zrm.channels.voice_ivr.channel import VoiceChannel
from zrm.channels.web.channel import WebChannel
from zrm.contract import capabilities
from zrm.ui.i18n import add_locale_folder

# type[Any]: a protocol cannot declare constructors; `Channel`'s docstring does, and installation.py relies on it.
CHANNELS: Final[dict[str, type[Any]]] = {}


def register(channel: type[Any]) -> None:
    """Register a channel's class by its kind; its capabilities and the translations beside it, for every room."""
    CHANNELS[channel.kind] = channel
    capabilities.register(channel.kind, channel.can)
    add_locale_folder(Path(inspect.getfile(channel)).parent / "locale")


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
