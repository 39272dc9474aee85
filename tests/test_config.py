"""config.yaml: a wrong line is named, with what was expected there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from zrm.channels.registry import CHANNELS
from zrm.config import Settings
from zrm.errors import ConfigError
from zrm.installation import SAMPLE_CONFIG, load_config
from zrm.kit import log
from zrm.kit.yaml_section import load

GOOD = """\
organisation:
  name: {fa: "مرکز", en: "Centre"}
public_url: http://127.0.0.1:8000
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "colour: red\n", "config.yaml:4: colour: unknown key; expected one of: "),
        (GOOD + "web:\n  prot: 8000\n", "config.yaml:5: web.prot: unknown key; expected one of: host, port"),
        (GOOD + "web:\n  port: lots\n", "config.yaml:5: web.port: expected a whole number"),
        (GOOD + "web: {port: 99999}\n", "config.yaml:4: web.port: expected a number of at most 65535"),
        (GOOD + "web: 8000\n", "config.yaml:4: web: expected a mapping of keys to values"),
        (GOOD + "secret: ${NOT_SET_ANYWHERE}\n", "config.yaml:4: ${NOT_SET_ANYWHERE} is not set in the environment"),
        (GOOD + "log_level: LOUD\n", "config.yaml:4: log_level: expected 'DEBUG', 'INFO' or 'WARNING'"),
        (GOOD + "data_dir: a\ndata_dir: b\n", "config.yaml:5: data_dir: given twice, first on line 4"),
        (GOOD + "web: {port: 1\n", "config.yaml:5: not YAML"),
        ("- a\n- b\n", "config.yaml:1: expected a mapping of keys to values"),
        ("", "config.yaml:1: expected a mapping"),
        ("public_url: x\n", "config.yaml:1: organisation: missing; it must be given"),
        (
            GOOD.replace("public_url", "  timezone: Mars/Base\npublic_url"),
            "config.yaml:3: organisation.timezone: expected an IANA time zone",
        ),
        (
            GOOD + "channels:\n  pigeon: {}\n",
            "config.yaml:5: channels.pigeon: unknown channel; expected one of: bale, call, email",
        ),
        (
            GOOD + "channels:\n  web: {acount: x}\n",
            "config.yaml:5: channels.web.acount: unknown key; expected one of: ",
        ),
        (GOOD + "data_dir: &a [*a]\n", "config.yaml: something in it contains itself"),
        (GOOD + "data_dir: 2026-99-99\n", "config.yaml:4: data_dir: this cannot be read as timestamp"),
        (GOOD + "web: {port: !!int lots}\n", "config.yaml:4: web.port: this cannot be read as int"),
        (
            GOOD + "data_dir: !!python/object/apply:os.getcwd []\nsecret: !!python/name:os.getcwd x\n",
            "config.yaml:5: secret: this cannot be read as python/name:os.getcwd",
        ),
        (GOOD + "database_url: mysql://x/y\n", "config.yaml:4: database_url: expected an address such as"),
        (GOOD + "database_url: hello world\n", "config.yaml:4: database_url: expected an address such as"),
        (GOOD + "database_url: postgresql://x/y?colour=red\n", "config.yaml:4: database_url: expected an"),
        (GOOD + "database_url: postgresql://u:se:c/ret@x/y\n", "config.yaml:4: database_url: expected an"),
        (
            GOOD + "database_url: postgresql://x:port/y\n",
            "config.yaml:4: database_url: expected an address",
        ),
        (GOOD + "redis_url: redis://x:6379/first\n", "config.yaml:4: redis_url: expected an address"),
        (GOOD + "redis_url: unix:///run/v.sock?db=first\n", "config.yaml:4: redis_url: expected an"),
        (GOOD + "redis_url: http://x\n", "config.yaml:4: redis_url: expected an address such as redis://"),
        (GOOD + "redis_url: redis://x:port/0\n", "config.yaml:4: redis_url: expected an address"),
        (GOOD.replace("http://127.0.0.1:8000", "hello"), "config.yaml:3: public_url: expected an address"),
        (
            GOOD.replace("http://127.0.0.1:8000", "https://example.org/contact"),
            "config.yaml:3: public_url: expected an address without a path",
        ),
        (
            GOOD + "web: {trusted_proxies: ['*', 10.0.0.1]}\n",
            "config.yaml:4: web.trusted_proxies: '*' stands",
        ),
        (GOOD + "secret: ''\n", "config.yaml:4: secret: expected at least 16 characters"),
        (GOOD + "mail_domain: 'a b'\n", "config.yaml:4: mail_domain: expected a domain such as zrm.example.org"),
        (GOOD + "dispatch: {sweep: .inf}\n", "config.yaml:4: dispatch.sweep: expected a finite number"),
        (GOOD + "web: {trusted_proxies: [gate]}\n", "config.yaml:4: web.trusted_proxies: gate: expected an address"),
        (
            GOOD + "quotas: {trusted_peers: [10.0.0.0/99]}\n",
            "config.yaml:4: quotas.trusted_peers: 10.0.0.0/99: expected",
        ),
        (GOOD + "quotas: {peer_posts: many}\n", "config.yaml:4: quotas.peer_posts: expected a whole number"),
        (
            GOOD.replace("public_url", "  region: XX\npublic_url"),
            "config.yaml:3: organisation.region: expected a country",
        ),
        (GOOD + "channels:\n  web: yes please\n", "config.yaml:5: channels.web: expected a mapping"),
        (
            GOOD + "channels:\n  email:\n    mailboxes: {info: {address: nonsense}}\n",
            "config.yaml:6: channels.email.mailboxes.info.address: expected a plain address",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(write(tmp_path, text))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        "database_url: postgresql://zrm-owner:p%40ss%2Fw@db.example:5433/zrm-prod?sslmode=disable",
        "database_url: postgresql://zrm@/zrm?host=%2Frun%2Fpostgresql&options=-csearch_path%3Dzrm",
        "database_url: postgresql://one.example:5432,two.example:5433/zrm?target_session_attrs=read-write",
        "redis_url: rediss://hub:pa%2Fss@queue.example:6380/3",
        "redis_url: redis://queue.example",
        "redis_url: unix://:pass@/run/valkey.sock?db=5",
    ],
)
def test_addresses_of_stores_as_they_are_written_elsewhere(tmp_path: Path, line: str) -> None:
    name, _, address = line.partition(": ")
    assert getattr(load_config(write(tmp_path, GOOD + line + "\n")).settings, name) == address


def test_a_stores_password_is_never_printed_however_it_is_written(tmp_path: Path) -> None:
    load_config(
        write(
            tmp_path,
            GOOD + "database_url: postgresql://zrm:open%40sesame@db/zrm\nredis_url: redis://q/0?password=hush%2Fhush\n",
        )
    )
    assert log.redact("open@sesame open%40sesame hush/hush") == "[secret] [secret] [secret]"


def test_a_public_address_is_kept_without_a_slash_at_its_end(tmp_path: Path) -> None:
    text = GOOD.replace("http://127.0.0.1:8000", "https://contact.example.org/")
    assert load_config(write(tmp_path, text)).settings.public_url == "https://contact.example.org"


def test_a_network_of_proxies_is_one_however_it_is_written(tmp_path: Path) -> None:
    text = GOOD + "web: {trusted_proxies: [10.1.2.3/8, 192.0.2.1, '2001:db8::5']}\n"
    assert load_config(write(tmp_path, text)).settings.web.trusted_proxies == [
        "10.0.0.0/8",
        "192.0.2.1/32",
        "2001:db8::5/128",
    ]


def test_a_data_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"data_dir: .*file: cannot be used: "):
        load_config(write(tmp_path, GOOD + "data_dir: file\n"))


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(write(tmp_path, GOOD + "colour: red\nweb: {port: lots}\n"))
    assert str(refused.value).count("config.yaml:") == 2


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml: No such file"):
        load(tmp_path / "config.yaml")


def test_secrets_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_SECRET", "a secret from outside")
    path = write(tmp_path, GOOD + "secret: ${OUR_SECRET}\nmail_domain: ${NO_SUCH:-fallback.example}\n")
    settings = load(path).read(Settings)
    assert settings.secret == "a secret from outside"
    assert settings.mail_domain == "fallback.example"


def test_the_file_we_ship_is_right_and_opens_every_door() -> None:
    plan = load_config(SAMPLE_CONFIG)
    needs_a_token = {"telegram", "bale"}  # of the operator's own bots: there are no bots for everybody
    assert set(plan.channels) == set(CHANNELS) - needs_a_token


def test_a_disabled_channel_is_not_built(tmp_path: Path) -> None:
    without = "channels:\n  web: {enabled: false}\n  letter: {enabled: false}\n"
    assert set(load_config(write(tmp_path, GOOD + without)).channels) == {"call", "visit"}


def test_the_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    first = load_config(path).secret
    assert load_config(path).secret == first
    assert (tmp_path / "var" / "secret").stat().st_mode & 0o077 == 0


def unexplained(model: type[BaseModel], path: str) -> set[str]:
    """The keys of a section, and of the sections in it, that have no sentence."""
    found = set()
    for name, known in model.model_fields.items():
        key = f"{path}.{name}"
        found |= set() if known.description else {key}
        for section in _sections(known.annotation):
            found |= unexplained(section, key)
    return found


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)


@pytest.mark.parametrize("kind", sorted(CHANNELS))
def test_every_key_of_a_channel_has_a_sentence(kind: str) -> None:
    assert unexplained(CHANNELS[kind].Config, kind) == set()


def wordless(model: type[BaseModel], path: str) -> set[str]:
    """The keys whose values have a pattern and no words that say what it asks for."""
    found = set()
    for name, known in model.model_fields.items():
        patterned = any(getattr(rule, "pattern", None) for rule in known.metadata)
        words = known.json_schema_extra
        if patterned and not (isinstance(words, dict) and words.get("expected")):
            found.add(f"{path}.{name}")
        for section in _sections(known.annotation):
            found |= wordless(section, f"{path}.{name}")
    return found


def test_no_operator_is_answered_with_a_regular_expression() -> None:
    assert wordless(Settings, "settings") == set()
    assert {key for kind, channel in CHANNELS.items() for key in wordless(channel.Config, kind)} == set()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("fax: {token: short}", "channels.fax.token: expected 16 to 200 ASCII letters, digits and . _ ~ + / = -"),
        ("telegram: {bots: {info: {token: x}}}", "channels.telegram.bots.info.token: expected a token such as"),
        (
            "sms: {accounts: {a: {account_sid: x}}}",
            "channels.sms.accounts.a.account_sid: expected Twilio's account SID",
        ),
        (
            "sms: {gateways: {net: {kind: smpp, host: x, system_id: hub, password: much too long}}}",
            "password: expected at most 8 ASCII characters",
        ),
        ("fax: {max_mb: 0}", "channels.fax.max_mb: expected a number of at least 1"),
        ("fax: {poll: soon}", "channels.fax.poll: expected a number"),
    ],
)
def test_what_a_channels_key_should_have_been_is_said_in_words(tmp_path: Path, section: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(write(tmp_path, f"{GOOD}channels: {{{section}}}\n"))
    assert said in str(refused.value)


CHECKOUT = Path(__file__).parents[1]
_EXAMPLE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_ABOVE = ["channels:", "  {page}:", "    accounts:"]
"""What stands above an example that begins further in, by its indentation."""
_VALUES = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "MCI_PASSWORD": "eight888"}
_OFFERED = re.compile(r"^( *)# ([a-z_]+: [^…]+?)( {2,}.*)?$")
"""A key that an example only offers, behind a #."""


def examples() -> Iterator[tuple[str, str]]:
    """Every YAML example of the documentation, with each key it offers taken in turn: (page, text)."""
    for page in sorted([*(CHECKOUT / "docs").rglob("*.md"), CHECKOUT / "README.md"]):
        for text in _EXAMPLE.findall(page.read_text("utf-8")):
            first = text.splitlines()[0]
            if page.stem == "organisation" or re.match(r"# [a-z-]+\.[a-z]+$", first):
                continue  # files of their own: the organisation's (tests/test_organisation.py), another program's
            inset = len(first) - len(first.lstrip())
            whole = "\n".join([*(line.format(page=page.stem) for line in _ABOVE[: inset // 2]), text])
            yield page.stem, whole
            lines = whole.splitlines()
            for number, line in enumerate(lines):
                if offered := _OFFERED.match(line):
                    yield page.stem, "\n".join([*lines[:number], offered[1] + offered[2], *lines[number + 1 :]])


@pytest.mark.parametrize(("page", "text"), [pytest.param(*one, id=f"{one[0]}-{n}") for n, one in enumerate(examples())])
def test_every_example_of_the_documentation_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, text: str
) -> None:
    for name in re.findall(r"\$\{([A-Z_]+)\}", text):
        bot = f"123456789:{name}" if page in ("telegram", "bale") and name.endswith("TOKEN") else None
        monkeypatch.setenv(name, bot or _VALUES.get(name, "a-secret-of-many-characters"))
    base = "organisation: {name: {fa: مرکز, en: Centre}}\n"
    load_config(write(tmp_path, ("" if "organisation:" in text else base) + text))
