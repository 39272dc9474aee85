"""The organisation in the store: read as a file would say it, and changed by the difference. None of these commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

import psycopg
from sqlalchemy.exc import IntegrityError

from zrm.casestore import agent as agents
from zrm.casestore import nature as natures
from zrm.casestore import subject as subject_tree
from zrm.casestore import unit as unit_tree
from zrm.casestore.agent import Permission
from zrm.casestore.nature import WantedNature
from zrm.casestore.subject import WantedSubject
from zrm.config import Name
from zrm.errors import ConfigError
from zrm.kit.db import Cursor
from zrm.languages import LANGUAGES
from zrm.localized import Localized
from zrm.organisation.model import (
    EVERYWHERE,
    AgentEntry,
    Change,
    NatureEntry,
    OrganisationData,
    SubjectEntry,
    UnitEntry,
)


def lock(cursor: Cursor) -> None:
    """Until the commit no other transaction changes the organisation; cases are filed meanwhile."""
    unit_tree.lock(cursor)


def stored(cursor: Cursor) -> OrganisationData:
    """The organisation in the store, each kind by key in the order of creation."""
    units, subjects = unit_tree.by_key(cursor), subject_tree.by_key(cursor)
    unit_keys = {one.id: key for key, one in units.items()}
    subject_keys = {one.id: key for key, one in subjects.items()}
    may: dict[UUID, dict[str, list[Permission]]] = {}
    for grant in agents.rights(cursor):
        if grant.permission not in agents.PERMISSIONS:
            continue  # another version's: no file of this one can name it
        where = EVERYWHERE if grant.unit_id is None else unit_keys[grant.unit_id]
        may.setdefault(grant.agent_id, {}).setdefault(where, []).append(Permission(grant.permission))
    # Not checked again: keys from before there was a rule for them stay as they are.
    return OrganisationData.model_construct(
        units={
            key: UnitEntry(name=_name(one.names), parent=unit_keys[one.parent_id] if one.parent_id else None)
            for key, one in units.items()
        },
        subjects={
            key: SubjectEntry(
                name=_name(one.names),
                parent=subject_keys[one.parent_id] if one.parent_id else None,
                unit=unit_keys[one.unit_id] if one.unit_id else None,
                position=one.position,
                retired=one.retired_at is not None,
            )
            for key, one in subjects.items()
        },
        natures={
            one.key: NatureEntry(name=_name(one.names), position=one.position, retired=one.retired_at is not None)
            for one in natures.known(cursor)
        },
        agents={
            one.login: AgentEntry.model_validate({
                "name": _name(one.names), "unit": unit_keys[one.unit_id], "language": one.language,
                "calendar": one.calendar, "may": may.get(one.id, {}), "left": not one.active,
            })
            for one in agents.everybody(cursor)
        },
    )  # fmt: skip


def write(cursor: Cursor, wanted: Sequence[Change]) -> None:
    """Make the changes, which were computed under the lock. A new agent can sign in once a password is set."""
    entries = [(change.key, change.entry) for change in wanted]
    unit_tree.write(cursor, {key: (e.name.names, e.parent) for key, e in entries if isinstance(e, UnitEntry)})
    units = unit_ids(cursor)
    subject_tree.write(
        cursor,
        {
            key: WantedSubject(e.name.names, e.parent, _id(units, e.unit), e.position, e.retired)
            for key, e in entries
            if isinstance(e, SubjectEntry)
        },
    )
    natures.write(
        cursor,
        {key: WantedNature(e.name.names, e.position, e.retired) for key, e in entries if isinstance(e, NatureEntry)},
    )
    for login, entry in entries:
        if isinstance(entry, AgentEntry):
            _write_agent(cursor, login, entry, units)


def _write_agent(cursor: Cursor, login: str, agent: AgentEntry, units: Mapping[str, UUID]) -> None:
    calendar = agent.calendar or (LANGUAGES[agent.language].calendar)
    agent_id = agents.keep(
        cursor,
        login,
        names=agent.name.names,
        unit_id=units[agent.unit],
        language=agent.language,
        calendar=calendar,
        left=agent.left,
    )
    rights = agent.rights().items()
    agents.permit(
        cursor,
        agent_id,
        [(right, None if where == EVERYWHERE else units[where]) for where, given in rights for right in given],
    )


def remove(cursor: Cursor, kind: Literal["unit", "subject"], key: str) -> None:
    """Remove a unit or a subject that nothing ever belonged to. Errors: ConfigError, with what belongs to it."""
    try:
        (unit_tree if kind == "unit" else subject_tree).remove(cursor, key)
    except IntegrityError as error:
        table = error.orig.diag.table_name if isinstance(error.orig, psycopg.Error) else ""
        raise ConfigError(f"{kind} {key}: cannot be taken away: {table} belong to it") from None


def unit_ids(cursor: Cursor) -> dict[str, UUID]:
    """The units' ids by key."""
    return {key: one.id for key, one in unit_tree.by_key(cursor).items()}


def _name(names: Localized) -> Name:
    return Name(**{code: text for code, text in names.items() if code in LANGUAGES})


def _id(ids: Mapping[str, UUID], key: str | None) -> UUID | None:
    return ids[key] if key is not None else None
