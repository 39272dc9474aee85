"""The payloads of a case's history: what a line says besides its time and its actor, a class for each kind and version.

Reports, webhooks and the API read them for the installation's whole life. Therefore:

* each kind and version has one class below, and a key means the same in every class (`docs/history.md` lists them all);
* a class never changes its meaning. A different meaning gets a class of its own with the next version;
* a key that has its default is not stored, so a default never changes either;
* a reader gets an object of such a class, or `UnknownPayload` for what this version of the code does not know.

A change of a case's status is always a `StatusChanged`, whatever caused it: an agent's step, a citizen's contact, a
process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zrm.casestore.case import Status

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
DeliveryKindName = Annotated[
    Literal["answer", "acknowledgement", "closing_message", "proof_link"],
    Field(description="What the delivery is: an agent's answer, or a message of our own."),
]
EndedAssignment = Annotated[
    bool, Field(description="Whether the actor had become the assignee by the undone step and is so no more.")
]
ErasedIds = Annotated[tuple[UUID, ...], Field(description="The contacts whose words, addresses and files were erased.")]
FileId = Annotated[UUID, Field(description="The file of a contact that was saved.")]
Mentioned = Annotated[tuple[UUID, ...], Field(description="The agents whom the note names with @ and who may see it.")]
NatureAfter = Annotated[str, Field(description="The case's nature from now on; empty: not said.")]
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
RelationReason = Annotated[
    Literal["quoted_by_stranger", "answers_old_case"],
    Field(description="Why two cases may belong together, as a code."),
]
ReplacedDeliveryId = Annotated[UUID, Field(description="The delivery that failed and that the new one replaces.")]
ClosingResult = Annotated[
    str, Field(description="How the matter ended, in the agent's words; the citizen does not see it.")
]
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
    nature: NatureAfter = ""
    previous_subject_id: PreviousSubjectId | None = None
    previous_nature: PreviousNature = ""


class CaseClosed(HistoryPayload):
    """An agent closed the case; the answer is the closing message, where the citizen gets one."""

    KIND = "closed"
    result: ClosingResult
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
    """An agent had a failed message sent to the same address once more."""

    KIND = "sent_again"
    delivery_id: DeliveryId
    replaced_delivery_id: ReplacedDeliveryId
    channel: ChannelName
    delivery_kind: DeliveryKindName = "answer"


class AnswerSentAnotherWay(HistoryPayload):
    """An agent had a failed message sent by another reply route."""

    KIND = "sent_another_way"
    delivery_id: DeliveryId
    replaced_delivery_id: ReplacedDeliveryId
    channel: ChannelName
    delivery_kind: DeliveryKindName = "answer"


class FailedDeliverySettled(HistoryPayload):
    """An agent handled a failed message in another way."""

    KIND = "settled"
    delivery_id: DeliveryId
    channel: ChannelName
    delivery_kind: DeliveryKindName = "answer"


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
    reason: RelationReason
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


KnownPayload = (
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
CLASSES: Final[dict[tuple[str, int], type[KnownPayload]]] = {
    (one.KIND, one.VERSION): one for one in get_args(KnownPayload)
}
"""The class of each kind and version."""


@dataclass(frozen=True, slots=True)
class UnknownPayload:
    """A payload that this version of the code cannot read: an unknown kind or version, or keys that do not fit their
    class.
    """

    data: Any


def parse(kind: str, version: int, data: object) -> KnownPayload | UnknownPayload:
    """A stored payload as an object; never an error, whatever was stored."""
    known = CLASSES.get((kind, version))
    if known is None:
        return UnknownPayload(data)
    try:
        return known.model_validate(data, strict=False)
    except ValidationError:
        return UnknownPayload(data)
