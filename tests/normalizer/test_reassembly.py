"""Messages in parts: whatever order, however often, however late, each word is filed once and nothing waits for ever."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from tests.dispatch.test_deliver import make_case
from tests.reasons import why
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.config import Settings
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import Inbound, MessagePart, Parsed, RawContact, Report, Thread
from zrm.contract.outbound import Reply, Sent
from zrm.dispatch.deliver import Deliver
from zrm.inbox.receive import Inbox
from zrm.insight import ledger
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer
from zrm.normalizer.reports import apply_delivery_report


def parse(raw: RawContact) -> list[Parsed]:
    """`key number total words` as a part."""
    key, number, total, words = raw.body.decode().split(" ", 3)
    return [MessagePart(key, int(number), int(total), words, 600)]


def join(parts: Sequence[RawContact | None]) -> list[Parsed]:
    said = [raw.body.decode().split(" ", 3)[3] if raw is not None else "…" for raw in parts]
    if "broken" in said:
        raise Unparseable(why("broken"))
    labels = frozenset({"part_missing"} if "…" in said else ())
    sender = (Sender(PHONE, "09121234567"),)
    return [Inbound(sender, " ".join(said), thread=Thread(open_line=True), labels=labels)]


@dataclass
class Line:
    """Parts go in by T1 and T2."""

    database: Database
    inbox: Inbox
    blobs: BlobStore
    settings: Settings
    count: itertools.count[int] = field(default_factory=itertools.count)

    def part(self, number: int, words: str, *, key: str = "a", total: int = 3, file: bool = True) -> UUID:
        body = f"{key} {number} {total} {words}".encode()
        raw = RawContact("sms", "30001", str(next(self.count)), body, "text/plain")
        identifier = self.inbox.submit(raw).result().contact_id
        if file:
            self.file()
        return identifier

    def file(self) -> None:
        with self.database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.FILE, limit=100, lease=30)
        Filer(self.database, self.blobs, {"sms": parse}, self.settings, {"sms": join})(tasks)

    def later(self, minutes: int) -> None:
        """Let the time pass: everything that came is so much older, and what waited for it is due."""
        gap = timedelta(minutes=minutes)
        with self.database.cursor() as cursor:
            cursor.execute("UPDATE raw_contacts SET received_at = received_at - %s", [gap])
            cursor.execute("UPDATE message_parts SET received_at = received_at - %s", [gap])
            cursor.execute("UPDATE outbox SET due_at = due_at - %s WHERE topic = 'file'", [gap])
        self.file()

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with self.database.cursor() as cursor:
            cursor.execute(query.encode(), values)
            return cursor.fetchall()

    def filed(self) -> list[str]:
        return [str(text) for (text,) in self.ask("SELECT text FROM contacts WHERE direction = 'in' ORDER BY at, id")]

    def holds(self) -> bool:
        with self.database.cursor() as cursor:
            lines = ledger.by_channel(cursor, now() - timedelta(days=1), now() + timedelta(hours=1))
        waits = self.ask("SELECT count(*) FROM outbox WHERE topic = 'file' AND ref NOT IN (SELECT id FROM raw_contacts WHERE state = 'waiting')")  # fmt: skip
        return bool(lines) and all(line.holds for line in lines) and waits == [(0,)]


@pytest.fixture
def line(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings) -> Line:
    return Line(database, inbox, blobs, settings)


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_parts_in_any_order_are_one_message(line: Line, order: tuple[int, int, int]) -> None:
    for number in order:
        line.part(number, f"word{number}")
    assert line.filed() == ["word1 word2 word3"]
    assert line.ask("SELECT count(*) FROM cases") == [(1,)]
    states = line.ask("SELECT state, count(*) FROM raw_contacts GROUP BY 1 ORDER BY 1")
    assert states == [("filed", 1), ("joined", 2)]
    assert line.holds()


def test_parts_of_one_batch_are_one_message(line: Line) -> None:
    for number in (3, 1, 2):
        line.part(number, f"word{number}", file=False)
    line.file()
    assert line.filed() == ["word1 word2 word3"]
    assert line.holds()


def test_doubles_out_of_order_make_nothing_twice(line: Line) -> None:
    """Field 2.6: jasmin#1232: out-of-order multipart SMS made doubles."""
    for number in (3, 3, 1, 3, 2, 1, 2):
        line.part(number, f"word{number}")
    assert line.filed() == ["word1 word2 word3"]
    doubles = line.ask("SELECT count(*) FROM raw_contacts WHERE reason_code = 'filing.part_twice'")
    assert doubles == [(4,)]
    assert line.holds()


def test_what_never_came_is_said_to_be_missing(line: Line) -> None:
    line.part(1, "word1")
    line.part(3, "word3")
    assert line.filed() == []
    line.later(9)
    assert line.filed() == []
    line.later(2)
    assert line.filed() == ["word1 … word3"]
    assert line.ask("SELECT labels FROM contacts WHERE direction = 'in'") == [(["part_missing"],)]
    line.part(2, "word2")
    assert line.filed() == ["word1 … word3", "… word2 …"], "what comes after all is not lost and joins the case"
    assert line.ask("SELECT count(*) FROM cases") == [(1,)]
    assert line.holds()


def test_two_messages_with_the_same_reference_do_not_mix(line: Line) -> None:
    line.part(1, "first1", total=2)
    line.part(1, "second1", total=2)
    line.part(2, "first2", total=2)
    line.part(2, "second2", total=2)
    assert line.filed() == ["first1 first2", "second1 second2"]
    line.part(1, "third1", total=2)
    line.part(2, "third2", total=2)
    assert line.filed() == ["first1 first2", "second1 second2", "third1 third2"]
    assert line.holds()


def test_the_same_words_with_the_same_reference_another_day_are_another_message(line: Line) -> None:
    for _ in range(2):
        for number in (1, 2):
            line.part(number, f"word{number}", total=2)
        line.later(60 * 7)
    assert line.filed() == ["word1 word2", "word1 word2"]


def test_parts_that_make_no_message_go_to_quarantine_whole_and_come_back(line: Line) -> None:
    line.part(1, "broken", total=2)
    line.part(2, "word2", total=2)
    ((state, reason),) = line.ask("SELECT state, reason_params FROM raw_contacts WHERE state <> 'joined'")
    assert state == "quarantined"
    assert line.ask("SELECT reason_code, reason_params FROM quarantine") == [("test.why", {"words": "broken"})]
    assert line.holds(), reason
    ((contact_id,),) = line.ask("SELECT contact_id FROM quarantine")

    def repaired(parts: Sequence[RawContact | None]) -> list[Parsed]:
        return [Inbound((Sender(PHONE, "0912"),), f"repaired {len([part for part in parts if part])}")]

    with line.database.cursor() as cursor:
        outbox.add(cursor, Topic.FILE, [(contact_id, "")])  # type: ignore[list-item]  # an id, as read
        tasks = outbox.claim(cursor, Topic.FILE, limit=10, lease=30)
    Filer(line.database, line.blobs, {"sms": parse}, line.settings, {"sms": repaired})(tasks)
    assert line.filed() == ["repaired 2"]


# ---------------------------------------------------------------- parts that go out


@dataclass
class Network:
    """Takes every message in three parts."""

    def send(self, reply: Reply) -> Sent:
        return Sent("n:1", final=False, part_refs=("n:1", "n:2", "n:3"))


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ([("n:1", "delivered"), ("n:2", "delivered")], "sent"),
        ([("n:3", "delivered"), ("n:1", "delivered"), ("n:2", "delivered")], "delivered"),
        ([("n:1", "delivered"), ("n:2", "failed"), ("n:3", "delivered")], "failed"),
        ([("n:1", "sent"), ("n:1", "delivered"), ("n:1", "sent"), ("n:2", "delivered"), ("n:3", "delivered")], "delivered"),
        ([("n:1", "delivered")] * 3, "sent"),
    ],
)  # fmt: skip
def test_a_long_message_has_arrived_when_all_its_parts_have(
    database: Database, settings: Settings, words: list[tuple[str, str]], state: str
) -> None:
    """Field 2.13: jasmin#424, #423: delivery receipts lost for long SMS."""
    make_case(database)
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)
    Deliver(database, {"email": Network()}, settings)(tasks)
    with database.cursor() as cursor:
        for ref, word in words:
            assert apply_delivery_report(cursor, "email", Report(ref, word))  # type: ignore[arg-type]  # one of the three
        cursor.execute("SELECT state, provider_ref FROM deliveries")
        assert cursor.fetchall() == [(state, "n:1")]


@dataclass
class Again:
    """A network that numbers anew: it takes a text in the parts it is told, beginning with `n:1`."""

    parts: int

    def send(self, reply: Reply) -> Sent:
        refs = tuple(f"n:{number}" for number in range(1, self.parts + 1))
        return Sent("n:1", final=False, part_refs=refs if len(refs) > 1 else ())


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (3, 2)])
def test_ids_of_parts_that_come_again_are_the_newest_messages(
    database: Database, settings: Settings, before: int, after: int
) -> None:
    """Field 2.13: jasmin#729: a receipt is matched to the message that has the id now, long or short."""
    deliveries: list[UUID] = []
    for parts in (before, after):
        delivery = make_case(database, code=f"{len(deliveries)}00000000000")
        deliveries.append(delivery)
        with database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)
        Deliver(database, {"email": Again(parts)}, settings)(tasks)
        with database.cursor() as cursor:
            cursor.execute("UPDATE deliveries SET created_at = created_at + make_interval(days => %s)", [-1])
    with database.cursor() as cursor:
        for number in range(1, after + 1):
            assert apply_delivery_report(cursor, "email", Report(f"n:{number}", "delivered"))
        cursor.execute("SELECT id, state FROM deliveries")
        assert dict(cursor.fetchall()) == {deliveries[0]: "sent", deliveries[1]: "delivered"}
