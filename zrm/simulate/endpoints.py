"""The addresses and credentials of a hub's doors, read from its own config.yaml."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx

from zrm.channels.email.config import EmailConfig
from zrm.channels.fax.config import FaxConfig, read_token
from zrm.channels.sms.config import SmsConfig
from zrm.channels.voice_ivr.config import VoiceConfig
from zrm.errors import ConfigError
from zrm.installation import LoadedConfig
from zrm.kit.yaml_section import Section, load
from zrm.simulate.email import EmailDoor
from zrm.simulate.fax import FaxDoor
from zrm.simulate.scenario import Endpoint
from zrm.simulate.sms import SmsDoor
from zrm.simulate.voice import VoiceDoor
from zrm.simulate.web import WebDoor

KINDS: Final = ("web", "email", "sms", "voice_ivr", "fax")
_TIMEOUT: Final = 30.0
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # what a server listens on, turned into where to call


def web_address(plan: LoadedConfig) -> str:
    """The web server's own address, before any proxy."""
    web = plan.settings.web
    host = _ANYWHERE.get(web.host, web.host)
    return f"http://[{host}]:{web.port}" if ":" in host else f"http://{host}:{web.port}"


def web_client(plan: LoadedConfig) -> httpx.Client:
    """A client of the web server for many threads; the caller closes it."""
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
    return httpx.Client(base_url=web_address(plan), timeout=_TIMEOUT, trust_env=False, limits=limits)


def new_run() -> str:
    """A name for one run: what it sends is new to the hub, whatever its seed is."""
    return secrets.token_hex(5)


def open_doors(plan: LoadedConfig, kinds: Sequence[str], web: httpx.Client, run: str) -> list[Endpoint]:
    """The doors of these channels. Errors: ConfigError for a channel that is not enabled or cannot be reached."""
    sections = load(plan.file).sections("channels")
    doors: list[Endpoint] = []
    for kind in kinds:
        if kind not in plan.channels:
            raise ConfigError(f"{plan.file.name}: the channel {kind} is not enabled; the doors are: {', '.join(KINDS)}")
        doors.append(_door(kind, plan, sections[kind], web, run))
    return doors


def open_kinds(plan: LoadedConfig) -> tuple[str, ...]:
    """The doors of this installation for which there are senders. Errors: ConfigError if there is none."""
    found = tuple(kind for kind in KINDS if kind in plan.channels)
    if not found:
        raise ConfigError(f"{plan.file.name}: none of the channels {', '.join(KINDS)} is enabled")
    return found


def _door(kind: str, plan: LoadedConfig, section: Section, web: httpx.Client, run: str) -> Endpoint:
    match kind:
        case "web":
            return WebDoor(web)
        case "email":
            email = section.read(EmailConfig)
            box = next(iter(email.mailboxes.values()))
            return EmailDoor(_ANYWHERE.get(email.host, email.host), email.port, box.address, run)
        case "sms":
            accounts = section.read(SmsConfig).accounts
            twilio = [(number, account) for number, account in accounts.items() if account.gateway is None]
            if not twilio:
                raise ConfigError(
                    f"{plan.file.name}: channels.sms.accounts has no number of Twilio's to send a text to"
                )
            number, account = twilio[0]
            secret = account.webhook_secret or account.auth_token
            return SmsDoor(web, plan.settings.public_url, number, account.account_sid, secret)
        case "voice_ivr":
            voice = section.read(VoiceConfig)
            number = voice.accounts[0] if voice.accounts else "137"
            return VoiceDoor(_ANYWHERE.get(voice.host, voice.host), voice.port, run, number=number)
        case "fax":
            fax = section.read(FaxConfig)
            spool = (plan.data / Path(fax.spool)).absolute() if fax.spool else None
            return FaxDoor(web, token=read_token(fax), spool=spool, line=fax.line, run=run)
        case _:
            raise ConfigError(f"no simulated sender for the channel {kind}; the doors are: {', '.join(KINDS)}")
