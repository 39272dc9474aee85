"""Mail through the real installation: T1 into the inbox, T2 by the Filer with the channel's own parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from tests.channels.email.desk import MAILBOXES, installation
from tests.reasons import told
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.channels.email.channel import EmailChannel
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.identity import external_id
from zrm.config import Settings
from zrm.contract.inbound import JSON, RawContact
from zrm.dispatch.notify import Notify
from zrm.inbox.receive import Inbox
from zrm.insight import ledger
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer

ALI = "ali@example.com"


@dataclass
class MailInstallation:
    """An installation with two mailboxes, `info` and `water`; what is asked of it goes straight to its database."""

    database: Database
    inbox: Inbox
    blobs: BlobStore
    settings: Settings
    folder: Path
    channel: EmailChannel = field(init=False)

    def __post_init__(self) -> None:
        self.channel = EmailChannel(EmailConfig.model_validate({"mailboxes": MAILBOXES}), installation(self.folder))

    def receive(
        self, body: bytes | str, *, mail_from: str | None = ALI, to: str = "info@example.org", account: str = "info"
    ) -> UUID:
        """T1; returns the raw contact's id."""
        content = body.encode() if isinstance(body, str) else body
        envelope: dict[str, JSON] = {"rcpt_tos": [to]}
        if mail_from is not None:
            envelope["mail_from"] = mail_from
        contact = RawContact("email", account, external_id(account, content), content, "message/rfc822", envelope)
        return self.inbox.submit(contact).result().contact_id

    def file(self) -> int:
        """T2 for all that waits; returns how many tasks were done."""
        own = self.channel.own_addresses()
        filer = Filer(self.database, self.blobs, {"email": self.channel.parse}, self.settings, own=own)
        done = 0
        while True:
            with self.database.cursor() as cursor:
                tasks = outbox.claim(cursor, Topic.FILE, limit=64, lease=60)
            if not tasks:
                return done
            filer(tasks)
            done += len(tasks)

    def take(self, body: bytes | str, *, mail_from: str | None = ALI, to: str = "info@example.org") -> UUID:
        """T1 and T2 of one mail."""
        contact = self.receive(body, mail_from=mail_from, to=to)
        self.file()
        return contact

    def notify(self) -> None:
        """Tell the agents concerned."""
        with self.database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.NOTIFY, limit=500, lease=60)
        Notify(self.database)(tasks)

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Rows of a query (an UPDATE with RETURNING as well)."""
        with self.database.cursor() as cursor:
            cursor.execute(query.encode(), values)
            return cursor.fetchall()

    def state(self, contact: UUID) -> tuple[str, str]:
        """(state, reason) of a raw contact."""
        ((state, *reason),) = self.ask(
            "SELECT state, reason_code, reason_params FROM raw_contacts WHERE id = %s", contact
        )
        return str(state), told(*reason)

    def case_of(self, contact: UUID) -> UUID:
        """The case a contact is in."""
        ((case_id,),) = self.ask("SELECT case_id FROM contacts WHERE id = %s", contact)
        assert isinstance(case_id, UUID)
        return case_id

    def labels(self, contact: UUID) -> set[str]:
        """The labels of a filed contact."""
        ((labels,),) = self.ask("SELECT labels FROM contacts WHERE id = %s", contact)
        assert isinstance(labels, list)
        return set(labels)

    def answer(self, contact: UUID) -> UUID:
        """The delivery of the acknowledgement of a contact's case, as if a server had taken it."""
        ((delivery,),) = self.ask(
            "UPDATE deliveries SET state = 'sent', provider_ref = (SELECT message_id FROM contacts WHERE id = contact_id) "
            "WHERE case_id = %s RETURNING id",
            self.case_of(contact),
        )
        assert isinstance(delivery, UUID)
        return delivery

    def holds(self) -> bool:
        """Whether nothing is lost: received is filed, joined, ignored, quarantined or waiting."""
        with self.database.cursor() as cursor:
            lines = ledger.by_channel(cursor, now() - timedelta(hours=1), now() + timedelta(hours=1))
        return bool(lines) and all(line.holds for line in lines)


def mail(text: str = "سلام، چراغ خیابان ما خراب است.", *lines: str, sender: str = ALI) -> str:
    """A small mail with more header lines."""
    head = (f"From: Ali <{sender}>", "To: info@example.org", "Content-Type: text/plain; charset=utf-8", *lines)
    return "\r\n".join(head) + f"\r\n\r\n{text}\r\n"
