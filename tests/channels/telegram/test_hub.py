"""The whole of it in a hub that really runs, with its own processes, database and queue: both messengers side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.hub import Hub
from tests.lab.process import wait_until
from tests.lab.telegram import Citizen, TelegramStandIn

SARA = Citizen(6001, "سارا", "fa")
JOHN = Citizen(6001, "John", "en")  # the same number on the other messenger is another person


@pytest.mark.timeout(180)
def test_both_messengers_in_a_running_hub(tmp_path: Path) -> None:
    with TelegramStandIn() as telegram, TelegramStandIn() as other:
        hooked, asked, bale = telegram.bot("hooked"), telegram.bot("asked"), other.bot("info")
        secret = "a-secret-of-the-running-hub"
        settings = {
            "channels": {
                "telegram": {
                    "album_seconds": 0.5,
                    "bots": {
                        "hooked": {
                            "token": hooked.token, "base_url": telegram.url, "mode": "webhook", "secret": secret,
                        },
                        "asked": {"token": asked.token, "base_url": telegram.url},
                    },
                },
                "bale": {"bots": {"info": {"token": bale.token, "base_url": other.url}}},
            }
        }  # fmt: skip
        with Hub(tmp_path / "hub", settings=settings) as hub:
            hooked.wait_for_webhook()
            hooked.tell(SARA, text="برق کوچه رفته است")
            asked.tell(SARA, text="آب کوچه رفته است")
            bale.tell(JOHN, text="The lamp is dark")
            codes = [bot.wait_for_said(who)[0].text for bot, who in ((hooked, SARA), (asked, SARA), (bale, JOHN))]
            assert len(set(codes)) == 3
            rows = hub.ask("SELECT channel, account, title FROM cases ORDER BY channel, account")
            assert rows == [
                ("bale", "info", "The lamp is dark"),
                ("telegram", "asked", "آب کوچه رفته است"),
                ("telegram", "hooked", "برق کوچه رفته است"),
            ]
            assert hub.ask("SELECT kind, value FROM addresses ORDER BY kind") == [
                ("bale", "6001"),
                ("telegram", "6001"),
            ]
            hub.kill("telegram")
            asked.tell(SARA, text="هنوز هم")
            asked.wait_until_done(60)
            hooked.tell(SARA, text="درست شد")
            hooked.wait_until_done()
            states = "SELECT state, count(*) FROM raw_contacts GROUP BY state ORDER BY state"
            wait_until(lambda: hub.ask(states) == [("filed", 3), ("joined", 2)], "everything to be filed")
            log = "".join(
                hub.log(role, 1000) for role in ("telegram", "bale", "web", "worker-1", "worker-2", "worker-3")
            )
            assert not [word for word in (hooked.token, asked.token, bale.token, secret, "کوچه") if word in log]
