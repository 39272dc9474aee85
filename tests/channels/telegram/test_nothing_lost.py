"""Crashes between any two steps, stores that are away, processes that race: nothing is lost and nothing is doubled."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.channels.telegram.conftest import OpenInstallation
from tests.channels.telegram.installation import BotInstallation
from tests.lab.process import wait_until
from tests.lab.telegram import Bot, Citizen, TelegramStandIn
from zrm.channels.telegram.channel import TelegramChannel
from zrm.config import Settings
from zrm.contract.inbound import RawContact
from zrm.contract.ports import FrontDesk
from zrm.errors import StoreUnavailable
from zrm.frontdesk.desk import CitizensDesk
from zrm.inbox.receive import Inbox
from zrm.kit.db import Database

SARA = Citizen(5001, "Sara", "en")


class Killed(BaseException):
    """The process dies here: nobody catches that."""


class DyingDesk:
    """The real front desk, which dies before the call number `dies_at` that would write something."""

    def __init__(self, desk: CitizensDesk, dies_at: int) -> None:
        self._left = dies_at
        for port in ("reception", "files", "tracking", "self_service", "checkpoints"):
            setattr(self, port, _DyingPort(self, getattr(desk, port)))

    def write(self) -> None:
        """One call that writes is about to begin."""
        self._left -= 1
        if self._left < 0:
            raise Killed


class _DyingPort:
    def __init__(self, desk: DyingDesk, port: object) -> None:
        self._desk = desk
        self._port = port

    def __getattr__(self, name: str) -> Any:
        found: Callable[..., object] = getattr(self._port, name)
        if name not in ("submit", "receive", "store", "update_state"):
            return found

        def call(*values: Any, **named: Any) -> object:
            self._desk.write()
            return found(*values, **named)

        return call


@pytest.fixture
def still_installation(
    telegram: TelegramStandIn, bot: Bot, database: Database, inbox: Inbox, settings: Settings, tmp_path: Path
) -> BotInstallation:
    """An installation whose doors are moved by hand."""
    section = {"info": {"token": bot.token, "base_url": telegram.url}}
    return BotInstallation(
        database, inbox, settings, tmp_path, TelegramChannel, section, language="en", album_seconds=0.01
    )


def bring(installation: BotInstallation, desk: FrontDesk, *updates: dict[str, Any]) -> None:
    """Bring updates to a door of a process of its own, one after the other."""

    async def run() -> None:
        door = installation.channel.door(desk)
        try:
            for update in updates:
                says = await door.handle_update("info", json.dumps(update).encode())
                await door.say("info", says)
        finally:
            await door.close()

    asyncio.run(run())


def sweep(installation: BotInstallation) -> None:
    """File what is due, as the listener does."""

    async def run() -> None:
        door = installation.channel.door(installation.desk)
        try:
            await door.sweep()
        finally:
            await door.close()

    asyncio.run(run())


def matter(bot: Bot) -> list[dict[str, Any]]:
    """The updates of a whole dialogue."""
    bot.tell(SARA, text="/start")
    return [
        bot.tell(SARA, text="/new"),
        bot.press_data(SARA, "n:complaint"),
        bot.press_data(SARA, "s:-"),
        bot.tell(SARA, text="The lamp is dark"),
        bot.photo(SARA, b"the lamp", caption="this one"),
        bot.tell(SARA, text="Go on"),
        bot.press_data(SARA, "send"),
    ]


@pytest.mark.parametrize("dies_at", range(18))
def test_a_dialogue_survives_a_death_before_any_of_its_writes(
    still_installation: BotInstallation, bot: Bot, dies_at: int
) -> None:
    installation, updates = still_installation, matter(bot)
    desk: Any = DyingDesk(installation.desk, dies_at)
    for update in updates:  # the messenger brings an update again until it is taken
        try:
            bring(installation, desk, update)
        except Killed:
            bring(installation, installation.desk, update)
            desk = installation.desk
    sweep(installation)
    installation.work()
    (case,) = installation.cases()
    assert case.said() == ["The lamp is dark\nthis one"]
    assert case.nature == "complaint"
    assert len(installation.ask("SELECT 1 FROM attachments")) == 1
    states = installation.states()
    assert states == {"ignored": len(updates), "filed": 1}, "every update once, and the contact they make"


def test_an_update_that_is_brought_again_at_any_later_time_changes_nothing(
    still_installation: BotInstallation, bot: Bot
) -> None:
    installation, updates = still_installation, matter(bot)
    for _ in range(2):
        bring(installation, installation.desk, *updates)
    bring(installation, installation.desk, *reversed(updates))
    sweep(installation)
    installation.work()
    (case,) = installation.cases()
    assert case.said() == ["The lamp is dark\nthis one"]
    assert installation.states() == {"ignored": len(updates), "filed": 1}


@pytest.mark.parametrize("later", [0, 5])
def test_an_old_stop_that_is_brought_again_silences_nobody(
    still_installation: BotInstallation, bot: Bot, later: int
) -> None:
    installation = still_installation
    stop, start = bot.tell(SARA, text="/stop"), bot.tell(SARA, text="/start")
    start["message"]["date"] = stop["message"]["date"] + later
    bring(installation, installation.desk, stop)
    assert installation.desk.self_service.opted_out("telegram", str(SARA.id))
    bring(installation, installation.desk, start)
    assert not installation.desk.self_service.opted_out("telegram", str(SARA.id))
    bring(installation, installation.desk, stop)
    assert not installation.desk.self_service.opted_out("telegram", str(SARA.id))


def test_an_album_whose_photos_come_at_once_by_several_processes_is_one(
    still_installation: BotInstallation, bot: Bot
) -> None:
    installation = still_installation
    updates = bot.album(SARA, *(b"photo %d" % number for number in range(8)), caption="eight")
    threads = [threading.Thread(target=bring, args=(installation, installation.desk, update)) for update in updates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def filed() -> bool:
        sweep(installation)
        installation.work()
        return bool(installation.cases())

    wait_until(filed, "the album to be whole")
    assert installation.ask("SELECT count(*), count(DISTINCT contact_id) FROM attachments") == [(8, 1)]
    assert len(installation.cases()) == 1


def test_while_the_store_is_away_the_messenger_is_told_to_come_again(
    bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot, mode="webhook")
    bot.wait_for_webhook()
    original = installation.desk.reception.submit
    away = threading.Event()

    def submit(contact: RawContact) -> Any:
        if not away.is_set():
            raise StoreUnavailable("away")
        return original(contact)

    installation.desk.reception.submit = submit  # type: ignore[method-assign]  # the store goes away for this one door
    bot.tell(SARA, text="keep this")
    with bot.telegram.changed:
        assert bot.telegram.changed.wait_for(lambda: len(bot.deliveries) >= 2, 30)
    assert {status for _, status in bot.deliveries} == {503}
    away.set()
    bot.wait_until_done()
    installation.work()
    assert [case.said() for case in installation.cases()] == [["keep this"]]
    assert installation.states() == {"filed": 1}


def test_polling_does_not_pass_by_what_the_store_did_not_take(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    original = installation.desk.reception.submit
    failures = iter([True, True])

    def submit(contact: RawContact) -> Any:
        if next(failures, False):
            raise StoreUnavailable("away")
        return original(contact)

    installation.desk.reception.submit = submit  # type: ignore[method-assign]  # the store goes away for this one door
    for number in range(4):
        bot.tell(SARA, text=f"number {number}")
    bot.wait_until_done()
    installation.work()
    assert [case.said() for case in installation.cases()] == [[f"number {number}" for number in range(4)]]
    assert installation.states() == {"filed": 1, "joined": 3}


def test_an_update_of_the_same_number_and_moment_that_says_something_else_is_another(
    still_installation: BotInstallation, bot: Bot
) -> None:
    """A messenger that began to count anew, or counts for each server: neither word may vanish behind the other's."""
    installation = still_installation
    first = bot.tell(SARA, text="The lamp is dark")
    second = {**first, "message": {**first["message"], "text": "The water is off"}}
    for _ in range(2):
        bring(installation, installation.desk, first, second, dict(reversed(first.items())))
    time.sleep(0.1)
    sweep(installation)
    installation.work()
    said = "\n".join(line[3] for case in installation.cases() for line in case.lines if line[0] == "in")
    assert (said.count("The lamp is dark"), said.count("The water is off")) == (1, 1)
