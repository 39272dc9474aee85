"""Reasons are kept as codes with values and read in the reader's language; a program's own words stay apart, as they came."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

import zrm
from tests.agent_api.conftest import Browser
from tests.casework.installation import quarantine_one
from zrm.agent_api.pages.reason_sentences import WordedReason, worded
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.channels.email.reasons import EMPTY
from zrm.channels.fax.parse import NOT_A_FAX
from zrm.channels.sms import messages
from zrm.channels.web.payload import FIELDS
from zrm.contract.errors import RECEIVER_SAYS, SendError
from zrm.contract.reasons import Reason, declare, declared, stored
from zrm.dispatch.render import NOT_SHOWN
from zrm.dispatch.task_runner import NO_CHANNEL, UNEXPECTED, leave_failed
from zrm.kit import render_child
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.languages import Language
from zrm.normalizer.reasons import PARSER_FAILED
from zrm.ui.i18n import gettext

BOUNCED = "failed 5.1.1: 550 5.1.1 User unknown"
CUT = NOT_A_FAX(words="page 1 is cut")
UNDRAWN = NOT_SHOWN(because=render_child.NOTHING)


@pytest.mark.parametrize(
    ("reason", "language", "text", "technical"),
    [
        (EMPTY, "fa", "پیام خالی است", ""),
        (EMPTY, "en", "the message is empty", ""),
        (CUT, "fa", "نمابر نیست", "page 1 is cut"),
        (CUT, "en", "not a fax", "page 1 is cut"),
        (UNDRAWN, "fa", "این صفحه‌ها را نمی‌توان نشان داد: چیزی ترسیم نشد", ""),
        (NOT_SHOWN(because=render_child.TOO_LONG(number="30")), "fa",
         "این صفحه‌ها را نمی‌توان نشان داد: بیش از ۳۰ ثانیه طول کشید", ""),
        (NOT_SHOWN(because=render_child.FAILED(words="KeyError")), "en",
         "these pages cannot be shown: the renderer failed", "KeyError"),
        (FIELDS(fields="subject, text"), "fa", "تماس وب نیست؛ این‌ها را ببینید: \u2066subject, text\u2069", ""),
        (PARSER_FAILED(channel="email", words="KeyError"), "fa", "خوانندهٔ کانال ایمیل از کار ماند", "KeyError"),
        (PARSER_FAILED(channel="email", words="KeyError"), "en", "the parser of E-mail failed", "KeyError"),
        (NO_CHANNEL(channel="sms"), "fa", "کانال پیامک پیکربندی نشده است", ""),
        (messages.FOLDER(words="Permission denied"), "en", "channels.sms.folder cannot be written", "Permission denied"),
        (messages.FAILURES["30001"], "fa", "صف توئیلیو پر بود.", ""),
        (RECEIVER_SAYS(words=BOUNCED), "fa", f"پاسخ سرویس گیرنده: \u2066{BOUNCED}\u2069", ""),
        (RECEIVER_SAYS(words=BOUNCED), "en", f"The receiving service says: \u2066{BOUNCED}\u2069", ""),
        (UNEXPECTED(words="KeyError: 'x'"), "fa", "چیزی پیش‌بینی‌نشده رخ داد", "KeyError: 'x'"),
        (Reason("of.another_version", {"words": "x"}), "en", "Something unexpected happened", "of.another_version: x"),
        (None, "fa", "", ""),
        (stored("receiver_says", {"other": "1"}), "en", "The receiving service says: …", ""),
        (stored("receiver_says", {"words": "x", "language": "1", "message": "2"}), "en",
         "The receiving service says: \u2066x\u2069", ""),
        (stored("task.no_channel", {"because": {"x": 1}}), "fa", "کانال … پیکربندی نشده است", ""),
        (stored("task.unexpected", ["of another shape"]), "en", "Something unexpected happened", "['of another shape']"),
    ],
)  # fmt: skip
def test_a_reason_is_told_in_the_readers_language(
    reason: Reason | None, language: Language, text: str, technical: str
) -> None:
    assert worded(reason, language) == WordedReason(text, technical)


@pytest.mark.parametrize(
    "reason", [EMPTY, CUT, UNDRAWN, NOT_SHOWN(because=render_child.TOO_LONG(number=30)), Reason("of.another")]
)
def test_what_is_kept_comes_back(database: Database, reason: Reason) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT %s, %s::jsonb", [reason.code, Jsonb(reason.stored_params())])
        row = cursor.fetchone()
    assert row is not None
    assert stored(*row) == reason
    assert stored("", {}) is None


def test_a_code_means_one_thing() -> None:
    assert declare("email.empty", "the message is empty") == EMPTY
    with pytest.raises(ValueError, match=r"email\.empty is declared already"):
        declare("email.empty", "nothing")


@cache
def _every_declared() -> dict[str, str]:
    for module in pkgutil.walk_packages(zrm.__path__, "zrm."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {code: sentence for code, sentence in declared().items() if not code.startswith("test.")}


def test_every_code_is_worded_in_both_languages_with_the_same_gaps() -> None:
    every = _every_declared()
    assert len(every) > 100
    for code, sentence in every.items():
        assert re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)?", code), code
        persian = gettext("fa", sentence, **dict.fromkeys(re.findall(r"%\((\w+)\)s", sentence), ""))
        assert re.search("[آ-ی]", persian), f"{code}: {sentence}"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["code", "params", "x"]) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_PARAMS = _VALUES | st.dictionaries(
    st.sampled_from(
        ["language", "message", "self", "values", "words", "because", "channel", "number", "num", "one", "many",
         "count", "field", "code", "sentence", "%(words)s", "%"]
    ),
    _VALUES,
    max_size=5,
)  # fmt: skip


@given(data=st.data(), params=_PARAMS, inner=_PARAMS)
def test_no_stored_value_makes_a_reason_unreadable(data: st.DataObject, params: object, inner: object) -> None:
    """Every code, and values that this version never stored."""
    code = data.draw(st.sampled_from(sorted(_every_declared())))
    nested = {**params, "because": {"code": code, "params": inner}} if isinstance(params, dict) else params
    for values in (params, nested):
        reason = stored(code, values)
        assert reason is not None
        assert str(reason)
        assert worded(reason, "fa").text
        assert worded(reason, "en").text
        assert stored(code, reason.with_texts(str.upper).stored_params()) is not None


def test_a_page_with_such_a_reason_is_shown(sign_in: Callable[[str], Browser], database: Database) -> None:
    quarantine_one(database, CUT)
    with database.cursor() as cursor:
        cursor.execute(
            "UPDATE quarantine SET reason_code = 'receiver_says', reason_params = '{\"language\": {\"x\": 1}}'"
        )
    page = sign_in("daniel").get("/desk/quarantine")
    assert page.status_code == 200
    assert "The receiving service says: …" in page.text


GIVEN_A_REASON = {
    "Unparseable", "Ignored", "Exceeded", "_quarantine", "leave_failed", "_fail", "_miss", "fail", "enter", "SendError",
    *(kind.__name__ for kind in SendError.__subclasses__()),
}  # fmt: skip


def test_nothing_is_refused_with_a_sentence_instead_of_a_code() -> None:
    seen = 0
    for file in sorted(Path(zrm.__file__).parent.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(call, ast.Call)
                and getattr(call.func, "id", getattr(call.func, "attr", "")) in GIVEN_A_REASON
            ):
                seen += 1
                given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "reason")]
                sentences = [
                    one for one in given
                    if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str) and " " in one.value)
                ]  # fmt: skip
                assert sentences == [], f"{file.name}:{call.lineno}"
    assert seen > 100


def test_the_lists_of_what_went_wrong_speak_persian(sign_in: Callable[[str], Browser], database: Database) -> None:
    quarantine_one(database, EMPTY)
    with database.cursor() as cursor:
        outbox.add(cursor, Topic.RENDER, [(new_id(), "trace")])
        (task,) = outbox.claim(cursor, Topic.RENDER, limit=1, lease=60)
    leave_failed(database, task, UNDRAWN)
    browser = sign_in("maryam")
    assert "پیام خالی است" in browser.get("/desk/quarantine").text
    assert "این صفحه‌ها را نمی‌توان نشان داد: چیزی ترسیم نشد" in browser.get("/desk/failed-deliveries").text


@pytest.mark.parametrize(("login", "detail"), [("maryam", "جزئیات فنی"), ("daniel", "Technical detail")])
def test_the_technical_detail_is_at_hand(
    sign_in: Callable[[str], Browser], database: Database, login: str, detail: str
) -> None:
    quarantine_one(database, CUT)
    quarantine_one(database, EMPTY)
    page = sign_in(login).get("/desk/quarantine").text
    assert page.count(f"<summary>{detail}</summary>") == 1
    assert '<code class="z-technical" dir="ltr">page 1 is cut</code>' in page
