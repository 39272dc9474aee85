"""The JSON door: receipts, repeats, and refusals as problems."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from tests.channels.web.portal import CONFIG, Portal, running
from zrm.channels.web.channel import WebChannel
from zrm.contract.inbound import Inbound

CONTACT = {"text": "The lamp is broken.", "nature": "report", "phone": "0912 345 6789", "language": "en"}
KEY = "0123456789abcdef-city-app"


@pytest.fixture
def portal() -> Iterator[Portal]:
    """A running portal of this test's own."""
    with running() as portal:
        yield portal


def post(portal: Portal, key: str = "k-1", contact: object = CONTACT, **headers: str) -> httpx.Response:
    """One request of an integrator."""
    return portal.citizen().post("/api/contacts", json=contact, headers={"Idempotency-Key": key, **headers})


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The problem in a refusal, after looking that it is one."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["status"] == status
    assert body["title"]
    return body


def test_a_contact_gives_its_code_and_a_repeat_gives_the_same(portal: Portal) -> None:
    first, second = post(portal), post(portal)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == {"code": "910000000000", "received_at": "2026-11-20T08:30:00+00:00"} == second.json()
    (raw,) = portal.desk.raws
    (inbound,) = portal.channel.parse(raw)
    assert isinstance(inbound, Inbound)
    assert (inbound.text, inbound.nature) == ("The lamp is broken.", "report")


def test_another_key_is_another_contact(portal: Portal) -> None:
    assert [post(portal, key).status_code for key in ("k-1", "k-2")] == [201, 201]


def test_a_key_used_for_another_contact_loses_neither(portal: Portal) -> None:
    assert post(portal).json() != post(portal, contact={"text": "Something else"}).json()
    assert len(portal.desk.raws) == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
def test_the_key_is_needed(portal: Portal, key: str) -> None:
    problem(post(portal, key), 400)


@pytest.mark.parametrize(
    ("contact", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": 5}, "text"),
        ({"text": "x" * (CONFIG.max_text + 1)}, "text"),
        ({"text": "x", "nature": "wish"}, "nature"),
        ({"text": "x", "phone": "1" * 41}, "phone"),
        ({"text": "x", "conversation": "283541907624"}, "conversation"),
        ({"text": "\u0000"}, "text"),
        ({"text": "x", "subject": "nope"}, "subject"),
        ({"text": "x", "email": "x"}, "email"),
        ({"text": "x", "phone": "12"}, "phone"),
        ({"text": "x", "phone": "nobody", "phone_as_is": True}, "phone"),
        ({"text": "x", "phone_as_is": "perhaps"}, "phone_as_is"),
    ],
)
def test_a_wrong_field_is_named(portal: Portal, contact: dict[str, object], field: str) -> None:
    errors = problem(post(portal, contact=contact), 422)["errors"]
    assert isinstance(errors, list)
    assert [error["field"] for error in errors] == [field]


def test_every_wrong_field_is_named_at_once(portal: Portal) -> None:
    wrong = {"foo": 1, "name": 7, "nature": "wish", "subject": "nope", "email": "x", "phone": "x"}
    errors = problem(post(portal, contact=wrong), 422)["errors"]
    assert isinstance(errors, list)
    assert {error["field"] for error in errors} == {*wrong, "text"}
    assert portal.desk.raws == []


def test_a_number_the_caller_is_sure_of_is_kept(portal: Portal) -> None:
    assert post(portal, contact={"text": "x", "phone": "0912 345 678", "phone_as_is": True}).status_code == 201
    (inbound,) = portal.channel.parse(portal.desk.raws[0])
    assert isinstance(inbound, Inbound)
    assert inbound.senders[0].raw == "0912 345 678"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_a_problem_too(portal: Portal, method: str) -> None:
    answer = portal.citizen().request(method, "/api/contacts")
    assert problem(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nul", b'{"text": "\xff"}', b"[" * 5000])
def test_what_is_no_object_is_refused(portal: Portal, body: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    problem(portal.citizen().post("/api/contacts", content=body, headers=headers), 400)


def test_another_type_and_a_flood_are_refused(portal: Portal) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "text/plain"}
    problem(portal.citizen().post("/api/contacts", content=b"{}", headers=headers), 415)
    flood = b'{"text": "' + b"x" * 200_000 + b'"}'
    problem(
        portal.citizen().post("/api/contacts", content=flood, headers={**headers, "Content-Type": "application/json"}),
        413,
    )


def test_problems_are_told_in_the_language_asked_for(portal: Portal) -> None:
    answer = portal.citizen("fa").post("/api/contacts", json={}, headers={"Idempotency-Key": "k"})
    assert problem(answer, 422)["title"] == "برخی فیلدها باید اصلاح شوند"


def test_while_the_store_is_away_the_sender_keeps_the_contact(portal: Portal) -> None:
    portal.desk.away = True
    answer = post(portal)
    problem(answer, 503)
    assert answer.headers["retry-after"] == "10"
    portal.desk.away = False
    assert post(portal).status_code == 201


def test_with_keys_only_their_holders_come_in_and_others_are_recorded() -> None:
    with running(CONFIG.model_copy(update={"api_keys": {"city-app": SecretStr(KEY)}})) as portal:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}):
            problem(post(portal, **headers), 401)
        assert post(portal, Authorization=f"Bearer {KEY}").status_code == 201
        assert portal.desk.refusals == ["refusal.no_secret", "refusal.wrong_secret", "refusal.wrong_secret"]
        assert portal.desk.raws[0].envelope == {"caller": "city-app"}
        assert portal.channel.redact() == [KEY]


def test_two_callers_with_the_same_key_value_do_not_see_each_others_codes() -> None:
    keys = {"one": SecretStr(KEY), "two": SecretStr(KEY[::-1])}
    with running(CONFIG.model_copy(update={"api_keys": keys})) as portal:
        codes = {post(portal, Authorization=f"Bearer {key.get_secret_value()}").json()["code"] for key in keys.values()}
        assert len(codes) == 2


def test_the_door_can_be_closed() -> None:
    with running(CONFIG.model_copy(update={"api": False})) as portal:
        assert post(portal).status_code == 404


def test_the_check_says_what_is_misconfigured(portal: Portal) -> None:
    assert portal.channel.check() == []
    weak = CONFIG.model_copy(update={"api_keys": {"app": SecretStr("short")}, "max_total_bytes": 20_000, "api": False})
    assert len(WebChannel(weak, portal.channel.installation).check()) == 3
