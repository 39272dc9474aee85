"""A telephone door that is listening, and its prompts, spoken once for all tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.channels.voice_ivr.desk import ListDesk
from tests.lab.process import free_port, listening, wait_until
from zrm.channels.channel import Installation
from zrm.channels.voice_ivr import prompts
from zrm.channels.voice_ivr.channel import VoiceChannel
from zrm.channels.voice_ivr.config import VoiceConfig


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose prompts are spoken."""
    data = tmp_path_factory.mktemp("data")
    prompts.build(data / "prompts")
    return data


@pytest.fixture
def installation(spoken: Path) -> Installation:
    return Installation(
        name={"fa": "شهر", "en": "City"},
        language="fa",
        timezone="Asia/Tehran",
        region="IR",
        public_url="http://127.0.0.1",
        data_dir=str(spoken),
        secret="s" * 32,
    )


class Door:
    """A listening door on a free port, before a desk of lists."""

    def __init__(self, channel: VoiceChannel, desk: ListDesk) -> None:
        self.channel = channel
        self.desk = desk
        self.port = channel.config.port
        self.recordings = channel.recordings
        self.stop = Event()
        self.thread = Thread(target=channel.listen, args=(desk, self.stop))

    def files(self) -> list[str]:
        """What lies in the recordings folder."""
        return sorted(path.name for path in self.recordings.iterdir())

    def settled(self) -> None:
        """Wait until nothing is left in the recordings folder."""
        wait_until(lambda: not self.files(), "the recordings folder to be empty")


OpenDoor = Callable[..., contextlib.AbstractContextManager[Door]]


@pytest.fixture
def open_door(installation: Installation, tmp_path: Path) -> OpenDoor:
    """Opens doors for a `with` block, with any settings: listening when the block begins, stopped when it ends."""

    @contextlib.contextmanager
    def opened(desk: ListDesk | None = None, **settings: Any) -> Iterator[Door]:
        values = {
            "port": free_port(),
            "recordings": str(tmp_path / "recordings"),
            "key_seconds": 1.5,
            "settle_seconds": 1,
        }
        channel = VoiceChannel(VoiceConfig(**{**values, **settings}), installation)
        door = Door(channel, desk or ListDesk())
        door.thread.start()
        try:
            wait_until(lambda: listening(door.port) or not door.thread.is_alive(), "the door to listen")
            yield door
        finally:
            door.stop.set()
            door.thread.join()

    return opened


@pytest.fixture
def door(open_door: OpenDoor) -> Iterator[Door]:
    with open_door() as opened:
        yield opened
