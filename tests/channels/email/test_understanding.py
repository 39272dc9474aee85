"""Mail as Outlook and calendars write it, and the replay of everything through the real installation.

Field 2.2 (zammad#1877: one malformed mail stops a mailbox), 2.3 (chatwoot#14590: files dropped), 2.11 (mis-decoded text).
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.corpus import b64, mail, multipart
from tests.channels.email.installation import MailInstallation
from tests.channels.email.replay import mails
from tests.channels.email.test_parse import understand
from tests.channels.email.tnef import properties, winmail
from zrm.channels.email.calendar_part import summary
from zrm.channels.email.identity import external_id
from zrm.channels.email.tnef import Packed, _properties, unpack

PERSIAN = "سلام، چراغ خراب است."
INVITATION = (
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:بازدید از محل\r\nDTSTART:20261123T100000Z\r\nDTEND:20261123T110000Z\r\n"
    "LOCATION:خیابان ولیعصر\r\nORGANIZER:mailto:ali@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def part(media_type: str, data: bytes, name: str = "") -> bytes:
    head = f"Content-Type: {media_type}" + (f'; name="{name}"' if name else "")
    return f"{head}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode() + b64(data)


def test_winmail_is_unpacked_and_kept() -> None:
    packed = winmail(PERSIAN.encode("cp1256"), [(b"lamp.pdf", b"%PDF-1.4 x"), (b"note.txt", b"note")])
    found = understand(multipart("mixed", part("application/ms-tnef", packed, "winmail.dat")))
    assert found.text == PERSIAN
    assert [(file.name, file.media_type, file.role) for file in found.files] == [
        ("winmail.dat", "application/vnd.ms-tnef", "original"),
        ("lamp.pdf", "application/pdf", "attachment"),
        ("note.txt", "application/octet-stream", "attachment"),
    ]
    assert found.files[2].data == b"note"


def test_winmail_in_mapi_properties() -> None:
    packed = winmail(b"", [(b"~1.PDF", b"inside"), (b"b", b"")])
    packed += properties(2, (0x1F, 0x3707, "گزارش.pdf\0".encode("utf-16-le")), (0x0102, 0x3701, b"all of it"))
    packed += properties(1, (0x1E, 0x1000, b"plain\0"), (0x0102, 0x1013, b"<p>page</p>"))
    found = unpack(packed)
    assert found is not None
    assert (found.text, found.html) == ("plain", "<p>page</p>")
    assert found.files == [("~1.PDF", b"inside"), ("گزارش.pdf", b"all of it")]


def test_a_winmail_costs_what_it_holds() -> None:
    """A count of properties is a stranger's word, and a message within is a file: neither is gone on with."""
    lying = properties(1)[:9] + b"\xff\xff\xff\xff" + bytes(40)
    assert unpack(winmail(b"words") + lying) == Packed("words")
    many = struct.pack("<IHHI", 1, 0x1002, 0x3001, 400_000) + bytes(8)  # one property that says it has so many values
    assert len(_properties(many, None)) < 10
    inner = winmail(b"inner")
    for _ in range(300):
        inner = winmail() + _attachment(inner)
    found = unpack(inner)
    assert found is not None
    assert len(found.files) == 1


def _attachment(inner: bytes) -> bytes:
    message = bytes.fromhex("0703020000000000c000000000000046") + inner
    return winmail(files=[(b"a", b"")])[6:] + properties(2, (0x000D, 0x3701, message))


def test_winmails_words_are_not_repeated() -> None:
    packed = winmail(b"the same words")
    found = understand(
        multipart("mixed", "Content-Type: text/plain\n\nthe same words", part("application/ms-tnef", packed))
    )
    assert found.text == "the same words"


def test_a_damaged_winmail_stays_a_file() -> None:
    for cut in (4, 20, 40, 60):
        data = winmail(b"words", [(b"a.txt", b"inside")])[:cut]
        found = understand(
            multipart("mixed", "Content-Type: text/plain\n\nhello", part("application/ms-tnef", data, "winmail.dat"))
        )
        assert found.files[0].name == "winmail.dat"
        assert found.files[0].data == data


@given(st.binary(max_size=300))
def test_no_winmail_breaks_the_reader(data: bytes) -> None:
    unpack(b"\x78\x9f\x3e\x22" + data)
    unpack(winmail(b"words", [(b"a", b"b")])[:40] + data)


def test_signed_and_encrypted_mail_says_so() -> None:
    signed = multipart(
        "signed", "Content-Type: text/plain\n\nwords", part("application/pkcs7-signature", bytes(9), "smime.p7s")
    )
    assert understand(signed).labels == {"signed"}
    assert understand(signed).text == "words"
    opaque = "Content-Type: application/pkcs7-mime; smime-type={}; name=smime.p7m\nContent-Transfer-Encoding: base64"
    assert understand(mail(opaque.format("signed-data"), b64(bytes(9)))).labels == {"signed"}
    assert understand(mail(opaque.format("enveloped-data"), b64(bytes(9)))).labels == {"encrypted"}


def test_an_invitation_is_told_in_a_line() -> None:
    found = understand(
        multipart(
            "alternative",
            "Content-Type: text/plain\n\nCome!",
            part("text/calendar; method=REQUEST; charset=utf-8", INVITATION.encode()),
        )
    )
    line = "request · بازدید از محل · 2026-11-23 10:00 UTC – 2026-11-23 11:00 UTC · خیابان ولیعصر · ali@example.com"
    assert found.text == f"Come!\n\n{line}"
    assert found.labels == {"calendar"}
    assert found.files[0].data == INVITATION.encode()


ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:{zone}\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nRRULE:FREQ={freq}\r\n"
    "TZOFFSETFROM:+0330\r\nTZOFFSETTO:+0430\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
)


@pytest.mark.parametrize("freq", ["YEARLY", "SECONDLY", "SECONDLY;COUNT=999999999", "SECONDLY;BYSECOND=61", "", "X"])
@pytest.mark.parametrize("zone", ["Own zone", "Asia/Tehran", "Iran Standard Time"])
def test_a_time_is_told_as_written_and_no_rule_of_its_zone_is_followed(freq: str, zone: str) -> None:
    """The rules of old made each second of four centuries, for the next mail that named the zone as well."""
    entry = INVITATION.replace("DTSTART:20261123T100000Z", f"DTSTART;TZID={zone}:20261123T100000").replace(
        "DTEND:20261123T110000Z\r\n", ""
    )
    for data in (entry.replace("BEGIN:VEVENT", ZONE.format(freq=freq, zone=zone) + "BEGIN:VEVENT", 1), entry):
        told = summary(data.encode())
        assert told == f"request · بازدید از محل · 2026-11-23 10:00 {zone} · خیابان ولیعصر · ali@example.com"


def test_what_lies_in_an_event_is_not_the_event() -> None:
    alarm = "BEGIN:VALARM\r\nSUMMARY:alarm\r\nDTEND:20270101T000000\r\nEND:VALARM\r\nDTSTART;VALUE=DATE:20261201\r\nRRULE:FREQ=SECONDLY"
    entry = (
        f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{alarm}\r\nno line\r\nSUMMARY:a\r\n  long one\\, folded\r\nEND:VEVENT\r\n"
    )
    assert summary(entry.encode()) == "a long one, folded · 2026-12-01"
    assert summary((entry * 3000).encode()) == "", "too large"
    assert summary((entry * 500).encode()).count("\n") == 19


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: INVITATION.replace("20261123T100000Z", text).encode("utf-8", "replace")),
    )
)
def test_no_calendar_breaks_the_reader(data: bytes) -> None:
    assert "\x00" not in summary(data)


def test_a_replay_of_everything_loses_nothing(mail_installation: MailInstallation) -> None:
    """At least five hundred varied mails through T1 and T2: all accounted for, none of them too much for the parser."""
    all_mails = list(mails())
    assert len(all_mails) >= 600
    sent = {
        name: mail_installation.receive(body, mail_from=None if "robot" in name else "ali@example.com")
        for name, body in all_mails
    }
    different = {external_id("info", body) for _, body in all_mails}
    assert len(set(sent.values())) == len(different)
    mail_installation.file()
    for _ in range(8):  # reports of nothing of ours wait for a delivery to turn up, then give up
        # A bounce of nothing of ours waits a while: let it pass.
        aged = "UPDATE raw_contacts SET received_at = received_at - interval '5 minutes' WHERE state = 'waiting' RETURNING id"
        mail_installation.ask(aged)
        mail_installation.ask("UPDATE outbox SET due_at = now() WHERE topic = 'file' RETURNING id")
        mail_installation.file()
    rows = mail_installation.ask("SELECT state, count(*) FROM raw_contacts GROUP BY 1")
    states = {str(state): int(str(count)) for state, count in rows}
    assert sum(states.values()) == len(different)
    assert "waiting" not in states
    assert mail_installation.holds()
    reasons = {
        str(reason)
        for (reason,) in mail_installation.ask(
            "SELECT DISTINCT reason_code FROM raw_contacts WHERE state = 'quarantined'"
        )
    }
    assert reasons <= {"email.empty"}
    ((contacts,),) = mail_installation.ask("SELECT count(*) FROM contacts WHERE direction = 'in'")
    ((reports,),) = mail_installation.ask(
        "SELECT count(*) FROM raw_contacts r WHERE state = 'joined' AND NOT EXISTS (SELECT FROM contacts c WHERE c.id = r.id)"
    )
    assert reports == 0, "no notification here is about mail of ours"
    filed = states.get("filed", 0) + states.get("joined", 0)
    assert contacts == filed, "whatever is filed or joined is to be seen in a case"
    whole = [contact for name, contact in sent.items() if not name.startswith("damaged")]
    found = "SELECT count(*) FROM contacts WHERE id = ANY(%s) AND text LIKE %s"
    for mojibake in ("%Ø³Ù%", "%ÓáÇã%", "%ãÑÍÈÇ%"):
        assert mail_installation.ask(found, whole, mojibake) == [(0,)], "no Persian and no Arabic is read as Latin"
    ((asked,),) = mail_installation.ask("SELECT count(*) FROM raw_contacts WHERE reason_code = 'filing.self_service'")
    assert int(str(asked)) > 10, "answered without a person; the others of that kind are messages"
    assert int(str(mail_installation.ask(found, whole, "%خراب است%")[0][0])) > 20
