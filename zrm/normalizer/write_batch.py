"""What one filing transaction writes, gathered as records of the tables' owners and written in one pipeline."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from zrm.casestore import attachment, history, live, outbox, outgoing, person
from zrm.casestore import case as cases
from zrm.casestore import contact as contacts
from zrm.casestore.attachment import NewAttachment, NewRemoteFile
from zrm.casestore.case import NewCase, NewRelation
from zrm.casestore.contact import NewContact
from zrm.casestore.history import NewLine
from zrm.casestore.outbox import Topic
from zrm.casestore.outgoing import NewDelivery
from zrm.casestore.person import NewAddress, NewPerson
from zrm.inbox import raw_contacts, tracking_codes
from zrm.inbox.raw_contacts import Settled
from zrm.kit.db import Cursor


@dataclass(slots=True)
class WriteBatch:
    """What one transaction will insert and update.

    `message_ids` are (Message-ID, case id), `codes` (tracking code, case id), `proven` (person id, kind, value) of addresses that contacts came from,
    `alive` (kind, value) of doubtful addresses that contacts came from, `joined` the status and last contact of cases
    by id, `changed` the cases to announce to open desks.
    """

    persons: list[NewPerson] = field(default_factory=list)
    addresses: list[NewAddress] = field(default_factory=list)
    cases: list[NewCase] = field(default_factory=list)
    contacts: list[NewContact] = field(default_factory=list)
    attachments: list[NewAttachment] = field(default_factory=list)
    remote_files: list[NewRemoteFile] = field(default_factory=list)
    message_ids: list[tuple[str, UUID]] = field(default_factory=list)
    codes: list[tuple[str, UUID]] = field(default_factory=list)
    relations: list[NewRelation] = field(default_factory=list)
    events: list[NewLine] = field(default_factory=list)
    deliveries: list[NewDelivery] = field(default_factory=list)
    proven: list[tuple[UUID, str, str]] = field(default_factory=list)
    alive: list[tuple[str, str]] = field(default_factory=list)
    outbox: dict[Topic, list[tuple[UUID, str]]] = field(default_factory=lambda: defaultdict(list))
    settled: list[Settled] = field(default_factory=list)
    joined: dict[UUID, tuple[str, datetime]] = field(default_factory=dict)
    changed: list[UUID] = field(default_factory=list)

    def write(self, cursor: Cursor) -> None:
        """Insert and update everything, in one pipeline; rows that others refer to come first."""
        with cursor.connection.pipeline():
            person.add_persons(cursor, self.persons)
            person.add_addresses(cursor, self.addresses)
            cases.add(cursor, self.cases)
            contacts.add(cursor, self.contacts)
            attachment.attach(cursor, self.attachments)
            attachment.name_remote(cursor, self.remote_files)
            cases.relate(cursor, self.relations)
            history.append_all(cursor, self.events)
            outgoing.queue(cursor, self.deliveries)
            contacts.lead(cursor, self.message_ids)
            tracking_codes.lead(cursor, self.codes)
            for person_id, kind, value in self.proven:
                person.prove_address(cursor, person_id, kind, value)
            for kind, value in self.alive:
                person.end_doubt(cursor, kind, value)
            for case_id, (status, at) in self.joined.items():
                cases.join(cursor, case_id, status, at)
            raw_contacts.settle(cursor, self.settled)
            for topic, refs in self.outbox.items():
                outbox.add(cursor, topic, refs)
            live.publish_change(cursor, "case", self.changed)
