"""The `email` section of config.yaml."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from zrm.channels.channel import ChannelConfig

_ADDRESS = re.compile(r"[^\s@<>\"(),:;\\\[\]+]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _MailPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _one_address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("expected a plain address such as info@example.org, without + in it")
    return value


class OAuth(_MailPart):
    """Sign in with a token. With a `refresh_token` it is exchanged for access tokens; without, the client signs in itself."""

    token_url: str = Field(description="where access tokens are given out, https")
    client_id: str = Field(description="who we are to the token server")
    client_secret: str = Field("", description="our secret there, as ${NAME}")
    refresh_token: str = Field("", description="the mailbox owner's consent, as ${NAME}")
    scope: str = Field("", description="what the token is for, such as https://mail.google.com/")

    @field_validator("token_url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        host = urlsplit(value).hostname
        if not value.startswith("https://") and host not in _LOOPBACK:
            raise ValueError("expected an https:// address: secrets are sent there")
        return value


class Imap(_MailPart):
    """A mailbox on another server that we fetch from."""

    host: str = Field(description="the mail server")
    port: int = Field(993, ge=1, le=65535, description="its port; 993 with tls, else 143")
    security: Literal["tls", "starttls", "none"] = Field("tls", description="how the connection is encrypted")
    trust: str = Field("", description="PEM file of the authority to trust; empty: those this machine trusts")
    username: str = Field(description="the mailbox's name there, usually its address")
    password: str = Field("", description="its password, as ${NAME}; or oauth")
    oauth: OAuth | None = Field(None, description="sign in with a token instead of a password")
    folder: str = Field("INBOX", description="the folder that is fetched")
    begin: Literal["all", "new"] = Field(
        "all", description="at the very first time: all that is there, or only what comes from then on"
    )
    then: Literal["keep", "seen", "move"] = Field(
        "seen", description="what happens to a mail that has become a contact"
    )
    move_to: str = Field("ZRM", description="with `then: move`: the folder it goes to; made if it is not there")
    look_every: float = Field(
        540,
        gt=0,
        description="seconds between looks even if the server tells of nothing; shorter than a firewall's patience",
    )
    timeout: float = Field(60, gt=0, description="seconds to wait for each of the server's answers")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if bool(self.password) == (self.oauth is not None):
            raise ValueError("expected either password or oauth")
        if self.security == "none" and self.host not in _LOOPBACK:
            raise ValueError("a password may not be sent unencrypted: set security to tls or starttls")
        return self


class DkimKey(_MailPart):
    """The key that signs mail from one of our domains; its public half is in DNS under the selector."""

    selector: str = Field(description="the name before ._domainkey in DNS")
    key: str = Field(description="PEM file of an RSA key")

    @field_validator("selector")
    @classmethod
    def _selector(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,60}[A-Za-z0-9])?", value):
            raise ValueError("expected a DNS name's part, such as zrm2026")
        return value


class Mailbox(_MailPart):
    """One of our addresses. Its key in `mailboxes` is the account's name in the rest of the installation."""

    address: str = Field(description="the address citizens write to; answers come from it")
    aliases: list[str] = Field([], description="other addresses that lead here")
    name: dict[str, str] = Field({}, description="display name by language (fa, en); without it the organisation's")
    signature: dict[str, str] = Field({}, description="what stands below an agent's answer, by language (fa, en)")
    imap: Imap | None = Field(None, description="fetch this mailbox from another server")
    own_return_address: bool = Field(
        True,
        description="let each answer leave from address+b=…, so that what comes back names it; false where the mail server refuses that",
    )

    @field_validator("address")
    @classmethod
    def _address(cls, value: str) -> str:
        return _one_address(value)

    @field_validator("aliases")
    @classmethod
    def _aliases(cls, value: list[str]) -> list[str]:
        return [_one_address(one) for one in value]


class Submit(_MailPart):
    """How answers leave: by an SMTP server (`host`) or as files in a `folder`, exactly one of the two."""

    host: str = Field("", description="the mail server that takes our answers")
    port: int = Field(25, ge=1, le=65535, description="its port; 25 for a relay, 587 for submission")
    starttls: bool = Field(False, description="encrypt, and check the server's certificate")
    trust: str = Field("", description="PEM file of the authority to trust; empty: those this machine trusts")
    username: str = Field("", description="sign in with this name; empty for none")
    password: str = Field("", description="the password, as ${NAME}")
    timeout: float = Field(30, gt=0, description="seconds to wait for each of the server's answers")
    reports: Literal["FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"] = Field(
        "FAILURE,DELAY", description="what servers that know DSN shall report; SUCCESS doubles the mail that comes in"
    )
    pace: dict[str, int] = Field(
        {}, description="messages a minute to one domain, per worker process, such as {gmail.com: 20, '*': 60}"
    )
    folder: str = Field(
        "", description="write each answer as an .eml file here, seen from data_dir (a laptop without a mail server)"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.host) == bool(self.folder):
            raise ValueError("expected either host or folder")
        if self.username and not self.starttls and self.host not in _LOOPBACK:
            raise ValueError("a password may not be sent unencrypted: set starttls")
        return self


class EmailConfig(ChannelConfig):
    """The SMTP door, our mailboxes, and the way out."""

    door: bool = Field(True, description="listen for mail by SMTP; false where all mailboxes are fetched by IMAP")
    host: str = Field("127.0.0.1", description="address the SMTP door listens on")
    port: int = Field(2525, ge=1, le=65535, description="port the SMTP door listens on")
    lmtp_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="port of the LMTP door for a mail server in front of us; 0: shut; never for strangers",
    )
    hostname: str = Field("localhost", description="the name we greet with; the MX record's in production")
    mailboxes: dict[str, Mailbox] = Field(description="our mailboxes by account key")
    own_senders: list[str] = Field(
        [],
        description="addresses of ours that only send, such as a site's contact form or a scanner; never taken for a citizen's",
    )
    postmaster: str = Field("", description="account that gets postmaster@ and abuse@; empty: the first mailbox")
    max_size: int = Field(
        52_428_800, ge=65_536, description="largest message in bytes, as sent (a 37 MB file is 50 MB)"
    )
    max_recipients: int = Field(100, ge=1, description="recipients in one transaction")
    connections: int = Field(200, ge=1, description="connections at once; the next is told to come again")
    connections_per_peer: int = Field(100, ge=1, description="connections at once from one address, or one IPv6 /64")
    memory: int = Field(268_435_456, ge=1_048_576, description="bytes of unfinished messages held at once")
    idle_timeout: float = Field(120, gt=0, description="seconds without a word before we hang up")
    data_timeout: float = Field(1800, gt=0, description="seconds one message may take to arrive")
    certificate: str = Field("", description="PEM file for STARTTLS; empty: one is made by us and kept in data_dir")
    key: str = Field("", description="PEM file of its key; empty: it is in the certificate's file")
    require_tls: bool = Field(False, description="refuse mail from peers that do not encrypt")
    trust_results_of: list[str] = Field(
        [], description="servers of ours whose Authentication-Results are believed; they must remove forged ones"
    )
    dkim: dict[str, DkimKey] = Field({}, description="signing keys by the domain of our addresses")
    submit: Submit | None = Field(None, description="how answers leave; without it e-mail can only be received")

    @field_validator("own_senders")
    @classmethod
    def _own_senders(cls, value: list[str]) -> list[str]:
        return [_one_address(one) for one in value]

    @field_validator("hostname")
    @classmethod
    def _hostname(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9.\-\[\]:]{1,255}", value):
            raise ValueError("expected a host name")
        return value

    @model_validator(mode="after")
    def _mailboxes_are_distinct(self) -> Self:
        if not self.mailboxes:
            raise ValueError("expected at least one mailbox")
        if self.postmaster and self.postmaster not in self.mailboxes:
            raise ValueError(f"postmaster: no mailbox has the key {self.postmaster}")
        seen: dict[str, str] = {}
        for key, box in self.mailboxes.items():
            for address in (box.address, *box.aliases):
                other = seen.setdefault(address.lower(), key)
                if other != key:
                    raise ValueError(f"mailboxes.{key}: {address} belongs to {other} already")
        return self
