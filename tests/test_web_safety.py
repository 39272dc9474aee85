"""What the web role keeps to itself: its metrics, and the browsers that came over TLS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import Request, Response

from tests.agent_api.conftest import PASSWORDS
from tests.lab.serving import serving
from zrm.channels.web.track import FollowMatter
from zrm.http.app import build_app
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE, load_config, open_runtime

CONFIG = """\
organisation: {{name: {{fa: "مرکز", en: "Centre"}}}}
public_url: {url}
metrics: {{{metrics}}}
channels: {{web: {{}}}}
"""
TLS = "https://contact.example.org"
TOKEN = "a-token-for-prometheus"
Open = Callable[..., httpx.Client]


@pytest.fixture
def web(tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a web role with a public address and settings for metrics; a client that keeps no cookies."""
    monkeypatch.setenv(DATABASE_VARIABLE, database_url)
    monkeypatch.setenv(REDIS_VARIABLE, redis_url)
    with ExitStack() as stack:

        def begin(url: str = "http://127.0.0.1:8000", metrics: str = "") -> httpx.Client:
            path = tmp_path / "config.yaml"
            path.write_text(CONFIG.format(url=url, metrics=metrics), encoding="utf-8")
            installation = open_runtime("test", load_config(path))
            stack.callback(installation.close)
            address = stack.enter_context(serving(build_app(installation), lifespan="on"))
            return stack.enter_context(httpx.Client(base_url=address, headers={"Accept-Language": "en"}))

        yield begin


def cookies(answer: httpx.Response) -> dict[str, str]:
    """The cookies an answer sets: name to the whole line."""
    return {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}


def test_metrics_are_for_this_machine_alone(web: Open) -> None:
    client = web()
    assert "zrm_" in client.get("/metrics").text
    for forwarded in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Proto", "X-Forwarded-Host"):
        refused = client.get("/metrics", headers={forwarded: "203.0.113.9"})
        assert refused.status_code == 403
        assert "zrm_" not in refused.text
    assert client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200
    assert client.get("/readyz", headers={"X-Forwarded-For": "203.0.113.9"}).status_code in (200, 503)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        (TOKEN, 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
    ],
)
def test_with_a_token_metrics_are_for_who_shows_it(web: Open, authorization: str | None, status: int) -> None:
    client = web(metrics=f"token: {TOKEN}")
    sent = {} if authorization is None else {"Authorization": authorization}
    answer = client.get("/metrics", headers={**sent, "X-Forwarded-For": "203.0.113.9"})
    assert answer.status_code == status
    assert ("zrm_" in answer.text) is (status == 200)
    assert ("www-authenticate" in answer.headers) is (status == 401)


def test_over_tls_every_answer_binds_the_browser_to_it(web: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async def bug(_site: object, _request: Request) -> Response:
        raise LookupError("a bug")

    monkeypatch.setattr(FollowMatter, "ask", bug)
    with_tls = web(url=TLS)
    person = {"Accept": "text/html", "Connection": "close"}
    paths = ("/", "/new", "/nowhere", "/desk", "/desk/sign-in", "/healthz", "/metrics", "/static/none.css", "/track")
    answers = [with_tls.get(path, headers=person) for path in paths]
    assert {answer.status_code for answer in answers} >= {200, 303, 404, 500}
    for answer in answers:
        assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"], answer.url


def test_without_tls_no_answer_speaks_of_it(web: Open) -> None:
    plain = web()
    for path in ("/", "/nowhere", "/desk/sign-in"):
        assert "strict-transport-security" not in plain.get(path, headers={"Accept": "text/html"}).headers


def test_over_tls_every_cookie_belongs_to_this_host_alone(web: Open) -> None:
    client = web(url=TLS)
    page = client.get("/desk/sign-in")
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    assert token is not None
    own = {"__Host-zrm_sign_in": token[1]}
    form = {"token": token[1], "login": "maryam", "password": PASSWORDS["maryam"]}
    cookie = "; ".join(f"{name}={value}" for name, value in own.items())
    entered = client.post("/desk/sign-in", data=form, headers={"Cookie": cookie})
    assert entered.status_code == 303
    answers = [page, entered, client.get("/"), client.get("/new")]
    session = cookies(entered)["__Host-zrm_desk"].partition(";")[0]
    inside = client.get("/desk/settings", headers={"Cookie": session})
    assert inside.status_code == 200
    csrf = re.search(r'data-csrf="([^"]+)"', inside.text)
    assert csrf is not None
    answers.append(client.post("/desk/sign-out", data={"csrf_token": csrf[1]}, headers={"Cookie": session}))
    assert "Clear-Site-Data" in answers[-1].headers
    named = {name: line for answer in answers for name, line in cookies(answer).items()}
    assert {"__Host-zrm_sign_in", "__Host-zrm_desk", "__Host-zrm_language"} <= set(named)
    for name, line in named.items():
        assert name.startswith("__Host-")
        attributes = {part.strip().lower() for part in line.split(";")[1:]}
        assert {"secure", "path=/"} <= attributes
        assert not any(attribute.startswith("domain") for attribute in attributes)


def test_a_cookie_of_a_neighbour_opens_nothing(web: Open) -> None:
    """Without the prefix anybody under the same domain can have set it."""
    client = web(url=TLS)
    page = client.get("/desk/sign-in", headers={"Cookie": "zrm_language=fa; zrm_sign_in=planted"})
    assert 'lang="en"' in page.text
    form = {"token": "planted", "login": "maryam", "password": PASSWORDS["maryam"]}
    refused = client.post("/desk/sign-in", data=form, headers={"Cookie": "zrm_sign_in=planted"})
    assert refused.status_code == 403
    assert client.get("/desk/settings", headers={"Cookie": "zrm_desk=planted"}).status_code == 303
