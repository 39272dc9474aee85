"""The section `channels.sms` of config.yaml."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from zrm.channels.channel import ChannelConfig
from zrm.channels.sms.gateway.config import HttpGateway
from zrm.channels.sms.gateway.kannel import KannelGateway
from zrm.channels.sms.smpp.config import SmppGateway
from zrm.languages import Language

TWILIO_API = "https://api.twilio.com"


class SmsAccount(BaseModel):
    """One number or short code of ours: at Twilio, or reached by one of the `gateways`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gateway: str | None = Field(default=None, description="The gateway that reaches this number; else it is Twilio's.")
    account_sid: str = Field(
        default="",
        pattern=r"^AC[0-9a-fA-F]{32}$",
        json_schema_extra={"expected": "Twilio's account SID: AC and 32 hexadecimal digits"},
        description="Twilio's account (or subaccount) that owns the number.",
    )
    auth_token: str = Field(
        default="",
        min_length=8,
        description="That account's auth token, as ${NAME}: signs the webhooks and opens the API.",
    )
    webhook_secret: str | None = Field(
        default=None,
        min_length=8,
        description="As ${NAME}: the secret of Twilio's shared key, if webhooks are signed with one instead.",
    )
    sender: str | None = Field(
        default=None,
        pattern=r"^(\+?[0-9]{3,15}|[0-9A-Za-z ]{1,11})$",
        json_schema_extra={"expected": "a number, or a name of at most 11 ASCII letters, digits and spaces"},
        description="Number or name that answers come from; without it the account's own name in this file.",
    )
    messaging_service_sid: str | None = Field(
        default=None,
        pattern=r"^MG[0-9a-fA-F]{32}$",
        json_schema_extra={"expected": "Twilio's service SID: MG and 32 hexadecimal digits"},
        description="A messaging service that chooses the sender, in its place.",
    )
    language: Language | None = Field(
        default=None, description="Language of everybody who writes to this number, if the number is for one language."
    )

    self_service: bool = Field(
        default=True,
        description="Whether words, tracking codes and ratings sent to this number are answered by the installation itself.",
    )
    keywords: dict[Literal["help", "stop", "start", "codes"], list[str]] = Field(
        default_factory=dict,
        description="More words for help, stop, start and codes on this number, beside the usual ones.",
    )

    @model_validator(mode="after")
    def _one_sender(self) -> SmsAccount:
        if self.sender and self.messaging_service_sid:
            raise ValueError("expected sender or messaging_service_sid, not both")
        twilio = (self.account_sid, self.auth_token, self.webhook_secret, self.messaging_service_sid)
        if self.gateway is not None and any(twilio):
            raise ValueError("expected gateway or Twilio's account_sid and auth_token, not both")
        if self.gateway is None and not (self.account_sid and self.auth_token):
            raise ValueError("expected account_sid and auth_token of Twilio's, or a gateway")
        return self


class SmsConfig(ChannelConfig):
    """SMS. `accounts` maps our number or short code to its provider, `gateways` describes the providers other than
    Twilio.
    """

    accounts: dict[str, SmsAccount] = Field(
        default_factory=dict, description="Our numbers and short codes, each with its Twilio account or its gateway."
    )
    gateways: dict[str, Annotated[HttpGateway | KannelGateway | SmppGateway, Field(discriminator="kind")]] = Field(
        default_factory=dict, description="Providers beside Twilio, by a name of the operator's choice."
    )
    api_base: str = Field(default=TWILIO_API, description="Twilio's API, or an edge or stand-in of it, without a path.")
    folder: str | None = Field(
        default=None,
        description="Write each answer as a file here, absolute or below data_dir, in place of Twilio's API (a laptop).",
    )
    timeout: float = Field(
        default=15, gt=0, le=120, description="Seconds to wait for the API, for each step of a request."
    )

    @field_validator("accounts")
    @classmethod
    def _names(cls, accounts: dict[str, SmsAccount]) -> dict[str, SmsAccount]:
        seen: set[str] = set()
        for name in accounts:
            plain = path_name(name)
            if not (plain.isascii() and plain.isalnum() and len(plain) <= 32):
                raise ValueError(f"{name!r}: expected a number or short code such as +982130001 or 3000123")
            if plain in seen:
                raise ValueError(f"{name!r}: given twice, with and without +")
            seen.add(plain)
        return accounts

    @model_validator(mode="after")
    def _known_gateways(self) -> SmsConfig:
        for name, account in self.accounts.items():
            if account.gateway is not None and account.gateway not in self.gateways:
                raise ValueError(f"accounts.{name}.gateway: there is no gateway {account.gateway!r}")
        for name in self.gateways:
            if not (name.isascii() and name.replace("-", "").isalnum() and len(name) <= 32):
                raise ValueError(f"gateways.{name}: expected a name of letters, digits and hyphens")
        return self

    def reached(self) -> dict[str, HttpGateway | SmppGateway]:
        """Every gateway by its protocol: Kannel is an HTTP provider like any other."""
        return {
            name: gateway.described() if isinstance(gateway, KannelGateway) else gateway
            for name, gateway in self.gateways.items()
        }

    def lines(self) -> dict[str, list[str]]:
        """Our numbers by gateway, in the order of the file."""
        found: dict[str, list[str]] = {}
        for name, account in self.accounts.items():
            if account.gateway is not None:
                found.setdefault(account.gateway, []).append(name)
        return found

    @field_validator("api_base")
    @classmethod
    def _origin(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/") or url.query:
            raise ValueError("expected an http or https address without a path, such as https://api.twilio.com")
        return value.rstrip("/")


def path_name(account: str) -> str:
    """An account as written in a URL: without the +, which some software turns into a space."""
    return account.removeprefix("+")
