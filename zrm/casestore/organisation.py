"""The organisation: its units, its subject tree, its agents and their permissions.

A file and the store have the same shape here, so the effect of a file is their difference. A file adds and changes;
what it does not name stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from uuid import UUID

import psycopg
from pydantic import AfterValidator, Field
from sqlalchemy.exc import IntegrityError

from zrm.casestore import agent as agents
from zrm.casestore import subject as subject_tree
from zrm.casestore import unit as unit_tree
from zrm.casestore.agent import ONLY_EVERYWHERE, Permission
from zrm.casestore.subject import WantedSubject
from zrm.config import ConfigPart, Name
from zrm.errors import ConfigError
from zrm.kit.db import Cursor
from zrm.kit.yaml_section import Section
from zrm.languages import LANGUAGES, SOURCE, Calendar, Language
from zrm.localized import Localized

EVERYWHERE: Final = "everywhere"
"""Stands in place of a unit's key for a permission that holds for all units; no unit can have this key."""

ORDINARY: Final = (
    Permission.VIEW_CASES,
    Permission.WORK_CASES,
    Permission.VIEW_ADDRESSES,
    Permission.HANDLE_DELIVERIES,
)
"""What agents may do for their own unit if the file says nothing else."""


def _key(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError("expected a key such as street-light: lower-case letters, digits and hyphens")
    return value


def _login(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9._@+-]{1,200}", value):
        raise ValueError("expected a login such as sara.ahmadi: lower-case letters, digits and . _ @ + -")
    return value


class UnitEntry(ConfigPart):
    """A unit; `parent` is the key of the one it belongs to."""

    name: Name
    parent: str | None = None


class SubjectEntry(ConfigPart):
    """A subject; `unit` gets its new cases, else the default unit. `position`: its order among its siblings, `retired`:
    no longer offered.
    """

    name: Name
    parent: str | None = None
    unit: str | None = None
    position: int = Field(default=0, ge=0, le=9999)
    retired: bool = False


class AgentEntry(ConfigPart):
    """An agent. `may` has permissions by unit or for `everywhere`; without it the default ones, for the agent's unit.

    Language and calendar are the desk's initial ones: the agent's own choice is never changed.
    """

    name: Name
    unit: str
    language: Language = "fa"
    calendar: Calendar | None = Field(default=None, description="As the language has it.")
    may: dict[str, list[Permission]] | None = None
    left: bool = False

    def rights(self) -> dict[str, list[Permission]]:
        """The permissions by where they hold, in order."""
        may = {self.unit: list(ORDINARY)} if self.may is None else self.may
        return {where: sorted(set(permissions)) for where, permissions in sorted(may.items()) if permissions}


class OrganisationData(ConfigPart):
    """Units, subjects and agents by their keys and logins."""

    units: dict[Annotated[str, AfterValidator(_key)], UnitEntry] = Field(default={})
    subjects: dict[Annotated[str, AfterValidator(_key)], SubjectEntry] = Field(default={})
    agents: dict[Annotated[str, AfterValidator(_login)], AgentEntry] = Field(default={})


Entry = UnitEntry | SubjectEntry | AgentEntry
Kind = Literal["unit", "subject", "agent"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that is new (`differs` is empty) or changes: by name, the old and the new value."""

    kind: Kind
    key: str
    entry: Entry
    differs: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        if not self.differs:
            return f"+ {self.kind} {self.key}: {self.entry.name.in_language(SOURCE)}"
        return f"~ {self.kind} {self.key}: {self.difference()}"

    def difference(self) -> str:
        """What differs, in a line."""
        return "; ".join(f"{name}: {before or '—'} → {after or '—'}" for name, before, after in self.differs)


# ---------------------------------------------------------------- the file


def read(section: Section, present: OrganisationData) -> OrganisationData:
    """What the section says. Errors: ConfigError naming each place and what was expected, unknown keys included."""
    wanted = section.read(OrganisationData)
    problems = [f"{section.place(*path)}: {problem}" for path, problem in _problems(wanted, present)]
    if problems:
        raise ConfigError("\n".join(problems))
    return wanted


def _problems(wanted: OrganisationData, present: OrganisationData) -> Iterator[tuple[tuple[str, ...], str]]:
    units, subjects = {**present.units, **wanted.units}, {**present.subjects, **wanted.subjects}
    if EVERYWHERE in wanted.units:
        yield ("units", EVERYWHERE), "no unit can be called so: in permissions the word stands for all units"
    for key in wanted.units:
        yield from _hangs("unit", key, units)
    for key, subject in wanted.subjects.items():
        yield from _hangs("subject", key, subjects)
        if subject.unit is not None and subject.unit not in units:
            yield ("subjects", key, "unit"), unknown_key("unit", subject.unit, units)
    for login, agent in wanted.agents.items():
        if agent.unit not in units:
            yield ("agents", login, "unit"), unknown_key("unit", agent.unit, units)
        for where, permissions in (agent.may or {}).items():
            if where == EVERYWHERE:
                continue
            if where not in units:
                yield ("agents", login, "may", where), unknown_key("unit", where, [EVERYWHERE, *units])
            for permission in sorted(ONLY_EVERYWHERE.intersection(permissions)):
                problem = f"{permission} is about what belongs to no unit; it can only be given {EVERYWHERE}"
                yield ("agents", login, "may", where), problem


def _hangs(
    kind: Kind, key: str, tree: Mapping[str, UnitEntry] | Mapping[str, SubjectEntry]
) -> Iterator[tuple[tuple[str, ...], str]]:
    seen, above = {key}, tree[key].parent
    if above is not None and above not in tree:
        yield (f"{kind}s", key, "parent"), unknown_key(kind, above, tree.keys() - {key})
    while above is not None and above in tree and above not in seen:
        seen.add(above)
        above = tree[above].parent
    if above == key:
        yield (f"{kind}s", key, "parent"), "this hangs below itself"


def unknown_key(kind: Kind, key: str, known: Iterable[str]) -> str:
    """The sentence for an unknown key."""
    there = ", ".join(sorted(known))
    return f"no {kind} is called {key}; " + (f"expected one of: {there}" if there else f"there is no {kind} yet")


def changes(present: OrganisationData, wanted: OrganisationData) -> list[Change]:
    """The changes: units, then subjects, then agents, each in the file's order."""
    found: list[Change] = []
    for kind, before, after in _kinds(present, wanted):
        for key, entry in after.items():
            if key not in before:
                found.append(Change(kind, key, entry))
            elif differs := tuple(_difference(before[key], entry)):
                found.append(Change(kind, key, entry, differs))
    return found


def _kinds(
    one: OrganisationData, other: OrganisationData
) -> Iterator[tuple[Kind, Mapping[str, Entry], Mapping[str, Entry]]]:
    yield "unit", one.units, other.units
    yield "subject", one.subjects, other.subjects
    yield "agent", one.agents, other.agents


def _difference(before: Entry, after: Entry) -> Iterator[tuple[str, str, str]]:
    was, will = _told(before), _told(after)
    for name in dict.fromkeys([*will, *was]):
        back = name == "left" and name not in will  # an old file brings no agent back
        if was.get(name) != will.get(name) and not back:
            yield name, was.get(name, ""), will.get(name, "")


def _told(entry: Entry) -> dict[str, str]:
    """An entry's values by name, as text to compare and show; unset values are left out."""
    values = {f"name.{code}": text for code, text in entry.name.names.items()}
    match entry:
        case AgentEntry():
            values["unit"] = entry.unit
            values |= {f"may.{where}": ", ".join(permissions) for where, permissions in entry.rights().items()}
            values |= {"left": "true"} if entry.left else {}
        case SubjectEntry():
            values |= {name: key for name, key in (("parent", entry.parent), ("unit", entry.unit)) if key}
            values |= {"position": str(entry.position)} if entry.position else {}
            values |= {"retired": "true"} if entry.retired else {}
        case UnitEntry():
            values |= {"parent": entry.parent} if entry.parent else {}
    return values


# ---------------------------------------------------------------- the store


def lock(cursor: Cursor) -> None:
    """Until the commit no other transaction changes the organisation; cases are filed meanwhile."""
    cursor.execute("LOCK TABLE units IN SHARE ROW EXCLUSIVE MODE")


def stored(cursor: Cursor) -> OrganisationData:
    """The organisation in the store, each kind by key in the order of creation."""
    units, subjects = unit_tree.by_key(cursor), subject_tree.by_key(cursor)
    unit_keys = {one.id: key for key, one in units.items()}
    subject_keys = {one.id: key for key, one in subjects.items()}
    may: dict[UUID, dict[str, list[Permission]]] = {}
    for grant in agents.rights(cursor):
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
