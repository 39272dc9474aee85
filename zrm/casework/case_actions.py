"""What agents do to cases. Each step writes its rows, its history and its outbox rows in the caller's transaction (T3).

The row is locked, its version compared with the one the agent saw, and the transition table checked; then everything is
written together and announced to the open desks. Nothing here commits: the caller that opened the cursor does.

Every action's errors: NotFound (no such case, or the agent may not see it), Forbidden (seen, but without the
permission), Conflict (the case changed since the agent saw it), NotAllowed (it cannot be done now: the transition table has no such step),
InvalidInput (an entry cannot be used). After an error nothing has been written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeVar
from uuid import UUID

from zrm.casestore import case as cases
from zrm.casestore import contact as contacts
from zrm.casestore import directory, follower, history, live, outbox, outgoing, timeline
from zrm.casestore import nature as natures
from zrm.casestore.agent import Permission
from zrm.casestore.answers import CLOSING_REASON, is_unanswered
from zrm.casestore.attachment import NewAttachment, attach
from zrm.casestore.contact import NewContact
from zrm.casestore.delivery import DeliveryKind
from zrm.casestore.history import by_agent
from zrm.casestore.history_payloads import (
    CaseAssigned,
    CaseClaimed,
    CaseClassified,
    CaseClosed,
    CaseReleased,
    CaseReopened,
    CaseReplied,
    CaseTransferred,
    NoteWritten,
    PreferenceSet,
    RelationDecided,
)
from zrm.casestore.outbox import Topic
from zrm.casestore.outgoing import NewDelivery
from zrm.casestore.person import set_preferences
from zrm.casestore.search_words import contact_key
from zrm.casestore.timeline import CaseHead
from zrm.casework import audience, case_reading, transitions
from zrm.casework.closing_message import send_closing_message
from zrm.casework.context import ActingAgent, ActionContext, InputFlaw, checked_text, invalid
from zrm.casework.locked_case import Locked, lock, move, tell_others, touch, trace_of
from zrm.casework.reply_routes import WEB, ReplyRoute
from zrm.casework.transitions import Step, next_status
from zrm.contract.capabilities import of_channel
from zrm.contract.files import StoredFile
from zrm.errors import Conflict, NotAllowed, NotFound
from zrm.kit.clock import now
from zrm.kit.db import Cursor, record
from zrm.kit.ids import new_id
from zrm.kit.mail_addresses import own_message_id
from zrm.languages import LANGUAGES
from zrm.security.grants import Grants
from zrm.ui.descriptions import title_of

LONGEST_TEXT: Final = 100_000  # characters of an answer or a note
LONGEST_RESULT: Final = 2_000
LONGEST_TITLE: Final = 250
LONGEST_REASON: Final = 500
PERMISSIONS: Final = {
    step: Permission.ASSIGN_CASES if step in (Step.ASSIGN, Step.TRANSFER) else Permission.WORK_CASES
    for step in Step
    if step not in (Step.CITIZEN_WRITES, Step.ROBOT_WRITES)
}
"""The permission that each step of an agent needs in the unit that has the case."""
_ActionResult = TypeVar("_ActionResult")


def allowed(actor: ActingAgent, case: CaseHead) -> frozenset[Step]:
    """The steps that the agent may take on the case as it stands."""
    return frozenset(
        step
        for step in transitions.allowed(case.status)
        if step in PERMISSIONS and actor.may(PERMISSIONS[step], case.unit_id)
    )


def claim(cursor: Cursor, act: ActionContext) -> None:
    """Make the case the agent's own. Conflict also if another agent has it: it must be released or assigned."""
    case = lock(cursor, act)
    if case.assignee_id == act.agent_id:
        return
    if case.assignee_id is not None:
        raise Conflict("another agent has it")
    move(cursor, act.agent_id, case, Step.CLAIM, CaseClaimed(), to=replace(case, assignee_id=act.agent_id))


def release(cursor: Cursor, act: ActionContext) -> None:
    """Return the case to its unit's queue."""
    case = lock(cursor, act)
    if case.assignee_id is None:
        return
    released = CaseReleased(previous_assignee_id=case.assignee_id)
    move(cursor, act.agent_id, case, Step.RELEASE, released, to=replace(case, assignee_id=None))


def assign(cursor: Cursor, act: ActionContext, *, to_agent: UUID) -> None:
    """Give the case to an agent, who is notified. It stays in its unit if they work there, else it moves to their unit.

    Errors besides the common ones: InvalidInput if there is no such agent.
    """
    case = lock(cursor, act, PERMISSIONS[Step.ASSIGN])
    colleague = directory.at_desk(cursor, to_agent)
    if colleague is None:
        raise invalid("to", InputFlaw.UNKNOWN_CHOICE)
    works_here = Grants.of(colleague.grants).has(Permission.WORK_CASES, case.unit_id)
    to_unit = case.unit_id if works_here else colleague.unit_id
    if (case.assignee_id, case.unit_id) == (to_agent, to_unit):
        return
    assigned = CaseAssigned(
        assignee_id=to_agent, unit_id=to_unit, previous_unit_id=case.unit_id, previous_assignee_id=case.assignee_id
    )
    event = move(
        cursor, act.agent_id, case, Step.ASSIGN, assigned, to=replace(case, assignee_id=to_agent, unit_id=to_unit)
    )
    if to_agent != act.agent_id:
        outbox.add(cursor, Topic.NOTIFY, [(event, trace_of(cursor, case.id))])


def transfer(cursor: Cursor, act: ActionContext, *, to_unit: UUID) -> None:
    """Move the case to a unit's queue: the unit's list and counter show it.

    Errors besides the common ones: InvalidInput if there is no such unit.
    """
    case = lock(cursor, act, PERMISSIONS[Step.TRANSFER])
    if to_unit not in {unit.id for unit in directory.units(cursor)}:
        raise invalid("to", InputFlaw.UNKNOWN_CHOICE)
    if (case.assignee_id, case.unit_id) == (None, to_unit):
        return
    transferred = CaseTransferred(unit_id=to_unit, previous_unit_id=case.unit_id, previous_assignee_id=case.assignee_id)
    move(cursor, act.agent_id, case, Step.TRANSFER, transferred, to=replace(case, assignee_id=None, unit_id=to_unit))


def classify(cursor: Cursor, act: ActionContext, *, subject_id: UUID | None, nature: str) -> None:
    """Set the case's subject and nature. Errors besides the common ones: InvalidInput for an unknown subject or nature."""
    case = lock(cursor, act)
    offered = {subject.id for subject in directory.subjects(cursor) if not subject.retired}
    if subject_id not in (None, case.subject_id, *offered):
        raise invalid("subject", InputFlaw.UNKNOWN_CHOICE)
    if nature != case.nature and nature not in ("", *(one.key for one in natures.in_use(cursor))):
        raise invalid("nature", InputFlaw.UNKNOWN_CHOICE)
    if (case.subject_id, case.nature) == (subject_id, nature):
        return
    classified = CaseClassified(
        subject_id=subject_id, nature=nature, previous_subject_id=case.subject_id, previous_nature=case.nature
    )
    move(cursor, act.agent_id, case, Step.CLASSIFY, classified, to=replace(case, subject_id=subject_id, nature=nature))


def close(cursor: Cursor, act: ActionContext, *, result: str, reason: str = "") -> None:
    """Close the case with a result in words, which stays in its history (the citizen sees only that it is closed).

    A citizen who got no answer is told the `reason`: in the closing message, or where they get none on the tracking
    page. Errors besides the common ones: InvalidInput with `InputFlaw.NOT_ANSWERED` where it is missing.

    Citizens who wrote by SMS, messenger or mail get a closing message after the hold, which asks how content they are;
    until then it can be undone (`casework.undo`).
    """
    case = lock(cursor, act)
    next_status(case.status, Step.CLOSE)
    result, reason = checked_text("result", result, LONGEST_RESULT), reason.strip()[:LONGEST_REASON]
    unanswered = is_unanswered(cursor, case.id)
    if unanswered and not reason:
        raise invalid("reason", InputFlaw.NOT_ANSWERED)
    told, hold = reason if unanswered else "", act.sending.hold
    said = send_closing_message(cursor, case.id, trace_of(cursor, case.id), reason=told, hold=hold)
    if said is None and told:
        said = _publish_reason(cursor, case, act, told)
    answer_id, delivery_id = said or (None, None)
    closed = CaseClosed(result=result, answer_id=answer_id, delivery_id=delivery_id)
    tell_others(cursor, act.agent_id, case, move(cursor, act.agent_id, case, Step.CLOSE, closed), hold=hold)


def _publish_reason(cursor: Cursor, case: Locked, act: ActionContext, reason: str) -> tuple[UUID, UUID]:
    """Put the reason on the tracking page, as an answer that goes nowhere else; returns the ids of its contact and its
    delivery.
    """
    contact_id, page = new_id(), ReplyRoute(WEB, WEB, "")
    written = _contact(case, act, contact_id, now(), direction="out", route=page, text=reason)
    contacts.add(cursor, [written._replace(labels=[CLOSING_REASON])])
    delivery = NewDelivery(
        DeliveryKind.CLOSING_MESSAGE, page.channel, page.account, page.address, case_id=case.id, contact_id=contact_id,
        trace=trace_of(cursor, case.id),
    )  # fmt: skip
    outgoing.queue(cursor, [delivery], hold=act.sending.hold)
    return contact_id, delivery.id


def reopen(cursor: Cursor, act: ActionContext) -> None:
    """Reopen a closed case; the agent becomes its assignee."""
    case = lock(cursor, act)
    reopened = CaseReopened(previous_assignee_id=case.assignee_id)
    move(cursor, act.agent_id, case, Step.REOPEN, reopened, to=replace(case, assignee_id=act.agent_id))


def note(cursor: Cursor, act: ActionContext, *, text: str) -> UUID:
    """Write a note that only the desk sees; returns its contact id. A note conflicts with no other work, so no version
    is checked.

    Agents it mentions (`audience.mentioned`) are told; they and its writer follow the case from now on.
    """
    case = lock(cursor, act, any_version=True)
    next_status(case.status, Step.NOTE)
    text = checked_text("note", text, LONGEST_TEXT)
    contact_id, at = new_id(), now()
    contacts.add(cursor, [_contact(case, act, contact_id, at, direction="note", text=text)])
    named = audience.mentioned(cursor, text, case.unit_id)
    history.append(cursor, case.id, by_agent(act.agent_id), NoteWritten(note_id=contact_id, mentioned=tuple(named)))
    follower.take_part(cursor, case.id, [act.agent_id, *named])
    tell_others(cursor, act.agent_id, case, contact_id, named=named)
    touch(cursor, case)
    return contact_id


def answer_routes(cursor: Cursor, act: ActionContext) -> list[ReplyRoute]:
    """The routes by which the agent may answer the case now, the best first. Errors: NotFound, Forbidden."""
    case = case_reading.head(cursor, act.actor, act.case_id)
    act.actor.require(Permission.WORK_CASES, case.unit_id)
    return case_reading.routes_of(cursor, case, act.sending)


def reply(
    cursor: Cursor, act: ActionContext, *, route: ReplyRoute, title: str, text: str, files: Sequence[StoredFile] = ()
) -> UUID:
    """Answer the citizen by `route`, one of the case's own; returns the delivery's id.

    It leaves, and appears on the tracking page, after the hold: until then it can be undone (`casework.undo`). The
    answer, its delivery and the outbox row that sends it are written together or not at all. Without a title it gets
    the case's. It is written in the person's preferred language, if there is one. A case without an assignee becomes
    the agent's own.

    Errors besides the common ones: Conflict for a route that does not exist (any more); InvalidInput for one that is
    barred, carries no files or has no room for the text.
    """
    case = lock(cursor, act)
    head = timeline.head(cursor, case.id)
    if head is None:
        raise NotFound("no such case")
    text = checked_text("text", text, LONGEST_TEXT)
    route = case_reading.usable_route(cursor, head, act.sending, route, length=len(text), with_files=bool(files))
    contact_id, at = new_id(), now()
    message_id = own_message_id(contact_id, act.sending.mail_domain) if of_channel(route.channel).message_ids else ""
    # One line, whatever was pasted: a line break in a title would start another header.
    title = " ".join(title.split())[:LONGEST_TITLE] or title_of(head, head.language)
    written = _contact(case, act, contact_id, at, direction="out", route=route, title=title, text=text)
    language = head.preferred_language or case.language
    contacts.add(cursor, [written._replace(message_id=message_id, language=language)])
    attach(
        cursor,
        [
            NewAttachment(
                new_id(), contact_id, "attachment", file.name, file.media_type, file.size, file.key, position=place
            )
            for place, file in enumerate(files)
        ],
    )
    if message_id:
        contacts.lead(cursor, [(message_id, case.id)])
    delivery = NewDelivery(
        DeliveryKind.ANSWER, route.channel, route.account, route.address, case_id=case.id, contact_id=contact_id,
        trace=trace_of(cursor, case.id),
    )  # fmt: skip
    outgoing.queue(cursor, [delivery], hold=act.sending.hold)
    replied = CaseReplied(
        answer_id=contact_id, delivery_id=delivery.id, channel=route.channel, became_assignee=case.assignee_id is None
    )
    move(
        cursor,
        act.agent_id,
        case,
        Step.REPLY,
        replied,
        to=replace(case, assignee_id=case.assignee_id or act.agent_id),
        contact_at=at,
    )
    tell_others(cursor, act.agent_id, case, contact_id, hold=act.sending.hold)
    return delivery.id


def follow(cursor: Cursor, act: ActionContext, *, following: bool = True) -> None:
    """Follow the case, or stop following it: a follower is told what happens there (`casework.audience`).

    Every agent who may see the case may follow it. Errors: NotFound.
    """
    case_reading.head(cursor, act.actor, act.case_id)
    follower.set_following(cursor, act.case_id, act.agent_id, following=following)


class _RelatedCases(NamedTuple):
    """Two linked cases, and what was decided about the link so far."""

    case_id: UUID
    other_case_id: UUID
    decision: str


def decide_relation(cursor: Cursor, act: ActionContext, relation_id: UUID, *, keep: bool) -> None:
    """Decide whether two cases belong together. It changes the version of neither.

    Errors: NotFound; Forbidden; Conflict if another agent has decided it already.
    """
    # Not locked: an agent who decides at the other case would hold that one, and both would wait for each other.
    act.actor.require(Permission.WORK_CASES, case_reading.head(cursor, act.actor, act.case_id).unit_id)
    cursor.execute(
        "SELECT case_id, other_case_id, decision FROM case_relations WHERE id = %s AND %s IN (case_id, other_case_id)"
        " FOR UPDATE",
        [relation_id, act.case_id],
    )
    relation = record(cursor, _RelatedCases)
    if relation is None:
        raise NotFound("no such relation")
    if relation.decision:
        raise Conflict("decided already")
    decision: Literal["kept", "dismissed"] = "kept" if keep else "dismissed"
    cases.decide_relation(cursor, relation_id, act.agent_id, decision)
    both = [relation.case_id, relation.other_case_id]
    for here, there in zip(both, reversed(both), strict=True):
        decided = RelationDecided(other_case_id=there, decision=decision)
        history.append(cursor, here, by_agent(act.agent_id), decided)
    live.publish_change(cursor, "case", both)


def _contact(
    case: Locked,
    act: ActionContext,
    contact_id: UUID,
    at: datetime,
    *,
    direction: str,
    text: str,
    route: ReplyRoute | None = None,
    title: str = "",
) -> NewContact:
    """A contact that an agent writes in a case, in the case's language; what goes to the citizen is held."""
    return NewContact(
        id=contact_id,
        case_id=case.id,
        direction=direction,
        channel=route.channel if route else "",
        account=route.account if route else "",
        at=at,
        text=text,
        title=title,
        address=route.address if route else "",
        person_id=case.person_id,
        agent_id=act.agent_id,
        language=case.language,
        search=contact_key(title, text),
        public=direction == "out",
        leaves_at=at + timedelta(seconds=act.sending.hold) if direction == "out" else None,
    )


def set_contact_preference(cursor: Cursor, act: ActionContext, *, language: str, channel: str) -> None:
    """Store how the case's person wants to be answered (empty: by the channel and in the language they use), and record
    the agent in the history.

    Errors besides the common ones: InvalidInput for a language or a channel in which we cannot answer.
    """
    case = lock(cursor, act, any_version=True)
    head = timeline.head(cursor, case.id)
    if head is None or case.person_id is None:
        raise NotAllowed("the case has no person")
    if language not in ("", *LANGUAGES):
        raise invalid("language", InputFlaw.UNKNOWN_CHOICE)
    if channel not in ("", head.preferred_channel, WEB, *(sender.channel for sender in act.sending.senders)):
        raise invalid("channel", InputFlaw.UNKNOWN_CHOICE)
    set_preferences(cursor, case.person_id, language=language, channel=channel)
    preferred = PreferenceSet(preferred_language=language, preferred_channel=channel)
    history.append(cursor, case.id, by_agent(act.agent_id), preferred)
    touch(cursor, case)


def traced(cursor: Cursor, act: ActionContext, take: Callable[[], _ActionResult]) -> tuple[_ActionResult, str]:
    """Take a step of an agent who sees the case; returns what it returns, and its trace. Errors: NotFound, and the step's.

    The trace is read after the step, which has locked the case: what the step sends carries this very trace.
    """
    case_reading.head(cursor, act.actor, act.case_id)
    return take(), trace_of(cursor, act.case_id)
