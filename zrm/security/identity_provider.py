"""Sign-in by the organisation's own identity provider: OpenID Connect, the authorization code flow with PKCE.

A response is accepted only if it belongs to our request (state, nonce, verifier), was signed by the provider with an
algorithm of the list, is meant for us, and is fresh. The agent is the one linked to that account of the provider
before; the first time, the one whose login a claim names. Signing in never creates an agent or a permission.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from zrm.config import IdentityProviderConfig as Settings

ALGORITHMS: Final = (
    "RS256",
    "PS256",
    "ES256",
    "ES384",
    "RS384",
    "PS384",
    "RS512",
    "PS512",
    "ES512",
    "Ed25519",
    "EdDSA",
)
"""Accepted signatures of an ID token: public keys only, never the client's secret, and never none."""

_PATIENCE: Final = 10.0  # seconds for each response of the provider
_KEPT: Final = 3600.0  # seconds for which its description and keys are cached
_LEEWAY: Final = 60  # seconds that its clock may differ


class ProviderFailed(Exception):
    """The provider does not answer, or its response is not accepted; the message is for the log."""


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """What a browser takes along to the provider and must bring back: kept in a sealed cookie."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> SignInRequest:
        """A fresh one with random values."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))


@dataclass(frozen=True, slots=True)
class ProviderIdentity:
    """The account that signed in there: the provider's own name for it, and the claim that may name an agent's login."""

    issuer: str
    subject: str
    login: str
    authenticated_at: float


class IdentityProvider:
    """The provider that the settings name. One per process; safe to use from several threads."""

    def __init__(self, settings: Settings, redirect_uri: str, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._lock = threading.Lock()
        self._description: tuple[float, dict[str, Any]] = (0.0, {})
        self._keys: tuple[float, KeySet] | None = None

    def address(self, sign_in_request: SignInRequest, *, again: bool = False) -> str:
        """The address to send the browser to; `again`: the provider must ask the user to sign in again, even if they
        are signed in.

        Errors: ProviderFailed.
        """
        more: dict[str, Any] = {"prompt": "login", "max_age": 0} if again else {}
        address: str = prepare_grant_uri(
            self._endpoint("authorization_endpoint"),
            self._settings.client_id,
            "code",
            redirect_uri=self._redirect_uri,
            scope="openid email profile",
            state=sign_in_request.state,
            nonce=sign_in_request.nonce,
            code_challenge=create_s256_code_challenge(sign_in_request.verifier),
            code_challenge_method="S256",
            **more,
        )
        return address

    def person(self, sign_in_request: SignInRequest, answer: Mapping[str, str]) -> ProviderIdentity:
        """The account, from the response that the browser brought back. Errors: ProviderFailed."""
        if not hmac.compare_digest(answer.get("state", "").encode(), sign_in_request.state.encode()):
            raise ProviderFailed("the answer belongs to another sign-in")
        if "iss" in answer and answer["iss"] != self._settings.issuer:
            raise ProviderFailed("the answer is another provider's")
        if "error" in answer or not answer.get("code"):
            raise ProviderFailed(f"the provider refused: {answer.get('error', 'no code')[:60]}")
        token = self._token(answer["code"], sign_in_request)
        return self._read(str(token.get("id_token", "")), sign_in_request, str(token.get("access_token", "")))

    def obstacle(self) -> str:
        """Why signing in there cannot work, for `zrm check`; empty if it can."""
        try:
            self._describe()
        except ProviderFailed as error:
            return f"security.identity_provider: {error}"
        return ""

    def _read(self, id_token: str, sign_in_request: SignInRequest, access_token: str) -> ProviderIdentity:
        header, claims = self._verified(id_token)
        expected = {
            "iss": {"value": self._settings.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
            "sub": {"essential": True},
        }
        params = {"nonce": sign_in_request.nonce, "client_id": self._settings.client_id, "access_token": access_token}
        try:
            CodeIDToken(claims, header, expected, params).validate(now=int(self._clock()), leeway=_LEEWAY)
        except JoseError as error:
            raise ProviderFailed(f"the ID token is not to be believed: {type(error).__name__}") from None
        claims |= self._more_claims(claims, access_token)
        self._require_domain(claims)
        login = claims.get(self._settings.login_claim, "")
        if self._settings.login_claim == "email" and claims.get("email_verified") is not True:
            login = ""
        authenticated = claims.get("auth_time") or claims["iat"]
        return ProviderIdentity(self._settings.issuer, str(claims["sub"]), str(login), float(authenticated))

    def _more_claims(self, claims: Mapping[str, Any], access_token: str) -> dict[str, Any]:
        """What the ID token leaves out: many providers give names and addresses only in exchange for the access token."""
        wanted = {self._settings.login_claim, *(("email", "email_verified") if self._settings.domains else ())}
        if wanted <= claims.keys() or not access_token or not self._describe().get("userinfo_endpoint"):
            return {}
        said = _asked("GET", self._endpoint("userinfo_endpoint"), auth=_Bearer(access_token))
        if said.get("sub") != claims["sub"]:
            raise ProviderFailed("it told of another account than it signed for")
        return {name: value for name, value in said.items() if name not in claims}

    def _verified(self, id_token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        why = ""
        for fresh in (False, True):  # an unknown key may be new: fetch the keys once more
            try:
                token = jwt.decode(id_token, self._key_set(fresh=fresh), algorithms=list(ALGORITHMS))
                return dict(token.header), dict(token.claims)
            except (JoseError, ValueError, TypeError) as error:
                why = type(error).__name__
        raise ProviderFailed(f"the ID token is not the provider's: {why}")

    def _require_domain(self, claims: Mapping[str, Any]) -> None:
        if not self._settings.domains:
            return
        domain = str(claims.get("email", "")).rpartition("@")[2].lower()
        if claims.get("email_verified") is not True or domain not in self._settings.domains:
            raise ProviderFailed("the account's e-mail address is of no domain that is let in")

    def _token(self, code: str, sign_in_request: SignInRequest) -> dict[str, Any]:
        """What the provider returns for the code, which it accepts once."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": sign_in_request.verifier,
        }
        client_id, secret = self._settings.client_id, self._settings.client_secret
        ways = self._describe().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        basic = httpx.BasicAuth(quote_plus(client_id), quote_plus(secret)) if "client_secret_basic" in ways else None
        if basic is None:
            form |= {"client_id": client_id, "client_secret": secret}
        return _asked("POST", self._endpoint("token_endpoint"), form=form, auth=basic)

    def _endpoint(self, name: str) -> str:
        address = str(self._describe().get(name, ""))
        if not _trusted(address, self._settings.issuer):
            raise ProviderFailed(f"it has no {name} that can be used")
        return address

    def _describe(self) -> dict[str, Any]:
        with self._lock:
            at, description = self._description
            if not description or self._clock() - at > _KEPT:
                address = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
                description = _asked("GET", address)
                if description.get("issuer") != self._settings.issuer:
                    raise ProviderFailed("what it says of itself names another issuer")
                self._description = (self._clock(), description)
            return description

    def _key_set(self, *, fresh: bool) -> KeySet:
        address = self._endpoint("jwks_uri")
        with self._lock:
            if fresh or self._keys is None or self._clock() - self._keys[0] > _KEPT:
                try:
                    self._keys = (self._clock(), KeySet.import_key_set(_asked("GET", address)))  # type: ignore[arg-type]  # JSON
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise ProviderFailed(f"its keys cannot be read: {type(error).__name__}") from None
            return self._keys[1]


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _asked(
    method: str, address: str, *, form: Mapping[str, str] | None = None, auth: httpx.Auth | None = None
) -> dict[str, Any]:
    try:
        answer = httpx.request(
            method, address, data=form, auth=auth, timeout=_PATIENCE, headers={"Accept": "application/json"}
        )
        answer.raise_for_status()
        said = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ProviderFailed(f"{address} does not answer as it should: {type(error).__name__}") from None
    if not isinstance(said, dict):
        raise ProviderFailed(f"{address} does not answer as it should")
    return said


def _trusted(address: str, issuer: str) -> bool:
    """Whether secrets may be sent to the address: it has TLS, unless the issuer itself has none (on this machine)."""
    return urlsplit(address).scheme == "https" or (
        urlsplit(issuer).scheme == "http" and urlsplit(address).scheme == "http"
    )
