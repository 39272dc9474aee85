"""The rows one filing transaction writes, gathered by table and written in one pipeline."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from zrm.casestore import live, outbox
from zrm.casestore.outbox import Topic
from zrm.inbox import raw_contacts
from zrm.inbox.raw_contacts import Settled
from zrm.kit.db import Cursor, insert_rows


@dataclass(slots=True)
class WriteBatch:
    """The rows one transaction will insert, by table, and what it will update."""

    persons: list[tuple[Any, ...]] = field(default_factory=list)
    addresses: list[tuple[Any, ...]] = field(default_factory=list)
    cases: list[tuple[Any, ...]] = field(default_factory=list)
    contacts: list[tuple[Any, ...]] = field(default_factory=list)
    attachments: list[tuple[Any, ...]] = field(default_factory=list)
    message_ids: list[tuple[Any, ...]] = field(default_factory=list)
    relations: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    deliveries: list[tuple[Any, ...]] = field(default_factory=list)
    delivery_events: list[tuple[Any, ...]] = field(default_factory=list)
    remote_files: list[tuple[Any, ...]] = field(default_factory=list)
    proven: list[tuple[UUID, str, str]] = field(default_factory=list)
    alive: list[tuple[str, str]] = field(default_factory=list)
    outbox: dict[Topic, list[tuple[UUID, str]]] = field(default_factory=lambda: defaultdict(list))
    settled: list[Settled] = field(default_factory=list)
    joined: dict[UUID, tuple[str, datetime]] = field(default_factory=dict)
    changed: list[UUID] = field(default_factory=list)

    def write(self, cursor: Cursor) -> None:
        """Insert and update everything, in one pipeline."""
        with cursor.connection.pipeline():
            for table, columns, values in (
                ("persons", "id name language created_at", self.persons),
                ("addresses", "id person_id kind value raw claimed created_at", self.addresses),
                (
                    "cases",
                    "id code reply_token title nature language channel account person_id subject_id unit_id status "
                    "opened_at status_at last_contact_at",
                    self.cases,
                ),
                (
                    "contacts",
                    "id case_id direction channel account person_id agent_id address title text folded_quote html language "
                    "search headers labels message_id automatic at other_addresses reply_to copied",
                    self.contacts,
                ),
                (
                    "attachments",
                    "id contact_id role name media_type size blob_key content_id position scan",
                    self.attachments,
                ),
                (
                    "remote_files",
                    "id contact_id channel account address name media_type role content_id position",
                    self.remote_files,
                ),
                ("case_relations", "id case_id other_case_id contact_id reason at", self.relations),
                ("case_events", "id case_id at kind data", self.events),
                (
                    "deliveries",
                    "id contact_id case_id channel account address state trace created_at changed_at",
                    self.deliveries,
                ),
                ("delivery_events", "id delivery_id at state detail", self.delivery_events),
            ):
                if values:
                    insert_rows(cursor, table, columns.split(), values)
            self._write_updates(cursor)

    def _write_updates(self, cursor: Cursor) -> None:
        if self.message_ids:
            cursor.executemany(
                "INSERT INTO message_ids (message_id, case_id) VALUES (%s, %s) ON CONFLICT DO NOTHING", self.message_ids
            )
        for person_id, kind, value in self.proven:
            cursor.execute(
                "UPDATE addresses SET claimed = false WHERE person_id = %s AND kind = %s AND value = %s",
                [person_id, kind, value],
            )
        for kind, value in self.alive:
            cursor.execute("UPDATE addresses SET doubtful_at = NULL WHERE kind = %s AND value = %s", [kind, value])
        for case_id, (status, at) in self.joined.items():
            cursor.execute(
                "UPDATE cases SET status_at = CASE WHEN status = %(status)s THEN status_at ELSE now() END, "
                "status = %(status)s, last_contact_at = greatest(last_contact_at, %(at)s), version = version + 1 "
                "WHERE id = %(id)s",
                {"status": status, "at": at, "id": case_id},
            )
        raw_contacts.settle(cursor, self.settled)
        for topic, refs in self.outbox.items():
            outbox.add(cursor, topic, refs)
        live.publish_change(cursor, "case", self.changed)
