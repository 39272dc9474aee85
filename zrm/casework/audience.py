"""Which agents are told when something happens at a case. No other agent is told.

* The **assignee**: what others do at their case, what citizens write, what happens to its answers.
* A **mentioned** agent: `@login` in a note. Naming an agent who may not see the case is no mention, and the
  writer is told so.
* **Followers**: as the assignee. Agents who write a note or are mentioned in one follow the case from then on, until
  they stop it themselves; every agent who may see a case can follow it.
* The **writer of an answer** that did not arrive.

Agents are not told of what they did themselves, or of a case they may not see (except the assignee: they are told of
their own case, without its title). A unit's new case is told to no agent: it shows in the unit's list, the number
beside it, and a live event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final, NamedTuple
from uuid import UUID

from zrm.casestore import directory, follower, history
from zrm.casestore.agent import Permission
from zrm.casestore.case import Status
from zrm.casestore.history_payloads import CaseAssigned, CaseClosed
from zrm.casestore.notification import NewNotice, NoticeKind
from zrm.kit.db import Cursor, records
from zrm.security.grants import Grants

MOST_MENTIONS: Final = 50
_MENTION: Final = re.compile(r"(?<![\w.@+-])@([a-z0-9._@+-]{1,200})", re.IGNORECASE | re.ASCII)
_KINDS: Final = {"in": NoticeKind.MESSAGE, "out": NoticeKind.ANSWERED, "note": NoticeKind.NOTE}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened at a case. `by` is the agent who did it. `to` are agents it concerns more than others."""

    source_id: UUID
    case_id: UUID
    kind: NoticeKind
    by: UUID | None = None
    to: Mapping[UUID, NoticeKind] = field(default_factory=dict)
    to_others: bool = True
    """Whether the assignee and the followers are told too."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """A name in a note that reaches nobody: its agent may not see the case, or (not `known`) there is no such agent."""

    login: str
    known: bool


class _Mention(NamedTuple):
    """A name in a note, its agent, and whether they may see the case."""

    login: str
    agent_id: UUID | None
    sees: bool


@dataclass(frozen=True, slots=True)
class Concerned:
    """The agents concerned with a case, and which of them may see it."""

    assignee_id: UUID | None
    followers: frozenset[UUID]
    may_see: frozenset[UUID]


def notices_of(occurrence: Occurrence, case: Concerned) -> list[NewNotice]:
    """The agents who are told, each once, for the reason that concerns them most."""
    # An agent who has passed the case on before being told of the assignment is not told.
    kinds = {
        agent_id: kind
        for agent_id, kind in occurrence.to.items()
        if kind is not NoticeKind.ASSIGNED or agent_id == case.assignee_id
    }
    if occurrence.to_others:
        assignees = {case.assignee_id} if case.assignee_id is not None else set()
        kinds = dict.fromkeys(assignees | case.followers, occurrence.kind) | kinds
    return [
        NewNotice(agent_id, occurrence.case_id, occurrence.source_id, kind)
        for agent_id, kind in kinds.items()
        if agent_id != occurrence.by and (agent_id in case.may_see or agent_id == case.assignee_id)
    ]


def mentioned(cursor: Cursor, text: str, unit_id: UUID) -> list[UUID]:
    """The agents whom a note at a case of the unit names by `@login` and who may see it, in the order of the text."""
    named = [agent_id for _word, agent_id, sees in _mentions(cursor, text, unit_id) if agent_id is not None and sees]
    return list(dict.fromkeys(named))


def unreached(cursor: Cursor, text: str, unit_id: UUID) -> list[Unreached]:
    """The mentions in a note at a case of the unit that reach nobody, in the order of the text."""
    missed = [
        Unreached(word, known=agent_id is not None)
        for word, agent_id, sees in _mentions(cursor, text, unit_id)
        if not sees
    ]
    return list(dict.fromkeys(missed))


def _mentions(cursor: Cursor, text: str, unit_id: UUID) -> list[_Mention]:
    """Each name that a text mentions: the agent with that login, None if there is none, and whether they see the unit."""
    words: list[list[str]] = []
    for found in islice(_MENTION.finditer(text), MOST_MENTIONS):
        word = found[1].lower()
        # "@sara.", "@sara," and "@sara-": a trailing sign may belong to a login.
        words.append([word[: len(word) - cut] for cut in range(len(word) - len(word.rstrip("._@+-")) + 1)])
    known = directory.agents_by_login(cursor, list(dict.fromkeys(chain.from_iterable(words))))
    seeing = _may_see(cursor, {agent_id: [unit_id] for agent_id in known.values()})
    mentions = []
    for spellings in words:
        login = next((one for one in spellings if one in known), "")
        if login:
            mentions.append(_Mention(login, known[login], (known[login], unit_id) in seeing))
        elif spellings[-1]:
            mentions.append(_Mention(spellings[-1], None, sees=False))
    return mentions


def notices(cursor: Cursor, refs: Sequence[UUID]) -> list[NewNotice]:
    """What to tell of these contacts, deliveries and history lines, as the cases stand now."""
    occurrences = [*_contacts(cursor, refs), *_deliveries(cursor, refs), *_steps(cursor, refs)]
    case_ids = {one.case_id for one in occurrences}
    cursor.execute("SELECT id, unit_id, assignee_id, status FROM cases WHERE id = ANY(%s)", [list(case_ids)])
    cases = {case.id: case for case in records(cursor, _CaseNow)}
    following = follower.followers(cursor, case_ids)
    wanted: dict[UUID, list[UUID]] = {}
    for one in occurrences:
        for agent_id in {*one.to, *following.get(one.case_id, ())}:
            wanted.setdefault(agent_id, []).append(cases[one.case_id].unit_id)
    seeing = _may_see(cursor, wanted)
    active = directory.active(cursor, [case.assignee_id for case in cases.values() if case.assignee_id is not None])
    told: list[NewNotice] = []
    for one in occurrences:
        case = cases[one.case_id]
        if one.kind is NoticeKind.CLOSED and case.status != Status.CLOSED:  # undone, or reopened meanwhile
            continue
        followers = frozenset(following.get(one.case_id, ()))
        may_see = frozenset(agent_id for agent_id in {*one.to, *followers} if (agent_id, case.unit_id) in seeing)
        assignee_id = case.assignee_id if case.assignee_id in active else None
        told += notices_of(one, Concerned(assignee_id, followers, may_see))
    return told


class _CaseNow(NamedTuple):
    """A case as it stands now."""

    id: UUID
    unit_id: UUID
    assignee_id: UUID | None
    status: str


class _WrittenContact(NamedTuple):
    """A message, an answer or a note."""

    id: UUID
    case_id: UUID
    direction: str
    agent_id: UUID | None


class _FailedOne(NamedTuple):
    """A delivery that failed, or may have; `writer_id` is the agent who wrote the answer."""

    id: UUID
    case_id: UUID
    state: str
    writer_id: UUID | None


def _contacts(cursor: Cursor, refs: Sequence[UUID]) -> Iterable[Occurrence]:
    """Messages, answers and notes. A case's first message is told to no agent yet."""
    cursor.execute(
        "SELECT c.id, c.case_id, c.direction, c.agent_id FROM contacts c WHERE c.id = ANY(%s)"
        " AND (c.direction IN ('out', 'note') OR c.direction = 'in' AND EXISTS (SELECT FROM contacts o"
        " WHERE o.case_id = c.case_id AND o.direction = 'in' AND (o.at, o.id) < (c.at, c.id)))",
        [list(refs)],
    )
    found = records(cursor, _WrittenContact)
    named = history.mentioned_in(cursor, [(one.case_id, one.id) for one in found if one.direction == "note"])
    for one in found:
        to = dict.fromkeys(named.get(one.id, ()), NoticeKind.MENTION)
        yield Occurrence(one.id, one.case_id, _KINDS[one.direction], one.agent_id, to)


def _deliveries(cursor: Cursor, refs: Sequence[UUID]) -> Iterable[Occurrence]:
    cursor.execute(
        "SELECT d.id, d.case_id, d.state, c.agent_id AS writer_id FROM deliveries d LEFT JOIN contacts c ON c.id = d.contact_id"
        " WHERE d.id = ANY(%s) AND d.case_id IS NOT NULL AND d.state IN ('failed', 'unknown')",
        [list(refs)],
    )
    for one in records(cursor, _FailedOne):
        kind = NoticeKind(f"delivery_{one.state}")
        yield Occurrence(one.id, one.case_id, kind, to={one.writer_id: kind} if one.writer_id else {})


def _steps(cursor: Cursor, refs: Sequence[UUID]) -> Iterable[Occurrence]:
    for line in history.lines(cursor, refs).values():
        match line.payload:
            case CaseAssigned(assignee_id=assignee_id):
                to = {assignee_id: NoticeKind.ASSIGNED}
                yield Occurrence(line.id, line.case_id, NoticeKind.ASSIGNED, line.actor.agent_id, to, to_others=False)
            case CaseClosed():
                yield Occurrence(line.id, line.case_id, NoticeKind.CLOSED, line.actor.agent_id)


def _may_see(cursor: Cursor, units: Mapping[UUID, Sequence[UUID]]) -> set[tuple[UUID, UUID]]:
    """For agents given with some units: the pairs in which the agent is active and may see the unit's cases."""
    grants = {agent_id: Grants.of(rows) for agent_id, rows in directory.grants(cursor, units).items()}
    return {
        (agent_id, unit_id)
        for agent_id, unit_ids in units.items()
        for unit_id in unit_ids
        if agent_id in grants and grants[agent_id].has(Permission.VIEW_CASES, unit_id)
    }
