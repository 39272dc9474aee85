"""Reasons recorded in English are read in the reader's language; details stay as they came."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.agent_api.conftest import Browser
from tests.casework.house import quarantine_one
from zrm.agent_api.reasons import KNOWN, reason_text
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.dispatch.drain import leave_failed
from zrm.kit.db import Database
from zrm.kit.i18n import Language
from zrm.kit.ids import new_id


@pytest.mark.parametrize(
    ("recorded", "language", "shown"),
    [
        ("the message is empty", "fa", "پیام خالی است"),
        ("the message is empty", "en", "the message is empty"),
        ("not a fax: page 1 is cut", "fa", "نمابر نیست: \u2068page 1 is cut\u2069"),
        ("not a fax: page 1 is cut", "en", "not a fax: page 1 is cut"),
        ("these pages cannot be shown: nothing was drawn", "fa", "این صفحه‌ها را نمی‌توان نشان داد: چیزی ترسیم نشد"),
        ("something else altogether", "fa", "something else altogether"),
        ("", "fa", ""),
    ],
)
def test_a_reason_is_shown_in_the_readers_language(recorded: str, language: Language, shown: str) -> None:
    assert reason_text(recorded, language) == shown


def test_every_known_reason_has_a_persian_text() -> None:
    assert [text for text in KNOWN if reason_text(text, "fa") == text] == []


def test_the_lists_of_what_went_wrong_speak_persian(sign_in: Callable[[str], Browser], database: Database) -> None:
    quarantine_one(database, "the message is empty")
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.RENDER, [(new_id(), "trace")])
        (task,) = outbox.claim(cursor, Topic.RENDER, limit=1, lease=60)
    leave_failed(database, task, "these pages cannot be shown: nothing was drawn")
    browser = sign_in("maryam")
    assert "پیام خالی است" in browser.get("/desk/quarantine").text
    assert "این صفحه‌ها را نمی‌توان نشان داد: چیزی ترسیم نشد" in browser.get("/desk/trouble").text
