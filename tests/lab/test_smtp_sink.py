"""The SMTP sink stores real mail and misbehaves as told."""

import smtplib
import ssl
import threading

import pytest

from tests.lab.mailer import Attachment, compose, send
from tests.lab.smtp_sink import Answer, Drop, Hold, SmtpSink

MESSAGE = compose(subject="چراغ خیابان", text="چراغ جلوی خانه خراب است.\n")


def test_persian_mail_with_attachment_arrives_whole(smtp_sink: SmtpSink) -> None:
    picture = Attachment("عکس چراغ.png", "image/png", bytes(range(256)) * 40)
    send(smtp_sink.port, compose(subject="چراغ", text="می‌بینید؟\n", html="<p>می‌بینید؟</p>", attachments=[picture]))
    (mail,) = smtp_sink.wait_for_mail()
    assert (mail.sender, mail.recipients) == ("citizen@example.org", ("hub@example.org",))
    assert (mail.message["Subject"], mail.text.strip()) == ("چراغ", "می‌بینید؟")
    (attached,) = mail.message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (picture.name, picture.content)


def test_starttls_and_login() -> None:
    with SmtpSink(tls=True, login=("hub", "secret")) as sink:
        with smtplib.SMTP("localhost", sink.port, timeout=10) as client:
            client.starttls(context=ssl.create_default_context(cafile=str(sink.certificate)))
            client.login("hub", "secret")
            client.send_message(MESSAGE, "hub@example.org", ["citizen@example.org"])
        (mail,) = sink.wait_for_mail()
        assert (mail.tls, mail.user) == (True, "hub")


def test_login_is_demanded() -> None:
    with SmtpSink(tls=True, login=("hub", "secret")) as sink, pytest.raises(smtplib.SMTPSenderRefused) as refused:
        send(sink.port, MESSAGE, trust=sink.certificate)
    assert refused.value.smtp_code == 530


def test_starttls_is_trusted_only_with_its_certificate() -> None:
    with SmtpSink(tls=True) as sink:
        send(sink.port, MESSAGE, trust=sink.certificate)
        assert sink.wait_for_mail()[0].tls


def test_smtputf8_addresses(smtp_sink: SmtpSink) -> None:
    raw = "From: شهروند@نمونه.ایران\r\nSubject: سلام\r\n\r\nمتن\r\n".encode()
    send(smtp_sink.port, raw, sender="شهروند@نمونه.ایران", smtputf8=True)
    assert smtp_sink.wait_for_mail()[0].sender == "شهروند@نمونه.ایران"


def test_malformed_bytes_arrive_as_they_are(smtp_sink: SmtpSink) -> None:
    raw = b"Subject: \xff\xfe\r\nno colon here\r\n\r\n\x80\x81 body\r\n"
    send(smtp_sink.port, raw)
    assert smtp_sink.wait_for_mail()[0].content == raw


@pytest.mark.parametrize("line", ["451 4.3.0 try later", "554 5.7.1 not wanted"])
def test_refused_message_is_not_kept(smtp_sink: SmtpSink, line: str) -> None:
    smtp_sink.next(Answer(line))
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(smtp_sink.port, MESSAGE)
    assert f"{refused.value.smtp_code} {refused.value.smtp_error.decode()}" == line  # type: ignore[union-attr] # smtplib keeps the server's bytes
    send(smtp_sink.port, MESSAGE)
    assert len(smtp_sink.wait_for_mail()) == 1


def test_one_recipient_refused(smtp_sink: SmtpSink) -> None:
    smtp_sink.refuse("gone@example.org", "550 5.1.1 gone")
    refused = send(smtp_sink.port, MESSAGE, recipients=["gone@example.org", "here@example.org"])
    assert refused == {"gone@example.org": (550, b"5.1.1 gone")}
    assert smtp_sink.wait_for_mail()[0].recipients == ("here@example.org",)


@pytest.mark.parametrize("kept", [True, False])
def test_dropped_after_data_leaves_the_sender_in_doubt(smtp_sink: SmtpSink, kept: bool) -> None:
    smtp_sink.next(Drop(kept))
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(smtp_sink.port, MESSAGE)
    assert len(smtp_sink.mails) == int(kept)


def test_answer_held_until_released(smtp_sink: SmtpSink) -> None:
    hold = Hold()
    smtp_sink.next(hold)
    done = threading.Event()

    def deliver() -> None:
        send(smtp_sink.port, MESSAGE)
        done.set()

    sender = threading.Thread(target=deliver)
    sender.start()
    assert hold.reached.wait(10)
    assert not done.is_set()
    hold.release()
    sender.join(10)
    assert done.is_set()
