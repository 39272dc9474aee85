"""What the installation wrote for a recording, a fax or a photo is read in the reader's language; nobody else's words are touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zrm.contract.capabilities import registered
from zrm.ui.untitled_contacts import reworded

CHANNELS = Path(__file__).parents[2] / "zrm" / "channels"


@pytest.mark.parametrize(
    ("channel", "persian", "english"),
    [
        ("voice_ivr", "پیام صوتی", "Voice message"),
        ("voice_ivr", "پیام صوتی، ۱۲ ثانیه", "Voice message, 12 seconds"),
        ("voice_ivr", "پیام صوتی، ۱ ثانیه", "Voice message, 1 second"),
        ("fax", "نمابر، ۳ صفحه\nارسال نیمه‌کاره ماند: T.30 T2 timer", "Fax, 3 pages\nThe transmission broke off: T.30 T2 timer"),
        ("telegram", "عکس", "Photo"),
        ("bale", "پیام صوتی", "Voice message"),
    ],
)  # fmt: skip
def test_each_reader_reads_their_own_language(channel: str, persian: str, english: str) -> None:
    assert {reworded(recorded, channel, "en") for recorded in (persian, english)} == {english}
    assert {reworded(recorded, channel, "fa") for recorded in (persian, english)} == {persian}


@pytest.mark.parametrize(
    ("channel", "text"),
    [("email", "Voice message"), ("sms", "Fax, 3 pages"), ("fax", "Fax, many pages"), ("telegram", "Photo of the lamp"), ("voice_ivr", "")],
)  # fmt: skip
def test_other_words_stay_as_they_are(channel: str, text: str) -> None:
    assert reworded(text, channel, "fa") == text


def test_the_channels_write_these_very_sentences() -> None:
    speaking = {kind: can.sentences for kind, can in registered().items() if can.sentences}
    assert speaking.keys() == {"voice_ivr", "fax", "telegram", "bale"}
    for channel, sentences in speaking.items():
        folder = CHANNELS / channel.replace("bale", "telegram")
        sources = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
        for sentence in sentences:
            assert re.search(
                rf'gettext\([^"]*"{re.escape(sentence.one)}"|: _\("{re.escape(sentence.one)}"\)', sources
            ), (channel, sentence)
