"""A provider that hands over long messages in single parts, and one that is asked for what lies there.

Field 2.6: doubles created (jasmin#1232: out-of-order multipart SMS).
Field 2.1: what arrived during an outage of ours is never fetched (chatwoot#10429, here for text messages).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.channels.sms.aggregator import TOKEN, Aggregator, Asked
from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation, serving
from tests.lab.process import wait_until
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.channels.channel import HasListener
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.config import Settings
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import Inbound, MessagePart, RawContact, SelfServiceCommand
from zrm.errors import StoreUnavailable
from zrm.frontdesk.desk import front_desk
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer

NUMBER = "30007000"
WORDS = ("چراغ کوچهٔ ما شکسته \ud83d", "\ude4f و شب‌ها تاریک است. ", "لطفاً رسیدگی کنید.")
WHOLE = "چراغ کوچهٔ ما شکسته 🙏 و شب‌ها تاریک است. لطفاً رسیدگی کنید."
PARTS = {"reference": "concat.ref", "number": "concat.part", "total": "concat.total", "minutes": 5}


def channel_at(url: str = "http://127.0.0.1:1", **inbox: object) -> SmsChannel:
    fields = {"from": "msisdn", "to": "to", "text": "text", "id": "id", "part": PARTS}
    gateway: dict[str, object] = {"kind": "http", "receive": fields | {"token": {"header": "X-Token", "value": TOKEN}}}
    if inbox:
        listed: dict[str, object] = {"url": f"{url}/inbox", "method": "GET", "body": "query", "fields": {}, "every": 1}
        gateway |= {"timeout": 2, "inbox": fields | listed | inbox}
    section = {"accounts": {"30001": {"gateway": "red"}, NUMBER: {"gateway": "red"}}, "gateways": {"red": gateway}}
    return SmsChannel(SmsConfig.model_validate(section), installation())


def part(number: int, *, reference: int = 7, sender: str = "989121234567") -> dict[str, object]:
    """A part as the provider has it: all parts of a message share its id, and a sign may be torn between two."""
    concat = {"ref": reference, "part": number, "total": 3}
    return {"id": f"m{reference}", "msisdn": sender, "to": NUMBER, "text": WORDS[number - 1], "concat": concat}


def message(identifier: str, text: str = "سلام") -> dict[str, object]:
    return {"id": identifier, "msisdn": "989121234567", "to": NUMBER, "text": text}


@pytest.fixture
def desk() -> KeepingDesk:
    return KeepingDesk()


@pytest.fixture
def aggregator() -> Iterator[Aggregator]:
    with Aggregator() as opened:
        yield opened


def bring(hub: str, *items: dict[str, object]) -> list[int]:
    """The provider's calls to us; their answers."""
    hook = f"{hub}/hooks/sms/red/message"
    bodies = [json.dumps(item) for item in items]
    return [httpx.post(hook, content=body, headers={"X-Token": TOKEN}).status_code for body in bodies]


# ---------------------------------------------------------------- single parts


def test_parts_in_any_order_and_doubled_are_one_contact(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings
) -> None:
    """Field 2.6: jasmin#1232, by a described provider: through the door, T1 and T2 to one case with one contact."""
    channel = channel_at()
    with serving(channel.routes(front_desk(database, blobs, inbox, settings, b"key", []))) as hub:
        order = [part(3), part(1), part(3), part(1, reference=8), part(2), part(1)]
        assert bring(hub, *order) == [200] * 6
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FILE, limit=100, lease=60)
    Filer(database, blobs, {"sms": channel.parse}, settings, {"sms": channel.join})(tasks)
    with database.cursor() as cursor:
        cursor.execute("SELECT text, account FROM contacts WHERE direction = 'in'")
        assert cursor.fetchall() == [(WHOLE, NUMBER)]
        cursor.execute("SELECT state, count(*) FROM raw_contacts GROUP BY 1 ORDER BY 1")
        assert cursor.fetchall() == [("filed", 1), ("joined", 2), ("waiting", 1)], "the other message waits for its own"


def test_a_message_in_one_piece_is_one_and_a_part_that_never_came_is_shown(desk: KeepingDesk) -> None:
    channel = channel_at()
    with serving(channel.routes(desk)) as hub:
        assert bring(hub, message("a") | {"concat": {"ref": 1, "part": 1, "total": 1}}, message("b", "لغو")) == [
            200,
            200,
        ]
        bring(hub, part(1), part(3))
    whole, command, first, third = desk.contacts
    assert [type(channel.parse(raw)[0]) for raw in desk.contacts] == [
        Inbound,
        SelfServiceCommand,
        MessagePart,
        MessagePart,
    ]
    assert (whole.external_id, command.external_id, first.external_id) == ("red:a", "red:b", "red:m7/1")
    (known,) = channel.parse(third)
    assert isinstance(known, MessagePart)
    assert (known.number, known.total, known.wait) == (3, 3, 300)
    (found,) = channel.join([first, None, third])
    assert isinstance(found, Inbound)
    assert "[…]" in found.text
    assert found.labels == {"part_missing"}
    assert ("Parts", "3") in found.headers
    found.text.encode()


@given(st.lists(st.sampled_from(["0", "1", "2", "255", "256", "-1", "", "x", "١", "9999999"]), min_size=3, max_size=3))
def test_numbers_that_are_none_make_a_message_in_one_piece(numbers: list[str]) -> None:
    concat = dict(zip(("ref", "part", "total"), numbers, strict=True))
    raw = RawContact("sms", NUMBER, "x", json.dumps(message("a") | {"concat": concat}).encode(), "", {"gateway": "red"})
    (found,) = channel_at().parse(raw)
    if isinstance(found, MessagePart):
        assert 1 <= found.number <= found.total <= 255
        assert found.total > 1


# ---------------------------------------------------------------- an inbox to ask


@contextmanager
def polling(channel: SmsChannel, desk: KeepingDesk) -> Iterator[None]:
    stop = threading.Event()
    assert isinstance(channel, HasListener)
    thread = threading.Thread(target=channel.listen, args=(desk, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def pages(items: list[dict[str, object]], size: int) -> Callable[[Asked], tuple[int, str]]:
    """A provider that shows a list, `size` at a time."""

    def answer(asked: Asked) -> tuple[int, str]:
        first = int(asked.query.get("skip", "0"))
        return 200, json.dumps({"data": {"messages": items[first : first + size]}})

    return answer


def test_what_came_while_we_were_away_is_there_afterwards_once(aggregator: Aggregator, desk: KeepingDesk) -> None:
    """Field 2.1: the whole list is read, page by page, and what the webhook brought already is the same contact."""
    items = [message(str(number), f"پیام {number}") for number in range(25)]
    aggregator.answer = pages(items, 10)
    channel = channel_at(aggregator.url, each="data.messages", fields={"skip": "{skip}", "key": "key-of-the-hub"})
    with serving(channel.routes(desk)) as hub:
        bring(hub, items[3])
    with polling(channel, desk):
        desk.wait_for(25)
        items.append(message("25", "پیام ۲۵") | part(1))
        desk.wait_for(26)
    assert {contact.external_id for contact in desk.contacts} == {f"red:{number}" for number in range(25)} | {
        "red:m7/1"
    }
    assert {contact.account for contact in desk.contacts} == {NUMBER}
    texts = [found.text for raw in desk.contacts for found in channel.parse(raw) if isinstance(found, Inbound)]
    assert sorted(texts) == sorted(f"پیام {number}" for number in range(25))
    assert "key-of-the-hub" in channel.redact()


def test_a_list_that_is_emptied_by_asking_is_kept_though_the_store_is_away(
    aggregator: Aggregator, desk: KeepingDesk
) -> None:
    given_out: list[Asked] = []

    def once(asked: Asked) -> tuple[int, str]:
        given_out.append(asked)
        return 200, json.dumps([message("1"), message("2")] if len(given_out) == 1 else [])

    aggregator.answer = once
    desk.broken = StoreUnavailable("down")
    with polling(channel_at(aggregator.url, every=1), desk):
        wait_until(lambda: bool(given_out), "the provider to be asked")
        desk.broken = None
        assert [contact.external_id for contact in desk.wait_for(2)] == ["red:1", "red:2"]


@pytest.mark.parametrize(
    "trouble", [(500, ""), (200, "<html>"), (200, '{"data": 7}'), (200, "[" * 100_000), (302, ""), None]
)
def test_a_provider_in_trouble_is_asked_again(
    aggregator: Aggregator, desk: KeepingDesk, trouble: tuple[int, str] | None
) -> None:
    aggregator.answer = trouble
    with polling(channel_at(aggregator.url, each="data"), desk):
        wait_until(lambda: len(aggregator.asked) > 0, "the provider to be asked")
        aggregator.answer = (200, json.dumps({"data": [message("1")]}))
        desk.wait_for(1)


def test_what_is_no_message_is_kept_and_read_by_a_person(aggregator: Aggregator, desk: KeepingDesk) -> None:
    aggregator.answer = (200, json.dumps([7, {"id": "1"}, None]))
    channel = channel_at(aggregator.url, every=1)
    with polling(channel, desk):
        contacts = desk.wait_for(3)
    for contact in contacts:
        with pytest.raises(Unparseable):
            channel.parse(contact)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "ftp://x", "fields": {}}, "expected an http"),
        ({"url": "http://x/?a={text}", "fields": {}}, "unknown {places}"),
        ({"url": "http://x/", "fields": {}, "id": None}, "expected id or time"),
        ({"url": "http://x/", "fields": {}, "part": {"reference": "r"}}, "Field required"),
        ({"url": "http://x/", "fields": {}, "every": 0}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_description_is_refused_at_the_start(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SmsConfig.model_validate(
            {"gateways": {"x": {"kind": "http", "inbox": {"from": "f", "text": "t", "id": "i"} | change}}}
        )
    assert words in str(caught.value)
