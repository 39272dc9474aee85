"""Gives citizens' files, originals, HTML and whole texts to agents, each after a check of the case's permission.

A file that has a virus, or has not been scanned yet, is given out only by a deliberate step, and the case's history
records the agent. The original of a quarantined contact is for agents who handle quarantine; that of a case for agents
who see its addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from zrm.casestore import contact_files, history, live
from zrm.casestore.agent import Permission
from zrm.casestore.contact_files import EmbeddedPicture, StoredFileRow
from zrm.casestore.history import by_agent
from zrm.casestore.history_payloads import UnsafeFileSaved
from zrm.casework.context import ActingAgent
from zrm.errors import NotAllowed, NotFound
from zrm.inbox import reading
from zrm.inbox.reading import Original
from zrm.kit.db import Cursor


class UnsafeFile(NotAllowed):
    """It has a virus (`threat` names it) or may have one (empty: not scanned yet); only the deliberate step gives it
    out.

    `name` is the file's name as its sender gave it; empty for an original.
    """

    def __init__(self, case_id: UUID, name: str, threat: str) -> None:
        super().__init__(threat or "not scanned yet")
        self.case_id = case_id
        self.name = name
        self.threat = threat


@dataclass(frozen=True, slots=True)
class ContactHtml:
    """A contact's HTML as it was sent; `pictures` by Content-ID."""

    html: str
    pictures: Mapping[str, EmbeddedPicture]


def file(cursor: Cursor, actor: ActingAgent, file_id: UUID) -> StoredFileRow:
    """A file of a case that the agent sees. Errors: NotFound, UnsafeFile."""
    stored = _file(cursor, actor, file_id)
    if stored.unsafe:
        raise UnsafeFile(stored.case_id, stored.name, stored.threat)
    return stored


def file_in_spite(cursor: Cursor, actor: ActingAgent, file_id: UUID) -> StoredFileRow:
    """As `file`, but also if it is unsafe, for an agent who was warned; then it is recorded. Errors: NotFound."""
    stored = _file(cursor, actor, file_id)
    if stored.unsafe:
        _record_unsafe_save(cursor, actor, stored.case_id, UnsafeFileSaved(file_id=file_id))
    return stored


def original(cursor: Cursor, actor: ActingAgent, contact_id: UUID) -> Original:
    """A contact as received. Errors: NotFound, Forbidden, UnsafeFile if a file in it is unsafe."""
    found = original_to_read(cursor, actor, contact_id)
    if (unsafe := contact_files.unsafe_in_original(cursor, contact_id)) is not None:
        raise UnsafeFile(unsafe.case_id, "", unsafe.threat)
    return found


def original_in_spite(cursor: Cursor, actor: ActingAgent, contact_id: UUID) -> Original:
    """As `original`, but also if a file in it is unsafe, for an agent who was warned; then it is recorded. Errors:
    NotFound, Forbidden.
    """
    found = original_to_read(cursor, actor, contact_id)
    if (unsafe := contact_files.unsafe_in_original(cursor, contact_id)) is not None:
        _record_unsafe_save(cursor, actor, unsafe.case_id, UnsafeFileSaved(contact_id=contact_id))
    return found


def original_to_read(cursor: Cursor, actor: ActingAgent, contact_id: UUID) -> Original:
    """A contact as received, to be shown as plain text, in which nothing can act; so it needs no scan. Errors:
    NotFound, Forbidden.
    """
    of_quarantine = actor.grants.everywhere(Permission.HANDLE_QUARANTINE) and reading.is_held(cursor, contact_id)
    if not of_quarantine:
        unit_id = contact_files.unit_of_contact(cursor, contact_id)
        if unit_id is None:
            raise NotFound("no such case")
        actor.require(Permission.VIEW_ADDRESSES, unit_id)
    found = reading.original(cursor, contact_id)
    if found is None:
        raise NotFound("no such contact")
    return found


def html(cursor: Cursor, actor: ActingAgent, contact_id: UUID) -> ContactHtml:
    """A contact's HTML, not yet made harmless, with those of its own pictures that are safe. Errors: NotFound."""
    found = contact_files.contact_html(cursor, contact_id)
    if found is None or not actor.sees(found.unit_id):
        raise NotFound("no such contact")
    return ContactHtml(found.html, contact_files.pictures_in(cursor, contact_id))


def whole_text(cursor: Cursor, actor: ActingAgent, contact_id: UUID) -> str:
    """A contact's whole text, as far as it is stored, with the quotation below it. Errors: NotFound."""
    found = contact_files.contact_text(cursor, contact_id)
    if found is None or not actor.sees(found.unit_id):
        raise NotFound("no such contact")
    return "\n".join(part for part in (found.text, found.folded_quote) if part)


def _file(cursor: Cursor, actor: ActingAgent, file_id: UUID) -> StoredFileRow:
    stored = contact_files.stored_file(cursor, file_id)
    if stored is None or not actor.sees(stored.unit_id):
        raise NotFound("no such file")
    return stored


def _record_unsafe_save(cursor: Cursor, actor: ActingAgent, case_id: UUID, saved: UnsafeFileSaved) -> None:
    history.append(cursor, case_id, by_agent(actor.agent_id), saved)
    live.publish_change(cursor, "case", [case_id])
