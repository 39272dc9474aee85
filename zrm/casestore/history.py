"""The history of a case: the only file that writes `case_events`, and the only one that reads their payloads.

A line has a kind, a version, an actor and a payload. The database refuses to change or remove it, and reports, webhooks
and the API read it for the installation's whole life. Therefore:

* each kind and version has one class below, and a key means the same in every class (`docs/history.md` lists them all);
* a class never changes its meaning. A different meaning gets a class of its own with the next version;
* a key that has its default is not stored, so a default never changes either;
* a reader gets an object of such a class, or `UnknownPayload` for what this version of the code does not know.

A change of a case's status is always a `StatusChanged`, whatever caused it: an agent's step, a citizen's contact, a
process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, cast, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import CheckConstraint, Index, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field as SqlField

from zrm.casestore.case import Status
from zrm.kit.clock import now
from zrm.kit.db import Cursor, insert_records, record, records
from zrm.kit.ids import new_id
from zrm.kit.tables import BY_MONTH, Table, one_of


class ActorKind(StrEnum):
    """Kinds of actors: an agent at the desk, a citizen by any channel, or the installation by itself."""

    AGENT = "agent"
    CITIZEN = "citizen"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of a line; `agent_id` if and only if it is an agent. Errors: ValueError."""

    kind: ActorKind
    agent_id: UUID | None = None

    def __post_init__(self) -> None:
        if (self.kind is ActorKind.AGENT) is (self.agent_id is None):
            raise ValueError("an agent has an id, and no other actor has one")


CITIZEN: Final = Actor(ActorKind.CITIZEN)
SYSTEM: Final = Actor(ActorKind.SYSTEM)


def by_agent(agent_id: UUID) -> Actor:
    """The agent as an actor."""
    return Actor(ActorKind.AGENT, agent_id)


class CaseEvent(Table, table=True):
    """A line as stored. Appended only: the database refuses to change or remove one."""

    __tablename__ = "case_events"
    __table_args__ = (
        one_of("actor", ActorKind),
        CheckConstraint("(actor = 'agent') = (agent_id IS NOT NULL)", name="case_events_agent"),
        CheckConstraint("version > 0"),
        Index("case_events_case", "case_id", "at", "id"),
        Index("case_events_kind", "case_id", "kind", "at"),
        BY_MONTH,
    )

    id: UUID = SqlField(primary_key=True)
    case_id: UUID = SqlField(foreign_key="cases.id")
    at: datetime
    actor: str
    agent_id: UUID | None = SqlField(default=None, foreign_key="agents.id")
    kind: str
    version: int = SqlField(sa_type=SmallInteger)
    data: dict[str, Any] = SqlField(sa_type=JSONB)


Cause = Literal[
    "claimed", "assigned", "transferred", "released", "replied", "closed", "reopened", "undone", "citizen_wrote"
]

# The keys. Each has one type and one meaning, in every class.
AnswerId = Annotated[UUID, Field(description="The contact that the step wrote to the citizen.")]
AssigneeId = Annotated[UUID, Field(description="The agent who has the case from now on.")]
BecameAssignee = Annotated[bool, Field(description="Whether the case had no assignee and is the actor's from now on.")]
ChannelName = Annotated[str, Field(description="The channel by which it came or goes.")]
ContactId = Annotated[UUID, Field(description="The contact from outside that the line is about.")]
Decision = Annotated[Literal["kept", "dismissed"], Field(description="What was decided about the link of two cases.")]
DeliveryId = Annotated[UUID, Field(description="The delivery that the step queued or dealt with.")]
EndedAssignment = Annotated[
    bool, Field(description="Whether the actor had become the assignee by the undone step and is so no more.")
]
ErasedIds = Annotated[tuple[UUID, ...], Field(description="The contacts whose words, addresses and files were erased.")]
FileId = Annotated[UUID, Field(description="The file of a contact that was saved.")]
Mentioned = Annotated[tuple[UUID, ...], Field(description="The agents whom the note names with @ and who may see it.")]
Nature = Annotated[str, Field(description="The case's nature from now on; empty: not said.")]
NoteId = Annotated[UUID, Field(description="The contact that holds the note's text.")]
OtherCaseId = Annotated[UUID, Field(description="The case at the other end of a link.")]
OtherCode = Annotated[str, Field(description="The tracking code of the case at the other end of a link.")]
PreferredChannel = Annotated[
    str, Field(description="The channel the person is to be answered by; empty: as they write.")
]
PreferredLanguage = Annotated[
    str, Field(description="The language the person is to be answered in; empty: as they write.")
]
PreviousAssigneeId = Annotated[UUID, Field(description="The agent who had the case until now.")]
PreviousNature = Annotated[str, Field(description="The case's nature until now; empty: not said.")]
PreviousSubjectId = Annotated[UUID, Field(description="The case's subject until now.")]
PreviousUnitId = Annotated[UUID, Field(description="The unit that had the case until now.")]
Reason = Annotated[
    Literal["quoted_by_stranger", "answers_old_case"],
    Field(description="Why two cases may belong together, as a code."),
]
ReplacedDeliveryId = Annotated[UUID, Field(description="The delivery that failed and that the new one replaces.")]
Result = Annotated[str, Field(description="How the matter ended, in the agent's words; the citizen does not see it.")]
Score = Annotated[int, Field(ge=1, le=5, description="How content the citizen is, from 1 (not at all) to 5.")]
StatusAfter = Annotated[Status, Field(description="The case's status from now on.")]
StatusBefore = Annotated[Status, Field(description="The case's status until now.")]
StatusCause = Annotated[Cause, Field(description="What changed the status: a step's kind, or what the citizen did.")]
StepId = Annotated[UUID, Field(description="The line of the step that changed the status.")]
SubjectId = Annotated[UUID, Field(description="The case's subject from now on.")]
UndoneStep = Annotated[Literal["replied", "closed"], Field(description="The kind of the step that was undone.")]
UndoneStepId = Annotated[UUID, Field(description="The line of the step that was undone.")]
UnitId = Annotated[UUID, Field(description="The unit that has the case from now on.")]


class HistoryPayload(BaseModel):
    """What a line says besides its time and its actor. Strict: a wrong type or an unknown key is refused
    (ValidationError).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    KIND: ClassVar[str]
    VERSION: ClassVar[int] = 1

    def agent_ids(self) -> set[UUID]:
        """The agents that the payload names, besides the line's actor."""
        one_each = (getattr(self, key, None) for key in ("assignee_id", "previous_assignee_id"))
        return {agent_id for agent_id in (*one_each, *getattr(self, "mentioned", ())) if agent_id is not None}


class CaseOpened(HistoryPayload):
    """A contact opened the case. The actor is the citizen, or the agent who took the contact."""

    KIND = "opened"
    channel: ChannelName
    contact_id: ContactId


class StatusChanged(HistoryPayload):
    """The case's status changed; `step_id` if a step of the desk caused it, `contact_id` if a contact did."""

    KIND = "status_changed"
    before: StatusBefore
    after: StatusAfter
    cause: StatusCause
    step_id: StepId | None = None
    contact_id: ContactId | None = None


class CaseClaimed(HistoryPayload):
    """An agent made the case their own."""

    KIND = "claimed"


class CaseReleased(HistoryPayload):
    """An agent returned the case to its unit."""

    KIND = "released"
    previous_assignee_id: PreviousAssigneeId


class CaseAssigned(HistoryPayload):
    """An agent gave the case to an agent of a unit, and with it to that unit."""

    KIND = "assigned"
    assignee_id: AssigneeId
    unit_id: UnitId
    previous_unit_id: PreviousUnitId
    previous_assignee_id: PreviousAssigneeId | None = None


class CaseTransferred(HistoryPayload):
    """An agent gave the case to a unit, without an assignee."""

    KIND = "transferred"
    unit_id: UnitId
    previous_unit_id: PreviousUnitId
    previous_assignee_id: PreviousAssigneeId | None = None


class CaseClassified(HistoryPayload):
    """An agent set the case's subject and nature."""

    KIND = "classified"
    subject_id: SubjectId | None = None
    nature: Nature = ""
    previous_subject_id: PreviousSubjectId | None = None
    previous_nature: PreviousNature = ""


class CaseClosed(HistoryPayload):
    """An agent closed the case; the answer is the closing message, where the citizen gets one."""

    KIND = "closed"
    result: Result
    answer_id: AnswerId | None = None
    delivery_id: DeliveryId | None = None


class CaseReopened(HistoryPayload):
    """An agent reopened a closed case and is its assignee from now on."""

    KIND = "reopened"
    previous_assignee_id: PreviousAssigneeId | None = None


class CaseReplied(HistoryPayload):
    """An agent answered the citizen."""

    KIND = "replied"
    answer_id: AnswerId
    delivery_id: DeliveryId
    channel: ChannelName
    became_assignee: BecameAssignee = False


class NoteWritten(HistoryPayload):
    """An agent wrote an internal note."""

    KIND = "note_written"
    note_id: NoteId
    mentioned: Mentioned = ()


class StepUndone(HistoryPayload):
    """An agent undid their own answer, or the closing of a case, before it left."""

    KIND = "undone"
    undone_step_id: UndoneStepId
    undone_step: UndoneStep
    ended_assignment: EndedAssignment = False


class AnswerSentAgain(HistoryPayload):
    """An agent had a failed answer sent to the same address once more."""

    KIND = "sent_again"
    delivery_id: DeliveryId
    replaced_delivery_id: ReplacedDeliveryId
    channel: ChannelName


class AnswerSentAnotherWay(HistoryPayload):
    """An agent had a failed answer sent by another reply route."""

    KIND = "sent_another_way"
    delivery_id: DeliveryId
    replaced_delivery_id: ReplacedDeliveryId
    channel: ChannelName


class FailedDeliverySettled(HistoryPayload):
    """An agent handled a failed answer in another way."""

    KIND = "settled"
    delivery_id: DeliveryId
    channel: ChannelName


class PreferenceSet(HistoryPayload):
    """An agent recorded how the case's person wants to be answered."""

    KIND = "preference_set"
    preferred_language: PreferredLanguage = ""
    preferred_channel: PreferredChannel = ""


class UnsafeFileSaved(HistoryPayload):
    """An agent saved a file, or a contact as received, in spite of the virus warning."""

    KIND = "unsafe_saved"
    file_id: FileId | None = None
    contact_id: ContactId | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> UnsafeFileSaved:
        if (self.file_id is None) is (self.contact_id is None):
            raise ValueError("either a file or a contact was saved")
        return self


class ContactsErased(HistoryPayload):
    """An agent erased what contacts of the case say."""

    KIND = "contacts_erased"
    erased_ids: ErasedIds


class CaseRated(HistoryPayload):
    """The citizen rated how the case was handled."""

    KIND = "rated"
    score: Score
    channel: ChannelName


class RelationSuggested(HistoryPayload):
    """A contact opened another case that may belong to this one; an agent decides."""

    KIND = "relation_suggested"
    other_case_id: OtherCaseId
    other_code: OtherCode
    reason: Reason
    contact_id: ContactId


class RelationDecided(HistoryPayload):
    """An agent decided whether another case belongs to this one."""

    KIND = "relation_decided"
    other_case_id: OtherCaseId
    decision: Decision


class LoopBroken(HistoryPayload):
    """No acknowledgement was sent: the address has had too many automatic answers."""

    KIND = "loop_broken"
    channel: ChannelName
    contact_id: ContactId


class CodeNotSent(HistoryPayload):
    """No code was sent to the address typed into the form: too many went to such addresses recently."""

    KIND = "code_not_sent"
    channel: ChannelName
    contact_id: ContactId


Payload = (
    CaseOpened
    | StatusChanged
    | CaseClaimed
    | CaseReleased
    | CaseAssigned
    | CaseTransferred
    | CaseClassified
    | CaseClosed
    | CaseReopened
    | CaseReplied
    | NoteWritten
    | StepUndone
    | AnswerSentAgain
    | AnswerSentAnotherWay
    | FailedDeliverySettled
    | PreferenceSet
    | UnsafeFileSaved
    | ContactsErased
    | CaseRated
    | RelationSuggested
    | RelationDecided
    | LoopBroken
    | CodeNotSent
)
CLASSES: Final[dict[tuple[str, int], type[Payload]]] = {(one.KIND, one.VERSION): one for one in get_args(Payload)}
"""The class of each kind and version."""


@dataclass(frozen=True, slots=True)
class UnknownPayload:
    """A payload that this version of the code cannot read: an unknown kind or version, or keys that do not fit their
    class.
    """

    data: Any


def parse(kind: str, version: int, data: object) -> Payload | UnknownPayload:
    """A stored payload as an object; never an error, whatever was stored."""
    known = CLASSES.get((kind, version))
    if known is None:
        return UnknownPayload(data)
    try:
        return known.model_validate(data, strict=False)
    except ValidationError:
        return UnknownPayload(data)


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line to be written; `at` is the time it is about."""

    case_id: UUID
    actor: Actor
    payload: Payload
    at: datetime = field(default_factory=now)
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A line as read."""

    id: UUID
    case_id: UUID
    at: datetime
    actor: Actor
    kind: str
    version: int
    payload: Payload | UnknownPayload

    def agent_ids(self) -> set[UUID]:
        """Every agent the line names."""
        named = self.payload.agent_ids() if isinstance(self.payload, HistoryPayload) else set()
        return named | ({self.actor.agent_id} if self.actor.agent_id else set())


@dataclass(frozen=True, slots=True)
class AgentStep:
    """A step of an agent with the change of status it caused, if any, and whether it was undone."""

    line: HistoryLine
    change: StatusChanged | None
    undone: bool


def append(cursor: Cursor, case_id: UUID, actor: Actor, payload: Payload) -> NewLine:
    """Write one line with the present time; returns it."""
    line = NewLine(case_id, actor, payload)
    append_all(cursor, [line])
    return line


def append_step(cursor: Cursor, line: NewLine, *, before: Status, after: Status) -> None:
    """Write the line of a step of the desk, and that of the change of status it caused, if any."""
    written = [line]
    if before is not after:
        cause = cast("Cause", line.payload.KIND)
        changed = StatusChanged(before=before, after=after, cause=cause, step_id=line.id)
        written.append(NewLine(line.case_id, line.actor, changed, line.at))
    append_all(cursor, written)


def append_all(cursor: Cursor, lines: Iterable[NewLine]) -> None:
    """Write lines, in one pipeline."""
    rows = [
        _StoredLine(
            id=line.id,
            case_id=line.case_id,
            at=line.at,
            actor=line.actor.kind.value,
            agent_id=line.actor.agent_id,
            kind=line.payload.KIND,
            version=line.payload.VERSION,
            data=line.payload.model_dump_json(exclude_defaults=True),
        )
        for line in lines
    ]
    insert_records(cursor, "case_events", rows)


class _StoredLine(NamedTuple):
    """A row; the fields are the columns."""

    id: UUID
    case_id: UUID
    at: datetime
    actor: str
    agent_id: UUID | None
    kind: str
    version: int
    data: Any


class _StoredStep(NamedTuple):
    """A row of a step, with the other values needed for it."""

    id: UUID
    case_id: UUID
    at: datetime
    actor: str
    agent_id: UUID | None
    kind: str
    version: int
    data: Any
    change_version: int | None
    change_data: Any
    undone: bool


_COLUMNS: Final = "e.id, e.case_id, e.at, e.actor, e.agent_id, e.kind, e.version, e.data"
_HAS_A_LINE_OF_ITS_OWN: Final = "e.kind = 'status_changed' AND e.data ? 'step_id'"
"""A change of status that an agent's step caused: the step's own line tells it."""
_UNDONE: Final = (
    "EXISTS (SELECT FROM case_events u WHERE u.case_id = e.case_id AND u.kind = 'undone' AND u.at >= e.at"
    " AND u.data ->> 'undone_step_id' = e.id::text)"
)
_CHANGE: Final = (
    "LEFT JOIN LATERAL (SELECT s.version, s.data FROM case_events s WHERE s.case_id = e.case_id AND s.kind = 'status_changed'"
    " AND s.at >= e.at AND s.data ->> 'step_id' = e.id::text ORDER BY s.at LIMIT 1) AS s ON true"
)
_STEP_COLUMNS: Final = f"{_COLUMNS}, s.version AS change_version, s.data AS change_data, {_UNDONE} AS undone"
CAME_FROM: Final = (
    "SELECT CASE WHEN pg_input_is_valid(e.data ->> 'previous_unit_id', 'uuid')"
    " THEN (e.data ->> 'previous_unit_id')::uuid END AS unit_id FROM case_events e WHERE e.case_id = c.id"
    " AND e.kind IN ('transferred', 'assigned') AND e.version = 1 ORDER BY e.at DESC, e.id DESC LIMIT 1"
)
"""A query for the unit that handed a case `c` over last."""
REOPENED_AT: Final = (
    "SELECT max(e.at) FROM case_events e WHERE e.case_id = %(case)s AND e.kind = 'status_changed' AND e.version = 1"
    " AND e.data ->> 'before' = 'closed' AND e.data ->> 'cause' <> 'undone'"
)
"""A query for the time at which a case was last reopened. A closing that was undone does not count."""


def entries(
    cursor: Cursor,
    case_id: UUID,
    *,
    since: datetime,
    before: tuple[datetime, bool, UUID],
    limit: int,
    but: Sequence[str],
) -> list[HistoryLine]:
    """Lines since a time and before a place (time, whether it is a contact's, id), newest first, without the kinds
    `but` and without changes of status that a step's own line tells.
    """
    cursor.execute(
        f"SELECT {_COLUMNS} FROM case_events e WHERE e.case_id = %(case)s AND e.kind <> ALL(%(but)s)"  # noqa: S608  # constants of this file
        f" AND NOT ({_HAS_A_LINE_OF_ITS_OWN}) AND e.at >= %(since)s AND e.at <= %(at)s"
        " AND (e.at, false, e.id) < (%(at)s, %(is_contact)s, %(id)s) ORDER BY e.at DESC, e.id DESC LIMIT %(limit)s",
        {
            "case": case_id, "but": list(but), "since": since, "at": before[0], "is_contact": before[1], "id": before[2],
            "limit": limit,
        },
    )  # fmt: skip
    return [_line(row) for row in records(cursor, _StoredLine)]


def lines(cursor: Cursor, ids: Collection[UUID]) -> dict[UUID, HistoryLine]:
    """Lines by id."""
    cursor.execute(f"SELECT {_COLUMNS} FROM case_events e WHERE e.id = ANY(%s)", [list(ids)])  # noqa: S608  # a constant of this file
    return {row.id: _line(row) for row in records(cursor, _StoredLine)}


def mentioned_in(cursor: Cursor, notes: Collection[tuple[UUID, UUID]]) -> dict[UUID, tuple[UUID, ...]]:
    """The agents whom each of these notes mentions; a note as (case, contact)."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM case_events e WHERE e.case_id = ANY(%s) AND e.kind = 'note_written'"  # noqa: S608  # a constant of this file
        " AND e.data ->> 'note_id' = ANY(%s)",
        [[case_id for case_id, _ in notes], [str(note_id) for _, note_id in notes]],
    )
    found = (_line(row).payload for row in records(cursor, _StoredLine))
    return {payload.note_id: payload.mentioned for payload in found if isinstance(payload, NoteWritten)}


def steps_of(
    cursor: Cursor, agent_id: UUID, case_id: UUID, kinds: Collection[str], *, since: datetime
) -> list[AgentStep]:
    """The agent's steps of these kinds at a case since a moment, newest first."""
    cursor.execute(
        f"SELECT {_STEP_COLUMNS} FROM case_events e {_CHANGE}"  # noqa: S608  # constants of this file
        " WHERE e.case_id = %s AND e.kind = ANY(%s) AND e.at >= %s AND e.agent_id = %s ORDER BY e.at DESC, e.id DESC",
        [case_id, list(kinds), since, agent_id],
    )
    return [_step(row) for row in records(cursor, _StoredStep)]


def step(cursor: Cursor, agent_id: UUID, case_id: UUID, kinds: Collection[str], step_id: UUID) -> AgentStep | None:
    """The agent's step of that id, if it is one of these kinds at the case."""
    cursor.execute(
        f"SELECT {_STEP_COLUMNS} FROM case_events e {_CHANGE}"  # noqa: S608  # constants of this file
        " WHERE e.id = %s AND e.case_id = %s AND e.kind = ANY(%s) AND e.agent_id = %s",
        [step_id, case_id, list(kinds), agent_id],
    )
    row = record(cursor, _StoredStep)
    return _step(row) if row else None


def _line(row: _StoredLine | _StoredStep) -> HistoryLine:
    actor = Actor(ActorKind(row.actor), row.agent_id)
    payload = parse(row.kind, row.version, row.data)
    return HistoryLine(row.id, row.case_id, row.at, actor, row.kind, row.version, payload)


def _step(row: _StoredStep) -> AgentStep:
    change = None
    if row.change_version is not None:
        change = parse(StatusChanged.KIND, row.change_version, row.change_data)
    return AgentStep(_line(row), change if isinstance(change, StatusChanged) else None, row.undone)
