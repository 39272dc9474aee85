"""Raising a matter over HTTP: what is kept, what is shown, what is refused."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.channels.web.portal import CONFIG, Portal, all_hidden, came_back, filled, hidden, running
from zrm.channels.web.signed_tokens import Seals
from zrm.contract.files import StoredFile
from zrm.contract.inbound import Inbound


@pytest.fixture
def portal() -> Iterator[Portal]:
    """A running portal of this test's own."""
    with running() as portal:
        yield portal


def opened(client: httpx.Client) -> str:
    """The form's identity, after the page was opened."""
    return hidden(client.get("/new").text, "form_id")


def test_the_first_page_names_the_installation_and_the_ways_to_reach_it(portal: Portal) -> None:
    page = portal.citizen("en").get("/").text
    for words in (
        "Sample City",
        'href="/new"',
        'href="/track"',
        "3000137",
        "021 137",
        "info@sample.example",
        'lang="en"',
    ):
        assert words in page
    persian = portal.citizen("fa").get("/").text
    for words in ("شهرداری نمونه", "۳۰۰۰۱۳۷", 'dir="rtl"', "پیگیری پرونده"):
        assert words in persian


@pytest.mark.parametrize("language", ["fa", "en"])
def test_the_first_page_promises_what_each_open_door_keeps_and_no_more(portal: Portal, language: str) -> None:
    both, code_only, neither = {
        "en": (
            "and our answer comes the same way",
            "our answer appears with it on this site",
            "neither a code nor an answer",
        ),
        "fa": ("پاسخ ما از همین راه می‌رسد", "پاسخ را با آن در همین سامانه می‌بینید", "نمی‌توانیم کد یا پاسخ بفرستیم"),
    }[language]
    client = portal.citizen(language)
    page = client.get("/").text
    assert (page.count(both), page.count(code_only), page.count(neither)) == (2, 1, 1)
    portal.desk.open_doors = ()
    closed = client.get("/").text
    assert 'href="tel:021137"' in closed, "people answer it"
    for gone in ("sms:", "mailto:", "8888", both, code_only, neither):
        assert gone not in closed


def test_a_receipt_promises_an_answer_only_where_we_can_write(portal: Portal) -> None:
    client = portal.citizen()
    for doors, phone, promised in (
        (portal.desk.open_doors, "0912 345 6789", True),
        (portal.desk.open_doors[1:], "0912 345 6789", False),
        (portal.desk.open_doors, "", False),
    ):
        portal.desk.open_doors = doors
        client.post("/new", data=filled(opened(client), phone=phone))
        page = client.get("/receipt").text
        assert ("We answer you" in page, "You gave no telephone" in page) == (promised, not phone)


def test_the_natures_of_the_store_are_what_there_is_to_choose(portal: Portal) -> None:
    page = portal.citizen().get("/new?lang=en").text
    assert re.findall(r'name="nature" value="(\w+)"', page) == ["complaint", "request", "report", "praise"]
    assert "Something is broken, dangerous or in the way" in page
    assert "<span>Praise</span>" in page  # one of its own, whose meaning nobody has written down
    client = portal.citizen()
    client.post("/new", data=filled(opened(client)) | {"nature": "suggestion"})
    assert portal.desk.raws == []
    client.post("/new", data=filled(opened(client)) | {"nature": "praise"})
    assert [json.loads(raw.body)["nature"] for raw in portal.desk.raws] == ["praise"]


def test_a_sent_form_is_durable_and_answers_with_a_redirect_to_the_receipt(portal: Portal) -> None:
    client = portal.citizen()
    files = {"files": ("photo.jpg", b"\xff\xd8 picture", "image/jpeg")}
    answer = client.post("/new", data=filled(opened(client), name="Mary", phone="0912 345 6789"), files=files)
    assert (answer.status_code, answer.headers["location"]) == (303, "/receipt")
    (raw,) = portal.desk.raws
    assert json.loads(raw.body) == {
        "nature": "complaint", "text": "The lamp is broken.", "name": "Mary", "phone": "0912 345 6789", "language": "en",
    }  # fmt: skip
    assert (raw.channel, raw.account, len(raw.trace)) == ("web", "portal", 16)
    assert [(file.name, file.media_type, portal.desk.blobs[file.key]) for file in raw.files] == [
        ("photo.jpg", "image/jpeg", b"\xff\xd8 picture")
    ]
    receipt = client.get("/receipt")
    assert "9100-0000-0000" in receipt.text
    assert "0912 345 6789" in receipt.text
    persian = client.get("/receipt?lang=fa").text
    assert "۹۱۰۰-۰۰۰۰-۰۰۰۰" in persian
    assert "۰۹۱۲ ۳۴۵ ۶۷۸۹" in persian
    (inbound,) = portal.channel.parse(raw)
    assert isinstance(inbound, Inbound)


def test_an_urlencoded_form_works_as_well(portal: Portal) -> None:
    client = portal.citizen()
    assert client.post("/new", data=filled(opened(client))).status_code == 303
    assert len(portal.desk.raws) == 1


def test_the_code_is_in_no_address_and_the_page_is_stored_nowhere(portal: Portal) -> None:
    client = portal.citizen()
    answer = client.post("/new", data=filled(opened(client)))
    cookie = answer.headers["set-cookie"]
    assert "910000000000" not in answer.headers["location"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/receipt" in cookie
    assert answer.headers["cache-control"] == "no-store"


def test_a_browser_without_cookies_gets_the_code_at_once(portal: Portal) -> None:
    form_id = opened(portal.citizen())
    answer = portal.citizen().post("/new", data=filled(form_id))
    assert answer.status_code == 200
    assert "9100-0000-0000" in answer.text


def test_a_form_sent_five_times_is_one_contact_with_one_code(portal: Portal) -> None:
    client = portal.citizen()
    form = filled(opened(client))
    for _ in range(5):
        client.post("/new", data=form, files={"files": ("a.txt", b"same", "text/plain")})
    assert len(portal.desk.raws) == 1
    assert "9100-0000-0000" in client.get("/receipt").text


def test_a_form_called_back_and_changed_is_another_contact(portal: Portal) -> None:
    client = portal.citizen()
    form_id = opened(client)
    client.post("/new", data=filled(form_id))
    client.post("/new", data=filled(form_id, text="Another lamp is broken too."))
    assert len(portal.desk.raws) == 2


def test_two_openings_of_the_form_are_two_contacts_even_with_the_same_words(portal: Portal) -> None:
    client = portal.citizen()
    client.post("/new", data=filled(opened(client)))
    client.post("/new", data=filled(opened(client)))
    assert len(portal.desk.raws) == 2


def test_a_forged_form_identity_is_not_taken_and_nothing_typed_is_lost(portal: Portal) -> None:
    client = portal.citizen()
    answer = client.post("/new", data=filled("0" * 32 + ".forged"))
    assert answer.status_code == 400
    assert "The lamp is broken." in answer.text
    assert portal.desk.raws == []
    again = client.post("/new", data=filled(hidden(answer.text, "form_id")))
    assert again.status_code == 303


def test_whoever_has_not_opened_the_form_fills_no_disk(portal: Portal) -> None:
    client, before = portal.citizen(), dict(portal.desk.blobs)
    for path in ("/new", "/track/message"):
        client.post(path, data=filled("0" * 32 + ".forged"), files={"files": ("a.txt", b"from a machine")})
    assert portal.desk.blobs == before
    answer = portal.citizen().post(
        "/new", data=filled("0" * 32 + ".forged"), files={"files": ("a.txt", b"from a machine")}
    )
    assert "Please choose the files again" in answer.text


def test_a_kept_file_that_is_gone_is_named_and_the_contact_waits_for_it(portal: Portal) -> None:
    client = portal.citizen()
    form = filled(opened(client), text="")
    page = came_back(client, "/new", data=form, files={"files": ("map.txt", b"gone tomorrow")}).text
    kept, contacts = hidden(page, "kept"), len(portal.desk.raws)
    portal.desk.blobs.clear()
    page = came_back(client, "/new", data={**form, "text": "The lamp is broken.", "kept": kept}).text
    assert "“map.txt” is not kept here any more" in page
    assert all_hidden(page, "kept") == []
    assert len(portal.desk.raws) == contacts
    assert client.post("/new", data={**form, "text": "The lamp is broken."}).status_code == 303
    assert len(portal.desk.raws) == contacts + 1


def test_errors_link_to_their_fields_and_keep_what_was_typed(portal: Portal) -> None:
    client = portal.citizen()
    bad = {"form_id": opened(client), "name": "Mary", "phone": "12", "email": "nobody", "subject": "gone", "text": " "}
    answer = came_back(client, "/new", data=bad)
    for field in ("nature", "subject", "text", "phone", "email"):
        assert f'href="#f-{field}"' in answer.text
        assert f'id="f-{field}"' in answer.text
    assert 'value="Mary"' in answer.text
    assert 'value="nobody"' in answer.text
    assert "<title>Error:" in answer.text


@pytest.mark.parametrize(
    "phone", ["۰۹۱۲۳۴۵۶۷۸۹", "٠٩١٢ ٣٤٥ ٦٧٨٩", "+98 912 345 6789", "(021) 8888-1370", "+44 20 7946 0958"]
)
def test_telephone_numbers_in_any_digits_and_spacing_are_taken(portal: Portal, phone: str) -> None:
    client = portal.citizen()
    assert client.post("/new", data=filled(opened(client), phone=phone)).status_code == 303
    assert json.loads(portal.desk.raws[0].body)["phone"] == phone


@pytest.mark.parametrize(
    ("language", "phone", "words"),
    [
        ("en", "0912 345 678", "This number has one digit too few"),
        ("fa", "۰۹۱۲ ۳۴۵ ۶۷۸", "این شماره یک رقم کم دارد"),
        ("en", "0912 345 678 901", "This number has 2 digits too many"),
        ("fa", "0912345678901", "این شماره ۲ رقم اضافه دارد"),
        ("en", "8888 1370", "The area code is missing"),
        ("fa", "88881370", "پیش‌شمارهٔ شهر نوشته نشده است"),
        ("en", "0000 000 0000", "We know no telephone numbers that begin like this"),
    ],
)
def test_a_number_that_looks_wrong_is_asked_about_and_taken_when_the_citizen_insists(
    portal: Portal, language: str, phone: str, words: str
) -> None:
    client = portal.citizen(language)
    form = filled(opened(client), phone=phone)
    page = client.post("/new", data=form, follow_redirects=True).text
    assert words in page
    found = re.search(r'name="phone_as_is" value="(\d+)"', page)
    assert found
    insisted = {**form, "phone_as_is": found[1]}
    assert portal.desk.raws == []
    assert client.post("/new", data=insisted).headers["location"] == "/receipt"
    assert json.loads(portal.desk.raws[0].body)["phone"] == phone


def test_what_is_no_number_cannot_be_insisted_on_and_another_number_is_asked_about_anew(portal: Portal) -> None:
    client = portal.citizen()
    form = filled(opened(client))
    for phone, as_is in (("call me", "12"), ("0912 345 67", "0912345678")):
        page = client.post("/new", data={**form, "phone": phone, "phone_as_is": as_is}, follow_redirects=True).text
        assert 'href="#f-phone"' in page
    assert portal.desk.raws == []


def test_files_survive_an_error_elsewhere_without_being_sent_again(portal: Portal) -> None:
    client = portal.citizen()
    bad = {"form_id": opened(client), "nature": "report", "text": ""}
    page = came_back(client, "/new", data=bad, files={"files": ("plan.pdf", b"%PDF-1", "application/pdf")}).text
    assert "plan.pdf" in page
    good = {**filled(hidden(page, "form_id")), "kept": hidden(page, "kept")}
    assert client.post("/new", data=good).status_code == 303
    assert [file.name for file in portal.desk.raws[0].files] == ["plan.pdf"]


def test_an_attached_file_can_be_taken_out_again(portal: Portal) -> None:
    client = portal.citizen()
    form = filled(opened(client))
    page = came_back(
        client, "/new", data={**form, "attach": "yes"}, files=[("files", ("a.txt", b"a")), ("files", ("b.txt", b"b"))]
    ).text
    first, second = all_hidden(page, "kept")
    client.post("/new", data={**form, "kept": [first, second], "drop": [first]})
    assert [file.name for file in portal.desk.raws[0].files] == ["b.txt"]


def test_a_forged_kept_file_opens_no_blob(portal: Portal) -> None:
    client = portal.citizen()
    foreign = Seals("another secret", receipt_seconds=60, proof_seconds=60)
    seal = foreign.seal_file(StoredFile("ab" * 32, 5, "theirs.pdf"))
    client.post("/new", data={**filled(opened(client)), "kept": [seal, "nonsense", ""]})
    assert portal.desk.raws[0].files == ()


def test_the_language_can_be_changed_without_losing_what_was_typed(portal: Portal) -> None:
    client = portal.citizen("en")
    form = {**filled(opened(client)), "switch": "fa", "nature": ""}
    page = came_back(client, "/new", data=form, files={"files": ("a.txt", b"a", "text/plain")})
    for words in ('dir="rtl"', "The lamp is broken.", "a.txt", "ثبت پیام یا شکایت"):
        assert words in page.text
    assert "z-summary" not in page.text
    assert 'dir="rtl"' in client.get("/new").text
    assert portal.desk.raws == []


def test_a_hostile_file_name_becomes_a_plain_one(portal: Portal) -> None:
    client = portal.citizen()
    form_id = opened(client)
    name = "..\\..\\etc/\u202egpj.exe%0d%0aX-Evil: 1"
    body = (
        b"--B\r\nContent-Disposition: form-data; name=\"form_id\"\r\n\r\n" + form_id.encode() + b"\r\n"
        b"--B\r\nContent-Disposition: form-data; name=\"nature\"\r\n\r\nreport\r\n"
        b"--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nsee file\r\n"
        b"--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"" + name.encode() + b"\"\r\n"
        b"Content-Type: text/html\"; evil=<script>\r\n\r\n<b>x</b>\r\n--B--\r\n"
    )  # fmt: skip
    answer = client.post("/new", content=body, headers={"Content-Type": "multipart/form-data; boundary=B"})
    assert answer.status_code == 303
    (file,) = portal.desk.raws[0].files
    assert file.name == "gpj.exe%0d%0aX-Evil: 1"
    assert file.media_type == "application/octet-stream"


def test_hostile_text_is_shown_as_text(portal: Portal) -> None:
    client = portal.citizen()
    evil = "</textarea><script>alert(1)</script>"
    page = came_back(
        client, "/new", data={"form_id": opened(client), "text": evil, "name": '"><img src=x>', "phone": "x"}
    ).text
    assert evil not in page
    assert "&lt;script&gt;" in page
    assert "<img" not in page


def test_every_page_forbids_what_is_not_ours(portal: Portal) -> None:
    client = portal.citizen()
    for path in ("/", "/new", "/receipt", "/track", "/track/matter", "/proof/x"):
        headers = client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"


def test_a_file_over_its_limit_is_refused_by_name_and_the_text_stays(portal: Portal) -> None:
    client = portal.citizen()
    files = {"files": ("film.mp4", b"x" * (CONFIG.max_file_bytes + 1), "video/mp4")}
    answer = came_back(client, "/new", data=filled(opened(client)), files=files)
    assert "film.mp4" in answer.text
    assert "The lamp is broken." in answer.text
    assert portal.desk.raws == []
    assert portal.desk.blobs == {}


def test_a_request_over_the_whole_limit_is_refused_on_a_page_with_the_text(portal: Portal) -> None:
    client = portal.citizen("fa")
    files = [("files", (f"{n}.jpg", b"x" * CONFIG.max_file_bytes, "image/jpeg")) for n in range(4)]
    answer = came_back(client, "/new", data=filled(opened(client)), files=files)
    assert "The lamp is broken." in answer.text
    assert "۳۰۰ کیلوبایت" in answer.text
    assert portal.desk.blobs == {}


def test_an_endless_urlencoded_body_is_refused(portal: Portal) -> None:
    client = portal.citizen()
    answer = came_back(client, "/new", data={"form_id": opened(client), "text": "x" * (CONFIG.max_total_bytes * 2)})
    assert "All together must be" in answer.text
    assert portal.desk.raws == []


def test_too_many_files_and_empty_ones_are_said(portal: Portal) -> None:
    client = portal.citizen()
    many = [("files", (f"{n}.txt", b"x", "text/plain")) for n in range(4)]
    assert "at most 3 files" in came_back(client, "/new", data=filled(opened(client)), files=many).text
    empty = came_back(client, "/new", data=filled(opened(client)), files={"files": ("empty.txt", b"", "text/plain")})
    assert "“empty.txt” is empty" in empty.text
    assert portal.desk.raws == []


def test_a_text_over_the_limit_is_refused_and_shown_again(portal: Portal) -> None:
    client = portal.citizen()
    text = "y" * (CONFIG.max_text + 1)
    answer = came_back(client, "/new", data=filled(opened(client), text=text))
    assert text in answer.text


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data; boundary=B", b"", 400),
        ("multipart/form-data", b"--B\r\n", 400),
        ("multipart/form-data; boundary=B", b"nothing of the kind", 400),
        ("multipart/form-data; boundary=B", b"--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\ncut", 400),
        ("multipart/form-data; boundary=B", b"--B\r\nContent-Disposition: attachment\r\n\r\nx\r\n--B--\r\n", 400),
        ("multipart/form-data; boundary=B", b"--B\r\nBad Header\x00: \r\n\r\nx\r\n--B--\r\n", 400),
        ("multipart/form-data; boundary=" + "b" * 300, b"--" + b"b" * 300 + b"--\r\n", 400),
        ("multipart/form-data; boundary=B", b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n" * 200 + b"--B--", 400),
        ("application/x-www-form-urlencoded", b"", 400),
        ("application/x-www-form-urlencoded", b"a=b&" * 200, 400),
        ("application/json", b"{}", 415),
        ("text/plain", b"text=hello", 415),
        ("", b"text=hello", 415),
    ],
)  # fmt: skip
def test_what_is_no_form_is_answered_on_a_page(portal: Portal, content_type: str, body: bytes, status: int) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = portal.citizen("fa").post("/new", content=body, headers=headers)
    assert answer.status_code == status
    assert "خوانده نشد" in answer.text
    assert portal.desk.raws == []


def test_a_sender_who_hangs_up_in_the_middle_leaves_nothing_and_harms_nobody(portal: Portal) -> None:
    address = httpx.URL(portal.url)
    with socket.create_connection((address.host, address.port or 0)) as half:
        half.sendall(
            b"POST /new HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 5000\r\n\r\n--B\r\n"
        )
    client = portal.citizen()
    assert client.post("/new", data=filled(opened(client))).status_code == 303
    assert len(portal.desk.raws) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},  # no address at all
    ],
)
def test_a_form_sent_by_another_site_is_refused(portal: Portal, headers: dict[str, str]) -> None:
    client = portal.citizen()
    answer = client.post("/new", data=filled(opened(client)), headers=headers)
    assert answer.status_code == 403
    assert portal.desk.raws == []


def test_while_the_store_is_away_the_form_comes_back_with_everything_and_the_same_identity(portal: Portal) -> None:
    client = portal.citizen()
    form = filled(opened(client))
    portal.desk.away = True
    answer = client.post("/new", data=form)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "The lamp is broken." in answer.text
    assert hidden(answer.text, "form_id") == form["form_id"]
    portal.desk.away = False
    assert client.post("/new", data=form).status_code == 303


def test_what_fills_the_trap_is_kept_and_marked(portal: Portal) -> None:
    client = portal.citizen()
    assert client.post("/new", data=filled(opened(client), website="http://buy.example")).status_code == 303
    (inbound,) = portal.channel.parse(portal.desk.raws[0])
    assert isinstance(inbound, Inbound)
    assert inbound.labels == {"robot"}


def test_a_forged_receipt_cookie_shows_no_code(portal: Portal) -> None:
    client = portal.citizen()
    client.cookies.set("zrm_receipt", "WyI5MTAwMDAwMDAwMDAiXQ.forged.seal")
    answer = client.get("/receipt")
    assert answer.status_code == 404
    assert "9100" not in answer.text


def test_a_form_that_comes_back_is_kept_for_this_browser_alone_and_forgotten_once_it_was_taken(portal: Portal) -> None:
    client = portal.citizen()
    form = filled(opened(client), text="")
    answer = client.post("/new", data=form)
    address = answer.headers["location"]
    for _ in range(2):  # back and forth
        assert "Write your message" in client.get(address).text
    assert "Write your message" not in portal.citizen().get(address).text
    stranger = portal.citizen()
    stranger.cookies.set("zrm_forms", "0" * 32)
    assert "Write your message" not in stranger.get(address).text
    assert "متن پیام را بنویسید" in client.get(f"{address}&lang=fa").text
    assert client.post("/new", data={**form, "text": "The lamp is broken."}).headers["location"] == "/receipt"
    assert portal.desk.notes == {}
    assert hidden(client.get(address).text, "form_id") != form["form_id"]


@pytest.mark.parametrize(
    "address", ["/new?form=", "/new?form=x", f"/new?form={'0' * 32}", f"/track/matter?form={'a' * 31}g"]
)
def test_an_address_of_no_kept_form_opens_an_empty_one(portal: Portal, address: str) -> None:
    client = portal.citizen()
    client.cookies.set("zrm_forms", "0" * 32)
    page = client.get(address)
    assert page.status_code == 200
    assert "z-summary" not in page.text


def test_a_browser_without_cookies_and_a_form_too_large_to_keep_get_the_page_at_once(portal: Portal) -> None:
    client = portal.citizen()
    form_id = opened(client)
    nobody = portal.citizen().post("/new", data=filled(form_id, text=""))
    assert (nobody.status_code, "Write your message" in nobody.text) == (400, True)
    large = client.post("/new", data=filled(form_id, text="x" * 270_000))
    assert (large.status_code, "it has 270000" in large.text) == (400, True)
    assert portal.desk.notes == {}
