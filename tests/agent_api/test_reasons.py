"""Reasons recorded in English are read in the reader's language; a program's own words stay apart, as they came."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import zrm
from tests.agent_api.conftest import Browser
from tests.casework.house import quarantine_one
from zrm.agent_api.pages.reasons import Reason, of_delivery, reason
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.contract.errors import SendError
from zrm.dispatch.task_runner import leave_failed
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.ui.i18n import Language

BOUNCED = "failed 5.1.1: 550 5.1.1 User unknown"
CUT = "not a fax: page 1 is cut"
STORED = "could not be stored: DataError 22P02"


@pytest.mark.parametrize(
    ("error", "persian", "english"),
    [
        ("Twilio's queue was full.", "صف توئیلیو پر بود.", "Twilio's queue was full."),
        (
            BOUNCED,
            f"پاسخ سرویس گیرنده: \u2066{BOUNCED}\u2069",
            f"The receiving service says: \u2066{BOUNCED}\u2069",
        ),
        (
            "the channel sms is not configured",
            "کانال پیامک پیکربندی نشده است",
            "the channel Text message is not configured",
        ),
        (
            "internal error while sending: KeyError",
            "خطای داخلی هنگام فرستادن: \u2066KeyError\u2069",
            "internal error while sending: \u2066KeyError\u2069",
        ),
        (
            "channels.sms.folder cannot be written: Permission denied",
            "در پوشهٔ channels.sms.folder نمی‌توان نوشت: \u2066Permission denied\u2069",
            "channels.sms.folder cannot be written: \u2066Permission denied\u2069",
        ),
        ("", "", ""),
    ],
)
def test_what_another_server_said_of_an_answer_is_told_as_its_words(error: str, persian: str, english: str) -> None:
    assert (of_delivery(error, "fa"), of_delivery(error, "en")) == (persian, english)


@pytest.mark.parametrize(
    ("recorded", "language", "text", "technical"),
    [
        ("the message is empty", "fa", "پیام خالی است", ""),
        ("the message is empty", "en", "the message is empty", ""),
        (CUT, "fa", "نمابر نیست", CUT),
        (CUT, "en", "not a fax", CUT),
        ("these pages cannot be shown: nothing was drawn", "fa", "این صفحه‌ها را نمی‌توان نشان داد: چیزی ترسیم نشد", ""),
        ("these pages cannot be shown: took longer than 30 s", "fa",
         "این صفحه‌ها را نمی‌توان نشان داد: بیش از ۳۰ ثانیه طول کشید", ""),
        ("not a web contact; look at: subject, text", "fa",
         "تماس وب نیست؛ این‌ها را ببینید: \u2066subject, text\u2069", ""),
        ("the parser of email failed: KeyError", "fa", "خوانندهٔ کانال ایمیل از کار ماند", "the parser of email failed: KeyError"),
        ("the parser of email failed: KeyError", "en", "the parser of E-mail failed", "the parser of email failed: KeyError"),
        ("a wish of nobody: it came from no address", "en", "a wish of nobody: it came from no address", ""),
        (STORED, "fa", "ذخیره نشد", STORED),
        ("reading it took more than 10 s", "fa", "خواندن آن بیش از ۱۰ ثانیه طول کشید", ""),
        ("reading it needed more than 1024 MB of memory", "en", "reading it needed more than 1024 MB of memory", ""),
        ("the process that read it died of it", "fa", "برنامهٔ خواننده هنگام خواندن آن از کار افتاد", ""),
        ("reading it failed: KeyError", "fa", "خواندن آن ناموفق بود", "reading it failed: KeyError"),
        ("Twilio's queue was full.", "fa", "صف توئیلیو پر بود.", ""),
        ("KeyError: 'x'", "fa", "چیزی پیش‌بینی‌نشده رخ داد", "KeyError: 'x'"),
        ("KeyError: 'x'", "en", "Something unexpected happened", "KeyError: 'x'"),
        ("", "fa", "", ""),
    ],
)  # fmt: skip
def test_a_reason_is_shown_in_the_readers_language(
    recorded: str, language: Language, text: str, technical: str
) -> None:
    assert reason(recorded, language) == Reason(text, technical)


REASONS = {"Unparseable", "Exceeded", "_quarantine", "leave_failed", "_fail", "_miss"}
REFUSALS = {"_record", "SendError", *(kind.__name__ for kind in SendError.__subclasses__())}


def written_by(names: set[str]) -> list[str]:
    """Every sentence the code gives to one of these, each gap of it filled with a word."""
    found = []
    for file in sorted(Path(zrm.__file__).parent.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if name in names:
                written = [*call.args]
            else:
                written = [keyword.value for keyword in call.keywords if keyword.arg == "fault"]
            for part in (one.value if isinstance(one, ast.Subscript) else one for one in written):
                texts = [_said(node) for node in ast.walk(part) if isinstance(node, ast.Constant | ast.JoinedStr)]
                found += [text for text in texts[:1] if text]
    return found


def _said(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_said(part) or "Gap" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_every_reason_the_rooms_write_is_read_in_both_languages() -> None:
    found = written_by(REASONS)
    assert len(found) > 40
    for recorded in found:
        assert reason(recorded, "en").text != reason("what nobody knows", "en").text, recorded
        assert re.search("[آ-ی]", reason(recorded, "fa").text), recorded


def test_no_reason_of_ours_why_an_answer_did_not_leave_is_told_as_the_receivers() -> None:
    found = written_by(REFUSALS)
    assert len(found) > 25
    for recorded in found:
        assert "receiving service" not in of_delivery(recorded, "en"), recorded
        assert re.search("[آ-ی]", of_delivery(recorded, "fa")), recorded
        assert "سرویس گیرنده" not in of_delivery(recorded, "fa"), recorded


def test_the_lists_of_what_went_wrong_speak_persian(sign_in: Callable[[str], Browser], database: Database) -> None:
    quarantine_one(database, "the message is empty")
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.RENDER, [(new_id(), "trace")])
        (task,) = outbox.claim(cursor, Topic.RENDER, limit=1, lease=60)
    leave_failed(database, task, "these pages cannot be shown: nothing was drawn")
    browser = sign_in("maryam")
    assert "پیام خالی است" in browser.get("/desk/quarantine").text
    assert "این صفحه‌ها را نمی‌توان نشان داد: چیزی ترسیم نشد" in browser.get("/desk/trouble").text


@pytest.mark.parametrize(("login", "detail"), [("maryam", "جزئیات فنی"), ("daniel", "Technical detail")])
def test_the_technical_detail_is_at_hand(
    sign_in: Callable[[str], Browser], database: Database, login: str, detail: str
) -> None:
    quarantine_one(database, CUT)
    quarantine_one(database, "the message is empty")
    page = sign_in(login).get("/desk/quarantine").text
    assert page.count(f"<summary>{detail}</summary>") == 1
    assert f'<code class="z-technical" dir="ltr">{CUT}</code>' in page
