"""The operator's one file, `config.yaml`: read once, checked whole, refused with the line that is wrong.

`${NAME}` in a value is taken from the environment, `${NAME:-value}` has a value for when it is not set. A channel's section is checked by the channel's own model, so the
file is kept as a `Section` that remembers its lines until somebody says what it should contain.
"""

from __future__ import annotations

import ipaddress
import os
import re
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args
from urllib.parse import SplitResult, parse_qs, urlsplit

import psycopg
import yaml
from phonenumbers import SUPPORTED_REGIONS
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from zrm.contract.capabilities import acknowledging
from zrm.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


class ConfigPart(BaseModel):
    """A section of an operator's file: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Name(ConfigPart):
    """A name in both languages."""

    fa: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Organisation(ConfigPart):
    """Whose installation this is, and how its people write dates and numbers."""

    name: Name
    language: Literal["fa", "en"] = "fa"
    calendar: Literal["solar", "gregorian"] = "solar"
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
        # As whole networks: uvicorn would take 10.1.2.3/8 for the name of a machine, and trust nobody.
        return [_network(proxy) for proxy in value]


class Dispatch(ConfigPart):
    """How the queue works. Times in seconds."""

    batch: int = Field(default=64, ge=1, le=1000)
    lease: float = Field(default=30, ge=1)
    sweep: float = Field(default=5, ge=0.2)
    max_attempts: int = Field(default=8, ge=1)
    hold: float = Field(default=10, ge=0, le=600)
    # A long text may take a minute to leave, and the network reports on its first part while the last is still to go.
    report_wait: float = Field(default=120, ge=0)
    late: float = Field(default=60, ge=60)
    report_hours: float = Field(default=24, gt=0)


class Quarantine(ConfigPart):
    """Who owns what could not be understood, and how soon they must look (hours)."""

    hours: float = Field(default=4, gt=0)


class Threads(ConfigPart):
    """Days: how long an open text conversation stays the same conversation, and a closed case can be taken up again."""

    open_line_days: float = Field(default=7, gt=0)
    reopen_days: float = Field(default=365, gt=0)


class Rates(ConfigPart):
    """Tries allowed in a window (seconds). Of codes and proofs only misses count, for a town may sit behind one address.

    `track_tries`: unknown codes from one peer; `proof_peer_tries`: wrong proofs from one peer. `proof_tries`: wrong proofs
    of one code, whoever tries; `proof_code_tries` the same over a longer window. `link_tries`: links asked for one code,
    `link_peer_tries` by one peer, right or wrong, and as often lost codes: each is a message.
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
    """What the doors that anybody can reach (form, JSON, SMTP) take in within a window (seconds).

    `peer_posts` and `peer_megabytes` from one peer, an IPv4 address or an IPv6 /64, at one door; `address_posts` that name
    one telephone number or e-mail address as the sender's; `door_posts` at one door from everybody, null for no bound.
    `trusted_peers` are not counted: a mail server or a proxy of ours, a partner's network that stands for many.
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
    """Automatic answers from one account of ours to one address; beyond that two machines talk, and ours is silent.

    An address typed into the web form may be anybody's: it gets a code only if it had fewer than `typed_per_day` automatic
    answers that day, and all such addresses together get `typed_per_hour`. Where lost codes were asked for, the address gets
    them `typed_per_day` times a day.
    """

    per_hour: int = Field(default=10, ge=1)
    per_day: int = Field(default=30, ge=1)
    typed_per_day: int = Field(default=3, ge=1)
    typed_per_hour: int = Field(default=300, ge=1)


class Metrics(ConfigPart):
    """Who may read /metrics: whoever shows `token`; without one, programs on this machine that come by no proxy."""

    token: str | None = Field(default=None, min_length=16, max_length=500)


class IdentityProviderConfig(ConfigPart):
    """The organisation's own sign-in (OpenID Connect). `issuer` as the provider writes it; `label` stands on our button.

    `login_claim` names the claim that is an agent's login. With `domains` the account's verified e-mail address must be of
    one of them. `proves_two_steps`: the provider asks for two steps itself, so ours asks for no second.
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
    """How agents sign in. `two_step`: whether a second step is `offered`, `required` of everybody, or not offered (`off`).

    Whoever has set a second step up is always asked for it.
    """

    two_step: Literal["off", "offered", "required"] = "offered"
    passwords: bool = True
    identity_provider: IdentityProviderConfig | None = None

    @model_validator(mode="after")
    def _some_way_in(self) -> Security:
        if not self.passwords and self.identity_provider is None:
            raise ValueError("passwords: false needs an identity_provider, or nobody could sign in")
        return self


class Scan(ConfigPart):
    """A clamd that is asked about the files citizens attach; `timeout` in seconds for each of its answers."""

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
            raise ValueError("expected an address without a path: our pages stand at the root of a host of their own")
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


class Section:
    """A mapping of the file with the line of each key."""

    def __init__(self, file: str, node: yaml.MappingNode | None, path: tuple[str, ...] = ()) -> None:
        self.file = file
        self.path = path
        self._node = node
        self.line = _line(node)
        self.values: dict[str, Any] = {} if node is None else _value(file, node)

    def sections(self, key: str) -> dict[str, Section]:
        """The mappings below `key`, each a section of its own. Errors: ConfigError if one is not a mapping."""
        node = _child(self._node, key)
        if node is None:
            return {}
        found = {}
        for name_node, child in _pairs(self.file, node, (*self.path, key)):
            if not isinstance(child, yaml.MappingNode):
                raise ConfigError(f"{self.file}:{_line(child)}: {key}.{name_node.value}: expected a mapping")
            found[str(name_node.value)] = Section(self.file, child, (*self.path, key, str(name_node.value)))
        return found

    def without(self, *keys: str) -> Section:
        """The same section with some keys left for somebody else to check."""
        rest = Section(self.file, self._node, self.path)
        rest.values = {key: value for key, value in self.values.items() if key not in keys}
        return rest

    def place(self, *path: str) -> str:
        """`file:line: section.key` of what lies there, or of the nearest thing above it that the file has."""
        node: yaml.Node | None = self._node
        line = self.line
        for step in path:
            key_node, node = _find(node, step)
            if key_node is not None:
                line = _line(key_node)
        file = f"{self.file}:{line}" if self._node is not None else self.file
        return f"{file}: {'.'.join((*self.path, *path))}"

    def texts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Every text in the section with the steps that lead to it, as it is once the environment was asked."""
        yield from _texts(self.values, ())

    def read(self, model: type[M]) -> M:
        """The section as `model`. Errors: ConfigError with file, line, key and what was expected."""
        try:
            return model.model_validate(self.values)
        except ValidationError as error:
            problems = [self._explain(model, problem) for problem in error.errors()]
            raise ConfigError("\n".join(problems)) from None

    def _explain(self, model: type[BaseModel], problem: Any) -> str:
        location = [str(step) for step in problem["loc"] if step != "[key]"]
        place = self.place(*location)
        if problem["type"] == "extra_forbidden":
            known = ", ".join(sorted(_fields(model, location[:-1])))
            return f"{place}: unknown key; expected one of: {known}"
        if problem["type"] == "missing":
            return f"{place}: missing; it must be given"
        return f"{place}: {_in_words(problem, _field(model, location))}"


def said(source: str, values: dict[str, Any]) -> Section:
    """What was said elsewhere than in a file, on a command line say, to be checked as if it stood in one."""
    section = Section(source, None)
    section.values = values
    return section


def load(path: Path) -> Section:
    """Read a configuration file. Errors: ConfigError for a missing file, bad YAML, a doubled key, an unset ${NAME}."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path.name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path.name}: expected UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{path.name}:{line}: not YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path.name}:1: expected a mapping of keys to values")
    try:
        return Section(path.name, node)
    except RecursionError:
        raise ConfigError(f"{path.name}: something in it contains itself, or is nested too deeply") from None


def _split(address: str) -> SplitResult | None:
    """The address in its parts; None if it, or the port in it, cannot be read."""
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
    """An address or a network, as a network. Errors: ValueError, in words."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text}: expected an address or a network such as 10.0.0.1 or 10.0.1.0/24") from None


def _libpq_reads(address: str) -> bool:
    """Whether it is an address for libpq, which may name several hosts."""
    try:
        ports = str(conninfo_to_dict(address).get("port") or "")
    except psycopg.Error:  # its text may quote a part of the password
        return False
    named = address.startswith(("postgresql://", "postgres://"))
    return named and all(port.isdecimal() for port in ports.split(",") if port)


def _numbers(address: SplitResult) -> bool:
    """Whether the number of the database, if there is one, is a number: redis-py takes 0 for anything else."""
    path = [] if address.scheme == "unix" else [address.path.strip("/") or "0"]
    return all(number.isdecimal() for number in [*path, *parse_qs(address.query).get("db", [])])


def _value(file: str, node: yaml.Node, path: tuple[str, ...] = ()) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _value(file, child, (*path, str(key.value))) for key, child in _pairs(file, node, path)}
    if isinstance(node, yaml.SequenceNode):
        return [_value(file, child, path) for child in node.value]
    if isinstance(node, yaml.ScalarNode) and _VARIABLE.search(node.value):
        return _VARIABLE.sub(lambda match: _environment(file, node, match), node.value)
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError):
        wanted = node.tag.removeprefix("tag:yaml.org,2002:")
        raise ConfigError(f"{file}:{_line(node)}: {'.'.join(path)}: this cannot be read as {wanted}") from None
    finally:
        loader.dispose()


def _environment(file: str, node: yaml.Node, match: re.Match[str]) -> str:
    name, default = match.groups()
    value = os.environ.get(name, default)
    if value is None:
        raise ConfigError(f"{file}:{_line(node)}: ${{{name}}} is not set in the environment")
    return str(value)


def _pairs(file: str, node: yaml.Node, path: tuple[str, ...]) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{file}:{_line(node)}: {'.'.join(path)}: expected a mapping")
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{file}:{_line(key)}: expected a plain key")
        if key.value in seen:
            raise ConfigError(f"{file}:{_line(key)}: {key.value}: given twice, first on line {seen[key.value]}")
        seen[key.value] = _line(key)
    return list(node.value)


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, str(key)))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _texts(inner, (*path, str(place)))


def _find(node: yaml.Node | None, step: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.value == step:
                return key, child
    if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
        return node.value[int(step)], node.value[int(step)]
    return None, None


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return _find(node, key)[1]


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "list": "a list",
    "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values",
}
_BOUNDS = {
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "finite_number": "a finite number",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "literal_error": "{expected}",
    "enum": "{expected}",
}


def _in_words(problem: Any, field: FieldInfo | None) -> str:
    """What a value should have been, for somebody who knows neither pydantic nor regular expressions."""
    kind, context = str(problem["type"]), problem.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        # Where a section is wrapped in ways `_field` does not follow, the key alone is named.
        extra = field.json_schema_extra if field is not None else None
        return f"expected {extra['expected']}" if isinstance(extra, dict) else "it is not written as it should be"
    if kind == "string_too_short" and context["min_length"] == 1:
        return "expected some text"
    if (bound := _BOUNDS.get(kind)) is not None:
        return f"expected {bound.format(**context)}"
    name, _, way = kind.rpartition("_")
    return f"expected {_KINDS[name]}" if way in ("type", "parsing") and name in _KINDS else str(problem["msg"])


def _field(model: type[BaseModel], path: list[str]) -> FieldInfo | None:
    """What the section's model says of the key at the end of `path`."""
    section = _section(model, path[:-1])
    return section.model_fields.get(path[-1]) if section is not None and path else None


def _fields(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys of the section at `path`."""
    section = _section(model, path)
    return list(section.model_fields) if section is not None else []


def _section(model: type[BaseModel], path: list[str]) -> type[BaseModel] | None:
    """The section at `path`, whatever mappings, lists and choices of sections lie on the way; None if it is none."""
    kind: Any = model
    for step in path:
        if chosen := _choice(kind, step):
            kind = chosen
            continue
        if _is_section(kind):
            info = kind.model_fields.get(step)
            kind = info.annotation if info else None
        else:
            kind = next(reversed(get_args(kind)), None)
        kind = next((inner for inner in get_args(kind) if _is_section(inner)), kind) if _may_lack(kind) else kind
    return kind if _is_section(kind) else None


def _choice(kind: Any, step: str) -> type[BaseModel] | None:
    """Of a choice between sections, told apart by their `kind`, the one named `step`."""
    for inner in get_args(kind):
        chosen = inner.model_fields.get("kind") if _is_section(inner) else None
        if chosen is not None and step in get_args(chosen.annotation):
            return cast("type[BaseModel]", inner)
        if not _is_section(inner) and (found := _choice(inner, step)):
            return found
    return None


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _may_lack(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else int(node.start_mark.line) + 1
