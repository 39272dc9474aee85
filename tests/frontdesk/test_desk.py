"""What the holder of a code may see, and what it takes to see more."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.casework.installation import acting
from tests.lab.servers import TestServers
from tests.reasons import why
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.casework import case_actions
from zrm.casework.context import ActionContext
from zrm.casework.reply_routes import ReplyRoute
from zrm.casework.reply_routes import SendingAccount as Account
from zrm.config import Rates, Settings
from zrm.contract.addresses import EMAIL, PHONE, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, Inbound, Parsed, RawContact, Receipt, Thread
from zrm.contract.outbound import Reply, Sent
from zrm.contract.refusals import WRONG_SECRET, WRONG_SIGNATURE
from zrm.contract.tracking import Tracking
from zrm.dispatch.deliver import Deliver
from zrm.errors import NotFound, StoreUnavailable, TooManyTries
from zrm.frontdesk.desk import CitizensDesk, front_desk
from zrm.inbox.code import mint
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id
from zrm.normalizer.filing import Filer
from zrm.ui.i18n import format_code

PEER = "192.0.2.7"


@pytest.fixture
def desk(database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings) -> CitizensDesk:
    return front_desk(database, blobs, inbox, settings, b"key", [Account("email", "info", "email")])


@pytest.fixture
def file(database: Database, blobs: BlobStore, settings: Settings) -> Callable[[], None]:
    """Files what waits: a form from Ali, with a telephone and an e-mail address; `mail` from this address; `machine`, its answer."""

    def parse(raw: RawContact) -> list[Parsed]:
        if raw.body == b"broken":
            raise Unparseable(why("broken"))
        senders: tuple[Sender, ...] = () if raw.body == b"anonymous" else (
            Sender(PHONE, "09121234567", "Ali", claimed=True),
            Sender(EMAIL, "ali@example.org", claimed=True),
        )  # fmt: skip
        if raw.body in (b"mail", b"machine"):
            senders = (Sender(EMAIL, "ali@example.org"),)
        conversation, quoted = raw.envelope.get("conversation"), raw.envelope.get("quoted")
        thread = Thread(
            conversation=conversation if isinstance(conversation, str) else "",
            tokens=(quoted,) if isinstance(quoted, str) else (),
        )
        labels = frozenset({"robot"} if raw.body == b"machine" else ())
        return [Inbound(senders, "چراغ خیابان خراب است", language="fa", thread=thread, labels=labels)]

    def file() -> None:
        with database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.FILE, limit=10, lease=60)
        Filer(database, blobs, {"web": parse}, settings)(tasks)

    return file


def come(desk: CitizensDesk, body: bytes = b"x") -> Receipt:
    return desk.reception.receive(RawContact("web", "portal", body.hex(), body, "text/plain"))


def test_a_code_works_before_anything_is_filed(desk: CitizensDesk) -> None:
    tracking = desk.tracking.track(come(desk).code, PEER)
    assert (tracking.state, tracking.proofs, tracking.messages, tracking.filed) == ("received", (), (), False)


def test_quarantine_looks_like_received_to_its_sender(desk: CitizensDesk, file: Callable[[], None]) -> None:
    receipt = come(desk, b"broken")
    file()
    assert desk.tracking.track(receipt.code, PEER).state == "received"


def test_without_proof_the_state_and_no_words(desk: CitizensDesk, file: Callable[[], None]) -> None:
    receipt = come(desk)
    file()
    tracking = desk.tracking.track(format_code(receipt.code, "fa"), PEER)
    assert (tracking.state, tracking.proven, tracking.title) == ("received", False, "")
    assert tracking.proofs == ("phone", "email")
    assert [message.text for message in tracking.messages] == [""]
    proven = desk.tracking.track(receipt.code, PEER, proven=True)
    assert [message.text for message in proven.messages] == ["چراغ خیابان خراب است"]


def test_of_a_very_long_message_the_beginning_is_shown(
    desk: CitizensDesk, file: Callable[[], None], database: Database
) -> None:
    receipt = come(desk)
    file()
    for length, shown in ((20_000, "x" * 20_000), (1_000_000, "x" * 20_000 + "…")):
        with database.cursor() as cursor:
            cursor.execute("UPDATE contacts SET text = repeat('x', %s)", [length])
        assert [message.text for message in desk.tracking.track(receipt.code, PEER, proven=True).messages] == [shown]
        assert [message.text for message in desk.tracking.track(receipt.code, PEER).messages] == [""]


def test_of_a_very_long_conversation_the_newest_part_is_shown(
    desk: CitizensDesk, file: Callable[[], None], database: Database
) -> None:
    receipt = come(desk)
    file()
    with database.cursor() as cursor:
        cursor.execute("UPDATE contacts SET at = at - interval '2 hours'")
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, text, at) SELECT uuidv7(), case_id, 'out', "
            "'web', 'portal', n::text, at + n * interval '1 second' FROM contacts, generate_series(1, 300) AS n"
        )
    messages = desk.tracking.track(receipt.code, PEER, proven=True).messages
    assert (messages[0].text, messages[-1].text) == ("101", "300")


@dataclass
class Matter:
    """A filed matter of Ali's, and what becomes of it."""

    desk: CitizensDesk
    database: Database
    code: str

    def look(self) -> Tracking:
        return self.desk.tracking.track(self.code, PEER, proven=True)

    def act(self, step: Callable[[Cursor, ActionContext], object]) -> None:
        with self.database.cursor() as cursor:
            cursor.execute("SELECT (SELECT id FROM agents WHERE login = 'maryam'), id, version FROM cases")
            step(cursor, acting(*(cursor.fetchone() or ())))

    def do(self, statement: str) -> None:
        with self.database.cursor() as cursor:
            cursor.execute(statement.encode())

    def steps(self) -> tuple[str, list[str]]:
        seen = self.look()
        return seen.state, list(seen.happened)


@pytest.fixture
def matter(desk: CitizensDesk, file: Callable[[], None], database: Database) -> Matter:
    receipt = come(desk)
    file()
    return Matter(desk, database, receipt.code)


def answer(cursor: Cursor, act: ActionContext, *files: StoredFile) -> None:
    case_actions.reply(
        cursor, act, route=ReplyRoute("web", "portal", "", files=True), title="", text="Mended.", files=files
    )


def test_only_what_happened_is_said_to_have_happened(matter: Matter) -> None:
    assert matter.steps() == ("received", ["received"])
    matter.act(case_actions.claim)
    assert matter.steps() == ("in_progress", ["received", "in_progress"])
    matter.act(answer)
    assert matter.steps() == ("answered", ["received", "in_progress", "answered"])
    matter.do("UPDATE contacts SET leaves_at = now() + interval '10 seconds' WHERE agent_id IS NOT NULL")
    assert matter.steps() == ("in_progress", ["received", "in_progress"]), "it has not left yet"
    assert [message.ours for message in matter.look().messages] == [False]
    matter.do("UPDATE contacts SET leaves_at = now() WHERE agent_id IS NOT NULL")
    matter.do("UPDATE cases SET status = 'open', closed_at = NULL, result = ''")
    assert matter.steps() == ("in_progress", ["received", "in_progress"]), "the citizen wrote again"
    matter.do("UPDATE cases SET status = 'closed', closed_at = now(), status_at = now()")
    assert matter.steps() == ("closed", ["received", "in_progress", "answered", "closed"])


@pytest.mark.parametrize(
    "not_an_answer", ["automatic = true", "labels = '{closing_reason}'", "public = false", "agent_id = NULL"]
)
def test_what_a_machine_or_a_closing_says_is_no_answer(matter: Matter, not_an_answer: str) -> None:
    matter.act(answer)
    matter.do(f"UPDATE contacts SET {not_an_answer} WHERE direction = 'out'")
    matter.do("UPDATE cases SET status = 'closed', closed_at = now(), status_at = now()")
    assert matter.steps() == ("closed", ["received", "in_progress", "closed"])


def test_a_file_of_the_conversation_is_given_to_whoever_proved_this_very_matter(
    matter: Matter, blobs: BlobStore, file: Callable[[], None]
) -> None:
    key, size = blobs.put(b"a plan")
    matter.act(lambda cursor, act: answer(cursor, act, StoredFile(key, size, "plan.pdf", "application/pdf")))
    (given,) = matter.look().messages[-1].files
    assert (given.name, given.size, given.withheld) == ("plan.pdf", 6, "")
    assert given.id is not None
    stored, path = matter.desk.tracking.public_file(matter.code, given.id)
    assert (stored.name, path.read_bytes()) == ("plan.pdf", b"a plan")
    assert not matter.desk.tracking.track(matter.code, PEER).messages[-1].files, "before proof nobody learns of it"
    other = come(matter.desk, b"another")
    file()
    for code, file_id in ((other.code, given.id), (matter.code, new_id()), (mint(), given.id), ("", given.id)):
        with pytest.raises(NotFound):
            matter.desk.tracking.public_file(code, file_id)
    for hidden in (
        "UPDATE attachments SET scan = 'infected'",
        "UPDATE attachments SET scan = 'waiting'",
        "UPDATE attachments SET scan = 'clean', role = 'rendition'",
        "UPDATE attachments SET role = 'attachment'; UPDATE contacts SET public = false",
        "UPDATE contacts SET public = true, direction = 'note'",
        "UPDATE contacts SET direction = 'out', leaves_at = now() + interval '9 seconds'",
    ):
        matter.do(hidden)
        with pytest.raises(NotFound):
            matter.desk.tracking.public_file(matter.code, given.id)


@pytest.mark.parametrize("body", [b"and one more thing", b"x" * 100_000, b"broken"])
def test_what_was_just_sent_is_seen_until_it_is_filed_or_while_it_is_held(
    matter: Matter, file: Callable[[], None], body: bytes
) -> None:
    raw = RawContact("web", "portal", "again", body, "text/plain", {"conversation": matter.code})
    matter.desk.reception.receive(raw)
    (waiting,) = matter.look().on_the_way
    assert (waiting.contact.body, waiting.contact.envelope) == (body, {"conversation": matter.code})
    assert not matter.desk.tracking.track(matter.code, PEER).on_the_way
    file()
    assert bool(matter.look().on_the_way) == (body == b"broken")
    assert len(matter.look().messages) == 1 + (body != b"broken")


def test_a_wrong_code_and_an_unknown_code_look_alike(desk: CitizensDesk) -> None:
    come(desk)
    for typed in ("123456789012", mint(), "", "abc", "۱۲۳"):
        with pytest.raises(NotFound, match="no such code"):
            desk.tracking.track(typed, PEER)


def test_guessing_is_slowed_down_per_peer(
    database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings
) -> None:
    strict = settings.model_copy(update={"rates": Rates(track_tries=3)})
    desk = front_desk(database, blobs, inbox, strict, b"key", [])
    receipt = come(desk)
    for _ in range(10):
        desk.tracking.track(receipt.code, PEER)  # who knows a code may look as often as they like
    for _ in range(3):
        with pytest.raises(NotFound):
            desk.tracking.track(mint(), PEER)
    with pytest.raises(TooManyTries) as refused:
        desk.tracking.track(receipt.code, PEER)
    assert 0 < refused.value.retry_after <= 900
    assert desk.tracking.track(receipt.code, "198.51.100.1").code == receipt.code, "others are not kept out"
    with database.cursor() as cursor:
        cursor.execute("SELECT key FROM throttles")
        assert not any(PEER in row[0] for row in cursor), "peers are kept as keyed hashes"


@pytest.mark.parametrize(
    ("digits", "right"), [("4567", True), ("۴۵۶۷", True), ("٤٥٦٧", True), ("4568", False), ("567", False), ("", False)]
)
def test_the_last_digits_of_the_phone_prove(
    desk: CitizensDesk, file: Callable[[], None], digits: str, right: bool
) -> None:
    receipt = come(desk)
    file()
    assert desk.tracking.prove_by_phone(receipt.code, digits, PEER) is right


def test_a_number_somebody_typed_beside_the_citizens_address_proves_no_other_matter(
    desk: CitizensDesk, file: Callable[[], None], database: Database
) -> None:
    """Ali has typed nothing: a stranger did, with a telephone of their own, and Ali answered the mail he got."""
    strangers = come(desk)
    file()
    desk.reception.receive(RawContact("web", "portal", "answer", b"mail", "text/plain", {"quoted": strangers.code}))
    file()
    with database.cursor() as cursor:
        cursor.execute("SELECT kind, claimed FROM addresses ORDER BY kind")
        assert cursor.fetchall() == [("email", False), ("phone", True)]
    own = come(desk, b"mail")
    file()
    assert not desk.tracking.prove_by_phone(own.code, "4567", PEER)
    assert desk.tracking.track(own.code, PEER).proofs == ("email",)
    assert desk.tracking.prove_by_phone(strangers.code, "4567", PEER), "it was typed there"
    again = come(desk, b"the same form again")
    file()
    assert desk.tracking.prove_by_phone(again.code, "4567", PEER), "and here"


def test_what_a_machine_answers_makes_no_address_its_persons(
    desk: CitizensDesk, file: Callable[[], None], database: Database
) -> None:
    receipt = come(desk)
    file()
    desk.reception.receive(RawContact("web", "portal", "away", b"machine", "text/plain", {"quoted": receipt.code}))
    file()
    with database.cursor() as cursor:
        cursor.execute("SELECT claimed, (SELECT count(*) FROM cases) FROM addresses")
        assert cursor.fetchall() == [(True, 1), (True, 1)], "it joined the case and proved nothing"


def test_digits_cannot_be_tried_for_long(desk: CitizensDesk, file: Callable[[], None]) -> None:
    receipt = come(desk)
    file()
    for number in range(5):
        desk.tracking.prove_by_phone(receipt.code, f"000{number}", f"192.0.2.{number}")
    with pytest.raises(TooManyTries):
        desk.tracking.prove_by_phone(receipt.code, "4567", "192.0.2.99")


def filed_codes(desk: CitizensDesk, file: Callable[[], None], number: int) -> list[str]:
    codes = [come(desk, b"%d" % n).code for n in range(number)]
    for _ in range(0, number, 10):
        file()
    return codes


def test_a_town_behind_one_address_proves_and_asks_for_links(desk: CitizensDesk, file: Callable[[], None]) -> None:
    for code in filed_codes(desk, file, 30):
        for _ in range(3):
            assert desk.tracking.prove_by_phone(code, "4567", PEER)
        desk.tracking.prove_by_email(code, PEER)


@pytest.mark.parametrize("peers", [["192.0.2.7"], ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"], ["::ffff:192.0.2.7"]])
def test_the_misses_of_one_peer_are_counted_over_all_codes(
    desk: CitizensDesk, file: Callable[[], None], settings: Settings, peers: list[str]
) -> None:
    codes = filed_codes(desk, file, 6)
    for number in range(settings.rates.proof_peer_tries):
        assert not desk.tracking.prove_by_phone(codes[number % 5], "0000", peers[number % len(peers)])
    with pytest.raises(TooManyTries) as refused:
        desk.tracking.prove_by_phone(codes[5], "4567", peers[0])
    assert 0 < refused.value.retry_after <= settings.rates.track_window
    assert desk.tracking.prove_by_phone(codes[5], "4567", "2001:db8:1:3::1"), "others are not kept out"


@pytest.mark.parametrize("peers", [["192.0.2.7"], ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"]])
def test_a_peer_asks_for_lost_codes_as_often_as_for_links(
    desk: CitizensDesk, settings: Settings, peers: list[str]
) -> None:
    for number in range(settings.rates.link_peer_tries):
        desk.self_service.count_asking_for_codes(peers[number % len(peers)])
    with pytest.raises(TooManyTries) as refused:
        desk.self_service.count_asking_for_codes(peers[0])
    assert 0 < refused.value.retry_after <= settings.rates.link_window
    desk.self_service.count_asking_for_codes("198.51.100.1")


def test_unknown_codes_are_misses_of_the_peer(desk: CitizensDesk, settings: Settings) -> None:
    for _ in range(settings.rates.proof_peer_tries):
        with pytest.raises(NotFound):
            desk.tracking.prove_by_phone(mint(), "4567", PEER)
    with pytest.raises(TooManyTries):
        desk.tracking.prove_by_phone(mint(), "4567", PEER)


def test_guesses_at_one_code_that_come_at_once_are_counted_one_by_one(
    desk: CitizensDesk, file: Callable[[], None]
) -> None:
    (code,) = filed_codes(desk, file, 1)

    def guess(number: int) -> bool | None:
        try:
            return desk.tracking.prove_by_phone(code, f"{number:04}", f"192.0.2.{number}")
        except TooManyTries:
            return None

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(guess, range(40)))
    assert (outcomes.count(False), outcomes.count(None)) == (5, 35)


def test_who_is_right_frees_nobody_elses_misses(desk: CitizensDesk, file: Callable[[], None]) -> None:
    (code,) = filed_codes(desk, file, 1)
    for number in range(4):
        assert not desk.tracking.prove_by_phone(code, "0000", f"192.0.2.{number}")
    assert all(desk.tracking.prove_by_phone(code, "4567", PEER) for _ in range(9))
    assert not desk.tracking.prove_by_phone(code, "0000", "192.0.2.5")
    with pytest.raises(TooManyTries):
        desk.tracking.prove_by_phone(code, "0000", "192.0.2.6")


def test_patience_does_not_help_a_crowd_of_guessers(
    desk: CitizensDesk, file: Callable[[], None], database: Database, settings: Settings
) -> None:
    (code,) = filed_codes(desk, file, 1)
    looked_at = 0
    for number in range(60):
        try:
            desk.tracking.prove_by_phone(code, "0000", f"198.51.100.{number}")
            looked_at += 1
        except TooManyTries:
            with database.cursor() as cursor:  # a quarter of an hour later
                cursor.execute("UPDATE throttles SET window_started = window_started - interval '15 minutes 1 s'")
    assert looked_at == settings.rates.proof_code_tries


def test_links_have_a_limit_of_their_own(desk: CitizensDesk, file: Callable[[], None], database: Database) -> None:
    first, second = filed_codes(desk, file, 2)
    for number in range(3):
        desk.tracking.prove_by_email(first, f"192.0.2.{number}")
    with pytest.raises(TooManyTries):
        desk.tracking.prove_by_email(first, "192.0.2.9")
    assert desk.tracking.prove_by_phone(first, "4567", PEER), "to prove is another thing"
    for _ in range(5):
        assert not desk.tracking.prove_by_phone(second, "0000", PEER)
    desk.tracking.prove_by_email(second, PEER)
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM deliveries WHERE kind = 'proof_link'")
        assert cursor.fetchone() == (4,)


def test_a_link_ends_after_its_time(desk: CitizensDesk, database: Database) -> None:
    receipt = come(desk)
    with database.cursor() as cursor:
        for token, ends in (("young", "1 minute"), ("old", "-1 second")):
            cursor.execute(
                "INSERT INTO proof_tokens (token_hash, code, made_at, ends_at) VALUES (%s, %s, now(), now() + %s::interval)",
                [hashlib.sha256(token.encode()).hexdigest(), receipt.code, ends],
            )
    with pytest.raises(NotFound):
        desk.tracking.redeem("old")
    assert desk.tracking.redeem("young") == receipt.code


def test_a_report_has_no_code_that_leads_anywhere(desk: CitizensDesk) -> None:
    report = desk.reception.receive(RawContact("sms", "3000", "SM1/sent", b"x", "text/plain", kind="report"))
    with pytest.raises(NotFound):
        desk.tracking.track(report.code, PEER)


def test_what_is_not_public_is_not_in_the_public_conversation(
    desk: CitizensDesk, file: Callable[[], None], database: Database
) -> None:
    receipt = come(desk)
    file()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, text, public, at) SELECT uuidv7(), case_id, "
            "way, 'email', 'info', way || said, said = ' public', at - interval '1 s' FROM contacts, "
            "unnest(ARRAY['in', 'out', 'note']) way, unnest(ARRAY[' public', ' hidden']) said"
        )
    shown = {message.text for message in desk.tracking.track(receipt.code, PEER, proven=True).messages}
    assert shown == {"چراغ خیابان خراب است", "in public", "out public"}


def test_the_link_goes_to_a_proven_address_before_a_claimed_one(
    desk: CitizensDesk, file: Callable[[], None], database: Database
) -> None:
    receipt = come(desk)
    file()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at) "
            "SELECT uuidv7(), person_id, kind, 'proven@example.org', 'proven@example.org', false, now() FROM addresses "
            "WHERE kind = 'email'"
        )
    desk.tracking.prove_by_email(receipt.code, PEER)
    with database.cursor() as cursor:
        cursor.execute("SELECT address FROM deliveries WHERE kind = 'proof_link'")
        assert cursor.fetchall() == [("proven@example.org",)]


def test_a_link_by_mail_proves_once(
    desk: CitizensDesk, file: Callable[[], None], database: Database, settings: Settings
) -> None:
    receipt = come(desk)
    file()
    desk.tracking.prove_by_email(receipt.code, PEER)
    sent: list[Reply] = []

    class Mail:
        def send(self, reply: Reply) -> Sent:
            sent.append(reply)
            return Sent("", final=True)

    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)
    Deliver(database, {"email": Mail()}, settings)(tasks)
    (letter,) = [reply for reply in sent if "/proof/" in reply.text]
    assert letter.to == "ali@example.org"
    token = letter.text.rsplit("/proof/", 1)[1].split()[0]
    assert desk.tracking.redeem(token) == receipt.code
    for used in (token, "nonsense", "", hashlib.sha256(token.encode()).hexdigest()):
        with pytest.raises(NotFound):
            desk.tracking.redeem(used)
    assert all(
        "/proof/" not in message.text for message in desk.tracking.track(receipt.code, PEER, proven=True).messages
    )


def test_an_anonymous_matter_is_its_codes(desk: CitizensDesk, file: Callable[[], None]) -> None:
    receipt = come(desk, b"anonymous")
    file()
    tracking = desk.tracking.track(receipt.code, PEER)
    assert (tracking.proofs, tracking.proven) == ((), True)
    assert [message.text for message in tracking.messages] == ["چراغ خیابان خراب است"]
    desk.tracking.prove_by_email(receipt.code, PEER)
    assert not desk.tracking.prove_by_phone(receipt.code, "4567", PEER)


def test_a_refusal_is_recorded_without_the_peer(desk: CitizensDesk, database: Database) -> None:
    desk.reception.refuse("sms", "3000", WRONG_SIGNATURE, PEER)
    with database.cursor() as cursor:
        cursor.execute("SELECT channel, reason_code, peer_hash FROM refusals")
        ((channel, reason, peer),) = cursor.fetchall()
    assert (channel, reason) == ("sms", "refusal.wrong_signature")
    assert PEER not in peer


def test_subjects_come_parents_first(desk: CitizensDesk) -> None:
    seen: set[str] = set()
    for subject in desk.self_service.subjects():
        assert not subject.parent_key or subject.parent_key in seen
        seen.add(subject.key)
    assert "street-light" in seen


def test_a_closed_case_can_be_rated(desk: CitizensDesk, file: Callable[[], None], database: Database) -> None:
    receipt = come(desk)
    file()
    assert not desk.self_service.rate(receipt.code, 5, "sms", PEER), "it is not closed yet"
    with database.cursor() as cursor:
        cursor.execute("UPDATE cases SET status = 'closed', closed_at = now()")
    assert not desk.self_service.rate(receipt.code, 9, "sms", PEER)
    assert not desk.tracking.track(receipt.code, PEER).rated
    assert desk.self_service.rate(receipt.code, 4, "sms", PEER)
    assert desk.tracking.track(receipt.code, PEER).rated
    assert not desk.self_service.rate(receipt.code, 5, "sms", PEER), "once each time it is closed"
    with database.cursor() as cursor:
        cursor.execute("SELECT score FROM ratings")
        assert cursor.fetchall() == [(4,)]
        cursor.execute("UPDATE cases SET status_at = clock_timestamp() + interval '1 ms'")
    assert not desk.tracking.track(receipt.code, PEER).rated, "it was opened and closed again"
    with pytest.raises(NotFound):
        desk.self_service.rate(mint(), 4, "sms", PEER)


def test_the_newest_word_about_writing_counts(desk: CitizensDesk) -> None:
    assert not desk.self_service.opted_out("sms", "+989121234567")
    for out in (True, False, True):
        desk.self_service.opt("sms", "3000", "+989121234567", out=out)
        assert desk.self_service.opted_out("sms", "+989121234567") is out
    assert not desk.self_service.opted_out("email", "+989121234567")


def test_a_dialogue_is_remembered_for_a_while(desk: CitizensDesk, database: Database) -> None:
    assert desk.checkpoints.load_state("telegram", "42") is None
    desk.checkpoints.save_state("telegram", "42", {"step": "subject"}, seconds=60)
    desk.checkpoints.save_state("telegram", "42", {"step": "text"}, seconds=60)
    assert desk.checkpoints.load_state("telegram", "42") == {"step": "text"}
    assert desk.checkpoints.load_state("bale", "42") is None
    desk.checkpoints.save_state("telegram", "42", None, seconds=0)
    assert desk.checkpoints.load_state("telegram", "42") is None
    desk.checkpoints.save_state("telegram", "43", ["x"], seconds=60)
    with database.cursor() as cursor:
        cursor.execute("UPDATE dialogue_states SET ends_at = now()")
    assert desk.checkpoints.load_state("telegram", "43") is None


def test_a_note_is_rewritten_by_one_at_a_time(desk: CitizensDesk) -> None:
    def count(note: JSON) -> tuple[JSON, float]:
        return {"n": 1 + (note["n"] if isinstance(note, dict) and isinstance(note["n"], int) else 0)}, 60

    def count_to_five() -> None:
        for _ in range(5):
            desk.checkpoints.update_state("telegram", "42", count)

    threads = [threading.Thread(target=count_to_five) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.checkpoints.load_state("telegram", "42") == {"n": 30}
    desk.checkpoints.update_state("telegram", "42", lambda _: (None, 0))
    assert desk.checkpoints.load_state("telegram", "42") is None


def test_notes_that_end_soon_are_found_the_first_first(desk: CitizensDesk) -> None:
    for key, seconds in (("late", 90.0), ("soon", 30.0), ("sooner", 20.0), ("over", -1.0)):
        desk.checkpoints.save_state("telegram", key, key, seconds=seconds)
    desk.checkpoints.save_state("bale", "other", "other", seconds=10)
    assert desk.checkpoints.expiring_states("telegram", within=60) == ["sooner", "soon"]


def test_a_store_that_is_away_is_said_in_the_doors_own_words(
    servers: TestServers, blobs: BlobStore, settings: Settings
) -> None:
    database = Database(servers.postgres.url("no_such_database"))
    inbox = Inbox(database, blobs)
    desk = front_desk(database, blobs, inbox, settings, b"key", [])
    for ask in (
        desk.self_service.subjects,
        lambda: desk.tracking.track(mint(), PEER),
        lambda: desk.tracking.prove_by_phone(mint(), "1234", PEER),
        lambda: desk.tracking.redeem("x"),
        lambda: desk.reception.refuse("web", "portal", WRONG_SECRET, PEER),
        lambda: desk.checkpoints.load_state("sms", "k"),
        lambda: desk.checkpoints.update_state("sms", "k", lambda note: (note, 1)),
        lambda: desk.checkpoints.expiring_states("sms", within=1),
        lambda: come(desk),
    ):
        with pytest.raises(StoreUnavailable):
            ask()
    inbox.close()
    database.close()
