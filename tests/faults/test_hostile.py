"""Bad input through the real doors, all at once, among good neighbours.

Each is answered in the door's own dialect, kept or refused where people see it, never a 500; no neighbour is lost.
"""

from __future__ import annotations

import io
import smtplib
import socket
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx
import pytest

from tests.channels.email import corpus
from tests.channels.fax.faxes import claims, fax, tiff
from tests.faults.conftest import QUICK, Opening, SmallInstallation, open_installation
from tests.faults.reckoning import heal, hold_to_truth, load, wait_for
from tests.journeys.hub import Hub
from tests.lab.mailer import Attachment, compose, send
from tests.lab.process import LOOPBACK, wait_until

MEGABYTE = 1 << 20
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Door:
    """The doors as a hostile stranger reaches them; every method gives the answer's status."""

    installation: SmallInstallation
    web: httpx.Client

    def mail(self, content: bytes, sender: str = "bad@example.org") -> int:
        """The code after DATA, or of the refusal before it."""
        hub = self.installation.hub
        try:
            assert send(hub.smtp_port, content, sender=sender, recipients=[hub.mailbox]) == {}
        except smtplib.SMTPResponseException as refusal:
            return int(refusal.smtp_code)
        return 250

    def smtp(self, *lines: bytes) -> int:
        """Say these raw pieces one after the other, then leave; the last code heard."""
        return _last_code(_talk(self.installation.hub.smtp_port, *lines))

    def agi(self, *pieces: bytes) -> int:
        """Say these raw pieces to the telephone's door and leave. 0: there is nothing to answer to."""
        _talk(self.installation.hub.agi_port, *pieces)
        return 0

    def raw_http(self, *pieces: bytes) -> int:
        answer = _talk(self.installation.hub.web_port, *pieces)
        return int(answer.split(b" ", 2)[1]) if answer else 0

    def post(self, path: str, content: bytes = b"", headers: dict[str, str] | None = None) -> int:
        return self.web.post(path, content=content, headers=headers or {}).status_code

    def get(self, path: str, **cookies: str) -> int:
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return self.web.get(path, headers={"Cookie": cookie}).status_code

    def json(self, content: bytes, key: str = "k") -> int:
        return self.post("/api/contacts", content, {**JSON, "Idempotency-Key": key})

    def form(self, form_id: str | None = None, **fields: str) -> int:
        """The form "raise a matter", with an identity of its own unless one is given."""
        page = self.web.get("/new").text
        own = page.split('name="form_id" value="', 1)[1].split('"', 1)[0]
        values = {"form_id": own if form_id is None else form_id, "nature": "complaint", "text": "x", **fields}
        return self.sent({name: (None, value) for name, value in values.items()})

    def sent(self, parts: dict[str, tuple[str | None, str | bytes]]) -> int:
        """The form's parts posted; 400 stands for being led back to the form."""
        answer = self.web.post("/new", files=parts)
        return 400 if "form=" in answer.headers.get("location", "") else answer.status_code

    def text(self, content: bytes, *, signed: bool = True, kind: str = "sms", token: str = "") -> int:
        """A webhook with this form, signed as Twilio does (by another token if one is given)."""
        hub, twilio = self.installation.hub, self.installation.twilio
        url = f"{hub.web}/hooks/twilio/{kind}/{hub.sms_number}"
        fields = dict(httpx.QueryParams(content.decode("latin-1")))
        headers = dict(FORM)
        if signed:
            honest, twilio.token = twilio.token, token or twilio.token
            headers["X-Twilio-Signature"] = twilio.signature(url, fields)
            twilio.token = honest
        return self.post(url, content, headers)

    def fax(self, content: bytes | None, *, token: str | None = None, call: str = "bad") -> int:
        hub = self.installation.hub
        fields = {"source": "hylafax", "call": call, "caller": "+982188881111", "status": "SUCCESS", "pages": "1"}
        files = {"file": ("a.tif", content, "image/tiff")} if content is not None else None
        headers = {} if token == "" else {"Authorization": f"Bearer {token or hub.fax_token}"}
        return self.web.post("/hooks/fax", data=fields, files=files, headers=headers).status_code


def _talk(port: int, *pieces: bytes) -> bytes:
    heard = b""
    with socket.create_connection((LOOPBACK, port), 30) as connection:
        connection.settimeout(2)
        for piece in pieces:
            try:
                connection.sendall(piece)
                while part := connection.recv(65536):
                    heard += part
            except TimeoutError:
                continue
            except OSError:
                break
    return heard


def _last_code(heard: bytes) -> int:
    lines = heard.splitlines()
    return int(lines[-1][:3]) if lines else 0


def _zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (64 * MEGABYTE))
    return packed.getvalue()


def _mail(**parts: object) -> bytes:
    given: dict[str, object] = {"subject": "x", "text": "x", "sender": "bad@example.org", **parts}
    return compose(**given).as_bytes()  # type: ignore[arg-type]  # named as compose names them


def _mailed(mail: corpus.Mail) -> Callable[[Door], int]:
    return lambda door: door.mail(mail.body, mail.mail_from)


SCRIPTS = '<script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)><a href="javascript:x">x</a>'
HELLO = b"EHLO x\r\nMAIL FROM:<bad@example.org>\r\nRCPT TO:<info@zrm.test>\r\nDATA\r\n"
SMS = urlencode({"MessageSid": "SM" + "0" * 32, "From": "+989120001111", "To": "3000123", "Body": "x"}).encode()

# It made the zone's rule for each second since 1601, for five minutes; nobody else's contact was filed meanwhile.
RULE = "DTSTART:16010101T000000\r\nRRULE:FREQ=SECONDLY\r\nTZOFFSETFROM:+0330\r\nTZOFFSETTO:+0430\r\n"
ZONE = (
    "From: bad@example.org\r\nSubject: invitation\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n"
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//\r\nBEGIN:VTIMEZONE\r\nTZID:Own zone\r\n"
    f"BEGIN:STANDARD\r\n{RULE}END:STANDARD\r\nBEGIN:DAYLIGHT\r\n{RULE}END:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
    "BEGIN:VEVENT\r\nUID:one@example.org\r\nDTSTART;TZID=Own zone:20261127T100000\r\nSUMMARY:meeting\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n"
).encode()

# What is done, and the answers that are honest. 250, 2xx: kept, and seen later in a case or in quarantine.
HOSTILE: dict[str, tuple[Callable[[Door], int], set[int]]] = {
    # ---- e-mail
    **{f"mail: {name}": (_mailed(mail), {250}) for name, mail in corpus.PAYLOADS.items()},
    "mail: nothing at all": (lambda door: door.mail(b""), {250}),
    "mail: 45 MB": (lambda door: door.mail(b"From: a@example.org\r\n\r\n" + b"x" * 70 * 20 + b"\r\n" + b"line\r\n" * (45 * MEGABYTE // 6)), {250}),
    "mail: over the limit": (lambda door: door.mail(b"Subject: x\r\n\r\n" + b"line\r\n" * (53 * MEGABYTE // 6)), {552}),
    "mail: a zip bomb": (lambda door: door.mail(_mail(attachments=[Attachment("a.zip", "application/zip", _zip_bomb())])), {250}),
    "mail: scripts": (lambda door: door.mail(_mail(html=SCRIPTS)), {250}),
    "mail: a header in the subject": (lambda door: door.mail(b"From: bad@example.org\r\nSubject: =?utf-8?q?x=0D=0ABcc:_victim@example.org?=\r\n\r\nx"), {250}),
    "mail: somebody's token": (lambda door: door.mail(b"From: bad@example.org\r\nTo: info+aaaaaaaaaaaaaaaa@zrm.test\r\nSubject: [abcdefghijkmnpqr]\r\n\r\nx"), {250}),
    "mail: a zone with a rule for each second": (lambda door: door.mail(ZONE), {250}),
    "mail: very deep": (lambda door: door.mail(_mail(html="<main>" * 83_000)), {250}),
    "mail: scripts without an end": (lambda door: door.mail(_mail(html="<script>" * 126_000)), {250}),
    "mail: attributes without an end": (lambda door: door.mail(_mail(html="<p " + "".join(f"a{n}=1 " for n in range(60_000)))), {250}),
    "smtp: a message cut in half": (lambda door: door.smtp(HELLO, b"Subject: x\r\n\r\nhalf a"), {354}),
    "smtp: a smuggled end": (lambda door: door.smtp(HELLO, b"Subject: x\r\n\r\nx\n.\nMAIL FROM:<boss@zrm.test>\r\n", b"\r\n.\r\n"), {250}),
    "smtp: rubbish": (lambda door: door.smtp(b"\x00\xff\x16\x03\x01" * 300 + b"\r\n"), {500}),
    "smtp: an endless line": (lambda door: door.smtp(b"EHLO " + b"x" * 100_000), {500, 421, 220, 501}),
    "smtp: a recipient with a line in it": (lambda door: door.smtp(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<info@zrm.test\rBcc: x>\r\n"), {501, 550, 553}),
    # ---- web
    "form: forged identity": (lambda door: door.form("0" * 32 + ".forged"), {400}),
    "form: no identity": (lambda door: door.form(""), {400}),
    "form: no text": (lambda door: door.form(text=""), {400}),
    "form: a header in the address": (lambda door: door.form(email="a@example.org\r\nBcc: victim@example.org"), {400}),
    "form: scripts": (lambda door: door.form(text=SCRIPTS, name=SCRIPTS), {200, 303}),
    "form: control characters": (lambda door: door.form(text="a\x00b\x1b[31m\u202e\ud83d"[:-1] + "c"), {200, 303}),
    "form: nothing at all": (lambda door: door.post("/new", b"", FORM), {400, 415}),
    "form: no boundary": (lambda door: door.post("/new", b"x", {"Content-Type": "multipart/form-data"}), {400, 415}),
    "form: cut in half": (lambda door: door.post("/new", b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nhalf', {"Content-Type": "multipart/form-data; boundary=b"}), {400}),
    "form: an unknown charset": (lambda door: door.post("/new", b"text=x", {"Content-Type": "application/x-www-form-urlencoded; charset=x-none"}), {303, 400, 415}),
    "form: over the limit": (lambda door: door.sent({"files": ("a.bin", b"x" * 51 * MEGABYTE)}), {400, 413}),
    "form: a forged file": (lambda door: door.form(kept="WyJhIl0.forged"), {200, 303}),
    "json: not JSON": (lambda door: door.json(b"{"), {400}),
    "json: nothing": (lambda door: door.json(b""), {400}),
    "json: a list": (lambda door: door.json(b"[]"), {400, 422}),
    "json: deep": (lambda door: door.json(b"[" * 100_000), {400, 413, 422}),
    "json: half a surrogate": (lambda door: door.json(b'{"text": "\\ud800"}', "s"), {400, 422, 201}),
    "json: latin-1": (lambda door: door.json('{"text": "é"}'.encode("latin-1")), {400}),
    "json: an unknown field": (lambda door: door.json(b'{"text": "x", "priority": 1}'), {422}),
    "json: too long": (lambda door: door.json(b'{"text": "' + b"x" * MEGABYTE + b'"}'), {413, 422}),
    "json: no key": (lambda door: door.post("/api/contacts", b'{"text": "x"}', JSON), {400}),
    "proof: forged": (lambda door: door.get("/proof/" + "A" * 32), {200, 404}),
    "proof: with a NUL": (lambda door: door.get("/proof/%00%ff"), {200, 404}),
    "track: rubbish": (lambda door: door.post("/track", b"code=%00%ff%f0", FORM), {303, 400, 404}),
    "track: a forged pass": (lambda door: door.get("/case", zrm_pass="WyJhIl0.forged", zrm_receipt="x"), {200, 303, 307, 404}),
    "desk: a forged session": (lambda door: door.get("/desk", zrm_session="forged"), {200, 303, 401}),
    "desk: a step without a session": (lambda door: door.post("/desk/cases/00000000-0000-0000-0000-000000000000/claim", b"version=1", FORM), {303, 401, 403}),
    "desk: a forged sign-in": (lambda door: door.post("/desk/sign-in", b"login=maryam&password=x&token=forged&csrf_token=forged", FORM), {303, 400, 401, 403}),
    "desk: no such page": (lambda door: door.get("/desk/cases/%00"), {303, 400, 401, 404, 422}),
    "http: a path of digits": (lambda door: door.get("/proof/" + "1" * 60_000), {200, 404}),
    "http: rubbish": (lambda door: door.raw_http(b"\x16\x03\x01\x02\x00\xff" * 100 + b"\r\n\r\n"), {0, 400}),
    "http: a request cut in half": (lambda door: door.raw_http(b"POST /new HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nhalf"), {0, 400, 415}),
    "http: two lengths": (lambda door: door.raw_http(b"POST /new HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nx"), {0, 400}),
    "http: endless headers": (lambda door: door.raw_http(b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000), {0, 400, 431}),
    # ---- SMS
    "sms: unsigned": (lambda door: door.text(SMS, signed=False), {403}),
    "sms: signed by another": (lambda door: door.text(SMS, token="another-token"), {403}),
    "sms: nothing at all": (lambda door: door.text(b""), {400}),
    "sms: no id": (lambda door: door.text(b"Body=x"), {400}),
    "sms: broken escapes": (lambda door: door.text(b"MessageSid=%zz&Body=%ff%fe", signed=False), {400, 403}),
    "sms: too large": (lambda door: door.text(SMS + b"x" * 200_000, signed=False), {413}),
    "sms: another type": (lambda door: door.post(f"/hooks/twilio/sms/{door.installation.hub.sms_number}", b"{}", JSON), {415}),
    "sms: another number": (lambda door: door.post("/hooks/twilio/sms/999", SMS, FORM), {403}),
    "sms: a report about nothing of ours": (lambda door: door.text(b"MessageSid=SM1234567890&MessageStatus=delivered", kind="status"), {200}),
    # ---- fax
    "fax: no secret": (lambda door: door.fax(fax(1), token=""), {401}),
    "fax: a wrong secret": (lambda door: door.fax(fax(1), token="guessed"), {401}),
    "fax: nothing in the file": (lambda door: door.fax(b"", call="empty"), {200, 400}),
    "fax: not a TIFF": (lambda door: door.fax(b"%PDF-1.7 this is something else", call="pdf"), {200}),
    "fax: pages as large as a town": (lambda door: door.fax(tiff(claims(60_000, 60_000)), call="town"), {200}),
    "fax: strips beyond its end": (lambda door: door.fax(tiff(claims(offset=1 << 30, count=1 << 30)), call="beyond"), {200}),
    "fax: a circle of pages": (lambda door: door.fax(tiff(claims(), following=8), call="circle"), {200}),
    "fax: cut in half": (lambda door: door.fax(fax(2)[:900], call="half"), {200}),
    "fax: over the limit": (lambda door: door.fax(b"II*\0" + b"\0" * 60 * MEGABYTE, call="big"), {413}),
    "fax: not a form": (lambda door: door.post("/hooks/fax", b"x", {"Authorization": f"Bearer {door.installation.hub.fax_token}"}), {400}),
    # ---- telephone
    "agi: half a line": (lambda door: door.agi(b"agi_netw"), {0}),
    "agi: half a hello": (lambda door: door.agi(b"agi_network: yes\nagi_uniqueid: 1.1\n"), {0}),
    "agi: an answer cut in half": (lambda door: door.agi(b"agi_network: yes\nagi_uniqueid: 1.2\nagi_callerid: 1\n\n", b"200 resu"), {0}),
    "agi: rubbish": (lambda door: door.agi(b"\x00\xff\xfe" * 5000 + b"\n\n"), {0}),
    "agi: an endless line": (lambda door: door.agi(b"agi_network: " + b"y" * MEGABYTE), {0}),
    "agi: endless lines": (lambda door: door.agi(b"agi_x: y\n" * 100_000), {0}),
    "agi: nothing": (lambda door: door.agi(), {0}),
}  # fmt: skip


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """One that does not wait two minutes for the message behind a report about nothing of ours."""
    dispatch = {**QUICK["dispatch"], "report_wait": 3}
    return lambda: open_installation(tmp_path_factory.mktemp("installation"), {**QUICK, "dispatch": dispatch})


@pytest.fixture
def door(installation: SmallInstallation) -> Iterator[Door]:
    with httpx.Client(base_url=installation.hub.web, timeout=120, trust_env=False) as client:
        yield Door(installation, client)


def pages_are_harmless(hub: Hub) -> None:
    """An agent can open every case and quarantine, and nothing a citizen wrote is a script there."""
    with httpx.Client(base_url=hub.web, timeout=60, trust_env=False) as client:
        hub.sign_in(client, "daniel")
        paths = [f"/desk/cases/{row[0]}" for row in hub.ask("SELECT id FROM cases ORDER BY id")]
        for path in [*paths, "/desk/quarantine", "/desk/failed-deliveries", "/desk/ledger"]:
            page = client.get(path)
            assert page.status_code == 200, path
            assert "alert(1)</script>" not in page.text
            assert "onerror=alert" not in page.text.replace("&lt;img src=x onerror=alert", "")


def test_everything_at_once_among_good_neighbours(installation: SmallInstallation, door: Door) -> None:
    hub = installation.hub
    pids = hub.pids
    with load(installation, rate=8, seed=30) as senders:
        wait_for(senders, 5)
        with ThreadPoolExecutor(6) as pool:
            answers = dict(zip(HOSTILE, pool.map(lambda deed: deed[0](door), HOSTILE.values()), strict=True))
        wait_for(senders, 5)
        tally = senders.finish(stop=True)
    astray = {name: (answer, HOSTILE[name][1]) for name, answer in answers.items() if answer not in HOSTILE[name][1]}
    assert astray == {}
    # Faxes that cannot be drawn are shown as failed tasks; everything else comes to its end.
    open_tasks = "SELECT topic, ref, error FROM outbox WHERE failed_at IS NULL"
    wait_until(lambda: hub.ask(open_tasks) == [], "everything to be filed", 180)
    undrawn = hub.ask("DELETE FROM outbox WHERE failed_at IS NOT NULL RETURNING topic, reason_code")
    assert {topic for topic, _ in undrawn} <= {"render"}
    heal(hub)
    known = {reference for references in tally.acknowledged.values() for reference in references}
    filed = hub.ask("SELECT code, external_id FROM receipts JOIN contacts ON contacts.id = contact_id")
    assert known <= {str(value) for row in filed for value in row}, "a neighbour was not filed"
    hold_to_truth(hub, sink=installation.sink)
    assert hub.pids == pids, "nobody fell over"
    refused = dict(hub.ask("SELECT channel, count(*) FROM refusals GROUP BY 1"))
    assert refused["sms"] >= 3
    assert refused["fax"] >= 2
    assert hub.ask("SELECT text FROM contacts WHERE title = 'invitation'") == [("meeting · 2026-11-27 10:00 Own zone",)]
    assert hub.ask("SELECT DISTINCT html FROM contacts WHERE html ~* '<script|onerror|onload|javascript:'") == []
    assert not [
        mail for mail in installation.sink.mails if "victim@example.org" in mail.recipients or "Bcc" in mail.message
    ]
    pages_are_harmless(hub)


def test_a_form_posted_twice_is_one_matter(installation: SmallInstallation, door: Door) -> None:
    page = door.web.get("/new").text
    form_id = page.split('name="form_id" value="', 1)[1].split('"', 1)[0]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: door.form(form_id, text="a form posted twice"), range(2)))
    assert set(answers) <= {200, 303}
    heal(installation.hub)
    assert installation.hub.ask("SELECT count(*) FROM contacts WHERE text = 'a form posted twice'") == [(1,)]
