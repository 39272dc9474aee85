"""What makes outgoing mail good mail: kept connections, DKIM, signatures, pictures, a pace per domain, requests for reports."""

from __future__ import annotations

import base64
import contextlib
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.channels.email.desk import MAILBOXES, installation
from tests.channels.email.test_send import AT, IDENTITY, read, reply
from zrm.channels.email.channel import EmailChannel
from zrm.channels.email.compose import MimeAttachment, compose
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.domain_rate_limit import DomainRateLimit
from zrm.contract.errors import ConfigInvalid, ConnectionFailed, Throttled
from zrm.contract.files import StoredFile
from zrm.kit.blobs import BlobStore

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


class RecordingServer(socketserver.ThreadingTCPServer):
    """Takes mail and writes down each connection's commands; hangs up at the commands in `hang_up`, one each."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.connections: list[list[str]] = []
        self.hang_up: list[str] = []


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, RecordingServer)
        heard: list[str] = []
        server.connections.append(heard)
        self.wfile.write(b"220 mx.test\r\n")
        with contextlib.suppress(ConnectionError):
            while line := self.rfile.readline():
                command = line.decode("utf-8", "replace").strip()
                heard.append(command)
                verb = command.split()[0].upper() if command else ""
                if verb in server.hang_up:
                    server.hang_up.remove(verb)
                    return
                if verb == "DATA":
                    self.wfile.write(b"354 go\r\n")
                    while self.rfile.readline() != b".\r\n":
                        pass
                    self.wfile.write(b"250 2.0.0 taken\r\n")
                elif verb == "EHLO":
                    self.wfile.write(b"250-mx.test\r\n250-SIZE 99999999\r\n250-DSN\r\n250 SMTPUTF8\r\n")
                elif verb == "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")


@contextmanager
def recording() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def channel(tmp_path: Path, port: int = 1, **settings: object) -> EmailChannel:
    submit = {"host": "127.0.0.1", "port": port, "timeout": 10, **dict(settings.pop("submit", {}))}  # type: ignore[call-overload]  # a mapping in each test
    return EmailChannel(
        EmailConfig.model_validate({"mailboxes": MAILBOXES, "submit": submit, **settings}), installation(tmp_path)
    )


def verbs(connection: list[str]) -> list[str]:
    return [command.split()[0].upper() for command in connection]


# ---------------------------------------------------------------- connections


def test_one_connection_carries_many_answers(tmp_path: Path) -> None:
    with recording() as server:
        out = channel(tmp_path, server.server_address[1])
        for _ in range(3):
            out.send(reply())
        del out
        (connection,) = server.connections
    assert verbs(connection).count("DATA") == 3
    assert verbs(connection).count("EHLO") == 1
    assert verbs(connection).count("NOOP") == 2, "asked before it is used again"


@pytest.mark.parametrize("dies_at", ["NOOP", "MAIL", "RCPT", "DATA"])
def test_a_kept_connection_that_died_is_replaced_without_a_word(tmp_path: Path, dies_at: str) -> None:
    with recording() as server:
        out = channel(tmp_path, server.server_address[1])
        out.send(reply())
        server.hang_up = [dies_at]
        out.send(reply())
        assert len(server.connections) == 2
        assert verbs(server.connections[1])[-1] == "DATA"
        del out


def test_a_new_connection_that_dies_is_tried_again_later(tmp_path: Path) -> None:
    with recording() as server:
        server.hang_up = ["MAIL"]
        with pytest.raises(ConnectionFailed):
            channel(tmp_path, server.server_address[1]).send(reply())
        assert len(server.connections) == 1


def test_letters_beyond_ascii_leave_nothing_behind_on_a_kept_connection(tmp_path: Path) -> None:
    with recording() as server:
        out = channel(tmp_path, server.server_address[1])
        out.send(reply(to="علی@example.com"))
        out.send(reply())
        mails = [command for command in server.connections[0] if command.startswith("mail")]
        del out
    assert "SMTPUTF8" in mails[0]
    assert "SMTPUTF8" not in mails[1]


@pytest.mark.parametrize(
    ("wanted", "notify"), [({}, "FAILURE,DELAY"), ({"reports": "SUCCESS,FAILURE,DELAY"}, "SUCCESS,FAILURE,DELAY")]
)
def test_a_server_that_knows_dsn_is_asked_for_reports(tmp_path: Path, wanted: dict[str, str], notify: str) -> None:
    with recording() as server:
        channel(tmp_path, server.server_address[1], submit=wanted).send(reply())
        commands = server.connections[0]
    assert any(f"ENVID={IDENTITY.hex}" in command and "RET=HDRS" in command for command in commands)
    assert any(command.endswith(f"NOTIFY={notify}") for command in commands)


# ---------------------------------------------------------------- DKIM


def rsa_key(path: Path) -> bytes:
    """Writes a key; returns the TXT record of its public half."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def test_mail_is_signed_for_our_domain(tmp_path: Path) -> None:
    record = rsa_key(tmp_path / "key.pem")
    settings = {"dkim": {"example.org": {"selector": "zrm", "key": str(tmp_path / "key.pem")}}}
    out = EmailChannel(
        EmailConfig.model_validate({"mailboxes": MAILBOXES, "submit": {"folder": "out"}, **settings}),
        installation(tmp_path),
    )
    out.send(reply())
    content = (tmp_path / "out" / f"{IDENTITY}.eml").read_bytes()
    asked: list[bytes] = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record

    assert dkim.verify(content, dnsfunc=dns)
    assert asked == [b"zrm._domainkey.example.org."]
    assert not dkim.verify(content.replace(b"To: <ali@", b"To: <eve@"), dnsfunc=dns)
    assert not dkim.verify(content.replace(b"MIME-Version", b"From: other@example.org\r\nMIME-Version"), dnsfunc=dns)
    assert out.check() == []


def test_a_key_that_cannot_be_used_stops_the_mail_and_is_named_by_check(tmp_path: Path) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "ec.pem").write_bytes(elliptic)
    for name in ("none.pem", "ec.pem"):
        out = channel(tmp_path, dkim={"example.org": {"selector": "zrm", "key": str(tmp_path / name)}})
        with pytest.raises(ConfigInvalid):
            out.send(reply())
        assert any("dkim" in problem for problem in out.check())
    assert any(
        "no mailbox" in problem for problem in channel(tmp_path, dkim={"x.test": {"selector": "a", "key": "b"}}).check()
    )


# ---------------------------------------------------------------- what it looks like


def test_a_signature_in_the_answers_language(tmp_path: Path) -> None:
    signature = {"fa": "ادارهٔ روشنایی\nتلفن ۱۳۷", "en": "Street lighting <137>"}
    config = EmailConfig.model_validate(
        {"mailboxes": {"info": {"address": "info@example.org", "signature": signature}}}
    )
    box = config.mailboxes["info"]
    persian = read(compose(reply(), box, installation(tmp_path), [], AT).content)
    plain, page = persian.get_body(("plain",)), persian.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert plain.get_content().replace("\r", "").endswith("-- \nادارهٔ روشنایی\nتلفن ۱۳۷")
    assert "ادارهٔ روشنایی" in page.get_content()
    english = read(compose(reply(language="en"), box, installation(tmp_path), [], AT).content).get_body(("html",))
    assert english is not None
    assert "Street lighting &lt;137&gt;" in english.get_content()
    automatic = read(compose(reply(automatic=True), box, installation(tmp_path), [], AT).content).get_body(("plain",))
    assert automatic is not None
    assert "روشنایی" not in automatic.get_content(), "a machine signs for no unit"


def test_pictures_are_shown_in_the_text_and_other_files_beside_it(tmp_path: Path) -> None:
    files = [
        MimeAttachment("نقشه.png", "image/png", PNG, inline=True),
        MimeAttachment("a.pdf", "application/pdf", b"%PDF"),
    ]
    box = EmailConfig.model_validate({"mailboxes": MAILBOXES}).mailboxes["info"]
    message = read(compose(reply(), box, installation(tmp_path), files, AT).content)
    assert message.get_content_type() == "multipart/mixed"
    page = message.get_body(("html",))
    assert page is not None
    (picture,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert f"cid:{str(picture['Content-ID']).strip('<>')}" in page.get_content()
    assert (picture.get_filename(), picture.get_content_disposition()) == ("نقشه.png", "inline")
    assert [part.get_filename() for part in message.walk() if part.get_content_disposition() == "attachment"] == [
        "a.pdf"
    ]


def test_a_picture_from_the_store_keeps_its_role(tmp_path: Path) -> None:
    key, size = BlobStore(tmp_path / "blobs").put(PNG)
    out = EmailChannel(
        EmailConfig.model_validate({"mailboxes": MAILBOXES, "submit": {"folder": "out"}}), installation(tmp_path)
    )
    out.send(reply(files=(StoredFile(key, size, "a.png", "image/png", "inline"),)))
    message = read((tmp_path / "out" / f"{IDENTITY}.eml").read_bytes())
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
    ]  # fmt: skip


# ---------------------------------------------------------------- pace


def test_a_domain_gets_no_more_than_it_likes_and_each_waits_once() -> None:
    pace = DomainRateLimit({"slow.example": 60, "*": 6000})
    ids = [UUID(int=number) for number in range(6)]
    waits: dict[UUID, float] = {}
    for one in ids:
        try:
            pace.admit(one, "a@Slow.example", 1000.0)
        except Throttled as throttled:
            waits[one] = throttled.retry_after or 0.0
    assert len(waits) == 4, "this one and the next second's"
    assert sorted(waits.values()) == [2.0, 3.0, 4.0, 5.0]
    for one, wait in waits.items():
        pace.admit(one, "a@slow.example", 1000.0 + wait)


def test_other_domains_are_not_held_up() -> None:
    pace = DomainRateLimit({"slow.example": 1})
    pace.admit(UUID(int=1), "a@slow.example", 0)
    with pytest.raises(Throttled):
        pace.admit(UUID(int=2), "b@slow.example", 0)
    for number in range(100):
        pace.admit(UUID(int=number), "c@quick.example", 0)


def test_the_channel_keeps_the_pace(tmp_path: Path) -> None:
    with recording() as server:
        out = channel(tmp_path, server.server_address[1], submit={"pace": {"example.com": 1}})
        out.send(reply())
        with pytest.raises(Throttled):
            out.send(reply())
        out.send(reply(to="ali@example.net"))
        del out
