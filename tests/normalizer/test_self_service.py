"""Self-service from the door to the provider: done once, answered once, in the citizen's language, and silence kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from sqlmodel import select

from tests.casework.installation import acting
from tests.reasons import told
from zrm.casestore import outbox, timers
from zrm.casestore.agent import Agent
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.casework.context import ActionContext, InvalidInput
from zrm.casework.reply_routes import ReplyRoute
from zrm.channels.sms.keywords import command_of
from zrm.config import Settings
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.inbound import Inbound, Parsed, RawContact, Receipt, Report, Thread
from zrm.contract.outbound import Reply, Sent
from zrm.dispatch.deliver import OPTED_OUT, Deliver
from zrm.inbox.code import mint
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Cursor, Database, session_of
from zrm.normalizer.filing import Filer
from zrm.normalizer.self_service import MOST_ANSWERS
from zrm.ui.i18n import format_code

ALI, SARA = "09121234567", "09351234567"


@dataclass
class Line:
    """One short code: texts go in by T1 and T2, answers come out at `sent` by T4."""

    database: Database
    inbox: Inbox
    blobs: BlobStore
    settings: Settings
    sent: list[Reply] = field(default_factory=list)
    count: int = 0
    last: RawContact = field(init=False)

    def parse(self, raw: RawContact) -> list[Parsed]:
        sender, _, words = raw.body.decode().partition("|")
        if sender == "report":
            return [Report(words, "delivered")]
        inbound = Inbound((Sender(PHONE, sender),), words, thread=Thread(open_line=True))
        return [command_of(inbound) or inbound]

    def send(self, reply: Reply) -> Sent:
        self.sent.append(reply)
        return Sent(f"ref-{len(self.sent)}", final=False)

    def text(self, words: str, sender: str = ALI, *, work: bool = True) -> Receipt:
        self.count += 1
        kind = "report" if sender == "report" else "contact"
        self.last = RawContact("sms", "3000123", str(self.count), f"{sender}|{words}".encode(), "text/plain", kind=kind)  # type: ignore[arg-type]  # one of the two
        receipt = self.inbox.submit(self.last).result()
        if work:
            self.work()
        return receipt

    def work(self) -> None:
        filer = Filer(self.database, self.blobs, {"sms": self.parse}, self.settings)
        deliver = Deliver(self.database, {"sms": self}, self.settings)
        handlers: dict[Topic, Callable[[list[outbox.Task]], None]] = {Topic.FILE: filer, Topic.DELIVER: deliver}
        for topic, handler in handlers.items():
            with self.database.cursor() as cursor:
                tasks = outbox.claim(cursor, topic, limit=100, lease=30)
            handler(tasks)

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with self.database.cursor() as cursor:
            cursor.execute(query.encode(), values)
            return cursor.fetchall()

    def state(self, receipt: Receipt) -> tuple[object, ...]:
        query = "SELECT state, reason_code, reason_params FROM raw_contacts WHERE id = %s"
        ((state, *reason),) = self.ask(query, receipt.contact_id)
        return str(state), told(*reason)

    def close_case(self) -> None:
        self.act(lambda cursor, act: case_actions.close(cursor, act, result="done", reason="It was done before."))

    def act(self, step: Callable[[Cursor, ActionContext], object], *routes: ReplyRoute, hold: float = 0) -> None:
        ((case_id, version),) = self.ask("SELECT id, version FROM cases ORDER BY opened_at DESC LIMIT 1")
        with self.database.cursor() as cursor:
            agent = session_of(cursor).exec(select(Agent).limit(1)).one()
            step(cursor, acting(agent.id, case_id, version, *routes, hold=hold))  # type: ignore[arg-type]  # as read
        self.work()


@pytest.fixture
def line(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings) -> Line:
    return Line(database, inbox, blobs, settings)


def test_help_is_answered_once_without_a_case(line: Line) -> None:
    receipt = line.text("راهنما")
    assert line.state(receipt) == ("ignored", "done by the installation itself (help)")
    (answer,) = line.sent
    assert (answer.to, answer.account, answer.language, answer.automatic) == ("+989121234567", "3000123", "fa", True)
    assert "کد ۱۲ رقمی" in answer.text
    assert line.inbox.submit(line.last).result().repeated
    line.work()
    assert len(line.sent) == 1, "the same question delivered again is the same question"
    assert line.ask("SELECT count(*) FROM cases") == [(0,)]
    assert line.ask("SELECT state, provider_ref FROM deliveries") == [("sent", "ref-1")]
    line.text("ref-1", "report")
    assert line.ask("SELECT state FROM deliveries") == [("delivered",)]


def test_help_in_english_is_answered_in_english(line: Line) -> None:
    line.text("help")
    assert "Describe your case in words." in line.sent[0].text


def test_a_code_tells_the_state_in_the_citizens_language(line: Line) -> None:
    receipt = line.text("The light in our street is broken, please repair it.")
    line.text(format_code(receipt.code, "fa"))
    assert "has reached us" in line.sent[-1].text, "by first use: digits alone are answered in the language met first"
    line.text(f"کد {receipt.code}", SARA)
    assert "در نوبت بررسی" in line.sent[-1].text
    assert line.sent[-1].to == "+989351234567"
    line.close_case()
    line.text(receipt.code)
    assert "is closed" in line.sent[-1].text
    assert "light" not in line.sent[-1].text, "the state and nothing of what was said"


def test_a_code_in_persian_words_keeps_its_order_on_the_phone_and_can_be_sent_back(line: Line) -> None:
    """Field 2.33: RTL breaks in composed text: groups of digits with dashes after Persian words are shown reversed."""
    line.text("چراغ خیابان ما خراب است")
    told = line.sent[-1].text.split("\u200e")[1].split("\n")[0]
    assert re.fullmatch("[۰-۹]{4}-[۰-۹]{4}-[۰-۹]{4}", told), "a left-to-right mark stands before the code"
    line.text(f"\u200e{told}")
    assert f"\u200e{told}" in line.sent[-1].text, "copied with its mark it is still the code"


def test_a_person_is_answered_in_the_language_they_asked_for_else_met_first(line: Line) -> None:
    line.text("The light in our street is broken, please repair it.")
    line.close_case()
    line.text("🙏🙏")
    assert line.ask("SELECT language FROM cases ORDER BY opened_at") == [("en",), ("en",)]
    with line.database.cursor() as cursor:
        cursor.execute("UPDATE persons SET preferred_language = 'fa'")
        cursor.execute("UPDATE cases SET last_contact_at = last_contact_at - interval '30 days'")
    line.text("The water is off, too")
    assert line.ask("SELECT language FROM cases ORDER BY opened_at") == [("en",), ("en",), ("fa",)]
    line.text("HELP")
    assert "کد ۱۲ رقمی" in line.sent[-1].text


def test_a_code_nobody_has_is_said_to_be_unknown(line: Line) -> None:
    line.text(f"کد {mint()}")
    line.text("123456789012")
    assert all("پرونده‌ای با این کد نیست" in reply.text for reply in line.sent)
    assert line.ask("SELECT count(*) FROM cases") == [(0,)]


def test_codes_are_texted_to_the_number_they_belong_to(line: Line) -> None:
    line.text("چراغ خیابان ما خراب است")
    receipt = line.text("کدها", SARA)
    assert line.state(receipt) == ("ignored", "done by the installation itself (codes)")
    assert line.sent[-1].text == "پرونده‌ای که هنوز در جریان باشد از شما نداریم."
    receipt = line.text("کدهای من")
    assert line.state(receipt) == ("ignored", "done by the installation itself (codes)")
    ((code,),) = line.ask("SELECT code FROM cases")
    assert line.sent[-1].to == "+989121234567"
    assert format_code(str(code), "fa") in line.sent[-1].text
    assert "چراغ" not in line.sent[-1].text
    assert len(line.sent[-1].text) <= 134
    line.text("codes")
    assert f": {format_code(str(code), 'en')}" in line.sent[-1].text
    line.text("لغو")
    silent = len(line.sent)
    line.text("کدها")
    assert len(line.sent) == silent, "who wants no messages gets none"
    assert line.ask("SELECT count(*) FROM cases") == [(1,)]


def test_stop_silences_everything_but_its_own_confirmation(line: Line) -> None:
    line.text("چراغ خیابان ما خراب است")
    line.text("لغو")
    assert "شروع" in line.sent[-1].text
    silent = len(line.sent)
    line.text("راهنما")
    line.text("برق هم رفته است")
    line.close_case()
    assert len(line.sent) == silent, "no help, no acknowledgement, no closing message"
    line.text("آب کوچهٔ ما قطع است و کسی نمی‌آید", SARA)
    assert len(line.sent) == silent + 1, "others are not silenced"
    line.text("شروع")
    line.text("راهنما")
    assert len(line.sent) == silent + 3


def test_an_answer_on_its_way_to_who_opts_out_is_refused_visibly(line: Line) -> None:
    line.text("The light in our street is broken")
    route = ReplyRoute("sms", "3000123", "+989121234567")
    answer = partial(case_actions.reply, route=route, title="", text="x")
    line.act(answer, route, hold=60)
    line.text("STOP")
    with pytest.raises(InvalidInput, match="route_barred"):
        line.act(answer, route)
    silent = len(line.sent)
    with line.database.cursor() as cursor:
        cursor.execute("UPDATE timers SET due_at = now()")
        assert timers.move_due(cursor) == 1
    line.work()
    assert len(line.sent) == silent
    query = "SELECT state, reason_code, error_code FROM deliveries WHERE kind = 'answer' ORDER BY id DESC LIMIT 1"
    assert line.ask(query) == [("failed", OPTED_OUT.code, "RecipientOptedOut")]


def test_one_digit_after_the_closing_message_is_a_rating(line: Line) -> None:
    line.text("چراغ خیابان ما خراب است")
    line.close_case()
    assert "۱ (اصلاً) تا ۵ (بسیار)" in line.sent[-1].text
    receipt = line.text("۴")
    assert line.state(receipt) == ("ignored", "done by the installation itself (rate)")
    assert line.ask("SELECT score, channel FROM ratings") == [(4, "sms")]
    assert "نظر شما ثبت شد" in line.sent[-1].text
    assert line.ask("SELECT status FROM cases") == [("closed",)], "a rating reopens nothing"
    line.text("5")
    assert line.ask("SELECT count(*) FROM ratings") == [(1,)], "once; the second digit is a message"


def test_a_digit_with_nothing_to_rate_is_a_message(line: Line) -> None:
    receipt = line.text("3")
    assert line.state(receipt) == ("filed", "")
    line.text("چراغ خیابان ما خراب است", SARA)
    receipt = line.text("2", SARA)
    assert line.state(receipt) == ("joined", "")


def test_two_robots_do_not_talk_for_ever(line: Line) -> None:
    receipts = [line.text("help") for _ in range(MOST_ANSWERS + 3)]
    assert len(line.sent) == MOST_ANSWERS
    assert line.state(receipts[-1]) == (
        "ignored",
        "done by the installation itself (help): not answered, because there were too many in an hour",
    )


def test_a_wish_and_a_message_in_one_batch_do_not_mix(line: Line) -> None:
    first = line.text("چراغ خیابان ما خراب است", work=False)
    second = line.text("راهنما", work=False)
    third = line.text("از دیشب", work=False)
    line.work()
    assert [line.state(receipt)[0] for receipt in (first, second, third)] == ["filed", "ignored", "joined"]


@pytest.mark.parametrize(
    "forgets", ["created_at = created_at - interval '61 minutes'", "channel = 'telegram'", "address = '+989350000000'"]
)
def test_only_an_addresss_own_answers_of_the_last_hour_use_up_its_limit(line: Line, forgets: str) -> None:
    for _ in range(MOST_ANSWERS):
        line.text("help")
    line.text("help", SARA)
    assert len(line.sent) == MOST_ANSWERS + 1, "another number has its own"
    line.text("help")
    assert len(line.sent) == MOST_ANSWERS + 1
    line.ask(f"UPDATE deliveries SET {forgets} WHERE id = (SELECT min(id::text)::uuid FROM deliveries) RETURNING id")
    line.text("help")
    line.text("help")
    assert len(line.sent) == MOST_ANSWERS + 2


def test_acknowledgements_use_up_nothing_of_it(line: Line) -> None:
    line.text("چراغ خیابان ما خراب است")
    for _ in range(MOST_ANSWERS):
        line.text("help")
    assert len(line.sent) == MOST_ANSWERS + 1


def test_a_code_of_what_waits_is_received_and_of_what_was_ignored_unknown(line: Line) -> None:
    first = line.text("چراغ خیابان ما خراب است", work=False)
    line.ask("UPDATE outbox SET due_at = now() + interval '1 hour' WHERE topic = 'file' RETURNING id")
    line.text(f"code {first.code}", SARA)
    assert "has reached us" in line.sent[-1].text
    line.ask("UPDATE raw_contacts SET state = 'ignored' WHERE id = %s RETURNING id", first.contact_id)
    line.text(f"code {first.code}", SARA)
    assert "has reached us" not in line.sent[-1].text
    unknown = line.sent[-1].text
    line.text(f"code {mint()}", SARA)
    assert line.sent[-1].text == unknown


def test_a_digit_rates_what_was_closed_lately_and_by_its_own_citizen(line: Line) -> None:
    line.text("چراغ خیابان ما خراب است")
    line.close_case()
    line.text("4", SARA)
    assert line.ask("SELECT count(*) FROM ratings") == [(0,)], "it is another's case"
    line.ask(
        "UPDATE cases SET closed_at = closed_at - interval '60 days', status_at = status_at - interval '60 days' RETURNING 1"
    )
    line.ask("UPDATE deliveries SET created_at = created_at - interval '60 days' RETURNING 1")
    line.text("4")
    assert line.ask("SELECT count(*) FROM ratings") == [(0,)], "nobody was asked lately"


def test_what_was_reopened_and_closed_again_is_rated_again(line: Line) -> None:
    line.text("چراغ خیابان ما خراب است")
    line.close_case()
    line.text("2")
    line.act(case_actions.reopen)
    assert line.ask("SELECT status FROM cases") == [("open",)]
    line.close_case()
    line.text("5")
    assert line.ask("SELECT score FROM ratings ORDER BY at") == [(2,), (5,)]
