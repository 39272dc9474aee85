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

# type[Any]: a protocol cannot say how its classes are built; `Channel`'s docstring does, and installation.py holds them to it.
CHANNELS: Final[dict[str, type[Any]]] = {
    channel.kind: channel
    for channel in (
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
    )
}
ALWAYS: Final[tuple[str, ...]] = (CallChannel.kind, VisitChannel.kind, LetterChannel.kind)
"""Channels that need no settings and are there although config.yaml does not name them."""
