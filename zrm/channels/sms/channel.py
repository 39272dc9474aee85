"""The SMS channel: what `zrm.channels.registry` builds."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import ClassVar
from urllib.parse import urlsplit

from fastapi import APIRouter

from zrm.channels.channel import ChannelConfig, Installation
from zrm.channels.sms import messages
from zrm.channels.sms.config import TWILIO_API, SmsAccount, SmsConfig, path_name
from zrm.channels.sms.door import STATUS_PATH, TwilioDoor
from zrm.channels.sms.gateway import read as gateway_reader
from zrm.channels.sms.gateway import send as gateway_sender
from zrm.channels.sms.gateway.config import HttpGateway
from zrm.channels.sms.gateway.door import REPORT_PATH, GatewayDoor
from zrm.channels.sms.gateway.inbox import Poller
from zrm.channels.sms.keywords import command_of
from zrm.channels.sms.media import fetch_media
from zrm.channels.sms.parse import read_message, read_opt_out, read_status, report_of
from zrm.channels.sms.provider import Outgoing, Provider
from zrm.channels.sms.smpp import read as smpp_reader
from zrm.channels.sms.smpp.config import SmppGateway
from zrm.channels.sms.smpp.listen import SmppListener
from zrm.channels.sms.smpp.submit import Transmitter
from zrm.contract.addresses import PHONE
from zrm.contract.capabilities import Capabilities
from zrm.contract.errors import ConfigInvalid, RecipientUnreachable, ReplyInvalid, Unparseable
from zrm.contract.files import Fetched
from zrm.contract.inbound import Inbound, MessagePart, Parsed, RawContact, Report, SelfServiceCommand
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import FrontDesk
from zrm.kit import file_permissions
from zrm.kit.direction import in_marks

MAX_TEXT = 1600  # Twilio's limit, counted as it counts: UTF-16 units
_PHONE = re.compile(r"\+?[0-9]{3,15}")
_WRITTEN = re.compile(r"file:[0-9a-f-]{36}\.txt")  # the reference of an answer that was written to a file


class SmsChannel:
    """Text messages by Twilio and by described gateways, on any number of our own numbers and short codes."""

    kind: ClassVar[str] = "sms"
    Config: ClassVar[type[ChannelConfig]] = SmsConfig
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "پیامک", "en": "Text message"},
        in_sentence={"fa": "با پیامک", "en": "by text message"},
        icon="device-mobile-message",
        address_kind=PHONE,
        reply=True,
        reports=True,
        max_text=MAX_TEXT,
        segments=True,
        acknowledges=True,
        asks_rating=True,
    )

    def __init__(self, config: SmsConfig, installation: Installation) -> None:
        self._config = config
        self._gateways = config.reached()
        self._installation = installation
        self._lock = threading.Lock()
        self._sender: tuple[int, Provider] | None = None
        self._transmitters: dict[tuple[int, str], Transmitter] = {}
        if any(isinstance(gateway, SmppGateway) or gateway.inbox for gateway in self._gateways.values()):
            # Without a message centre or an inbox to read there is no listener, and no process of its own for it.
            self.listen = self._listen

    def routes(self, desk: FrontDesk) -> APIRouter:
        """The webhooks for messages and for delivery reports, Twilio's and the gateways'."""
        router = TwilioDoor(self._config, self._installation, desk.reception).router()
        if self._config.gateways:
            described = {name: each for name, each in self._gateways.items() if isinstance(each, HttpGateway)}
            router.include_router(GatewayDoor(described, self._config.lines(), desk.reception).router())
        return router

    def parse(self, raw: RawContact) -> list[Parsed]:
        """The message or the report. Errors: Unparseable."""
        if raw.channel != self.kind:
            raise Unparseable(messages.NOT_A_MESSAGE)
        account = self._config.accounts.get(raw.account)
        language = (account and account.language) or ""
        if isinstance(name := raw.envelope.get("gateway"), str):
            if (gateway := self._gateways.get(name)) is None:
                raise Unparseable(messages.GATEWAY_GONE(name=name[:32]))
            if isinstance(gateway, SmppGateway):
                return self._parse_smpp(name, raw, gateway, account)
            if raw.kind == "report":
                return gateway_reader.read_reports(name, raw, gateway)
            read = gateway_reader.read_message(name, raw, gateway, language)
            return [read if isinstance(read, MessagePart) else self._command_of(read, account) or read]
        if raw.kind == "report":
            return [read_status(raw)]
        inbound = read_message(raw, language)
        return [read_opt_out(raw, inbound) or self._command_of(inbound, account) or inbound]

    def _parse_smpp(self, name: str, raw: RawContact, gateway: SmppGateway, account: SmsAccount | None) -> list[Parsed]:
        if raw.kind == "report":
            return smpp_reader.read_report(name, raw, gateway)
        found = smpp_reader.read_message(name, raw, gateway, (account and account.language) or "")
        if isinstance(found, MessagePart):
            return [found]
        report = smpp_reader.report_or(name, raw, gateway, found)
        return [report or self._command_of(found, account) or found]

    def join(self, parts: Sequence[RawContact | None]) -> list[Parsed]:
        """The message of these parts. Errors: Unparseable."""
        first = next((raw for raw in parts if raw is not None), None)
        name = first.envelope.get("gateway") if first is not None else None
        gateway = self._gateways.get(name) if isinstance(name, str) else None
        if first is None or gateway is None:
            raise Unparseable(messages.PARTS_GATEWAY_GONE)
        account = self._config.accounts.get(first.account)
        language = (account and account.language) or ""
        if isinstance(gateway, SmppGateway):
            inbound = smpp_reader.join(parts, gateway, language)
        else:
            inbound = gateway_reader.join(parts, gateway, language)
        return [self._command_of(inbound, account) or inbound]

    def _listen(self, desk: FrontDesk, stop: Event) -> None:
        lines, folder = self._config.lines(), Path(self._installation.data_dir, "sms")
        listeners = [
            SmppListener(name, gateway, lines.get(name, []), desk.reception, folder)
            for name, gateway in self._gateways.items()
            if isinstance(gateway, SmppGateway)
        ]

        pollers = [
            Poller(name, gateway, gateway.inbox, lines.get(name, []), desk.reception)
            for name, gateway in self._gateways.items()
            if isinstance(gateway, HttpGateway) and gateway.inbox is not None
        ]

        async def together() -> None:
            with ThreadPoolExecutor(max(1, len(pollers)), "sms-inbox") as threads:
                asking = [asyncio.get_running_loop().run_in_executor(threads, poller.run, stop) for poller in pollers]
                try:
                    await asyncio.gather(*(listener.run(stop) for listener in listeners), *asking)
                finally:
                    stop.set()  # when one listener has ended, the others must stop too

        asyncio.run(together())

    def _command_of(self, inbound: Inbound, account: SmsAccount | None) -> SelfServiceCommand | None:
        return command_of(inbound, account.keywords) if account is not None and account.self_service else None

    def send(self, reply: Reply) -> Sent:
        """Send one text by Twilio; its reports come to the status webhook. Errors: SendError."""
        account = self._config.accounts.get(reply.account)
        if account is None:
            raise ConfigInvalid(messages.NO_ACCOUNT)
        if not reply.text.strip():
            raise ReplyInvalid(messages.NO_TEXT)
        if reply.files:
            raise ReplyInvalid(messages.NO_FILES)
        if not _PHONE.fullmatch(reply.to):
            # A sender name such as "Bank": it can write to us but cannot be answered.
            kind = RecipientUnreachable if reply.to.strip() else ReplyInvalid
            raise kind(messages.NO_NUMBER)
        reply = replace(reply, text=in_marks(reply.text))
        if self._config.folder:
            return self._write(Path(self._installation.data_dir, self._config.folder), reply)
        if account.gateway is not None:
            gateway, sender = self._gateways[account.gateway], account.sender or reply.account
            if isinstance(gateway, SmppGateway):
                if _units(reply.text) > MAX_TEXT:
                    raise ReplyInvalid(messages.TOO_LONG)
                return self._transmitter(account.gateway, gateway).send(sender, reply)
            path = REPORT_PATH.replace("{gateway}", account.gateway)
            return gateway_sender.send(
                account.gateway, gateway, sender, reply, f"{self._installation.public_url}{path}"
            )
        if _units(reply.text) > MAX_TEXT:
            raise ReplyInvalid(messages.TOO_LONG)
        message = Outgoing(
            to=reply.to,
            text=reply.text,
            sender=account.sender or reply.account,
            status_callback=self._callback(reply),
        )
        reference = self._provider().send(account, message)
        return Sent(reference, final=False)

    def _write(self, folder: Path, reply: Reply) -> Sent:
        """Write the answer to a file named by the reply: written twice, it is still one. Errors: ConfigInvalid."""
        path = folder / f"{reply.id}.txt"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(f"From: {reply.account}\nTo: {reply.to}\n\n{reply.text}\n", encoding="utf-8")
        except OSError as error:
            raise ConfigInvalid(messages.FOLDER(words=error.strerror or type(error).__name__)) from None
        return Sent(f"file:{path.name}", final=False)

    def fetch(self, account: str, address: str) -> Fetched:
        """A picture of a message, from Twilio. Errors: SendError."""
        known = self._config.accounts.get(account)
        if known is None or known.gateway is not None:
            raise ConfigInvalid(messages.NO_ACCOUNT)
        return fetch_media(known, address, self._config.api_base, self._config.timeout)

    def delivery_status(self, account: str, provider_ref: str) -> Report | None:
        """What Twilio or an SMSC knows of a message whose report never came. Errors: SendError."""
        known = self._config.accounts.get(account)
        if known is None:
            return None
        if known.gateway is not None:
            gateway = self._gateways[known.gateway]
            if not isinstance(gateway, SmppGateway):
                return None
            return self._transmitter(known.gateway, gateway).ask(known.sender or account, provider_ref)
        if not provider_ref.startswith(("SM", "MM")):
            return None
        status, code = self._provider().delivery_status(known, provider_ref)
        return report_of(provider_ref, status, code)

    def reports_on(self, account: str, provider_ref: str) -> bool:
        """Twilio and an SMSC report on each message; a described provider if its reports are described; a file
        never.
        """
        if _WRITTEN.fullmatch(provider_ref):
            return False
        known = self._config.accounts.get(account)
        gateway = self._gateways[known.gateway] if known is not None and known.gateway is not None else None
        return not isinstance(gateway, HttpGateway) or gateway.report is not None

    def accounts(self) -> list[str]:
        """Our numbers, in the order of the file."""
        return list(self._config.accounts)

    def close(self) -> None:
        """Close the connections; the next `send` opens new ones."""
        with self._lock:
            for (process, _), transmitter in self._transmitters.items():
                if process == os.getpid():
                    transmitter.close()
            self._transmitters.clear()
            if self._sender is not None and self._sender[0] == os.getpid():
                self._sender[1].close()
            self._sender = None

    def redact(self) -> list[str]:
        """The tokens and secrets of every account and gateway."""
        found = [secret for gateway in self._config.gateways.values() for secret in gateway.secrets()]
        return found + [
            secret
            for account in self._config.accounts.values()
            for secret in (account.auth_token, account.webhook_secret)
            if secret
        ]

    def check(self) -> list[str]:
        """What prevents Twilio from reaching us or us from answering."""
        problems = []
        if not self._config.accounts:
            problems.append("channels.sms.accounts is empty: no text message can come in or go out")
        folder = self._config.folder
        if folder and (reason := file_permissions.obstacle(Path(self._installation.data_dir) / folder)):
            problems.append(f"channels.sms.folder: cannot be written ({reason})")
        accounts = self._config.accounts.values()
        twilio = not accounts or any(account.gateway is None for account in accounts)
        # on a laptop answers are written to files
        real = self._config.api_base == TWILIO_API and not self._config.folder
        if twilio and real and urlsplit(self._installation.public_url).scheme != "https":
            problems.append("channels.sms: public_url is not https, but Twilio sends its webhooks over the internet")
        return problems

    def _provider(self) -> Provider:
        """This process's Twilio client: a forked worker must not share its parent's connections."""
        with self._lock:
            if self._sender is None or self._sender[0] != os.getpid():
                self._sender = (os.getpid(), Provider(self._config.api_base, self._config.timeout))
            return self._sender[1]

    def _transmitter(self, name: str, gateway: SmppGateway) -> Transmitter:
        with self._lock:
            return self._transmitters.setdefault((os.getpid(), name), Transmitter(name, gateway))

    def _callback(self, reply: Reply) -> str:
        path = STATUS_PATH.replace("{account}", path_name(reply.account))
        return f"{self._installation.public_url}{path}?reply={reply.id}"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2
