"""What the case's page shows, in the agent's language: computed here, so that the template only lays it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import MOST_FILES, MOST_UPLOAD_BYTES, DeskRequest
from zrm.agent_api.pages.files import harmless_name, is_pdf
from zrm.agent_api.pages.history_sentences import LABELS, RELATION_REASONS, History, label
from zrm.agent_api.pages.route_choices import RouteChoice, route_choices
from zrm.casestore import directory, follower, nature
from zrm.casestore.agent import Permission
from zrm.casestore.answers import is_unanswered
from zrm.casestore.attachment import MOST_PICTURES
from zrm.casestore.case_list import NextCase
from zrm.casestore.directory import Named
from zrm.casestore.nature import NatureRecord
from zrm.casestore.timeline import CaseHead, CasePage, ContactRow, DeliveryRow, OtherCase, Relation, TimelineKey
from zrm.casework import case_actions, case_reading, undo
from zrm.casework.case_reading import SeenAddress, SeenCase
from zrm.casework.context import ActingAgent, ActionContext
from zrm.casework.reply_routes import ReplyRoute
from zrm.casework.transitions import Step
from zrm.casework.undo import DraftFile, Undoable
from zrm.contract.capabilities import of_channel
from zrm.kit.clock import now
from zrm.kit.db import Cursor
from zrm.kit.direction import isolated
from zrm.languages import Language
from zrm.localized import in_language
from zrm.ui import labels
from zrm.ui.descriptions import title_of
from zrm.ui.i18n import _, gettext

Options = list[tuple[str, str]]
"""Choices of a list: (value, words)."""

_DONE: Final = {
    "close": _("The case is closed."),
    "undo": _("Nothing was sent. The case is as it was."),
    "claim": _("The case is now assigned to you."),
    "release": _("The case has been returned to its unit."),
    "assign": _("The case was assigned."),
    "reopen": _("The case is open again and assigned to you."),
    "note": _("The note is saved."),
    "classify": _("Saved."),
    "preference": _("Saved."),
    "relation": _("Saved."),
    "follow": _("You follow this case and are notified of its changes."),
    "unfollow": _("You no longer follow this case."),
}
"""What a step has done, in a sentence, by its name."""
_ANSWER: Final = {
    "queued": _("Your answer is on its way."),
    "sending": _("Your answer is on its way."),
    "sent": _("Your answer was sent."),
    "delivered": _("Your answer has arrived."),
    "failed": _("Your answer was not delivered."),
    "unknown": _("It is unclear whether your answer was sent."),
}
"""What has become of the agent's answer, in a sentence, by its delivery's state."""
_LEAVES: Final = frozenset({"reply", "close", "assign", "release"})
"""After these steps there may be nothing more to do here, so the next case is offered."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the agent had typed, kept when it could not be sent.

    `again` is the withdrawn answer that is being rewritten: its files may go with this one.
    """

    text: str = ""
    title: str = ""
    chosen_route: str = ""
    again: UUID | None = None


@dataclass(frozen=True, slots=True)
class CaseRequest:
    """What a request says about the page: a refusal's `notice`, what was typed, the step just done, the first unread
    contact, the note just written.
    """

    notice: str = ""
    draft: Draft = field(default_factory=Draft)
    done: str = ""
    unread: UUID | None = None
    note_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One entry of the timeline: a contact, or a sentence with its icon."""

    at: datetime
    contact: ContactRow | None = None
    author: str = ""
    text: str = ""
    icon: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Composer:
    """Where an answer is written: the routes and the chosen one, the barred routes, and the draft."""

    routes: list[RouteChoice]
    chosen: ReplyRoute
    barred: list[str]
    title: str
    draft: Draft
    kept_files: list[DraftFile]
    most_files: int = MOST_FILES
    most_bytes: int = MOST_UPLOAD_BYTES


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was just done (`said`, in words, if it still holds), for how many seconds it can be undone, and the case to
    go on with. `failed`: the answer did not arrive, or nobody knows.
    """

    said: str
    failed: bool
    undoable: Undoable | None
    undo_seconds: float
    next_case: NextCase | None
    leaves: bool
    answered: bool


@dataclass(frozen=True, slots=True)
class CaseChoices:
    """What the page's forms offer. `colleagues` are the agents that a note can mention, by login."""

    natures: Options
    subjects: Options
    targets: Options
    channels: Options
    colleagues: Options


@dataclass(frozen=True, slots=True)
class CaseViewModel:
    """The page: the case, its timeline, its person, what was done and what can be done.

    `allowed` are the steps the agent may take now, and "handle_deliveries". `unanswered`: closing needs a reason.
    `unreached`: whom the note just written names in vain.
    """

    head: CaseHead
    title: str
    assignee: str
    unit: str
    subject: str
    nature: str
    mine: bool
    following: bool
    addresses: list[SeenAddress]
    barred_deliveries: frozenset[UUID]
    dossier: list[OtherCase]
    relations: list[Relation]
    items: list[TimelineItem]
    newest: bool
    earlier_href: str
    unread: UUID | None
    notice: str
    unreached: str
    composer: Composer
    outcome: Outcome
    choices: CaseChoices
    allowed: frozenset[str]
    unanswered: bool
    open_addresses: bool
    language: Language
    actor: ActingAgent
    most_pictures: int = MOST_PICTURES

    def may(self, step: str) -> bool:
        """Whether the agent may take the step now."""
        return step in self.allowed

    def sees(self, unit_id: UUID) -> bool:
        """Whether the agent sees the unit's cases."""
        return self.actor.sees(unit_id)

    def label(self, code: str) -> str:
        """A contact's label in words."""
        return label(LABELS, code, self.language)

    def reason(self, code: str) -> str:
        """Why two cases may belong together."""
        return label(RELATION_REASONS, code, self.language)

    @staticmethod
    def file_name(name: str) -> str:
        """A file's name without characters that could deceive."""
        return harmless_name(name)

    @staticmethod
    def is_pdf(media_type: str, name: str) -> bool:
        """Whether a file is shown as a PDF."""
        return is_pdf(media_type, name)


def case_view(
    context: DeskContext, cursor: Cursor, desk_request: DeskRequest, seen: SeenCase, asked: CaseRequest
) -> CaseViewModel:
    """The page of a case that the agent sees."""
    page, language = seen.page, desk_request.viewer.language
    head = page.head
    act = ActionContext(desk_request.actor, head.id, head.version, context.sending)
    choices = route_choices(context, seen.routes, language)
    subjects, units = directory.subjects(cursor), directory.units(cursor)
    natures = nature.known(cursor)
    colleagues = directory.colleagues(cursor, {head.unit_id, desk_request.agent.unit_id})
    allowed = _allowed(desk_request, head)
    title = title_of(head, language)
    return CaseViewModel(
        head=head,
        title=title,
        assignee=in_language(head.assignee_names, language),
        unit=in_language(head.unit_names, language),
        subject=in_language(head.subject_names, language),
        nature=_nature_names(natures, language)[head.nature],
        mine=head.assignee_id == desk_request.agent.id,
        following=follower.follows(cursor, head.id, desk_request.agent.id),
        addresses=seen.addresses,
        barred_deliveries=seen.barred_deliveries,
        dossier=page.dossier,
        relations=page.relations,
        items=_items(cursor, page, desk_request, units, subjects, natures),
        newest=seen.before is None,
        earlier_href=f"/desk/cases/{head.id}?before={mark_of(page.earlier)}" if page.earlier else "",
        unread=asked.unread,
        notice=asked.notice,
        unreached=_unreached(cursor, act, desk_request, asked.note_id),
        composer=_composer(cursor, act, head, choices, asked.draft),
        outcome=_outcome(cursor, act, desk_request, page, asked.done),
        choices=CaseChoices(
            natures=list(
                _nature_names(
                    [one for one in natures if not one.retired_at or one.key == head.nature], language
                ).items()
            ),
            subjects=_subjects(subjects, head.subject_id, language),
            targets=_targets(units, colleagues, desk_request),
            channels=_channels(choices, head.preferred_channel, language),
            colleagues=_logins(cursor, colleagues, desk_request),
        ),
        allowed=allowed,
        unanswered=Step.CLOSE.value in allowed and is_unanswered(cursor, head.id),
        open_addresses=seen.open_addresses,
        language=language,
        actor=desk_request.actor,
    )


def mark_of(place: TimelineKey) -> str:
    """A place in the timeline as a link carries it: its moment and the anchor of the entry that stands there."""
    at = place.at.isoformat().replace("+00:00", "Z")
    return f"{at}_{'contact' if place.is_contact else 'event'}-{place.id}"


def _allowed(desk_request: DeskRequest, head: CaseHead) -> frozenset[str]:
    found = {step.value for step in case_actions.allowed(desk_request.actor, head)}
    if desk_request.may(Permission.HANDLE_DELIVERIES, head.unit_id):
        found.add("handle_deliveries")
    return frozenset(found)


def _composer(cursor: Cursor, act: ActionContext, head: CaseHead, choices: list[RouteChoice], draft: Draft) -> Composer:
    chosen = next((one.route for one in choices if one.key == draft.chosen_route), None)
    title = title_of(head, head.language)
    return Composer(
        routes=choices,
        chosen=chosen or next(one.route for one in choices if not one.route.barred),
        barred=[one.name for one in choices if one.route.barred],
        title=draft.title or (title if title.lower().startswith("re:") else f"Re: {title}"),
        draft=draft,
        kept_files=undo.kept_files(cursor, act, draft.again) if draft.again else [],
    )


def _outcome(cursor: Cursor, act: ActionContext, desk_request: DeskRequest, page: CasePage, done: str) -> Outcome:
    undoable, leaves = undo.undoable(cursor, act), done in _LEAVES
    answer = _own_answer(page, act.agent_id) if done == "reply" else None
    return Outcome(
        said=desk_request.say(_said(page.head, act.agent_id, answer, done)),
        failed=answer is not None and answer.state in ("failed", "unknown"),
        undoable=undoable,
        undo_seconds=(undoable.until - now()).total_seconds() if undoable else 0,
        next_case=case_reading.next_case(cursor, desk_request.actor, but=act.case_id) if leaves else None,
        leaves=leaves,
        answered=done == "reply",
    )


def _said(case: CaseHead, agent_id: UUID, answer: DeliveryRow | None, done: str) -> str:
    """The msgid of what the step has done; empty where it holds no longer."""
    if answer is not None:
        on_page = of_channel(answer.channel).on_page and answer.state in ("sent", "delivered")
        return _("Your answer is on the tracking page.") if on_page else _ANSWER.get(answer.state, "")
    if (done == "close" and case.status != "closed") or (done in ("claim", "reopen") and case.assignee_id != agent_id):
        return ""
    return _DONE.get(done, "")


def _own_answer(page: CasePage, agent_id: UUID) -> DeliveryRow | None:
    """The newest delivery of the agent's newest answer."""
    own = (one for one in reversed(page.contacts) if one.direction == "out" and one.agent_id == agent_id)
    return next((one.deliveries[-1] for one in own if one.deliveries), None)


def _unreached(cursor: Cursor, act: ActionContext, desk_request: DeskRequest, note_id: UUID | None) -> str:
    """The names in a note of which nobody is told, in one sentence; empty if there are none."""
    if note_id is None:
        return ""
    missed = case_reading.unreached_mentions(cursor, desk_request.actor, act.case_id, note_id)
    names = [
        desk_request.say(
            _("%(login)s may not see this case") if one.known else _("%(login)s is nobody's login"),
            login=isolated(f"@{one.login}"),
        )
        for one in missed
    ]
    listed = desk_request.viewer.traits.comma.join(names)
    return desk_request.say(_("Not notified: %(names)s."), names=listed) if names else ""


def _nature_names(natures: Iterable[NatureRecord], language: Language) -> dict[str, str]:
    return {"": gettext(language, _("Not specified"))} | {one.key: in_language(one.names, language) for one in natures}


def _items(
    cursor: Cursor,
    page: CasePage,
    desk_request: DeskRequest,
    units: Iterable[Named],
    subjects: Iterable[Named],
    natures: Iterable[NatureRecord],
) -> list[TimelineItem]:
    language = desk_request.viewer.language
    people = directory.agents_by_id(cursor, _people(page))
    unit_names = {unit.id: unit.name(language) for unit in units}
    subject_names = {subject.id: subject.name(language) for subject in subjects}
    nature_names = _nature_names(natures, language)

    def agent(agent_id: UUID | None) -> str:
        return people[agent_id].name(language) if agent_id in people else desk_request.say(_("ZRM"))

    def author(contact: ContactRow) -> str:
        if contact.direction != "in":
            return agent(contact.agent_id)
        return contact.person or contact.address or desk_request.say(_("Unknown person"))

    history = History(
        language,
        agent,
        lambda unit: unit_names.get(unit, ""),
        lambda subject: subject_names.get(subject, ""),
        lambda key: nature_names.get(key, key),
    )
    items = [
        TimelineItem(contact.at, contact=contact, author=author(contact), anchor=f"contact-{contact.id}")
        for contact in page.contacts
    ]
    for event in page.events:
        text, icon = history.line(event)
        items.append(TimelineItem(event.at, text=text, icon=icon, anchor=f"event-{event.id}"))
    return sorted(items, key=lambda item: (item.at, item.contact is not None))


def _people(page: CasePage) -> list[UUID]:
    """Every agent the page names, past assignees included."""
    writers = {contact.agent_id for contact in page.contacts if contact.agent_id is not None}
    return list(writers.union(*(event.agent_ids() for event in page.events)))


def _channels(choices: list[RouteChoice], chosen: str, language: Language) -> Options:
    """The channels a person can prefer: those that reach them now, and the one they prefer already."""
    known = dict.fromkeys([*(one.route.channel for one in choices), *([chosen] if chosen else [])])
    named = [(channel, labels.channel_name(channel, language)) for channel in known]
    return [("", gettext(language, _("As the citizen writes"))), *named]


def _logins(cursor: Cursor, colleagues: Iterable[Named], desk_request: DeskRequest) -> Options:
    """The colleagues without the agent, as (login, name)."""
    others = [one for one in colleagues if one.id != desk_request.agent.id]
    logins = directory.logins(cursor, [one.id for one in others])
    return [(logins[one.id], one.name(desk_request.viewer.language)) for one in others if one.id in logins]


def _targets(units: Iterable[Named], colleagues: Iterable[Named], desk_request: DeskRequest) -> Options:
    """The agents and units a case can be given to: agents first, then units."""
    language, me = desk_request.viewer.language, desk_request.say(_("me"))
    people = [
        (f"agent:{one.id}", f"{one.name(language)} ({me})" if one.id == desk_request.agent.id else one.name(language))
        for one in colleagues
    ]
    return [
        *people,
        *((f"unit:{unit.id}", desk_request.say(_("Unit: %(name)s"), name=unit.name(language))) for unit in units),
    ]


def _subjects(subjects: list[Named], present: UUID | None, language: Language) -> Options:
    parents = {one.id: one.parent_id for one in subjects}

    def indented(subject: Named) -> str:
        depth, above = 0, subject.parent_id
        while above is not None and depth < 8:
            depth, above = depth + 1, parents.get(above)
        return "\u2003" * depth + subject.name(language)

    return [
        ("", gettext(language, _("Not specified"))),
        *((str(one.id), indented(one)) for one in subjects if not one.retired or one.id == present),
    ]
