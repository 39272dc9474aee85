"""Mailboxes fetched from a real Dovecot: nothing missed, nothing stopped, nothing doubled.

Field 2.1: mail that arrived during an outage is never fetched (chatwoot#10429, #6604, #9234).
Field 2.2: one malformed mail stops a mailbox (zammad#1877, #2754, #345).
Field 2.3: attachments silently dropped, here by size (chatwoot#14590, zammad#5207).
Field 2.6: doubles created (frappe/helpdesk#2310).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from imapclient import IMAPClient
from pydantic import ValidationError

from tests.channels.email.corpus import PAYLOADS
from tests.channels.email.desk import MAILBOXES, ListDesk, installation
from tests.channels.email.installation import MailInstallation
from tests.lab.dovecot import PASSWORD, Dovecot
from tests.lab.oauth import TokenServer
from tests.lab.process import LOOPBACK, wait_until
from zrm.channels.email.channel import EmailChannel
from zrm.channels.email.config import EmailConfig, Imap
from zrm.channels.email.imap import Fetcher
from zrm.contract.ports import FrontDesk
from zrm.errors import StoreUnavailable
from zrm.frontdesk.desk import CitizensDesk, front_desk

INFO, WATER = "info@example.org", "water@example.org"
pytestmark = pytest.mark.peer("dovecot")


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    """One server for the tests that do not stop it; each uses mailboxes of its own."""
    with Dovecot(INFO, WATER, *(f"box{number}@example.org" for number in range(20))) as server:
        yield server


def imap(server: Dovecot, mailbox: str = INFO, **settings: object) -> Imap:
    values = {"host": LOOPBACK, "port": server.imap, "security": "none", "username": mailbox, "timeout": 10, **settings}
    if "oauth" not in values:
        values.setdefault("password", PASSWORD)
    return Imap.model_validate(values)


def real_desk(mail_installation: MailInstallation) -> CitizensDesk:
    return front_desk(
        mail_installation.database,
        mail_installation.blobs,
        mail_installation.inbox,
        mail_installation.settings,
        b"secret",
        [],
    )


@contextmanager
def fetching(
    desk: FrontDesk, config: Imap, account: str = "info", max_size: int = 1 << 26
) -> Iterator[threading.Thread]:
    """A fetcher at work; stopped at the end, which must be quick enough for a person's patience."""
    stop = threading.Event()
    thread = threading.Thread(target=Fetcher(account, config, max_size, desk.reception, desk.checkpoints, stop).run)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def mails(count: int, first: int = 0) -> list[bytes]:
    return [
        f"From: ali@example.com\r\nMessage-ID: <m{n}@x>\r\nSubject: mail {n}\r\n\r\ntext {n}\r\n".encode()
        for n in range(first, first + count)
    ]


def titles(mail_installation: MailInstallation) -> list[str]:
    mail_installation.file()
    return sorted(str(row[0]) for row in mail_installation.ask("SELECT title FROM contacts WHERE direction = 'in'"))


def received(mail_installation: MailInstallation) -> int:
    ((count,),) = mail_installation.ask("SELECT count(*) FROM raw_contacts")
    return int(str(count))


def until(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, what, seconds=60)


def client(server: Dovecot, mailbox: str) -> IMAPClient:
    found = IMAPClient(LOOPBACK, port=server.imap, ssl=False)
    found.login(mailbox, PASSWORD)
    return found


def test_what_is_there_and_what_comes_later(mail_installation: MailInstallation, dovecot: Dovecot) -> None:
    box = "box0@example.org"
    dovecot.deliver(box, *mails(3))
    with fetching(real_desk(mail_installation), imap(dovecot, box)):
        until(lambda: received(mail_installation) == 3, "the mails that were there")
        dovecot.deliver(box, *mails(1, first=3))  # IDLE tells of it
        until(lambda: received(mail_installation) == 4, "the mail that came later")
    assert titles(mail_installation) == ["mail 0", "mail 1", "mail 2", "mail 3"]
    with client(dovecot, box) as look:
        look.select_folder("INBOX")
        assert look.search("UNSEEN") == []
        assert len(look.search("SEEN")) == 4
    assert mail_installation.holds()


def test_a_mail_told_of_where_nobody_listens_is_taken_at_once(
    mail_installation: MailInstallation, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = "box16@example.org"
    look = Fetcher._waiting
    late = mails(1)

    def look_and_be_told(self: Fetcher, server: IMAPClient) -> list[int]:
        found = look(self, server)
        if not found and late:
            dovecot.deliver(box, late.pop())
            server.search("1:*")  # the server tells of the new mail here, and then not again
        return found

    monkeypatch.setattr(Fetcher, "_waiting", look_and_be_told)
    with fetching(real_desk(mail_installation), imap(dovecot, box)):
        until(lambda: received(mail_installation) == 1, "the mail that came before IDLE")


def test_an_outage_of_ours_loses_nothing(mail_installation: MailInstallation, dovecot: Dovecot) -> None:
    """Field 2.1: chatwoot#10429 (looks back one day), #6604 (only the last ten)."""
    box = "box1@example.org"
    desk = real_desk(mail_installation)
    dovecot.deliver(box, *mails(2))
    with fetching(desk, imap(dovecot, box)):
        until(lambda: received(mail_installation) == 2, "the first mails")
    dovecot.deliver(box, *mails(70, first=2))
    with client(dovecot, box) as look:  # somebody reads them with another program in the meantime
        look.select_folder("INBOX")
        look.add_flags(look.search(), [b"\\Seen"])
    with fetching(real_desk(mail_installation), imap(dovecot, box)):
        until(lambda: received(mail_installation) == 72, "what came during the outage")
    assert len(set(titles(mail_installation))) == 72


def test_an_outage_of_the_server_loses_nothing_and_stops_nothing(mail_installation: MailInstallation) -> None:
    with Dovecot(INFO) as server:
        server.deliver(INFO, *mails(1))
        with fetching(real_desk(mail_installation), imap(server)):
            until(lambda: received(mail_installation) == 1, "the first mail")
            server.stop()
            server.start()
            server.deliver(INFO, *mails(2, first=1))
            until(lambda: received(mail_installation) == 3, "the mails after the server's outage")
        server.stop()
        server.forget_uids(INFO)
        server.start()
        server.deliver(INFO, *mails(1, first=3))
        with fetching(real_desk(mail_installation), imap(server)):  # all of it is read again, and none comes twice
            until(lambda: received(mail_installation) == 4, "the mail after the renumbering")
    assert titles(mail_installation) == ["mail 0", "mail 1", "mail 2", "mail 3"]
    ((position,),) = mail_installation.ask("SELECT position FROM checkpoints")
    assert isinstance(position, dict)
    assert position["uid"] == 4


def test_bad_mail_stops_no_mailbox(mail_installation: MailInstallation, dovecot: Dovecot) -> None:
    """Field 2.2: zammad#1877, #2754, #345: everything of the corpus, the hostile included, in one mailbox."""
    box = "box2@example.org"
    wicked = [payload.body for payload in PAYLOADS.values() if len(payload.body) < 200_000]
    for body in wicked:
        dovecot.deliver(box, body)
    dovecot.deliver(box, *mails(1))
    with fetching(real_desk(mail_installation), imap(dovecot, box)):
        until(lambda: received(mail_installation) == len(set(wicked)) + 1, "every mail")
    assert "mail 0" in titles(mail_installation)
    assert mail_installation.ask("SELECT count(*) FROM raw_contacts WHERE state = 'waiting'") in (
        [(0,)],
        [(1,)],
    )  # 1: a report
    assert mail_installation.holds()


def test_a_mail_the_server_cannot_hand_over_is_shown_and_passed_by(mail_installation: MailInstallation) -> None:
    with Dovecot(INFO) as server:
        server.deliver(INFO, *mails(3))
        with client(server, INFO) as look:  # so that the mails have UIDs
            look.select_folder("INBOX")
        kept = (server.folder / "mail" / INFO / "Maildir" / "cur").iterdir()
        next(file for file in kept if b"mail 1" in file.read_bytes()).chmod(0)
        with fetching(real_desk(mail_installation), imap(server)):
            until(lambda: received(mail_installation) == 3, "the good mails and a word about the bad one")
    assert titles(mail_installation) == ["mail 0", "mail 2"]
    assert mail_installation.ask("SELECT reason_code FROM quarantine") == [("email.not_handed_over",)]
    assert mail_installation.holds()


def test_a_store_that_is_away_moves_no_cursor(dovecot: Dovecot) -> None:
    box = "box3@example.org"
    desk = ListDesk()
    dovecot.deliver(box, *mails(2))
    with fetching(desk, imap(dovecot, box)) as thread:
        until(lambda: len(desk.contacts) == 2, "the first mails")
        desk.failure = StoreUnavailable("away")
        before = dict(desk.cursors)
        dovecot.deliver(box, *mails(2, first=2))
        assert thread.is_alive()
        assert desk.cursors == before
        desk.failure = None
        until(lambda: len(desk.contacts) == 4, "the mails after the store came back")


def test_filed_mail_is_moved(mail_installation: MailInstallation, dovecot: Dovecot) -> None:
    box = "box4@example.org"
    dovecot.deliver(box, *mails(2))
    with fetching(real_desk(mail_installation), imap(dovecot, box, then="move", move_to="رسیده", look_every=10)):
        until(lambda: received(mail_installation) == 2, "the mails")
        dovecot.deliver(box, *mails(1, first=2))
        until(lambda: received(mail_installation) == 3, "a mail into the emptied folder")
    with client(dovecot, box) as look:
        assert look.select_folder("INBOX")[b"EXISTS"] == 0
        assert look.select_folder("رسیده")[b"EXISTS"] == 3


def test_a_folder_that_cannot_be_made_stops_nothing(mail_installation: MailInstallation, dovecot: Dovecot) -> None:
    box = "box5@example.org"
    dovecot.deliver(box, *mails(2))
    with fetching(real_desk(mail_installation), imap(dovecot, box, then="move", move_to="a//b")):
        until(lambda: received(mail_installation) == 2, "the mails")
    assert titles(mail_installation) == ["mail 0", "mail 1"]


def test_only_what_is_new(mail_installation: MailInstallation, dovecot: Dovecot) -> None:
    box = "box6@example.org"
    dovecot.deliver(box, *mails(3))
    desk = real_desk(mail_installation)
    with fetching(desk, imap(dovecot, box, begin="new", then="keep")):
        until(lambda: bool(mail_installation.ask("SELECT 1 FROM checkpoints")), "the first look")
        dovecot.deliver(box, *mails(1, first=3))
        until(lambda: received(mail_installation) == 1, "the new mail")
    assert titles(mail_installation) == ["mail 3"]
    with client(dovecot, box) as look:
        look.select_folder("INBOX")
        assert len(look.search("UNSEEN")) == 4


def test_a_mail_over_the_limit_is_seen_in_part_and_said_to_be(
    mail_installation: MailInstallation, dovecot: Dovecot
) -> None:
    """Field 2.3: zammad#5207: what is too large silently never comes."""
    box = "box7@example.org"
    dovecot.deliver(box, b"From: ali@example.com\r\nSubject: large\r\n\r\n" + b"words " * 400_000, *mails(1))
    with fetching(real_desk(mail_installation), imap(dovecot, box), max_size=500_000):
        until(lambda: received(mail_installation) == 2, "both mails")
    assert titles(mail_installation) == ["large", "mail 0"]
    assert ("cut_short",) in mail_installation.ask("SELECT unnest(labels) FROM contacts WHERE title = 'large'")


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_encrypted(mail_installation: MailInstallation, dovecot: Dovecot, security: str) -> None:
    box = f"box{8 + (security == 'tls')}@example.org"
    dovecot.deliver(box, *mails(1))
    port = dovecot.imaps if security == "tls" else dovecot.imap
    with fetching(
        real_desk(mail_installation), imap(dovecot, box, security=security, port=port, trust=str(dovecot.certificate))
    ):
        until(lambda: received(mail_installation) == 1, "the mail")


def test_a_wrong_password_is_no_end_and_no_neighbours_trouble(
    mail_installation: MailInstallation, dovecot: Dovecot
) -> None:
    dovecot.deliver("box10@example.org", *mails(1))
    desk = real_desk(mail_installation)
    with ExitStack() as stack:
        wrong = stack.enter_context(fetching(desk, imap(dovecot, "box11@example.org", password="wrong"), "water"))
        stack.enter_context(fetching(desk, imap(dovecot, "box10@example.org")))
        until(lambda: received(mail_installation) == 1, "the neighbour's mail")
        assert wrong.is_alive()


def test_tokens_instead_of_a_password(mail_installation: MailInstallation) -> None:
    with TokenServer(INFO) as tokens, Dovecot(INFO, introspection=tokens.introspection_url) as server:
        oauth = {
            "token_url": tokens.token_url,
            "client_id": "zrm",
            "client_secret": "right",
            "refresh_token": "consent",
        }
        server.deliver(INFO, *mails(1))
        with fetching(real_desk(mail_installation), imap(server, oauth=oauth)):
            until(lambda: received(mail_installation) == 1, "the mail behind a token")
            tokens.revoke()
            server.stop()
            server.start()
            server.deliver(INFO, *mails(1, first=1))
            until(lambda: received(mail_installation) == 2, "the mail behind a new token")
    assert tokens.requests[0]["grant_type"] == "refresh_token"
    assert len(tokens.requests) >= 2


def test_without_idle_it_looks_now_and_then(mail_installation: MailInstallation) -> None:
    with Dovecot(INFO, idle=False) as server, fetching(real_desk(mail_installation), imap(server, look_every=0.2)):
        server.deliver(INFO, *mails(1))
        until(lambda: received(mail_installation) == 1, "the mail")


def test_the_channel_fetches_several_mailboxes_beside_its_door(
    mail_installation: MailInstallation, dovecot: Dovecot
) -> None:
    first, second = "box12@example.org", "box13@example.org"
    boxes = {
        "info": {**MAILBOXES["info"], "imap": imap(dovecot, first).model_dump()},
        "water": {**MAILBOXES["water"], "imap": imap(dovecot, second).model_dump()},
    }
    channel = EmailChannel(
        EmailConfig.model_validate({"door": False, "mailboxes": boxes}), installation(mail_installation.folder)
    )
    assert PASSWORD in channel.redact()
    dovecot.deliver(first, *mails(1))
    dovecot.deliver(second, *mails(1, first=1))
    stop = threading.Event()
    thread = threading.Thread(target=channel.listen, args=(real_desk(mail_installation), stop))
    thread.start()
    try:
        until(lambda: received(mail_installation) == 2, "both mailboxes")
    finally:
        stop.set()
        thread.join(60)
    assert sorted(mail_installation.ask("SELECT account FROM raw_contacts")) == [("info",), ("water",)]


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "imap.example.org", "username": "a"},
        {"host": "imap.example.org", "username": "a", "password": "x", "security": "none"},
        {"host": "imap.example.org", "username": "a", "oauth": {"token_url": "http://example.org/t", "client_id": "a"}},
    ],
)
def test_unsafe_or_incomplete_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Imap.model_validate(settings)
