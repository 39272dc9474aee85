"""Case matching: which case a contact belongs to, and the rows it becomes. It decides in memory, from what `lookups`
read for the whole batch, in order of arrival, so that a person's second message joins the case that the first one
opened. Whose contact it is decides `person_matching`; whether a new case is acknowledged, `acknowledgements`.

Nothing that a contact says about itself is believed without a check of its sender. A sender who quotes another
citizen's token and is not known in that case gets a new case, linked to the other one for a person to decide. Which of
the sender's addresses prove anything was decided before (`origin`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from zrm.casestore.attachment import OUR_OWN, NewAttachment, NewRemoteFile
from zrm.casestore.case import NewCase, NewRelation, Status
from zrm.casestore.contact import NewContact
from zrm.casestore.history import CITIZEN, SYSTEM, Actor, NewLine, by_agent
from zrm.casestore.history_payloads import CaseOpened, KnownPayload, RelationSuggested, StatusChanged
from zrm.casestore.outbox import Topic
from zrm.casestore.search_words import contact_key
from zrm.casework.reply_routes import SendingAccount
from zrm.casework.transitions import Step, next_status
from zrm.config import Settings
from zrm.contract.capabilities import of_channel
from zrm.contract.files import InboundFile
from zrm.inbox.raw_contacts import Settled
from zrm.kit.ids import new_id
from zrm.languages import Language, language_for_answers
from zrm.normalizer import reasons
from zrm.normalizer.acknowledgements import Acknowledgements
from zrm.normalizer.interpretation import Interpretation
from zrm.normalizer.lookups import BatchContext, KnownCase
from zrm.normalizer.person_matching import PersonMatching
from zrm.normalizer.write_batch import WriteBatch


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """A file of a contact, in the blob store."""

    file: InboundFile
    key: str
    size: int


class CaseMatching:
    """The contacts of one transaction while they are matched to cases, with what is `known` of them."""

    def __init__(self, known: BatchContext, settings: Settings, senders: Sequence[SendingAccount] = ()) -> None:
        self.rows = WriteBatch()
        self._known = known
        self._settings = settings
        self._persons = PersonMatching(known, self.rows)
        self._acknowledgements = Acknowledgements(known, self.rows, settings, senders)

    def place(self, reading: Interpretation, kept: Sequence[StoredAttachment]) -> None:
        """Give the contact its person and its case."""
        case, related = self._thread(reading)
        if case is None and reading.labels >= {"bounce"} and related is None:
            self.rows.settled.append(Settled(reading.raw.id, "ignored", reasons.NOBODYS_BOUNCE))
            return
        if case is None:
            person_id = self._persons.of(reading)
            case = self._open(reading, person_id)
            self.rows.settled.append(Settled(reading.raw.id, "filed"))
        else:
            self._join(case, reading)
            of_case = reading.thread.conversation or (
                reading.robot and self._persons.claimed_by(case.person_id, reading)
            )
            person_id = case.person_id if of_case else self._persons.of(reading)
            self.rows.settled.append(Settled(reading.raw.id, "joined"))
        self._append(case, reading, person_id, kept)
        if case.fresh and related is not None:
            reason: Literal["answers_old_case", "quoted_by_stranger"] = (
                "answers_old_case" if self._persons.belongs(related, reading) else "quoted_by_stranger"
            )
            self.rows.relations.append(
                NewRelation(new_id(), case.id, related.id, reading.raw.id, reason, reading.raw.received_at)
            )
            suggested = RelationSuggested(
                other_case_id=case.id, other_code=case.code, reason=reason, contact_id=reading.raw.id
            )
            self._record(related, SYSTEM, suggested, reading)
            self.rows.changed.append(related.id)
        if case.fresh:
            self._acknowledgements.acknowledge(case, reading)

    def _thread(self, reading: Interpretation) -> tuple[KnownCase | None, KnownCase | None]:
        """The case to join, or a case to link to: an unknown sender quoted its mark, or it was closed too long ago."""
        thread = reading.thread
        if thread.conversation:
            return self._case_of(self._known.by_code.get(thread.conversation)), None
        quoted = [self._known.by_token.get(token) for token in thread.tokens]
        quoted += [self._known.by_code.get(token) for token in thread.tokens]
        quoted += [self._known.by_delivery.get(thread.returned)] if thread.returned is not None else []
        quoted += [case for reference in thread.references for case in self._known.by_message.get(reference, ())]
        candidates = [case for identifier in quoted if (case := self._case_of(identifier)) is not None]
        for case in candidates:
            if self._persons.belongs(case, reading):
                return (None, case) if self._long_closed(case, reading) else (case, None)
        if candidates:
            return None, candidates[0]
        if thread.open_line:
            for address in reading.shown:
                for person, claimed in self._known.owners[address.kind, address.value]:
                    line = self._known.lines.get((person, reading.raw.contact.channel, reading.raw.contact.account))
                    if not claimed and line is not None:
                        return self._case_of(line), None
        return None, None

    def _long_closed(self, case: KnownCase, reading: Interpretation) -> bool:
        """Whether the case was closed so long ago that the new message is probably about something else
        (freescout#4958: added to a matter a year old).
        """
        limit = timedelta(days=self._settings.threads.reopen_days)
        return case.status is Status.CLOSED and reading.raw.received_at - case.status_at > limit

    def _case_of(self, identifier: UUID | None) -> KnownCase | None:
        return self._known.cases.get(identifier) if identifier is not None else None

    def _open(self, reading: Interpretation, person_id: UUID | None) -> KnownCase:
        contact, at = reading.raw.contact, reading.raw.received_at
        subject = self._known.subjects.get(reading.subject_key)
        subject_id = subject.id if subject else None
        unit_id = (subject.unit_id if subject else None) or self._known.default_unit()
        nature = reading.nature if reading.nature in self._known.natures else None
        language = self._language_of(reading, person_id)
        case = KnownCase(
            id=new_id(), code=reading.raw.code, status=Status.NEW, status_at=at, unit_id=unit_id, person_id=person_id,
            language=language, fresh=True, addresses={address.value for address in reading.addresses},
        )  # fmt: skip
        self._known.cases[case.id] = case
        self.rows.cases.append(
            NewCase(
                id=case.id,
                code=case.code,
                reply_token=new_reply_token(),
                title=reading.title,
                description=Jsonb(reading.description[:1]),
                nature=nature,
                language=language,
                channel=contact.channel,
                account=contact.account,
                person_id=person_id,
                opened_from=[address.value for address in reading.addresses],
                subject_id=subject_id,
                unit_id=unit_id,
                status=case.status,
                opened_at=at,
                status_at=at,
                last_contact_at=at,
            )
        )
        if reading.thread.open_line and person_id is not None:
            self._known.lines[person_id, contact.channel, contact.account] = case.id
        opened = CaseOpened(channel=contact.channel, contact_id=reading.raw.id)
        self._record(case, by_agent(reading.taken_by) if reading.taken_by else CITIZEN, opened, reading)
        return case

    def _language_of(self, reading: Interpretation, person_id: UUID | None) -> Language:
        """The language the person asked for, else the one of this message; a message that shows none gets the one they
        first wrote in.

        A language that is not ours is answered in English, one that we cannot tell in the installation's own.
        """
        asked_for, first = self._known.speaks.get(person_id, ("", "")) if person_id is not None else ("", "")
        written = asked_for or reading.language or first or reading.profile_language
        return language_for_answers(written, self._settings.organisation.language)

    def _join(self, case: KnownCase, reading: Interpretation) -> None:
        step = Step.ROBOT_WRITES if reading.robot else Step.CITIZEN_WRITES
        status = next_status(case.status, step)
        if status is not case.status:
            changed = StatusChanged(before=case.status, after=status, cause="citizen_wrote", contact_id=reading.raw.id)
            self._record(case, CITIZEN, changed, reading)
        case.status = status
        if not case.fresh:
            self.rows.joined[case.id] = (case.status, reading.raw.received_at)
        # A machine answers everything, also what an unknown sender sent there.
        if case.person_id is None or reading.robot:
            return
        self._persons.prove(case.person_id, reading)

    def _append(
        self, case: KnownCase, reading: Interpretation, person_id: UUID | None, kept: Sequence[StoredAttachment]
    ) -> None:
        raw, contact = reading.raw, reading.raw.contact
        address = reading.addresses[0].value if reading.addresses else ""
        if reading.shown and not reading.robot:
            alive = (reading.shown[0].kind, reading.shown[0].value)
            if alive in self._known.doubtful:
                self.rows.alive.append(alive)
        labels = set(reading.labels)
        if person_id is None:
            labels.add("shared_address")
        search = reading.search
        if not reading.name and person_id is not None:  # a known name is searchable too
            search += contact_key(self._known.names.get(person_id, "")).lstrip()
        self.rows.codes.append((raw.code, case.id))
        self.rows.contacts.append(
            NewContact(
                id=raw.id,
                case_id=case.id,
                direction="in",
                channel=contact.channel,
                account=contact.account,
                at=raw.received_at,
                text=reading.text,
                title=reading.title,
                description=Jsonb(reading.description),
                address=address,
                person_id=person_id,
                agent_id=reading.taken_by,
                folded_quote=reading.folded_quote,
                html=reading.html,
                language=reading.language,
                search=search,
                headers=Jsonb(reading.headers),
                labels=sorted(labels),
                message_id=reading.thread.message_id,
                other_addresses=[other.value for other in reading.addresses[1:]],
                reply_to=list(reading.reply_to),
                copied=list(reading.copied),
            )
        )
        if reading.thread.message_id:
            self.rows.message_ids.append((reading.thread.message_id, case.id))
            self._known.by_message[reading.thread.message_id].append(case.id)
        for position, item in enumerate(kept):
            self._append_file(reading, item, position)
        if not case.fresh:  # no agent has a new case yet
            self.rows.outbox[Topic.NOTIFY].append((raw.id, contact.trace))
        self.rows.changed.append(case.id)

    def _append_file(self, reading: Interpretation, item: StoredAttachment, position: int) -> None:
        """Add a file of the contact, or the task of fetching it, and what else must be done with it."""
        raw, contact, file = reading.raw, reading.raw.contact, item.file
        if file.remote:
            remote = NewRemoteFile(
                id=new_id(),
                contact_id=raw.id,
                channel=contact.channel,
                account=contact.account,
                address=file.remote,
                name=file.name[:255],
                media_type=file.media_type[:127],
                role=file.role,
                content_id=file.content_id[:255],
                position=position,
            )
            self.rows.remote_files.append(remote)
            self.rows.outbox[Topic.FETCH].append((remote.id, contact.trace))
            return
        kept = NewAttachment(
            id=new_id(),
            contact_id=raw.id,
            role=file.role,
            name=file.name[:255],
            media_type=file.media_type[:127],
            size=item.size,
            blob_key=item.key,
            content_id=file.content_id[:255],
            position=position,
            scan="waiting" if self._settings.scan is not None and file.role not in OUR_OWN else "",
        )
        self.rows.attachments.append(kept)
        if kept.scan:
            self.rows.outbox[Topic.SCAN].append((kept.id, contact.trace))
        if file.role == "pages" and of_channel(contact.channel).renderer:
            self.rows.outbox[Topic.RENDER].append((kept.id, contact.trace))

    def _record(self, case: KnownCase, actor: Actor, payload: KnownPayload, reading: Interpretation) -> None:
        self.rows.events.append(NewLine(case.id, actor, payload, reading.raw.received_at))


def new_reply_token() -> str:
    """An unguessable address part: 16 letters and digits (80 bits) that mail systems do not change."""
    return "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(16))
