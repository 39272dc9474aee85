"""`make docs`: every page of the installation as a picture, in both languages, on a desk and on a telephone, in docs/screenshots.

python -m tests.docs            # all
python -m tests.docs case track # only pages whose name holds one of these words
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.docs.pictures import FOLDER, take_all, write_index
from tests.docs.traffic import play
from tests.journeys.citizens import Town
from tests.journeys.hub import CHECKOUT, Hub
from tests.lab.browser import LabBrowser
from tests.lab.smtp_sink import SmtpSink
from tests.lab.telegram import TelegramStandIn
from tests.lab.twilio import TwilioStandIn

SETTINGS: dict[str, Any] = {
    "organisation": {"name": {"fa": "مرکز ارتباط با شهروندان", "en": "Citizen Contact Centre"}},
    "rates": {
        "track_tries": 10_000,
        "proof_tries": 1_000,
        "proof_code_tries": 1_000,
        "link_tries": 1_000,
        "link_peer_tries": 1_000,
        "sign_in_tries": 1_000,
    },
}
REACH = {"sms": "3000123", "phone": "137", "fax": "021-88880000", "email": "info@zrm.test"}


def main(words: list[str]) -> None:
    """Start a hub, let a morning happen, take the pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="zrm-docs-") as folder,
        TwilioStandIn() as twilio,
        SmtpSink() as sink,
        TelegramStandIn() as telegram,
        contextlib.ExitStack() as ends,
        LabBrowser() as browser,
    ):
        bot = telegram.bot("info")
        channels = {
            "web": {"reach": REACH},
            "telegram": {"bots": {"info": {"token": bot.token, "base_url": telegram.url}}},
        }
        submit = ("127.0.0.1", sink.port)
        hub = ends.enter_context(
            Hub(Path(folder), twilio=twilio, submit=submit, settings={**SETTINGS, "channels": channels})
        )
        stage = play(Town(hub, twilio, sink, Path(folder)), bot, browser)
        taken = take_all(hub, stage, browser, words)
        if not words:
            write_index()
    size = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{taken} pictures; {FOLDER.relative_to(CHECKOUT)} holds {size / 1_000_000:.1f} MB")  # noqa: T201  # a command line prints
    for complaint in sorted(set(browser.complaints)):
        print(f"the browser says: {complaint}")  # noqa: T201  # as above


if __name__ == "__main__":
    main(sys.argv[1:])
