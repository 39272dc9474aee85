"""The e-mail channel as the installation sees it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from threading import Event
from typing import ClassVar

from zrm.channels.channel import ChannelConfig, Installation
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.dkim_seal import KeyUnusable, read_key
from zrm.channels.email.keywords import command_in_mail
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.parse import parse_mail
from zrm.channels.email.send import MailSender
from zrm.contract.addresses import EMAIL
from zrm.contract.capabilities import Capabilities
from zrm.contract.inbound import Parsed, RawContact
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import FrontDesk
from zrm.kit import file_permissions

_PATIENCE = 5.0  # seconds `check` waits for the mail server


class EmailChannel:
    """Mail in by our own SMTP door, answers out by `submit`."""

    kind: ClassVar[str] = "email"
    Config: ClassVar[type[ChannelConfig]] = EmailConfig
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "ایمیل", "en": "E-mail"},
        in_sentence={"fa": "با ایمیل", "en": "by e-mail"},
        icon="mail",
        address_kind=EMAIL,
        reply=True,
        attachments=True,
        reports=True,
        bounces=True,
        subject_line=True,
        message_ids=True,
        acknowledges=True,
        asks_rating=True,
        command=command_in_mail,
        original_suffix="eml",
    )

    def __init__(self, config: EmailConfig, installation: Installation) -> None:
        self.config = config
        self.installation = installation
        self._mailboxes = Mailboxes(config)
        self._trusted = frozenset(name.lower() for name in config.trust_results_of)
        self._sender = MailSender(config, installation)

    def parse(self, raw: RawContact) -> list[Parsed]:
        """One Inbound, or a Report if it is a bounce of ours. Errors: Unparseable (only for an empty message)."""
        return [parse_mail(raw, self._mailboxes, self._trusted)]

    def send(self, reply: Reply) -> Sent:
        """Hand one answer to the mail server, or write it into the folder. Errors: SendError."""
        return self._sender.send(reply)

    def accounts(self) -> list[str]:
        """Our mailboxes, in the order of the file; none while answers cannot leave."""
        return list(self.config.mailboxes) if self.config.submit is not None else []

    def own_addresses(self) -> frozenset[str]:
        """Our mailboxes with their aliases and role addresses, and other addresses that send in our name."""
        return self._mailboxes.own_addresses

    def redact(self) -> list[str]:
        """The passwords and tokens of submission and of the mailboxes we fetch."""
        secrets = [self.config.submit.password] if self.config.submit else []
        for box in self.config.mailboxes.values():
            if box.imap is not None:
                secrets.append(box.imap.password)
                if box.imap.oauth is not None:
                    secrets += [box.imap.oauth.client_secret, box.imap.oauth.refresh_token]
        return [secret for secret in secrets if secret]

    def check(self) -> list[str]:
        """What is misconfigured or missing, a sentence each."""
        problems: list[str] = []
        if self.config.certificate:
            try:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(self.config.certificate, self.config.key or None)
            except (OSError, ssl.SSLError) as error:
                problems.append(f"email.certificate: cannot be used: {error}")
        elif self.config.key:
            problems.append("email.key: given without a certificate")
        for key, box in self.config.mailboxes.items():
            if box.imap is not None and box.imap.trust and not Path(box.imap.trust).is_file():
                problems.append(f"email.mailboxes.{key}.imap.trust: there is no such file")
        shut = not self.config.door and not self.config.lmtp_port
        if shut and all(box.imap is None for box in self.config.mailboxes.values()):
            problems.append("email.door: is off and no mailbox has imap; no mail can come in")
        domains = {box.address.rpartition("@")[2].lower() for box in self.config.mailboxes.values()}
        for domain, signing in self.config.dkim.items():
            if domain.lower() not in domains:
                problems.append(f"email.dkim.{domain}: no mailbox has an address there")
            try:
                read_key(signing.key)
            except KeyUnusable as error:
                problems.append(f"email.dkim.{domain}.key: cannot be used: {error}")
        submit = self.config.submit
        if submit is None:
            problems.append("email.submit: missing; answers by e-mail cannot leave")
        elif submit.folder and (reason := file_permissions.obstacle(Path(self.installation.data_dir) / submit.folder)):
            problems.append(f"email.submit.folder: cannot be written ({reason})")
        elif submit.host and (reason := _unreachable(submit.host, submit.port)):
            problems.append(
                f"email.submit: {submit.host}:{submit.port} cannot be reached ({reason}); answers would wait"
            )
        if self.config.hostname == "localhost" and self.config.host not in ("127.0.0.1", "::1", "localhost"):
            problems.append("email.hostname: should be this server's own name, other mail servers look at it")
        return problems

    def listen(self, desk: FrontDesk, stop: Event) -> None:
        """The SMTP door and the fetched mailboxes; returns after `stop` is set and all work in progress has been
        answered.
        """
        from zrm.channels.email.listen import listen

        listen(self.config, self.installation, desk, stop)


def _unreachable(host: str, port: int) -> str:
    """Why no server listens there; empty if one does."""
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
