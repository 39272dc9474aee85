"""The settings of the operator's file, `config.yaml`, except the channels' sections, which their own models check.

The file is read by `zrm.kit.yaml_section`, which names the line of each error.
"""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

import psycopg
from phonenumbers import SUPPORTED_REGIONS
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from zrm.contract.capabilities import acknowledging
from zrm.languages import FALLBACK, LANGUAGES, Calendar, Language
from zrm.localized import in_language


class ConfigPart(BaseModel):
    """A section of an operator's file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NameBase(ConfigPart):
    """A name by language. Its fields are the codes of `LANGUAGES`; those of `FALLBACK` must be given."""

    @property
    def names(self) -> dict[str, str]:
        """The name by language code, as the store keeps it."""
        return self.model_dump(exclude_none=True)

    def in_language(self, language: str) -> str:
        """The name in a reader's language."""
        return in_language(self.names, language)


if TYPE_CHECKING:

    class Name(NameBase):
        """As made below from the table of languages."""

        def __init__(self, **names: str) -> None: ...

else:
    _TEXT = Annotated[str, Field(min_length=1)]
    Name = create_model(
        "Name",
        __base__=NameBase,
        __module__=__name__,
        **{code: (_TEXT, ...) if code in FALLBACK else (_TEXT | None, None) for code in LANGUAGES},
    )


class Organisation(ConfigPart):
    """The organisation's name and its conventions for dates and numbers."""

    name: Name
    language: Language = "fa"
    calendar: Calendar = "solar"
    timezone: str = "Asia/Tehran"
    region: str = "IR"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError("expected an IANA time zone such as Asia/Tehran")
        return value

    @field_validator("region")
    @classmethod
    def _known_region(cls, value: str) -> str:
        if value not in SUPPORTED_REGIONS:
            raise ValueError("expected a country in two letters such as IR")
        return value


class Web(ConfigPart):
    """Where the web server listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    trusted_proxies: list[str] = []

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        if value == ["*"]:
            return value
        if "*" in value:
            raise ValueError("'*' stands alone")
        # As whole networks: uvicorn would take 10.1.2.3/8 for a host name and trust no proxy.
        return [_network(proxy) for proxy in value]


class Dispatch(ConfigPart):
    """How the queue works. Times in seconds."""

    batch: int = Field(default=64, ge=1, le=1000)
    lease: float = Field(default=30, ge=1)
    sweep: float = Field(default=5, ge=0.2)
    max_attempts: int = Field(default=8, ge=1)
    hold: float = Field(default=10, ge=0, le=600)
    # A long text may take a minute to leave, and the network reports on its first part while later parts are still
    # sent.
    report_wait: float = Field(default=120, ge=0)
    late: float = Field(default=60, ge=60)
    report_hours: float = Field(default=24, gt=0)


class Notifications(ConfigPart):
    """Days for which a read notification is kept; an unread one is kept until it is read."""

    keep_read: float = Field(default=30, gt=0, le=3650)


class Quarantine(ConfigPart):
    """The unit that owns quarantined contacts, and the time within which it must look at them (hours)."""

    hours: float = Field(default=4, gt=0)


class Threads(ConfigPart):
    """Days: how long an SMS conversation without a quoted code stays one conversation, and a closed case can be
    reopened.
    """

    open_line_days: float = Field(default=7, gt=0)
    reopen_days: float = Field(default=365, gt=0)


class Rates(ConfigPart):
    """Tries allowed in a window (seconds). Of codes and proofs only misses count: many citizens may share one address.

    `track_tries`: unknown codes from one peer; `proof_peer_tries`: wrong proofs from one peer. `proof_tries`: wrong
    proofs of one code from all peers; `proof_code_tries`: the same over a longer window. `link_tries`: links requested
    for one code; `link_peer_tries`: by one peer, right or wrong, and the same for lost codes: each is a message.
    """

    track_tries: int = Field(default=20, ge=1)
    track_window: float = Field(default=900, gt=0)
    proof_tries: int = Field(default=5, ge=1)
    proof_peer_tries: int = Field(default=20, ge=1)
    proof_code_tries: int = Field(default=20, ge=1)
    proof_code_window: float = Field(default=86_400, gt=0, le=86_400)
    link_tries: int = Field(default=3, ge=1)
    link_peer_tries: int = Field(default=30, ge=1)
    link_window: float = Field(default=3600, gt=0, le=86_400)
    sign_in_tries: int = Field(default=10, ge=1)
    sign_in_window: float = Field(default=900, gt=0)
    sign_in_login_tries: int = Field(default=50, ge=1)
    sign_in_login_window: float = Field(default=3600, gt=0)


class Quotas(ConfigPart):
    """How much the public doors (form, JSON, SMTP) accept within a window (seconds).

    `peer_posts` and `peer_megabytes`: from one peer, an IPv4 address or an IPv6 /64, at one door; `address_posts`:
    posts that name one telephone number or e-mail address as the sender's; `door_posts`: all posts at one door, null
    for no limit. `trusted_peers` are not counted: a mail server or a proxy of ours, or a partner's network with many
    senders.
    """

    window: float = Field(default=600, ge=1, le=86_400)
    peer_posts: int = Field(default=600, ge=1)
    peer_megabytes: int = Field(default=1_000, ge=1, le=1_000_000)
    address_posts: int = Field(default=60, ge=1)
    door_posts: int | None = Field(default=60_000, ge=1)
    trusted_peers: list[str] = ["127.0.0.0/8", "::1/128"]

    @field_validator("trusted_peers")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        return [_network(peer) for peer in value]


class Automatic(ConfigPart):
    """Automatic answers from one account of ours to one address; above the limit two machines are writing, and ours
    stops.

    An address typed into the web form may belong to another person: it gets a code only if it had fewer than
    `typed_per_day` automatic answers that day, and all such addresses together get `typed_per_hour`. An address for
    which lost codes are requested gets them `typed_per_day` times a day.
    """

    per_hour: int = Field(default=10, ge=1)
    per_day: int = Field(default=30, ge=1)
    typed_per_day: int = Field(default=3, ge=1)
    typed_per_hour: int = Field(default=300, ge=1)


class Metrics(ConfigPart):
    """Who may read /metrics: clients that send `token`; without a token, clients on this machine that come by no
    proxy.
    """

    token: str | None = Field(default=None, min_length=16, max_length=500)


class IdentityProviderConfig(ConfigPart):
    """The organisation's own sign-in (OpenID Connect). `issuer` as the provider writes it; `label` is the text of our
    button.

    `login_claim` names the claim that is an agent's login. With `domains`, the account's verified e-mail address must
    belong to one of them. `proves_two_steps`: the provider asks for two steps itself, so ours asks for no second step.
    """

    issuer: str
    client_id: str = Field(min_length=1)
    client_secret: str = Field(min_length=1, description="As ${NAME}.")
    label: Name
    login_claim: str = Field(default="preferred_username", min_length=1)
    domains: list[str] = []
    proves_two_steps: bool = False

    @field_validator("issuer")
    @classmethod
    def _safe(cls, value: str) -> str:
        address = _split(value)
        here = address is not None and (address.hostname == "localhost" or _is_loopback(address.hostname or ""))
        if (
            address is None
            or not address.hostname
            or not (address.scheme == "https" or (here and address.scheme == "http"))
        ):
            raise ValueError("expected an address such as https://login.example.org; our secret is sent there")
        return value

    @field_validator("domains")
    @classmethod
    def _lower(cls, value: list[str]) -> list[str]:
        return [domain.lower().lstrip("@") for domain in value]


class Security(ConfigPart):
    """How agents sign in. `two_step`: the second step is `offered`, `required` for everyone, or not offered (`off`).

    Agents that have set up a second step are always asked for it.
    """

    two_step: Literal["off", "offered", "required"] = "offered"
    passwords: bool = True
    identity_provider: IdentityProviderConfig | None = None

    @model_validator(mode="after")
    def _some_way_in(self) -> Security:
        if not self.passwords and self.identity_provider is None:
            raise ValueError("passwords: false needs an identity_provider, else no agent could sign in")
        return self


class Scan(ConfigPart):
    """A clamd that scans the files citizens attach; `timeout` in seconds for each of its answers."""

    clamd: str
    timeout: float = Field(default=60, gt=0)

    @field_validator("clamd")
    @classmethod
    def _address(cls, value: str) -> str:
        if not re.fullmatch(r"unix:/.+|tcp:([^\s:\[\]]+|\[[0-9A-Fa-f:]+\]):\d{1,5}", value):
            raise ValueError("expected unix:/path/of/the/socket or tcp:host:port")
        return value


class Settings(ConfigPart):
    """Everything in config.yaml except the channels' own sections."""

    organisation: Organisation
    public_url: str = "http://127.0.0.1:8000"
    data_dir: str = "var"
    database_url: str | None = None
    redis_url: str | None = None
    secret: str | None = Field(default=None, min_length=16)
    default_unit: str = "contact-centre"
    mail_domain: str = Field(
        default="localhost",
        pattern="^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        json_schema_extra={"expected": "a domain such as zrm.example.org, in ASCII letters"},
    )
    acknowledge: list[str] = Field(default_factory=acknowledging)
    automatic: Automatic = Automatic()
    web: Web = Web()
    dispatch: Dispatch = Dispatch()
    notifications: Notifications = Notifications()
    quarantine: Quarantine = Quarantine()
    threads: Threads = Threads()
    rates: Rates = Rates()
    quotas: Quotas = Quotas()
    scan: Scan | None = None
    metrics: Metrics = Metrics()
    security: Security = Security()
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"

    @field_validator("acknowledge")
    @classmethod
    def _can_acknowledge(cls, value: list[str]) -> list[str]:
        if unable := set(value) - set(acknowledging()):
            known = ", ".join(acknowledging())
            raise ValueError(
                f"{', '.join(sorted(unable))}: no acknowledgement goes out by this channel; expected any of: {known}"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        address = _split(value)
        if address is None or address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("expected an address such as https://contact.example.org")
        if address.path.strip("/") or address.query or address.fragment or address.username is not None:
            raise ValueError("expected an address without a path: our pages need a host of their own")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: str | None) -> str | None:
        if value is not None and not _libpq_reads(value):
            raise ValueError(
                "expected an address such as postgresql://user:password@host/database, with libpq's own parameters; "
                "what is special in a password is written as %40 for @, %2F for /"
            )
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        address = _split(value or "redis:")
        if address is None or address.scheme not in ("redis", "rediss", "unix") or not _numbers(address):
            raise ValueError(
                "expected an address such as redis://host:6379/0 or unix:///path/of/the/socket?db=0; "
                "what is special in a password is written as %40 for @, %2F for /"
            )
        return value


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None if it, or its port, cannot be parsed."""
    try:
        parts = urlsplit(address)
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _network(text: str) -> str:
    """An address or a network, as a network. Errors: ValueError with a message for the operator."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text}: expected an address or a network such as 10.0.0.1 or 10.0.1.0/24") from None


def _libpq_reads(address: str) -> bool:
    """Whether it is an address for libpq, which may name several hosts."""
    try:
        ports = str(conninfo_to_dict(address).get("port") or "")
    except psycopg.Error:  # its message may quote a part of the password
        return False
    named = address.startswith(("postgresql://", "postgres://"))
    return named and all(port.isdecimal() for port in ports.split(",") if port)


def _numbers(address: SplitResult) -> bool:
    """Whether the database number, if present, is a number: redis-py takes any other text for 0."""
    path = [] if address.scheme == "unix" else [address.path.strip("/") or "0"]
    return all(number.isdecimal() for number in [*path, *parse_qs(address.query).get("db", [])])
