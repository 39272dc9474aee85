"""Senders over a quota are refused at the real doors, in their language or protocol, and lose nothing; senders who share an
address with many honest people are served.
"""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.casework.installation import one
from tests.channels.email.desk import open_door
from tests.channels.web.portal import all_hidden, hidden
from tests.lab.process import wait_until
from tests.lab.serving import serving
from zrm.http.app import build_app
from zrm.inbox.code import mint
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE, Runtime, load_config, open_runtime

CONFIG = """\
organisation: {{name: {{fa: "مرکز", en: "Centre"}}}}
quotas: {quotas}
channels: {{web: {{api_keys: {keys}}}}}
"""
FEW = {"peer_posts": 4, "address_posts": 2, "door_posts": 6, "trusted_peers": ["127.0.0.99"]}
KEY = "a-key-of-the-city-app"
PICTURE = ("photo.jpg", b"\xff\xd8 a picture", "image/jpeg")


@dataclass
class Doors:
    """The web role of a running installation, met from any address of this machine."""

    installation: Runtime
    url: str
    stack: ExitStack

    def peer(self, address: str, language: str = "en") -> httpx.Client:
        """A browser at an address of its own that has been here before."""
        client = httpx.Client(
            base_url=self.url,
            headers={"Accept-Language": language},
            cookies={"zrm_language": language},
            transport=httpx.HTTPTransport(local_address=address),
            timeout=30,
        )
        return self.stack.enter_context(client)

    def ask(self, query: str) -> object:
        """One value from the store."""
        with self.installation.database.cursor() as cursor:
            return one(cursor, query)

    def raised(self) -> object:
        """How many contacts there are."""
        return self.ask("SELECT count(*) FROM receipts")


Open = Callable[..., Doors]


@pytest.fixture
def doors(tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a web role with quotas."""
    monkeypatch.setenv(DATABASE_VARIABLE, database_url)
    monkeypatch.setenv(REDIS_VARIABLE, redis_url)
    with ExitStack() as stack:

        def begin(quotas: object = FEW, keys: object = None) -> Doors:
            path = tmp_path / "config.yaml"
            path.write_text(CONFIG.format(quotas=json.dumps(quotas), keys=json.dumps(keys or {})), encoding="utf-8")
            installation = open_runtime("test", load_config(path))
            stack.callback(installation.close)
            return Doors(installation, stack.enter_context(serving(build_app(installation), lifespan="on")), stack)

        yield begin


def form_id(client: httpx.Client) -> str:
    return hidden(client.get("/new").text, "form_id")


def send(client: httpx.Client, text: str, **fields: str) -> httpx.Response:
    """Open the form and send it."""
    form = {"form_id": form_id(client), "nature": "complaint", "text": text, **fields}
    return client.post("/new", data=form)


def call(client: httpx.Client, number: int, key: str = "", **fields: str) -> httpx.Response:
    """One contact by JSON."""
    headers = {"Idempotency-Key": f"{number}", **({"Authorization": f"Bearer {key}"} if key else {})}
    return client.post("/api/contacts", json={"text": f"lamp {number}", **fields}, headers=headers)


@pytest.mark.parametrize(
    ("language", "sentence", "again"),
    [
        ("en", "Too many messages have come from your network", "press Send again in 10 minutes"),
        ("fa", "از شبکهٔ شما رسیده است", "۱۰ دقیقهٔ دیگر دوباره دکمهٔ فرستادن را بزنید"),
    ],
)
def test_a_form_over_the_quota_comes_back_with_the_words(doors: Open, language: str, sentence: str, again: str) -> None:
    installation = doors()
    client = installation.peer("127.0.0.2", language)
    for number in range(4):
        assert send(client, f"lamp {number}").status_code == 303
    text = "چراغ کوچهٔ ما یک هفته است خاموش است."
    identity = form_id(client)
    form = {"form_id": identity, "nature": "request", "text": text, "name": "مریم"}
    notes = installation.ask("SELECT count(*) FROM dialogue_states")
    refused = client.post("/new", data=form, files={"files": PICTURE})
    assert refused.status_code == 429
    assert 590 <= int(refused.headers["retry-after"]) <= 600
    page = refused.text
    assert sentence in page
    assert again in page
    assert text in page
    assert 'value="مریم"' in page
    assert hidden(page, "form_id") == identity, "the same form can be sent again"
    assert f'lang="{language}"' in page
    assert all_hidden(page, "kept") == []
    assert installation.ask("SELECT count(*) FROM uploads") == 0, "no file is kept"
    assert installation.ask("SELECT count(*) FROM dialogue_states") == notes, "nor the form"
    assert installation.raised() == 4
    assert send(installation.peer("127.0.0.3", language), text).status_code == 303, "the neighbour is served"


@pytest.mark.parametrize("path", ["/track", "/track/phone", "/track/email", "/track/rating"])
def test_no_small_form_is_left_out(doors: Open, path: str) -> None:
    client = doors().peer("127.0.0.2")
    answers = [client.post(path, data={"code": "", "digits": "", "score": ""}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [303] * 4 + [429]
    assert "Too many tries" in answers[-1].text
    assert int(answers[-1].headers["retry-after"]) > 500


def test_a_further_message_over_the_quota_comes_back(doors: Open) -> None:
    installation = doors({**FEW, "peer_posts": 1})
    client = installation.peer("127.0.0.2", "fa")
    assert client.post("/track/message", data={"text": "متن نخست"}).status_code == 303
    refused = client.post("/track/message", data={"text": "هنوز تاریک است"}, files={"files": PICTURE})
    assert refused.status_code == 429
    assert "هنوز تاریک است" in refused.text
    assert "از شبکهٔ شما رسیده است" in refused.text
    assert refused.headers["retry-after"]


@pytest.mark.parametrize(
    ("language", "phone", "email"),
    [
        ("en", "with this number in a short time. Leave it empty", "with this address in a short time. Leave it empty"),
        ("fa", "با این شماره رسیده است. آن را خالی بگذارید", "با این نشانی رسیده است. آن را خالی بگذارید"),
    ],
)
def test_one_address_is_not_flooded_from_many_peers(doors: Open, language: str, phone: str, email: str) -> None:
    installation = doors({**FEW, "door_posts": None})
    spellings = ["09121234567", "+98 912 123 4567", "۰۹۱۲ ۱۲۳ ۴۵۶۷"]
    answers = [
        send(installation.peer(f"127.0.1.{place + 1}", language), "bell", phone=spelling)
        for place, spelling in enumerate(spellings)
    ]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert phone in answers[-1].text
    assert send(installation.peer("127.0.1.9", language), "bell").status_code == 303, (
        "there is a way out for its real owner"
    )
    answers = [
        send(installation.peer(f"127.0.2.{place + 1}", language), "bell", email=spelling)
        for place, spelling in enumerate(["ali@example.com", "ALI@example.com", "Ali@EXAMPLE.com"])
    ]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert email in answers[-1].text


def test_files_of_a_form_that_came_too_often_with_an_address_stay(doors: Open) -> None:
    installation = doors({**FEW, "address_posts": 1})
    assert send(installation.peer("127.0.0.2"), "bell", email="ali@example.com").status_code == 303
    client = installation.peer("127.0.0.3")
    form = {"form_id": form_id(client), "nature": "request", "text": "lamp", "email": "ali@example.com"}
    refused = client.post("/new", data=form, files={"files": PICTURE})
    assert refused.status_code == 429
    (kept,) = all_hidden(refused.text, "kept")
    sent = client.post("/new", data={**form, "email": "", "kept": kept})
    assert sent.status_code == 303


def test_a_crowd_fills_a_door_and_no_other_door(doors: Open) -> None:
    installation = doors()
    answers = [send(installation.peer(f"127.0.3.{host}"), "flood") for host in range(1, 8)]
    assert [answer.status_code for answer in answers] == [303] * 6 + [429]
    assert "We are receiving too many messages at the moment" in answers[-1].text
    assert call(installation.peer("127.0.3.7"), 1).status_code == 201


def test_uploads_are_counted_in_bytes(doors: Open) -> None:
    installation = doors({"peer_megabytes": 3, "trusted_peers": []})
    client = installation.peer("127.0.0.2")
    form = {"form_id": form_id(client), "nature": "request", "text": "lamp", "attach": "1"}
    answers = [
        client.post("/new", data=form, files={"files": ("x.bin", bytes([number]) * 1_600_000)}) for number in range(3)
    ]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert installation.ask("SELECT count(*) FROM uploads") == 2


@pytest.mark.parametrize(
    ("language", "title", "detail"),
    [
        ("en", "Too many contacts in a short time", "Your address has sent too many contacts."),
        ("fa", "تماس‌های بیش از اندازه در مدتی کوتاه", "از نشانی شما بیش از اندازه رسیده است."),
    ],
)
def test_the_json_door_says_when_to_come_again(doors: Open, language: str, title: str, detail: str) -> None:
    installation = doors()
    client = installation.peer("127.0.0.2", language)
    assert [call(client, number).status_code for number in range(4)] == [201] * 4
    refused = call(client, 5)
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    assert 590 <= int(refused.headers["retry-after"]) <= 600
    problem = refused.json()
    assert (problem["status"], problem["title"]) == (429, title)
    assert problem["detail"].startswith(detail)
    answers = [
        call(installation.peer("127.0.0.3", language), number, email="ali@example.com") for number in range(6, 9)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 429]


def test_who_has_a_key_stands_for_many_and_who_guesses_keys_writes_little(doors: Open) -> None:
    installation = doors(keys={"app": KEY})
    client = installation.peer("127.0.0.2")
    assert {call(client, number, KEY, email="app@example.com").status_code for number in range(20)} == {201}
    assert {call(client, number, "wrong").status_code for number in range(70)} == {401}
    assert installation.ask("SELECT count(*) FROM refusals") == 60


def test_a_trusted_peer_is_not_counted(doors: Open) -> None:
    installation = doors()
    assert {call(installation.peer("127.0.0.99"), number).status_code for number in range(20)} == {201}


def test_mail_over_the_quota_stays_with_its_sender(doors: Open, tmp_path: Path) -> None:
    installation = doors({**FEW, "door_posts": 8})
    desk, inbox = installation.installation.desk()
    installation.stack.callback(inbox.close)

    def mail(port: int, peer: str, sender: str, number: int) -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", port, timeout=30, source_address=(peer, 0)) as client:
            client.ehlo("peer.example")
            client.mail(sender)
            client.rcpt("info@example.org")
            return client.data(f"From: {sender}\r\nSubject: lamp {number}\r\n\r\nBroken.\r\n".encode())

    with open_door(tmp_path, desk) as port:
        answers = [mail(port, "127.0.0.2", sender, 1) for sender in ("a@x.example", "b@x.example", "", "c@x.example")]
        assert [code for code, _ in answers] == [250] * 4
        code, words = mail(port, "127.0.0.2", "d@x.example", 2)
        assert code == 451
        assert words.startswith(b"4.7.28 Too much mail from your server in a short time, come again in ")
        answers = [mail(port, "127.0.0.3", "ALI@example.com", number) for number in (3, 4, 5)]
        assert [code for code, _ in answers] == [250, 250, 451]
        assert b"from this sender" in answers[-1][1]
        assert mail(port, "127.0.0.4", "ali@example.com", 6)[0] == 250, "strangers cannot keep his mail away"
        assert mail(port, "127.0.0.5", "e@x.example", 7)[1].startswith(b"4.7.28 Too much mail from everywhere")
        assert {mail(port, "127.0.0.99", "f@x.example", number)[0] for number in range(10)} == {250}


def test_two_web_nodes_count_together(doors: Open) -> None:
    here, there = (doors().peer("127.0.0.2") for _ in range(2))
    told = "SELECT coalesce(max(tries), 0) FROM throttles WHERE key LIKE 'json-peer:%%'"
    store = doors()
    assert [call(here, number).status_code for number in range(3)] == [201] * 3
    wait_until(lambda: store.ask(told) == 3, "the first node to tell the store")
    assert call(there, 4).status_code == 201
    wait_until(lambda: store.ask(told) == 4, "the second node to tell the store")
    more = iter((5, 6, 7))  # by itself it would have taken all of them
    wait_until(lambda: call(there, next(more)).status_code == 429, "the second node to refuse")


def test_every_refusal_stands_in_the_metrics(doors: Open) -> None:
    installation = doors()
    client = installation.peer("127.0.0.2")
    for number in range(7):
        call(client, number)
    for _ in range(22):
        installation.peer("127.0.0.99").post("/track", data={"code": mint()})
    wait_until(
        lambda: 'zrm_refused_tries{bound="json-peer"} 3.0' in client.get("/metrics").text, "the refusals to be counted"
    )
    assert 'zrm_refused_tries{bound="track"} 2.0' in client.get("/metrics").text


def test_a_whole_office_behind_one_address_is_served(doors: Open) -> None:
    """Sixty citizens in one window, each attaching a file, making a mistake, mending it and looking at their matter."""
    installation = doors({"trusted_peers": []})
    for number in range(60):
        client = installation.peer("127.0.0.2", "fa" if number % 2 else "en")
        form = {"form_id": form_id(client), "text": f"lamp {number}", "nature": "", "phone": f"09121234{number:03}"}
        attached = client.post("/new", data={**form, "attach": "1"}, files={"files": PICTURE})
        mistaken = client.post("/new", data=form)
        sent = client.post("/new", data={**form, "nature": "complaint"})
        assert (attached.status_code, mistaken.status_code, sent.status_code) == (303, 303, 303)
        assert sent.headers["location"] == "/receipt"
        assert client.post("/track", data={"code": "0000"}).status_code == 303
        client.close()
    assert installation.raised() == 60
