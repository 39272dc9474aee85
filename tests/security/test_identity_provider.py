"""Whom a provider's response makes an agent of: only who it vouches for, to us, now, for this sign-in (the desk's pages are
tested with the desk).
"""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.lab.identity_provider import SECRET
from zrm.config import IdentityProviderConfig as ProviderSettings
from zrm.config import Name
from zrm.security.identity_provider import IdentityProvider as Client
from zrm.security.identity_provider import ProviderFailed, ProviderIdentity, SignInRequest, _trusted

RETURN = "https://contact.example.org/desk/sign-in/provider/answer"
KEY, OTHER = RSAKey.generate_key(2048, {"kid": "a"}), RSAKey.generate_key(2048, {"kid": "a"})


class Liar:
    """A provider whose responses are whatever the test wants.

    `token` makes the ID token from the nonce it was asked with; `said` is what it says of itself beside the ordinary,
    `bodies` what a path answers instead of the ordinary. `asked` counts the requests; `form` and `authorization` are those
    of the last request with a form, or for an account.
    """

    def __init__(self) -> None:
        self.token: Callable[[str], str] = lambda nonce: jwt.encode(
            {"alg": "RS256", "kid": "a"}, claims(self, nonce), KEY
        )
        self.nonce = ""
        self.key = KEY
        self.said: dict[str, object] = {}
        self.bodies: dict[str, tuple[int, bytes]] = {}
        self.account: dict[str, object] = {}
        self.asked: Counter[str] = Counter()
        self.form: dict[str, str] = {}
        self.authorization = ""
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                if self.path == "/keys":
                    self._say({"keys": [liar.key.as_dict(private=False)]})
                elif self.path == "/account":
                    liar.authorization = self.headers.get("Authorization", "")
                    self._say(liar.account)
                else:
                    base = liar.issuer
                    ordinary = {
                        "issuer": base,
                        "authorization_endpoint": f"{base}/auth",
                        "token_endpoint": f"{base}/token",
                        "jwks_uri": f"{base}/keys",
                    }
                    self._say(ordinary | liar.said)

            def do_POST(self) -> None:  # http.server's name
                liar.form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()))
                liar.authorization = self.headers.get("Authorization", "")
                self._say({"access_token": "the access token", "id_token": liar.token(liar.nonce)})

            def _say(self, said: object) -> None:
                liar.asked[self.path] += 1
                status, body = liar.bodies.get(self.path, (200, json.dumps(said).encode()))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def liar() -> Iterator[Liar]:
    liar = Liar()
    yield liar
    liar.close()


def claims(liar: Liar, nonce: str, **lies: object) -> dict[str, Any]:
    at = int(time.time())
    said = {
        "iss": liar.issuer, "aud": "zrm", "sub": "u-1", "iat": at, "exp": at + 300, "nonce": nonce,
        "preferred_username": "daniel", **lies,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def client_of(liar: Liar, clock: Callable[[], float] = time.time, **settings: Any) -> Client:
    """Our side of it."""
    here = ProviderSettings(
        issuer=liar.issuer, client_id="zrm", client_secret=SECRET, label=Name(fa="شهر", en="City"), **settings
    )
    return Client(here, RETURN, clock)


def sign_in(liar: Liar, client: Client, **answer: str) -> ProviderIdentity:
    """Once there and back."""
    sign_in_request = SignInRequest.new()
    query = parse_qs(urlsplit(client.address(sign_in_request)).query)
    assert query["code_challenge_method"] == ["S256"]
    assert sign_in_request.verifier not in str(query)
    liar.nonce = query["nonce"][0]
    return client.person(sign_in_request, {"state": query["state"][0], "code": "c", **answer})


def ask(liar: Liar, **answer: str) -> ProviderIdentity:
    """Once there and back, with ordinary settings."""
    return sign_in(liar, client_of(liar), **answer)


def test_an_honest_token_is_believed(liar: Liar) -> None:
    person = ask(liar, iss=liar.issuer)
    assert (person.subject, person.login) == ("u-1", "daniel")


@pytest.mark.parametrize(
    "lies",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another client"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"aud": []},
        {"nonce": "another"},
        {"nonce": None},
        {"iat": None},
        {"iat": 99999999999},
        {"azp": "another client", "aud": ["zrm", "another client"]},
        {"at_hash": "not of this token"},
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_not_believed(liar: Liar, lies: dict[str, object]) -> None:
    liar.token = lambda nonce: jwt.encode({"alg": "RS256", "kid": "a"}, claims(liar, nonce, **lies), KEY)
    with pytest.raises(ProviderFailed):
        ask(liar)


def _unsigned(liar: Liar, nonce: str) -> str:
    body = jwt.encode({"alg": "RS256"}, claims(liar, nonce), KEY).split(".")[1]
    return f"eyJhbGciOiJub25lIn0.{body}."


@pytest.mark.parametrize(
    "forge",
    [
        lambda liar, nonce: jwt.encode({"alg": "RS256", "kid": "a"}, claims(liar, nonce), OTHER),
        _unsigned,
        lambda liar, nonce: jwt.encode(
            {"alg": "HS256", "kid": "a"}, claims(liar, nonce), OctKey.import_key(SECRET), algorithms=["HS256"]
        ),
        lambda liar, nonce: jwt.encode(
            {"alg": "HS256", "kid": "a"},
            claims(liar, nonce),
            OctKey.import_key(KEY.as_pem(private=False) + b"\0" * 0),
            algorithms=["HS256"],
        ),
        lambda liar, nonce: "",
        lambda liar, nonce: "a.b.c",
        lambda liar, nonce: "x" * 5000,
    ],
    ids=[
        "another key",
        "no signature",
        "the client's secret",
        "the public key as a secret",
        "empty",
        "no token",
        "long",
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_token_with_another_signature_is_not_believed(liar: Liar, forge: Callable[[Liar, str], str]) -> None:
    liar.token = lambda nonce: forge(liar, nonce)
    with pytest.raises(ProviderFailed):
        ask(liar)


def test_a_provider_that_calls_itself_something_else_is_not_believed(liar: Liar) -> None:
    liar.said = {"issuer": "https://login.example.org"}
    with pytest.raises(ProviderFailed, match="another issuer"):
        ask(liar)


@pytest.mark.parametrize(
    "answer", [{"state": "another"}, {"iss": "https://evil.example"}, {"error": "access_denied"}, {"code": ""}]
)
def test_an_answer_to_another_question_is_not_believed(liar: Liar, answer: dict[str, str]) -> None:
    liar.token = lambda nonce: jwt.encode({"alg": "RS256", "kid": "a"}, claims(liar, nonce), KEY)
    with pytest.raises(ProviderFailed):
        ask(liar, **answer)


@pytest.mark.parametrize(
    "issuer", ["http://login.example.org", "ftp://login.example.org", "login.example.org", "https://", ""]
)
def test_our_secret_is_sent_over_tls_only(issuer: str) -> None:
    with pytest.raises(ValueError, match="our secret is sent there"):
        ProviderSettings(issuer=issuer, client_id="zrm", client_secret="x", label=Name(fa="ش", en="C"))


def says(liar: Liar, **lies: object) -> None:
    """Have it sign a token with these claims."""
    liar.token = lambda nonce: jwt.encode({"alg": "RS256", "kid": "a"}, claims(liar, nonce, **lies), KEY)


def test_who_signed_in_there_long_ago_did_not_do_so_now(liar: Liar) -> None:
    at = int(time.time())
    says(liar, iat=at)
    assert ask(liar).authenticated_at == at
    says(liar, iat=at, auth_time=at - 4000)
    assert ask(liar).authenticated_at == at - 4000


def test_the_address_asks_for_a_code_for_us_and_to_sign_in_again_only_if_wanted(liar: Liar) -> None:
    client, sign_in_request = client_of(liar), SignInRequest.new()
    once, again = (
        dict(parse_qsl(urlsplit(client.address(sign_in_request, again=again)).query)) for again in (False, True)
    )
    assert (once["client_id"], once["response_type"], once["redirect_uri"]) == ("zrm", "code", RETURN)
    assert (once["state"], once["nonce"]) == (sign_in_request.state, sign_in_request.nonce)
    assert again == {**once, "prompt": "login", "max_age": "0"}


@pytest.mark.parametrize(
    ("ways", "basic"),
    [(None, True), (["client_secret_post", "client_secret_basic"], True), (["client_secret_post"], False)],
)
def test_the_code_is_changed_with_our_secret_as_the_provider_takes_it(liar: Liar, ways: object, basic: bool) -> None:
    liar.said = {"token_endpoint_auth_methods_supported": ways} if ways else {}
    ask(liar)
    secret = "zrm:" + SECRET.replace("+", "%2B").replace(" ", "+")
    assert liar.authorization == (f"Basic {b64encode(secret.encode()).decode()}" if basic else "")
    assert len(liar.form.pop("code_verifier")) >= 43
    ours = {} if basic else {"client_id": "zrm", "client_secret": SECRET}
    assert liar.form == {"grant_type": "authorization_code", "code": "c", "redirect_uri": RETURN, **ours}


def test_what_the_token_leaves_out_is_asked_for_and_what_was_signed_stays(liar: Liar) -> None:
    liar.said = {"userinfo_endpoint": f"{liar.issuer}/account"}
    liar.account = {"sub": "u-1", "preferred_username": "maryam", "iat": 1}
    assert ask(liar).login == "daniel"
    assert liar.asked["/account"] == 0, "the token says everything"
    says(liar, preferred_username=None)
    person = ask(liar)
    assert (person.login, liar.authorization) == ("maryam", "Bearer the access token")
    assert person.authenticated_at > 1
    liar.account["sub"] = "u-2"
    with pytest.raises(ProviderFailed, match="another account"):
        ask(liar)
    liar.said = {}
    assert ask(liar).login == "", "it has nothing to tell"


@pytest.mark.parametrize(
    ("address", "verified", "login"),
    [("d@City.example", True, "d@City.example"), ("d@city.example", False, None), ("d@city.example", "true", None),
     ("d@elsewhere.example", True, None), ("d@evil-city.example", True, None), ("city.example@evil.example", True, None),
     (None, True, None)],
)  # fmt: skip
def test_only_a_verified_address_of_our_domains_is_let_in(
    liar: Liar, address: str | None, verified: object, login: str | None
) -> None:
    client = client_of(liar, domains=["city.example"], login_claim="email")
    says(liar, email=address, email_verified=verified)
    if login is None:
        with pytest.raises(ProviderFailed, match="no domain that is let in"):
            sign_in(liar, client)
    else:
        assert sign_in(liar, client).login == login


def test_of_a_domain_is_asked_where_the_token_names_only_the_login(liar: Liar) -> None:
    liar.said = {"userinfo_endpoint": f"{liar.issuer}/account"}
    liar.account = {"sub": "u-1", "email": "d@city.example", "email_verified": True}
    assert sign_in(liar, client_of(liar, domains=["city.example"])).login == "daniel"


@pytest.mark.parametrize(("verified", "login"), [(True, "d@city.example"), (False, ""), (None, "")])
def test_an_address_that_is_not_verified_names_no_login(liar: Liar, verified: bool | None, login: str) -> None:
    says(liar, email="d@city.example", email_verified=verified)
    assert sign_in(liar, client_of(liar, login_claim="email")).login == login
    assert ask(liar).login == "daniel", "where another claim is the login, the address does not matter"


def test_description_and_keys_are_asked_for_once_an_hour_and_a_new_key_at_once(liar: Liar) -> None:
    at = [time.time()]
    client = client_of(liar, lambda: at[0])
    described = "/.well-known/openid-configuration"

    def asked() -> tuple[int, int]:
        return liar.asked[described], liar.asked["/keys"]

    assert client.obstacle() == ""
    assert asked() == (1, 0)
    for _ in range(2):
        sign_in(liar, client)
    assert asked() == (1, 1)
    liar.key = OTHER
    liar.token = lambda nonce: jwt.encode({"alg": "RS256", "kid": "a"}, claims(liar, nonce), OTHER)
    assert sign_in(liar, client).subject == "u-1", "it signs with a new key since just now"
    assert asked() == (1, 2)
    sign_in(liar, client)
    assert asked() == (1, 2)
    at[0] += 3590
    liar.token = lambda nonce: jwt.encode(
        {"alg": "RS256", "kid": "a"}, claims(liar, nonce, iat=int(at[0]), exp=int(at[0]) + 300), OTHER
    )
    sign_in(liar, client)
    assert asked() == (1, 2)
    at[0] += 20
    sign_in(liar, client)
    assert asked() == (2, 3)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/.well-known/openid-configuration", 500, b"{}"),
        ("/.well-known/openid-configuration", 200, b"<html>"),
        ("/.well-known/openid-configuration", 200, b"[]"),
        ("/token", 400, b'{"error": "invalid_grant"}'),
        ("/token", 200, b"{}"),
        ("/keys", 200, b'{"keys": [{"kty": "none"}]}'),
        ("/keys", 200, b"{}"),
        ("/keys", 404, b""),
    ],
)
def test_a_provider_that_answers_something_else_has_failed(liar: Liar, path: str, status: int, body: bytes) -> None:
    liar.bodies = {path: (status, body)}
    client = client_of(liar)
    with pytest.raises(ProviderFailed):
        sign_in(liar, client)
    assert bool(client.obstacle()) is path.startswith("/.well-known")


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("address", [None, "ftp://login.example.org/"])
def test_an_address_without_tls_is_not_used(liar: Liar, name: str, address: str | None) -> None:
    liar.said = {name: address}
    with pytest.raises(ProviderFailed, match=f"no {name} that can be used"):
        ask(liar)


@pytest.mark.parametrize(
    ("address", "issuer", "trusted"),
    [("https://a.example/token", "https://a.example", True), ("http://a.example/token", "https://a.example", False),
     ("http://localhost:1/token", "http://localhost:1", True), ("https://a.example", "http://localhost:1", True),
     ("ftp://localhost:1", "http://localhost:1", False)],
)  # fmt: skip
def test_secrets_go_where_the_issuer_would_take_them(address: str, issuer: str, trusted: bool) -> None:
    assert _trusted(address, issuer) is trusted
