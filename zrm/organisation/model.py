"""The organisation as a file describes it: what each entry may say, and how a file differs from the store.

A file and the store have the same shape here, so the effect of a file is their difference. A file adds and changes;
what it does not name stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from zrm.casestore.agent import ONLY_EVERYWHERE, Permission
from zrm.config import ConfigPart, Name
from zrm.errors import ConfigError
from zrm.kit.yaml_section import Section
from zrm.languages import SOURCE, Calendar, Language

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


class NatureEntry(ConfigPart):
    """A nature. `position`: its order among them, `retired`: no longer offered."""

    name: Name
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
    """Units, subjects, natures and agents by their keys and logins."""

    units: dict[Annotated[str, AfterValidator(_key)], UnitEntry] = Field(default={})
    subjects: dict[Annotated[str, AfterValidator(_key)], SubjectEntry] = Field(default={})
    natures: dict[Annotated[str, AfterValidator(_key)], NatureEntry] = Field(default={})
    agents: dict[Annotated[str, AfterValidator(_login)], AgentEntry] = Field(default={})


OrganisationEntry = UnitEntry | SubjectEntry | NatureEntry | AgentEntry
EntryKind = Literal["unit", "subject", "nature", "agent"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that is new (`differs` is empty) or changes: by name, the old and the new value."""

    kind: EntryKind
    key: str
    entry: OrganisationEntry
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
    kind: EntryKind, key: str, tree: Mapping[str, UnitEntry] | Mapping[str, SubjectEntry]
) -> Iterator[tuple[tuple[str, ...], str]]:
    seen, above = {key}, tree[key].parent
    if above is not None and above not in tree:
        yield (f"{kind}s", key, "parent"), unknown_key(kind, above, tree.keys() - {key})
    while above is not None and above in tree and above not in seen:
        seen.add(above)
        above = tree[above].parent
    if above == key:
        yield (f"{kind}s", key, "parent"), "this hangs below itself"


def unknown_key(kind: EntryKind, key: str, known: Iterable[str]) -> str:
    """The sentence for an unknown key."""
    there = ", ".join(sorted(known))
    return f"no {kind} is called {key}; " + (f"expected one of: {there}" if there else f"there is no {kind} yet")


def changes(present: OrganisationData, wanted: OrganisationData) -> list[Change]:
    """The changes: units, then subjects, natures and agents, each in the file's order."""
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
) -> Iterator[tuple[EntryKind, Mapping[str, OrganisationEntry], Mapping[str, OrganisationEntry]]]:
    yield "unit", one.units, other.units
    yield "subject", one.subjects, other.subjects
    yield "nature", one.natures, other.natures
    yield "agent", one.agents, other.agents


def _difference(before: OrganisationEntry, after: OrganisationEntry) -> Iterator[tuple[str, str, str]]:
    was, will = _told(before), _told(after)
    for name in dict.fromkeys([*will, *was]):
        # An old file brings no agent back, and names in a language that it does not give stay.
        stays = name not in will and (name == "left" or name.startswith("name."))
        if was.get(name) != will.get(name) and not stays:
            yield name, was.get(name, ""), will.get(name, "")


def _told(entry: OrganisationEntry) -> dict[str, str]:
    """An entry's values by name, as text to compare and show; unset values are left out."""
    values = {f"name.{code}": text for code, text in entry.name.names.items()}
    match entry:
        case AgentEntry():
            values["unit"] = entry.unit
            values |= {f"may.{where}": ", ".join(permissions) for where, permissions in entry.rights().items()}
            values |= {"left": "true"} if entry.left else {}
        case SubjectEntry():
            values |= {name: key for name, key in (("parent", entry.parent), ("unit", entry.unit)) if key}
            values |= _offered(entry)
        case NatureEntry():
            values |= _offered(entry)
        case UnitEntry():
            values |= {"parent": entry.parent} if entry.parent else {}
    return values


def _offered(entry: SubjectEntry | NatureEntry) -> dict[str, str]:
    """Where it stands among those that are offered, and whether it still is."""
    position = {"position": str(entry.position)} if entry.position else {}
    return position | ({"retired": "true"} if entry.retired else {})
