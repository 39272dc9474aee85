"""What citizens wrote is on the case's page, however their programs wrote it: from the mail to the page."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent_api.conftest import Browser
from tests.casework.installation import file_case, one
from tests.channels.email.installation import MailInstallation
from tests.channels.email.test_pictures import NAMED, PNG, mail
from zrm.agent_api.pages import files
from zrm.casestore.timeline import BEGINNING, WHOLE_BYTES
from zrm.config import Settings
from zrm.contract.inbound import TEXT_LIMIT
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database

SignIn = Callable[[str], Browser]
SHOWN = f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"'


@pytest.fixture
def installation(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> MailInstallation:
    return MailInstallation(database, inbox, blobs, settings, tmp_path)


@pytest.mark.parametrize(
    ("source", "head"),
    [
        ('src="cid:i@p"', 'Content-Type: image/png; name="i.png"\r\nContent-Disposition: attachment; filename="i.png"\r\nContent-ID: <i@p>'),
        ('src="CID:I%40P"', "Content-Type: application/octet-stream\r\nContent-ID: <i@p>"),
        ('src="image001.png"', NAMED),
    ],
)  # fmt: skip
def test_a_mails_own_picture_is_shown_in_its_place_and_listed(
    installation: MailInstallation, sign_in: SignIn, source: str, head: str
) -> None:
    contact = installation.take(mail(source, head).body)
    browser = sign_in("daniel")
    assert SHOWN in browser.get(f"/desk/contacts/{contact}/html").text
    assert ".png" in browser.get(f"/desk/cases/{installation.case_of(contact)}").text


def test_a_page_has_no_more_pictures_than_it_may_hold(
    installation: MailInstallation, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One picture shown a thousand times would be a thousand copies of it."""
    contact = installation.take(mail('src="cid:i@p"', "Content-Type: image/png\r\nContent-ID: <i@p>").body)
    installation.ask("UPDATE contacts SET html = html || html || html WHERE id = %s RETURNING id", contact)
    browser = sign_in("daniel")
    for room, shown in ((3 * len(PNG), 3), (3 * len(PNG) - 1, 2), (len(PNG) - 1, 0)):
        monkeypatch.setattr(files, "_PICTURE_BYTES", room)
        assert browser.get(f"/desk/contacts/{contact}/html").text.count(SHOWN) == shown


def test_a_picture_is_found_by_any_spelling_of_its_id_and_type(installation: MailInstallation, sign_in: SignIn) -> None:
    """The mail may spell the id in the page as it likes, and call the type by an old name."""
    contact = installation.take(mail('src="cid:i@p"', "Content-Type: image/png\r\nContent-ID: <i@p>").body)
    installation.ask(
        "UPDATE contacts SET html = replace(html, 'cid:i@p', 'cid:I%%40P') WHERE id = %s RETURNING id", contact
    )
    installation.ask(
        "UPDATE attachments SET media_type = 'image/x-png' WHERE contact_id = %s RETURNING id",
        contact,
    )
    browser = sign_in("daniel")
    assert SHOWN in browser.get(f"/desk/contacts/{contact}/html").text
    ((file,),) = installation.ask("SELECT id FROM attachments WHERE contact_id = %s", contact)
    assert browser.get(f"/desk/files/{file}").headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("lines", "body", "words"),
    [
        ("Content-Transfer-Encoding: base64;", "2LPZhNin2YUg2obYsdin2Log2K7Ysdin2Kgg2KfYs9iq", "سلام چراغ خراب است"),
        ('Content-Disposition: inline; filename="message.txt"', "The lamp is broken.", "The lamp is broken."),
        ("X-Mailer: x", "\x1b$B%F%9%H\x1b(B", "テスト"),
    ],
)
def test_the_words_of_an_odd_mail_are_on_the_page(
    installation: MailInstallation, sign_in: SignIn, lines: str, body: str, words: str
) -> None:
    head = "   \r\nFrom: C <c@citizen.example\r\nSubject: Lamp\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    contact = installation.take(f"{head}{lines}\r\n\r\n{body}\r\n")
    page = sign_in("daniel").get(f"/desk/cases/{installation.case_of(contact)}").text
    assert f'<p dir="auto">{words}</p>' in page
    assert "c@citizen.example" in page


def test_a_text_of_a_million_letters_is_shown_whole_and_a_longer_one_is_a_file(
    installation: MailInstallation, sign_in: SignIn
) -> None:
    words = "The lamp is dark. " * 16_000 + "This is the last word."
    contact = installation.take(f"From: a@b.example\r\nSubject: long\r\n\r\n{words}\r\n")
    browser = sign_in("daniel")
    assert "This is the last word." in browser.get(f"/desk/cases/{installation.case_of(contact)}").text
    longer = installation.take(f"From: a@b.example\r\nSubject: longer\r\n\r\n{'w' * (TEXT_LIMIT + 1)}\r\n")
    assert installation.labels(longer) == {"cut_short"}
    page = browser.get(f"/desk/cases/{installation.case_of(longer)}").text
    assert "w" * TEXT_LIMIT in page
    (link,) = re.findall(r'href="(/desk/files/[0-9a-f-]+\?save)"', page)
    assert browser.get(link).content == b"w" * (TEXT_LIMIT + 1)


def test_a_page_of_many_long_texts_shows_the_newest_whole_and_leads_to_the_others(
    sign_in: SignIn, database: Database
) -> None:
    case = file_case(database)
    length = WHOLE_BYTES // 3
    with database.cursor() as cursor:
        cursor.execute("UPDATE contacts SET text = 'oldest' WHERE case_id = %s", [case.id])
        for number in range(4):
            cursor.execute(
                "INSERT INTO contacts (id, case_id, direction, channel, account, text, folded_quote, at) VALUES"
                " (gen_random_uuid(), %s, 'in', 'email', 'info', %s, %s, now() + %s * interval '1 second')",
                [case.id, f"begin {number} " + "x" * length + f" end {number}", "> quoted", number],
            )
        first = one(cursor, "SELECT id FROM contacts WHERE case_id = %s AND text LIKE 'begin 0%%'", case.id)
    for login, link in (("daniel", "Read the whole message"), ("maryam", "خواندن متن کامل")):
        browser = sign_in(login)
        page = browser.get(f"/desk/cases/{case.id}").text
        assert len(page) < WHOLE_BYTES + 10 * BEGINNING + 200_000
        assert all(f"begin {number}" in page for number in range(4))
        assert "oldest" in page, "what is short is shown whole"
        assert page.count(link) == 2
        assert ("end 3" in page, "end 0" in page) == (True, False)
        whole = browser.get(f"/desk/contacts/{first}/text")
        assert whole.text == "begin 0 " + "x" * length + " end 0\n> quoted"
        assert whole.headers["content-type"].startswith("text/plain")
    assert sign_in("sara").get(f"/desk/contacts/{first}/text").status_code == 404


def test_lists_read_the_beginning_of_a_text(installation: MailInstallation, sign_in: SignIn) -> None:
    installation.take(f"From: a@b.example\r\nSubject: long\r\n\r\n{'words ' * 150_000}\r\n")
    assert len(sign_in("daniel").get("/desk/queue/unassigned").text) < 100_000
