"""The installation put together from config.yaml: settings, store, blobs, channels. Every role starts here."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from zrm import models  # noqa: F401  # a session follows foreign keys into tables that its role may not import
from zrm.casestore.installation_id import claim_folder
from zrm.casework.reply_routes import SendingAccount
from zrm.channels.channel import Channel, HasListener, HasOwnAddresses, Installation
from zrm.channels.registry import CHANNELS
from zrm.config import Settings
from zrm.contract.ports import OpenDoor
from zrm.errors import ConfigError, StoreUnavailable
from zrm.frontdesk.desk import CitizensDesk, front_desk
from zrm.frontdesk.doors_book import DoorsBook
from zrm.frontdesk.quotas import QuotaCounter
from zrm.inbox.receive import Inbox
from zrm.insight.health import Health
from zrm.kit import file_permissions, log
from zrm.kit.blobs import BlobStore
from zrm.kit.clamd import Clamd
from zrm.kit.db import Database
from zrm.kit.peers import is_loopback
from zrm.kit.yaml_section import Section, load
from zrm.security.published import holds_published
from zrm.standalone.servers import running

CONFIG_VARIABLE = "ZRM_CONFIG"
DATABASE_VARIABLE = "ZRM_DATABASE_URL"
REDIS_VARIABLE = "ZRM_REDIS_URL"
SAMPLE_CONFIG = Path(__file__).with_name("config.yaml")
"""The configuration of a laptop; an operator's own file begins as a copy of it (`zrm init`)."""


@dataclass(frozen=True)
class LoadedConfig:
    """The contents of the operator's file, checked whole before anything is opened."""

    file: Path
    settings: Settings
    channels: dict[str, Channel]
    data: Path
    secret: bytes
    published: tuple[str, ...] = ()
    """Where a secret that is published in our sources is in use, a sentence each."""

    @property
    def exposed(self) -> bool:
        """Whether other machines can reach the doors."""
        here = urlsplit(self.settings.public_url).hostname or ""
        return not all(host == "localhost" or is_loopback(host) for host in (here, self.settings.web.host))

    def senders(self) -> list[SendingAccount]:
        """The accounts that answer, by channel."""
        return [
            SendingAccount(
                kind, account, channel.can.address_kind, channel.can.max_text or None, channel.can.attachments
            )
            for kind, channel in self.channels.items()
            if channel.can.reply and channel.can.address_kind
            for account in channel.accounts()
        ]

    def doors(self) -> list[OpenDoor]:
        """The promises to citizens that each open channel keeps."""
        writing = {sender.channel for sender in self.senders()}
        told = {kind for kind in self.settings.acknowledge if kind in writing}
        return [
            OpenDoor(
                kind, channel.can.tells_code or kind in told, channel.can.address_kind if kind in writing else None
            )
            for kind, channel in self.channels.items()
            if not channel.can.taken_down  # contacts entered by agents make no promises here
        ]

    def own_addresses(self) -> frozenset[str]:
        """Our own addresses on every channel, comparable."""
        return frozenset().union(
            *(channel.own_addresses() for channel in self.channels.values() if isinstance(channel, HasOwnAddresses))
        )


@dataclass(frozen=True)
class Runtime:
    """A loaded configuration with its store opened; call `close` at the end."""

    config: LoadedConfig
    database: Database
    blobs: BlobStore
    redis_url: str
    _to_close: list[DoorsBook | QuotaCounter] = field(default_factory=list)

    def beside(self, purpose: str) -> Runtime:
        """The same runtime with one or two connections of its own, to be closed separately."""
        database = Database(self.database.url, application=f"{self.database.application} {purpose}", pool_size=2)
        return Runtime(self.config, database, _blobs(self.config, database), self.redis_url)

    def desk(self) -> tuple[CitizensDesk, Inbox]:
        """A front desk of this process, and its inbox, which the caller closes; the doors' book and the quotas are
        closed with the installation.
        """
        config = self.config
        inbox = Inbox(self.database, self.blobs)
        answers = DoorsBook(self.database, config.data / "answers")
        quotas = QuotaCounter(self.database, config.settings.quotas, config.secret)
        self._to_close.extend((answers, quotas))
        return front_desk(
            self.database,
            self.blobs,
            inbox,
            config.settings,
            config.secret,
            config.senders(),
            answers,
            config.doors(),
            quotas,
        ), inbox

    def health(self, asker: str = "") -> Health:
        """Tells which roles are dead and what waits too long; the caller's own role is not missed."""
        config = self.config
        listeners = [kind for kind, channel in config.channels.items() if isinstance(channel, HasListener)]
        return Health([role for role in ("web", *listeners) if role != asker], late=config.settings.dispatch.late)

    def clamd(self) -> Clamd | None:
        """The virus scanner, if the settings name one."""
        scan = self.config.settings.scan
        return Clamd(scan.clamd, timeout=scan.timeout) if scan is not None else None

    def close(self) -> None:
        """Close the store."""
        for kept in self._to_close:
            kept.close()
        self.database.close()


def config_path() -> Path:
    """The operator's file: $ZRM_CONFIG, else config.yaml in the working folder."""
    return Path(os.environ.get(CONFIG_VARIABLE, "config.yaml")).absolute()


def load_config(file: Path | None = None, *, begin: bool = True) -> LoadedConfig:
    """Read and check config.yaml. Errors: ConfigError naming file, line, key and what was expected.

    Without `begin` nothing is written: an installation that has no secret yet gets one for this process alone.
    """
    file = file or config_path()
    if not file.exists():
        raise ConfigError(f"{file.name}: No such file or directory; `zrm init` writes one")
    section = load(file)
    settings = section.without("channels").read(Settings)
    data = (file.parent / settings.data_dir).absolute()
    secret = _secret(settings, data, begin=begin)
    channels = _channels(section, settings, data, secret)
    for channel in channels.values():
        log.hide(channel.redact())
    provider = settings.security.identity_provider
    log.hide([token for token in (settings.metrics.token, provider.client_secret if provider else None) if token])
    log.hide([secret.hex(), *_passwords(settings.database_url), *_passwords(settings.redis_url)])
    return LoadedConfig(file, settings, channels, data, secret, tuple(_published(section, channels)))


def open_runtime(role: str, loaded: LoadedConfig | None = None) -> Runtime:
    """Open the store the settings name, or the embedded one that `zrm up` runs. Errors: ConfigError."""
    config = loaded or load_config()
    log.configure(role, level=config.settings.log_level)
    database_url, redis_url = _servers(config)
    log.hide([*_passwords(database_url), *_passwords(redis_url)])
    database = Database(database_url, application=f"zrm {role}")
    return Runtime(config, database, _blobs(config, database), redis_url)


def _blobs(config: LoadedConfig, database: Database) -> BlobStore:
    """The installation's files; the folder's owner is checked before the first file is written."""
    return BlobStore(config.data / "blobs", lambda: _own_folder(database, config))


def _own_folder(database: Database, config: LoadedConfig) -> str:
    """The same error as a door expects it: try again. Errors: StoreUnavailable."""
    try:
        return claim_folder(database, BlobStore(config.data / "blobs"))
    except ConfigError as error:
        raise StoreUnavailable(str(error)) from None


def _servers(config: LoadedConfig) -> tuple[str, str]:
    database_url = os.environ.get(DATABASE_VARIABLE) or config.settings.database_url
    redis_url = os.environ.get(REDIS_VARIABLE) or config.settings.redis_url
    servers = running(config.data, database_url=database_url, redis_url=redis_url)
    if servers is None:
        missing = " or ".join(
            name for name, url in (("database_url", database_url), ("redis_url", redis_url)) if not url
        )
        raise ConfigError(f"{config.file.name}: no {missing} is given and no embedded server runs; start `zrm up`")
    return servers.database_url, servers.redis_url


def _channels(section: Section, settings: Settings, data: Path, secret: bytes) -> dict[str, Channel]:
    name = settings.organisation.name
    runtime = Installation(
        name=name.names,
        language=settings.organisation.language,
        timezone=settings.organisation.timezone,
        region=settings.organisation.region,
        public_url=settings.public_url.rstrip("/"),
        data_dir=str(data),
        secret=secret.hex(),
    )
    channels: dict[str, Channel] = {
        kind: channel(channel.Config(), runtime) for kind, channel in CHANNELS.items() if channel.can.taken_down
    }
    for kind, part in section.sections("channels").items():
        if kind not in CHANNELS:
            known = ", ".join(sorted(CHANNELS))
            raise ConfigError(f"{part.file}:{part.line}: channels.{kind}: unknown channel; expected one of: {known}")
        config = part.read(CHANNELS[kind].Config)
        if config.enabled:
            channel: Channel = CHANNELS[kind](config, runtime)
            channels[kind] = channel
        else:
            channels.pop(kind, None)
    return channels


def _published(section: Section, channels: dict[str, Channel]) -> Iterator[str]:
    """Where a published secret stands in the file, or in a file named by one of its channels."""
    named = set()
    for path, text in section.texts():
        if holds_published(text) and (path[0] != "channels" or path[1] in channels):
            named.add(path[:2])
            yield f"{section.place(*path)}: this secret is published in ZRM's sources; choose one of your own"
    for kind, channel in channels.items():
        if ("channels", kind) not in named and any(map(holds_published, channel.redact())):
            yield f"channels.{kind}: its secret is published in ZRM's sources; choose one of your own"


def _secret(settings: Settings, data: Path, *, begin: bool) -> bytes:
    """The installation's key: from the settings, else made once and kept in the data folder, readable by its owner
    only.
    """
    try:
        if begin:
            file_permissions.make(data, file_permissions.PASSAGE)
        if settings.secret:
            return settings.secret.encode()
        return _kept_secret(data) if begin or (data / "secret").exists() else secrets.token_hex(32).encode()
    except OSError as error:
        raise ConfigError(f"data_dir: {data}: cannot be used: {error.strerror}") from None


def _kept_secret(data: Path) -> bytes:
    path = data / "secret"
    if not path.exists():
        fresh = path.with_name(f".secret-{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(fresh, path)  # the first process wins; every process reads the same key
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip().encode()


def _passwords(url: str | None) -> list[str]:
    """The password in a store's address, as written there and decoded."""
    parts = urlsplit(url or "")
    written = [value for value in (parts.password, *parse_qs(parts.query).get("password", [])) if value]
    return [text for value in written for text in (value, unquote(value))]
