"""Following a matter over HTTP: the code, the proof, our answers, a further message."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.channels.web.desk import ANSWER_FILE, CASE
from tests.channels.web.portal import CONFIG, Portal, all_hidden, came_back, hidden, running
from zrm.channels.web.signed_tokens import Pass, Seals
from zrm.contract.inbound import Inbound, SelfServiceCommand
from zrm.kit.ids import new_id

ANSWER = "فردا پر می‌شود"


@pytest.fixture
def portal() -> Iterator[Portal]:
    """A running portal of this test's own."""
    with running() as portal:
        yield portal


def proven(portal: Portal, language: str = "en") -> httpx.Client:
    """A citizen who has typed the code and proven that the matter is theirs."""
    client = portal.citizen(language)
    client.post("/track", data={"code": CASE})
    assert client.post("/track/phone", data={"digits": "6789"}).status_code == 303
    return client


@pytest.mark.parametrize(
    "typed",
    [
        CASE,
        "2835-4190-7624",
        " 2835 4190 7624 ",
        "۲۸۳۵-۴۱۹۰-۷۶۲۴",
        "٢٨٣٥ ٤١٩٠ ٧٦٢٤",
        "2835–4190–7624",
        "\u200e2835.4190.7624",
        "\u2066۲۸۳۵-۴۱۹۰-۷۶۲۴\u2069",
    ],
)
def test_the_code_is_taken_however_it_is_typed(portal: Portal, typed: str) -> None:
    answer = portal.citizen().post("/track", data={"code": typed})
    assert answer.status_code == 200
    assert "We have answered you." in answer.text


def test_without_proof_there_are_dates_and_the_state_but_no_words(portal: Portal) -> None:
    answer = portal.citizen().post("/track", data={"code": CASE})
    assert "20 November 2026, 12:00" in answer.text
    assert "There are 2 messages" in answer.text
    assert ANSWER not in answer.text
    assert portal.desk.title not in answer.text


def test_a_persian_reader_gets_solar_dates_in_persian_digits(portal: Portal) -> None:
    page = portal.citizen("fa").post("/track", data={"code": CASE}).text
    assert "۲۹ آبان ۱۴۰۵، ۱۲:۰۰" in page
    assert "۲۸۳۵-۴۱۹۰-۷۶۲۴" in page


def test_unknown_codes_and_wrong_check_digits_get_the_same_answer(portal: Portal) -> None:
    answers = [portal.citizen().post("/track", data={"code": code}) for code in ("283541907625", "999999999999", "abc")]
    assert {answer.status_code for answer in answers} == {404}
    assert all("There is no case with this code" in answer.text for answer in answers)


def test_a_typed_code_leads_to_a_page_that_can_be_asked_for_again(portal: Portal) -> None:
    client = portal.citizen()
    client.get("/track")
    answer = client.post("/track", data={"code": CASE})
    assert (answer.status_code, answer.headers["location"]) == (303, "/track/matter")
    assert "We have answered you." in client.get("/track/matter").text
    wrong = came_back(client, "/track", data={"code": "1111"})
    assert "There is no case with this code" in wrong.text
    assert 'value="1111"' in wrong.text
    late = came_back(client, "/proof/used-token", data={"open": "yes"})
    assert "cannot be used any more" in late.text


def test_an_empty_code_is_asked_for(portal: Portal) -> None:
    answer = portal.citizen().post("/track", data={"code": " - "})
    assert answer.status_code == 400
    assert 'href="#f-code"' in answer.text


@pytest.mark.parametrize("path", ["/track", "/track/phone", "/track/email", "/track/message", "/track/rating"])
@pytest.mark.parametrize(("content_type", "body", "status"), [
    ("application/x-www-form-urlencoded", b"", 400), ("application/json", b"{}", 415), ("multipart/form-data", b"x", 400),
])  # fmt: skip
def test_what_is_no_form_is_answered_on_a_page(
    portal: Portal, path: str, content_type: str, body: bytes, status: int
) -> None:
    answer = portal.citizen().post(path, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert "could not read" in answer.text


def test_the_address_of_the_citizen_is_what_is_limited_and_the_page_says_when_to_come_again(portal: Portal) -> None:
    portal.desk.tries = 0
    answer = portal.citizen().post("/track", data={"code": CASE})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "601")
    assert "in 11 minutes" in answer.text
    assert portal.desk.peers == {"127.0.0.1"}


def test_the_last_four_digits_open_the_messages(portal: Portal) -> None:
    client = portal.citizen()
    client.post("/track", data={"code": CASE})
    answer = client.post("/track/phone", data={"digits": "۶۷۸۹"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/track/matter")
    page = client.get("/track/matter").text
    assert ANSWER in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_the_pass_is_a_closed_cookie_of_the_tracking_pages(portal: Portal) -> None:
    client = portal.citizen()
    client.post("/track", data={"code": CASE})
    cookie = client.post("/track/phone", data={"digits": "6789"}).headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Path=/track", f"Max-Age={CONFIG.proof_minutes * 60}"):
        assert part in cookie


@pytest.mark.parametrize("digits", ["1111", "", "67", "67890", "abcd"])
def test_wrong_digits_open_nothing(portal: Portal, digits: str) -> None:
    client = portal.citizen()
    client.post("/track", data={"code": CASE})
    answer = came_back(client, "/track/phone", data={"digits": digits})
    assert 'href="#f-digits"' in answer.text
    assert ANSWER not in client.get("/track/matter").text


def test_too_many_proofs_are_limited(portal: Portal) -> None:
    client = portal.citizen()
    client.post("/track", data={"code": CASE})
    portal.desk.tries = 0
    assert client.post("/track/phone", data={"digits": "1111"}).status_code == 429
    assert client.post("/track/email", data={"send": "link"}).status_code == 429


def test_a_link_is_asked_for_and_nothing_is_said_about_the_address(portal: Portal) -> None:
    client = portal.citizen()
    client.post("/track", data={"code": CASE})
    answer = client.post("/track/email", data={"send": "link"})
    assert answer.status_code == 303
    assert "If we have an e-mail address" in client.get(answer.headers["location"]).text
    assert portal.desk.links == [CASE]


def test_looking_at_a_link_does_not_use_it_up_and_pressing_the_button_does(portal: Portal) -> None:
    client = portal.citizen()
    for _ in range(3):
        assert client.get("/proof/good-token").status_code == 200
    assert client.post("/proof/good-token", data={"open": "yes"}).status_code == 303
    assert ANSWER in client.get("/track/matter").text
    late = portal.citizen().post("/proof/good-token", data={"open": "yes"})
    assert late.status_code == 404
    assert "cannot be used any more" in late.text


def test_a_pass_that_we_did_not_seal_opens_nothing(portal: Portal) -> None:
    foreign = Seals("another secret", receipt_seconds=60, proof_seconds=60)
    for value in (foreign.seal_pass(Pass(CASE, proven=True)), "x", "", "a.b.c"):
        client = portal.citizen()
        client.cookies.set("zrm_matter", value, path="/track")
        page = client.get("/track/matter").text
        assert ANSWER not in page
        assert 'name="code"' in page


def test_a_proof_is_bound_to_its_code(portal: Portal) -> None:
    client = proven(portal)
    client.post("/track", data={"code": "999999999999"})
    assert ANSWER in client.get("/track/matter").text
    seal = portal.channel.installation.secret
    other = Seals(seal, receipt_seconds=60, proof_seconds=60).seal_pass(Pass("111111111111", proven=True))
    stranger = portal.citizen()
    stranger.cookies.set("zrm_matter", other, path="/track")
    assert ANSWER not in stranger.post("/track", data={"code": CASE}).text


def test_a_matter_without_anything_to_prove_by_shows_its_state_and_says_why_no_more(portal: Portal) -> None:
    portal.desk.proofs = ()
    page = portal.citizen().post("/track", data={"code": CASE}).text
    assert "you cannot prove that it is yours" in page
    assert ANSWER not in page


def test_a_matter_that_the_desk_opens_to_its_code_alone_can_be_read_and_answered(portal: Portal) -> None:
    portal.desk.open_to_code = True
    client = portal.citizen()
    page = client.post("/track", data={"code": CASE}).text
    assert ANSWER in page
    answer = client.post("/track/message", data={"form_id": hidden(page, "form_id"), "text": "Thank you."})
    assert answer.status_code == 303
    assert portal.desk.raws[0].envelope == {"conversation": CASE}


def test_a_further_message_carries_the_proven_conversation(portal: Portal) -> None:
    client = proven(portal)
    form = {"form_id": hidden(client.get("/track/matter").text, "form_id"), "text": "Thank you, and one more thing."}
    files = {"files": ("more.txt", b"more", "text/plain")}
    for _ in range(3):
        answer = client.post("/track/message", data=form, files=files)
        assert answer.headers["location"] == "/track/matter?sent=message"
    assert "We have received your message." in client.get("/track/matter?sent=message").text
    (raw,) = portal.desk.raws
    assert json.loads(raw.body) == {"text": form["text"], "language": "en"}
    assert raw.envelope == {"conversation": CASE}
    (inbound,) = portal.channel.parse(raw)
    assert isinstance(inbound, Inbound)
    assert inbound.thread.conversation == CASE
    assert [file.name for file in inbound.files] == ["more.txt"]


def test_what_was_just_sent_stands_in_the_conversation_at_once_and_files_may_say_it_all(portal: Portal) -> None:
    client, page = proven(portal), ""
    for fields, files in (
        ({"text": "One more thing."}, None),
        ({"text": ""}, {"files": ("lamp.jpg", b"picture", "image/jpeg")}),
    ):
        form = {"form_id": hidden(client.get("/track/matter").text, "form_id"), **fields}
        answer = client.post("/track/message", data=form, files=files)
        page = client.get(answer.headers["location"]).text
    assert re.search(r'z-talk.*<p dir="auto">One more thing\.</p>.*lamp\.jpg', page, re.DOTALL)
    assert page.count("We have it.") == 2
    (inbound,) = portal.channel.parse(portal.desk.raws[1])
    assert isinstance(inbound, Inbound)
    assert (inbound.text, [file.name for file in inbound.files]) == ("", ["lamp.jpg"])
    stranger = portal.citizen()
    assert "One more thing." not in stranger.post("/track", data={"code": CASE}).text


def test_files_of_answers_are_saved_after_proof_alone_and_what_is_unsafe_is_not_given_out(
    portal: Portal, tmp_path: Path
) -> None:
    portal.desk.folder = tmp_path
    (tmp_path / "plan.pdf").write_bytes(b"%PDF")
    client = proven(portal)
    page = client.get("/track/matter").text
    assert f'href="/track/files/{ANSWER_FILE}"' in page
    assert page.count("/track/files/") == 1
    assert "A virus was found in it" in page
    assert "It is being checked for viruses." in page
    given = client.get(f"/track/files/{ANSWER_FILE}")
    assert (given.status_code, given.content) == (200, b"%PDF")
    assert given.headers["content-disposition"] == "attachment; filename*=UTF-8''plan%20gpj.pdf"
    assert given.headers["content-type"] == "application/octet-stream"
    assert given.headers["cache-control"] == "no-store"
    for other in (new_id(), "x", "..%2F..%2Fsecret"):
        assert client.get(f"/track/files/{other}").status_code == 404
    half = portal.citizen()
    half.post("/track", data={"code": CASE})
    for stranger in (half, portal.citizen()):
        assert stranger.get(f"/track/files/{ANSWER_FILE}").headers["location"] == "/track/matter"


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_matter_closed_without_an_answer_is_never_called_answered(portal: Portal, language: str) -> None:
    portal.desk.answered = False
    _, page = closed(portal, language)
    assert ("closed without an answer" if language == "en" else "بدون پاسخ بسته شد") in page
    assert ("is in our last message" if language == "en" else "در آخرین پیام ما") in page
    steps = re.search(r'<ol class="z-progress".*?</ol>', page, re.DOTALL)
    assert steps
    assert steps[0].count("<li") == 3
    assert ("Answered" if language == "en" else "پاسخ داده") not in steps[0]


def test_nobody_writes_without_proof_and_what_was_typed_is_shown_again(portal: Portal) -> None:
    form_id = hidden(proven(portal).get("/track/matter").text, "form_id")
    for client in (portal.citizen(), portal.citizen()):
        answer = client.post("/track/message", data={"form_id": form_id, "text": "I am not me"})
        assert answer.status_code == 403
        assert "I am not me" in answer.text
    half = portal.citizen()
    half.post("/track", data={"code": CASE})
    answer = came_back(half, "/track/message", data={"form_id": form_id, "text": "I am not me"})
    assert "I am not me" in answer.text
    assert portal.desk.raws == []


def test_an_empty_message_and_a_too_large_file_are_said_and_nothing_typed_is_lost(portal: Portal) -> None:
    client = proven(portal)
    form_id = hidden(client.get("/track/matter").text, "form_id")
    answer = came_back(client, "/track/message", data={"form_id": form_id, "text": ""})
    assert "Write your message" in answer.text
    attached = {"form_id": form_id, "text": "", "attach": "yes"}
    answer = came_back(client, "/track/message", data=attached, files={"files": ("a.txt", b"a", "text/plain")})
    assert len(all_hidden(answer.text, "kept")) == 1
    large = {"files": ("film.mp4", b"x" * (CONFIG.max_file_bytes + 1), "video/mp4")}
    answer = came_back(client, "/track/message", data={"form_id": form_id, "text": "see film"}, files=large)
    assert "see film" in answer.text
    assert portal.desk.raws == []


def test_a_changed_form_identity_takes_no_message(portal: Portal) -> None:
    client = proven(portal)
    answer = came_back(client, "/track/message", data={"form_id": "forged", "text": "hello"})
    assert "hello" in answer.text
    assert portal.desk.raws == []


def test_the_message_form_changes_language_without_losing_the_text(portal: Portal) -> None:
    client = proven(portal)
    form_id = hidden(client.get("/track/matter").text, "form_id")
    page = came_back(client, "/track/message", data={"form_id": form_id, "text": "half a sent", "switch": "fa"}).text
    assert 'dir="rtl"' in page
    assert "half a sent" in page
    assert 'dir="rtl"' in came_back(client, "/track", data={"code": "12", "switch": "fa"}).text
    assert portal.desk.raws == []


def closed(portal: Portal, language: str = "en") -> tuple[httpx.Client, str]:
    """A citizen before the page of a closed matter, of which they have typed the code and no more."""
    portal.desk.state = "closed"
    client = portal.citizen(language)
    return client, client.post("/track", data={"code": CASE}).text


@pytest.mark.parametrize(("language", "typed"), [("en", "4"), ("fa", "۴")])
def test_a_closed_matter_is_rated_by_who_has_its_code(portal: Portal, language: str, typed: str) -> None:
    client, page = closed(portal, language)
    assert "/track/rating" in page
    form = {"form_id": hidden(page, "form_id"), "score": typed}
    for _ in range(3):  # a double click, a reload
        answer = client.post("/track/rating", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/track/matter?sent=rating")
    thanks = client.get("/track/matter?sent=rating").text
    assert ("We have received your rating" if language == "en" else "امتیاز شما رسید") in thanks
    assert "/track/rating" not in thanks
    (raw,) = portal.desk.raws
    assert (json.loads(raw.body), raw.envelope) == ({"score": 4}, {"rates": CASE})
    assert portal.channel.parse(raw) == [SelfServiceCommand("rate", None, code=CASE, score=4)]


def test_nothing_is_asked_before_a_matter_is_closed_or_after_it_was_rated(portal: Portal) -> None:
    assert "/track/rating" not in proven(portal).get("/track/matter").text
    portal.desk.rated = True
    _, page = closed(portal)
    assert "/track/rating" not in page
    assert "You have rated" in page


@pytest.mark.parametrize("score", ["", "0", "6", "44", "five", "²"])
def test_what_is_no_rating_is_said_beside_the_question(portal: Portal, score: str) -> None:
    client, page = closed(portal)
    answer = came_back(client, "/track/rating", data={"form_id": hidden(page, "form_id"), "score": score})
    assert 'href="#f-score"' in answer.text
    assert "changed" in came_back(client, "/track/rating", data={"form_id": "forged", "score": "4"}).text
    assert portal.desk.raws == []


def test_nobody_rates_without_a_code(portal: Portal) -> None:
    client, page = closed(portal)
    form = {"form_id": hidden(page, "form_id"), "score": "1"}
    stranger = portal.citizen().post("/track/rating", data=form)
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/track/matter")
    portal.desk.away = True
    assert client.post("/track/rating", data=form).status_code == 503
    assert portal.desk.raws == []


@pytest.mark.parametrize("step", ["phone", "email", "message", "rating", "leave", "nothing"])
def test_the_address_of_a_sent_form_leads_back_to_the_matter(portal: Portal, step: str) -> None:
    answer = portal.citizen().get(f"/track/{step}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/track/matter")


def test_leaving_forgets_the_matter_on_this_device(portal: Portal) -> None:
    client = proven(portal)
    assert client.post("/track/leave", data={"leave": "yes"}).status_code == 303
    assert ANSWER not in client.get("/track/matter").text


@pytest.mark.parametrize(
    "path",
    ["/track", "/track/phone", "/track/email", "/track/message", "/track/rating", "/track/leave", "/proof/good-token"],
)
def test_another_site_cannot_make_a_browser_act(portal: Portal, path: str) -> None:
    client = proven(portal)
    answer = client.post(path, data={"code": CASE, "text": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert portal.desk.raws == []
    assert "good-token" in portal.desk.tokens


def test_while_the_store_is_away_each_page_says_so(portal: Portal) -> None:
    client = proven(portal)
    form_id = hidden(client.get("/track/matter").text, "form_id")
    portal.desk.away = True
    for answer in (
        client.post("/track", data={"code": CASE}),
        client.get("/track/matter"),
        client.post("/track/message", data={"form_id": form_id, "text": "hello"}),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
