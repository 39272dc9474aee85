"""Lost codes: whoever asks by the page learns nothing, and the codes go to nobody but who has proven the address before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import httpx
import pytest

from tests.casework.installation import acting, agent
from tests.channels.web.portal import INSTALLATION, Portal, came_back, hidden, running
from tests.lab import axe
from tests.lab.browser import LabBrowser
from tests.reasons import told
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.casework.reply_routes import SendingAccount as Account
from zrm.config import Settings
from zrm.contract.addresses import EMAIL, PHONE, Sender
from zrm.contract.inbound import Inbound, Parsed, RawContact, SelfServiceCommand
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import OpenDoor
from zrm.dispatch.deliver import Deliver
from zrm.frontdesk.desk import front_desk
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id
from zrm.languages import Language
from zrm.normalizer.filing import Filer
from zrm.ui.i18n import format_code

SARA, MOBILE = "sara@home.example", "+989121234567"
SENT = {"en": "If we know this number or address", "fa": "اگر این شماره یا نشانی را بشناسیم"}
DOORS = (OpenDoor("email", True, EMAIL), OpenDoor("sms", True, PHONE))
ACCOUNTS = (Account("email", "info", "email"), Account("sms", "3000123", "phone"))

DONE = "done by the installation itself (codes)"


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """A portal whose desk keeps what it is given."""
    with running() as portal:
        yield portal


@pytest.fixture(autouse=True)
def emptied(portal: Portal) -> None:
    portal.desk.contacts.clear()
    portal.desk.tries, portal.desk.away = 1000, False


def ask(client: httpx.Client, address: str, **fields: str) -> httpx.Response:
    form = {"form_id": hidden(client.get("/track/lost").text, "form_id"), "address": address, **fields}
    return client.post("/track/lost", data=form)


@pytest.mark.parametrize(
    ("language", "typed", "command"),
    [
        ("en", f" {SARA} ", SelfServiceCommand("codes", Sender(EMAIL, SARA, claimed=True), "en")),
        ("fa", "۰۹۱۲ ۱۲۳ ۴۵۶۷", SelfServiceCommand("codes", Sender(PHONE, "۰۹۱۲ ۱۲۳ ۴۵۶۷", claimed=True), "fa")),
    ],
)
def test_an_address_becomes_a_wish_and_the_answer_says_nothing_of_it(
    portal: Portal, language: str, typed: str, command: SelfServiceCommand
) -> None:
    client = portal.citizen(language)
    assert 'href="/track/lost"' in client.get("/track").text
    wrong = came_back(client, "/track", data={"code": "1111"})
    assert 'href="/track/lost"' in wrong.text, "who has typed a wrong code is shown the way too"
    form = {"form_id": hidden(client.get("/track/lost").text, "form_id"), "address": typed}
    for _ in range(3):  # a double click, a reload
        answer = client.post("/track/lost", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/track/lost?sent=codes")
    page = client.get("/track/lost?sent=codes").text
    assert SENT[language] in page
    assert typed.strip() not in page
    (raw,) = portal.desk.raws
    assert portal.channel.parse(raw) == [command]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Enter a mobile number or an e-mail address"),
        ("sara", "Enter a mobile number or an e-mail address"),
        ("sara@", "Enter a mobile number or an e-mail address"),
        (f"{SARA}, ali@home.example", "Enter a mobile number or an e-mail address"),
        ("x" * 400 + "@home.example", "Enter a mobile number or an e-mail address"),
        ("0912 345 678", "one digit too few"),
        ("021 8888 0000", "a mobile number of this country only"),
        ("+49 1511 2345678", "a mobile number of this country only"),
    ],
)
def test_what_is_no_address_for_a_code_is_said_beside_the_field(portal: Portal, typed: str, said: str) -> None:
    client = portal.citizen()
    client.get("/track/lost")
    page = came_back(client, "/track/lost", data={"form_id": "", "address": typed}).text
    assert said in page
    assert 'href="#f-address"' in page
    assert portal.desk.raws == []
    without_cookies = httpx.post(f"{portal.url}/track/lost", data={"address": typed}, headers={"Accept-Language": "en"})
    assert (without_cookies.status_code, said in without_cookies.text) == (400, True)


def test_a_forged_form_another_site_and_a_store_that_is_away_ask_for_nothing(portal: Portal) -> None:
    client = portal.citizen()
    client.get("/track/lost")
    assert "changed" in came_back(client, "/track/lost", data={"form_id": "forged", "address": SARA}).text
    foreign = client.post("/track/lost", data={"address": SARA}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert SARA in came_back(client, "/track/lost", data={"address": SARA, "switch": "fa"}).text
    form = {"form_id": hidden(client.get("/track/lost").text, "form_id"), "address": SARA}
    portal.desk.away = True
    answer = client.post("/track/lost", data=form)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert portal.desk.raws == []


@pytest.mark.parametrize(("language", "said"), [("en", "Please come again in 11 minutes"), ("fa", "۱۱ دقیقهٔ دیگر")])
def test_who_asks_too_often_is_told_when_to_come_again(portal: Portal, language: str, said: str) -> None:
    client = portal.citizen(language)
    portal.desk.tries = 1
    assert ask(client, SARA).status_code == 303
    answer = ask(client, MOBILE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "601")
    assert said in answer.text
    assert len(portal.desk.raws) == 1


@pytest.mark.parametrize(
    ("doors", "label", "refused"),
    [((DOORS[0],), "E-mail address", "09121234567"), ((DOORS[1],), "Mobile number", SARA), ((), "", "")],
)
def test_only_what_a_channel_can_write_to_is_asked_for(doors: tuple[OpenDoor, ...], label: str, refused: str) -> None:
    with running() as portal:
        portal.desk.open_doors = (*doors, OpenDoor("telegram", True, "telegram"))
        client = portal.citizen()
        assert ("/track/lost" in client.get("/track").text) is bool(doors)
        if not doors:
            assert client.get("/track/lost").headers["location"] == "/track"
            assert client.post("/track/lost", data={"address": SARA}).headers["location"] == "/track"
            return
        assert f">{label}</label>" in client.get("/track/lost").text
        assert 'href="#f-address"' in came_back(client, "/track/lost", data={"address": refused}).text


@pytest.mark.peer("browser")
@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_citizen_without_javascript_asks_for_lost_codes_by_the_keyboard(portal: Portal, language: Language) -> None:
    with LabBrowser() as browser:
        page = browser.page(language, "phone", script=False)
        page.goto(f"{portal.url}/track")
        page.fill("#f-code", "1111")
        page.keyboard.press("Enter")
        page.wait_for_selector("#f-code-error")
        page.click("main a[href='/track/lost']")
        page.fill("#f-address", "sara")
        page.keyboard.press("Enter")
        page.click('.z-summary a[href="#f-address"]')
        assert page.evaluate("document.activeElement.id") == "f-address"
        page.fill("#f-address", "۰۹۱۲ ۳۴۵ ۶۷۸۹")
        page.click(f"nav button[value={'en' if language == 'fa' else 'fa'}]")
        assert page.input_value("#f-address") == "۰۹۱۲ ۳۴۵ ۶۷۸۹"
        page.click(f"nav button[value={language}]")
        page.focus("#f-address")
        page.keyboard.press("Enter")
        page.wait_for_url("**/track/lost?sent=codes")
        assert SENT[language] in page.inner_text("[role=status]")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert len(portal.desk.raws) == 1
        found = {}
        for size, dark in (("phone", False), ("desktop", True)):
            looked_at = browser.page(language, size, dark=dark)  # type: ignore[arg-type]  # one of the two
            for path in ("/track/lost", "/track/lost?sent=codes"):
                looked_at.goto(portal.url + path)
                found[size, path] = axe.faults(looked_at)
        assert not any(found.values()), found
        assert browser.offsite == []


# ------------------------------------------------------------------ with the installation behind it


@dataclass
class Town:
    """The real front desk, T2 and T4 behind the page; what leaves by e-mail and text is in `sent`."""

    database: Database
    inbox: Inbox
    blobs: BlobStore
    settings: Settings
    portal: Portal = field(init=False)
    sent: list[Reply] = field(default_factory=list)
    count: int = 0

    def parse(self, raw: RawContact) -> list[Parsed]:
        kind = EMAIL if raw.channel == "email" else PHONE
        return [Inbound((Sender(kind, raw.envelope["from"], "Buy pills"),), raw.body.decode(), nature="complaint")]  # type: ignore[arg-type]  # as `write` has it

    def send(self, reply: Reply) -> Sent:
        self.sent.append(reply)
        return Sent("", final=True)

    def write(self, address: str, words: str = "The lamp in our street is dark, call 0900 pills") -> str:
        """A citizen writes from their own address; the code of what becomes of it."""
        self.count += 1
        channel, account = ("email", "info") if "@" in address else ("sms", "3000123")
        raw = RawContact(channel, account, str(self.count), words.encode(), "text/plain", {"from": address})
        receipt = self.inbox.submit(raw).result()
        self.work()
        return format_code(receipt.code, "en")

    def type_into_form(self, **typed: str) -> str:
        client = self.portal.citizen()
        form = {"form_id": hidden(client.get("/new").text, "form_id"), "nature": "request", "text": "A tree.", **typed}
        assert client.post("/new", data=form).status_code == 303
        code = re.search(r"\d{4}-\d{4}-\d{4}", client.get("/receipt").text)
        self.work()
        assert code
        return code.group()

    def lose(self, address: str, language: str = "en") -> tuple[str, list[Reply]]:
        """The page after somebody has asked for the codes of an address, and what was sent because of it."""
        self.work()
        before = len(self.sent)
        client = self.portal.citizen(language)
        answer = ask(client, address)
        assert answer.headers["location"] == "/track/lost?sent=codes"
        page = client.get(answer.headers["location"]).text
        self.work()
        return page, self.sent[before:]

    def work(self) -> None:
        parsers = {"web": self.portal.channel.parse, "email": self.parse, "sms": self.parse}
        filer = Filer(self.database, self.blobs, parsers, self.settings, senders=ACCOUNTS)
        deliver = Deliver(self.database, {"email": self, "sms": self}, self.settings)
        for topic, handler in ((Topic.FILE, filer), (Topic.DELIVER, deliver)):
            with self.database.cursor() as cursor:
                tasks = outbox.claim(cursor, topic, limit=100, lease=30)
            handler(tasks)

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with self.database.cursor() as cursor:
            cursor.execute(query.encode(), values)
            return cursor.fetchall()

    def close(self, code: str) -> None:
        with self.database.cursor() as cursor:
            somebody = agent(cursor, "maryam")
            cursor.execute("SELECT id, version FROM cases WHERE code = %s", [code.replace("-", "")])
            act = acting(somebody, *(cursor.fetchone() or ()))
            case_actions.close(cursor, act, result="done", reason="It was done before.")

    def reasons(self) -> set[str]:
        return {
            told(*row)
            for row in self.ask("SELECT reason_code, reason_params FROM raw_contacts WHERE envelope ? 'asks'")
        }


@pytest.fixture
def town(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings) -> Iterator[Town]:
    town = Town(database, inbox, blobs, settings)
    desk = front_desk(database, blobs, inbox, settings, b"secret of this test", ACCOUNTS, doors=DOORS)
    with running(desk=desk, installation=replace(INSTALLATION, language="en")) as town.portal:
        yield town


@pytest.mark.parametrize("language", ["fa", "en"])
def test_who_has_written_from_an_address_gets_the_codes_of_their_cases_there(town: Town, language: str) -> None:
    codes = [town.write(SARA) for _ in range(2)]
    closed, old = town.write(SARA), town.write(SARA)
    for code in (closed, old):
        town.close(code)
    town.ask("UPDATE cases SET status_at = '2020-01-01' WHERE code = %s RETURNING 1", old.replace("-", ""))
    others = town.write("ali@home.example")
    _, (answer,) = town.lose("SARA@home.example ", language)
    assert (answer.to, answer.account, answer.language, answer.automatic) == (SARA, "info", language, True)
    assert answer.title == ("کدهای پیگیری شما" if language == "fa" else "Your tracking codes")
    text = answer.text.translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹", "0123456789"))
    assert re.findall(r"\d{4}-\d{4}-\d{4}", text) == [*reversed(codes), closed], "the newest first, the closed last"
    assert others not in text
    assert ("بسته‌شده" if language == "fa" else "closed") in text
    assert not any(word in text for word in ("lamp", "pills", "Sara")), "no word of anybody's"
    assert ("If it was not you" if language == "en" else "اگر شما نبوده‌اید") in text
    assert town.reasons() == {DONE}
    assert town.ask("SELECT count(*) FROM cases") == [(5,)], "asking opens none"


def test_a_mobile_number_gets_as_many_as_two_texts_hold(town: Town) -> None:
    codes = [town.write("09121234567", f"matter {number}") for number in range(7)]
    town.close(codes[0])
    _, (answer,) = town.lose("0912 123 4567", "fa")
    assert (answer.to, answer.account) == (MOBILE, "3000123")
    assert len(answer.text) <= 134
    text = answer.text.translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹", "0123456789"))
    found = re.findall(r"\d{4}-\d{4}-\d{4}", text)
    assert 2 <= len(found) < 7
    assert found == codes[::-1][: len(found)]
    assert f"و {7 - len(found)} مورد دیگر" in text


def test_known_and_unknown_addresses_get_the_same_answer_and_only_the_known_a_message(town: Town) -> None:
    """Enumeration: neither the page nor what is done before it is answered tells whether we know somebody."""
    town.write(SARA)
    pages = {}
    for address, messages in (
        (SARA, 1), ("nobody@home.example", 0), ("0912 765 4321", 0), ("sara+x@home.example", 0), (SARA.upper(), 1),
    ):  # fmt: skip
        pages[address], sent = town.lose(address)
        assert len(sent) == messages, address
    assert len(set(pages.values())) == 1
    assert town.reasons() == {DONE, "a command that matches nothing here"}


def test_an_address_that_was_only_typed_gets_nothing_also_beside_a_proven_one(town: Town) -> None:
    """A stranger types the victim's number beside their own mailbox, writes from the mailbox, and asks."""
    town.type_into_form(email=SARA, phone="09121234567")
    assert town.lose(SARA)[1] == []
    assert town.lose("09121234567")[1] == []
    mine = town.write("09121234567")
    thiefs = town.type_into_form(email="thief@example.net", phone="09121234567")
    assert town.lose("thief@example.net")[1] == []
    town.ask("UPDATE addresses SET claimed = false WHERE value = 'thief@example.net' RETURNING 1")
    _, (to_thief,) = town.lose("thief@example.net")
    assert thiefs in to_thief.text
    assert mine not in to_thief.text
    _, (to_me,) = town.lose("09121234567")
    assert mine in to_me.text
    assert thiefs not in to_me.text


def test_a_stranger_who_has_got_into_a_citizens_file_gets_no_codes_of_the_citizens(town: Town) -> None:
    """Typed beside the victim's number, then shown by an answer: the mailbox stands in the file of the victim's later matter."""
    own = town.type_into_form(email="thief@example.net", phone="09121234567")
    town.ask("UPDATE addresses SET claimed = false WHERE kind = 'email' RETURNING 1")
    victims = town.type_into_form(phone="09121234567")
    assert town.ask("SELECT count(DISTINCT person_id), count(*) FROM cases") == [(1, 2)]
    _, (to_thief,) = town.lose("thief@example.net")
    assert (own in to_thief.text, victims in to_thief.text) == (True, False)


def test_an_address_of_two_persons_gets_nothing(town: Town) -> None:
    town.write(SARA)
    town.ask(
        "WITH other AS (INSERT INTO persons VALUES (%s, 'Other', 'en', now()) RETURNING id) "
        "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at) "
        "SELECT %s, id, 'email', %s, '', false, now() FROM other RETURNING 1", new_id(), new_id(), SARA,
    )  # fmt: skip
    page, sent = town.lose(SARA)
    assert sent == []
    assert SENT["en"] in page


def test_who_wants_no_messages_or_is_not_reached_gets_none(town: Town) -> None:
    town.write(SARA)
    town.ask("UPDATE addresses SET doubtful_at = now() RETURNING 1")
    assert town.lose(SARA)[1] == []
    town.ask("UPDATE addresses SET doubtful_at = NULL RETURNING 1")
    with town.database.cursor() as cursor:
        cursor.execute("INSERT INTO opt_outs VALUES (%s, 'email', 'info', %s, true, now())", [new_id(), SARA])
    assert town.lose(SARA)[1] == []
    assert town.reasons() == {
        "a command that matches nothing here",
        f"{DONE}: not answered, because the citizen wants no messages",
    }


def test_an_address_gets_its_codes_so_often_a_day_whoever_asks_and_the_page_never_says_so(town: Town) -> None:
    town.write(SARA)
    pages = {town.lose(SARA, "en")[0] for _ in range(town.settings.automatic.typed_per_day + 2)}
    assert sum(reply.title == "Your tracking codes" for reply in town.sent) == town.settings.automatic.typed_per_day
    assert f"{DONE}: not answered, because there were too many in a day" in town.reasons()
    assert len(pages) == 1
    town.ask("UPDATE deliveries SET created_at = created_at - interval '1 day' WHERE kind = 'self_service' RETURNING 1")
    assert len(town.lose(SARA)[1]) == 1


def test_who_has_no_case_any_more_is_told_so_where_they_asked(town: Town) -> None:
    code = town.write(SARA)
    town.close(code)
    town.ask("UPDATE cases SET status_at = '2020-01-01' RETURNING 1")
    _, (answer,) = town.lose(SARA)
    assert "no current case" in answer.text
    assert code not in answer.text


def test_a_peer_asks_so_often_and_no_more(town: Town) -> None:
    client = town.portal.citizen()
    answers = [
        ask(client, f"citizen-{number}@home.example") for number in range(town.settings.rates.link_peer_tries + 1)
    ]
    assert {answer.status_code for answer in answers[:-1]} == {303}
    assert answers[-1].status_code == 429
    assert 0 < int(answers[-1].headers["retry-after"]) <= town.settings.rates.link_window
    assert "Too many tries" in answers[-1].text
    kept = town.ask("SELECT count(*) FROM raw_contacts WHERE envelope ? 'asks'")
    assert kept == [(town.settings.rates.link_peer_tries,)]
