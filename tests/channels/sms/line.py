"""An SMPP line to the SMSC of the lab: a channel bound to it, what is said on it, and its listener in a thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation
from tests.lab.smsc import PASSWORD, SYSTEM
from zrm.channels.channel import HasListener
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.contract.inbound import Inbound, MessagePart, RawContact
from zrm.contract.outbound import Reply
from zrm.kit.ids import new_id

NUMBER = "30001"
PERSIAN = "سلام، من یک پرسش دربارهٔ پروندهٔ شمارهٔ ۱۲۳۴ دارم. می‌خواهم بدانم چرا هنوز پاسخی نرسیده است؟ 🙏 " * 3


def channel_at(port: int, folder: Path, **more: object) -> SmsChannel:
    gateway = {
        "kind": "smpp", "host": "127.0.0.1", "port": port, "system_id": SYSTEM, "password": PASSWORD,
        "timeout": 5, "enquire_link": 0.3,
    } | more  # fmt: skip
    section = {"accounts": {NUMBER: {"gateway": "mci"}}, "gateways": {"mci": gateway}}
    return SmsChannel(SmsConfig.model_validate(section), installation(data_dir=str(folder)))


@dataclass
class Listening:
    """A channel whose listener runs in a thread of this test."""

    channel: SmsChannel
    desk: KeepingDesk
    stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Listening:
        assert isinstance(self.channel, HasListener)
        self._thread = threading.Thread(target=self.channel.listen, args=(self.desk, self.stop))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()
        self.channel.close()

    def text(self, *contacts: RawContact) -> str:
        """The text of parts given in any order."""
        parts = {
            part.number: raw for raw in contacts for part in self.channel.parse(raw) if isinstance(part, MessagePart)
        }
        (inbound,) = self.channel.join([parts[number] for number in sorted(parts)])
        assert isinstance(inbound, Inbound)
        return inbound.text


def reply(text: str = "پاسخ شما", to: str = "+989121234567") -> Reply:
    return Reply(id=new_id(), account=NUMBER, to=to, text=text, language="fa")
