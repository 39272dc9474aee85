"""One case on one page: its conversation and history in one line of time, its facts, its person, what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import MOST_FILES, MOST_UPLOAD_BYTES, DeskRequest, Guard
from zrm.agent_api.files import harmless_name, is_pdf
from zrm.agent_api.labels import LABELS, NATURES, RELATION_REASONS, History, label
from zrm.agent_api.layout import Shell
from zrm.agent_api.templates_page import insertion
from zrm.casestore import case_list, directory, timeline, worklists
from zrm.casestore.agent import Permission
from zrm.casestore.answers import is_unanswered
from zrm.casestore.attachment import MOST_PICTURES
from zrm.casestore.directory import Named
from zrm.casestore.person import opted_out_of
from zrm.casestore.subject import NATURES as KNOWN_NATURES
from zrm.casestore.timeline import AddressRow, CaseHead, CasePage, ContactRow, LastInbound, TimelineKey
from zrm.casework import transitions, undo
from zrm.casework.reply_routes import ReplyRoute, RouteOrigin, reply_routes
from zrm.casework.transitions import Step
from zrm.errors import Conflict, NotFound
from zrm.kit.clock import now
from zrm.kit.db import Cursor
from zrm.security.grants import covers
from zrm.security.keyed import keyed_hash
from zrm.security.masking import masked
from zrm.ui import labels
from zrm.ui.i18n import _
from zrm.ui.untitled_contacts import reworded


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the line of time: a contact, or a sentence with its icon."""

    at: datetime
    contact: ContactRow | None = None
    author: str = ""
    text: str = ""
    icon: str = ""
    anchor: str = ""


_DONE: Final = {
    "reply": _("Your answer is on its way."),
    "close": _("The case is closed."),
    "undo": _("Nothing was sent. The case is as it was."),
    "claim": _("The case is yours now."),
    "release": _("The case is with its unit again."),
    "assign": _("The case was assigned."),
    "reopen": _("The case is open again, and yours."),
    "note": _("The note is saved."),
    "classify": _("Saved."),
    "person": _("Saved."),
    "relation": _("Saved."),
}
"""What a step has done, in a sentence, by its name."""
_LEAVES: Final = frozenset({"reply", "close", "assign", "release"})
"""The steps after which there may be nothing more to do here: the next case is offered."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the agent had typed, kept when it could not be sent."""

    text: str = ""
    title: str = ""
    way: str = ""
    again: UUID | None = None
    """The answer that was taken back and is written anew: its files may go with this one."""


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the case page on the router."""
    pages = CasePages(context)

    @router.get("/desk/cases/{case_id}")
    def case_page(request: Request, case_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        with context.database.cursor() as cursor:
            unread = worklists.read_notices_of_case(cursor, visit.agent.id, case_id)
            draft = None
            if again := request.query_params.get("again", ""):
                draft = pages.taken_back(cursor, visit, case_id, _uuid(again))
            if wanted := request.query_params.get("template", ""):
                draft = Draft(insertion(context, cursor, visit, pages.head(cursor, visit, case_id), wanted))
            return pages.draw(
                cursor,
                visit,
                case_id,
                before=_place(request.query_params.get("before", "")),
                delivery=request.query_params.get("delivery", ""),
                draft=draft,
                done=request.query_params.get("done", ""),
                unread=unread,
            )


class CasePages:
    """Draws case pages: as they are, and again with a notice when a step could not be taken."""

    def __init__(self, context: DeskContext) -> None:
        self._context = context
        self._shell = Shell(context)

    def head(self, cursor: Cursor, visit: DeskRequest, case_id: UUID) -> CaseHead:
        """The case, if the agent may see it. Errors: NotFound."""
        head = timeline.head(cursor, case_id)
        if head is None or not covers(visit.visible, head.unit_id):
            raise NotFound("no such case")
        return head

    def reply_routes(
        self, cursor: Cursor, head: CaseHead, last: LastInbound | None, addresses: Iterable[AddressRow]
    ) -> list[ReplyRoute]:
        """The ways an answer can go, the best first: back the way the citizen wrote last, or to an address of theirs."""
        origin = (
            RouteOrigin(last.channel, last.account, last.address, last.reply_to, last.copied, last.vouched_for)
            if last
            else RouteOrigin(head.channel, head.account, "")
        )
        known = [(one.kind, one.value) for one in addresses]
        senders = self._context.senders
        values = {origin.address, *origin.reply_to, *origin.copied, *(value for _, value in known)}
        pairs = [(channel, value) for channel in sorted({one.channel for one in senders}) for value in sorted(values)]
        return reply_routes(
            origin,
            known,
            senders,
            preferred=head.preferred_channel,
            barred=opted_out_of(cursor, pairs),
            doubtful={one.value for one in addresses if one.doubtful_at is not None},
            claimed={one.value for one in addresses if one.claimed},
            own=self._context.own_addresses,
        )

    def way(self, cursor: Cursor, case_id: UUID, key: str) -> ReplyRoute:
        """The way of a case that a form names. Errors: NotFound; Conflict when it is not there (any more)."""
        head = timeline.head(cursor, case_id)
        if head is None:
            raise NotFound("no such case")
        addresses = timeline.addresses(cursor, head.person_id)
        for way in self.reply_routes(cursor, head, timeline.last_inbound(cursor, case_id), addresses):
            if self.way_key(way) == key:
                return way
        raise Conflict("that way is not there any more")

    def way_key(self, way: ReplyRoute) -> str:
        """A way as a form's value: it tells nobody the address."""
        return keyed_hash(self._context.secret, "way", "\0".join((way.channel, way.account, way.address)))

    def taken_back(self, cursor: Cursor, visit: DeskRequest, case_id: UUID, contact_id: UUID) -> Draft | None:
        """The agent's own answer that they took back, as a draft; None if there is none of that id."""
        kept = undo.withdrawn(cursor, visit.agent.id, case_id, contact_id)
        if kept is None:
            return None
        way = self.way_key(ReplyRoute(kept.channel, kept.account, kept.address))
        return Draft(kept.text, kept.title, way, contact_id)

    def draw(
        self,
        cursor: Cursor,
        visit: DeskRequest,
        case_id: UUID,
        *,
        before: TimelineKey | None = None,
        delivery: str = "",
        notice: str = "",
        draft: Draft | None = None,
        done: str = "",
        unread: UUID | None = None,
        status: int = 200,
    ) -> Response:
        """The page with the newest entries, or with those before a place; where a delivery is named, with its answer.

        Errors: NotFound.
        """
        page = timeline.load(cursor, case_id, before=before)
        if page and delivery and not _shows(page, delivery):
            before = timeline.behind_delivery(cursor, case_id, _uuid(delivery))
            page = timeline.load(cursor, case_id, before=before)
        if page is None or not covers(visit.visible, page.head.unit_id):
            raise NotFound("no such case")
        head = page.head
        language = visit.viewer.language
        units = {unit.id: unit for unit in directory.units(cursor)}
        subjects = directory.subjects(cursor)
        people = directory.agents_by_id(cursor, _people(page))
        colleagues = directory.colleagues(cursor, {head.unit_id, visit.agent.unit_id})
        open_addresses = visit.may(Permission.VIEW_ADDRESSES, head.unit_id)

        def address(value: str) -> str:
            return value if open_addresses else masked(value)

        def agent(agent_id: UUID | None) -> str:
            return people[agent_id].name(language) if agent_id in people else visit.say(_("ZRM"))

        undoable = (
            undo.undoable(cursor, visit.agent.id, case_id, hold=self._context.settings.dispatch.hold)
            if visit.may(Permission.WORK_CASES, head.unit_id)
            else None
        )
        steps = transitions.allowed(head.status)
        works = visit.may(Permission.WORK_CASES, head.unit_id)
        possible = self.reply_routes(cursor, head, timeline.last_inbound(cursor, case_id), page.addresses)
        usable = [way for way in possible if not way.barred]
        draft = draft or Draft()
        chosen = next((way for way in possible if self.way_key(way) == draft.way), usable[0])
        subject_names = {subject.id: subject.name(language) for subject in subjects}
        history = History(
            language, agent, lambda unit: units[unit].name(language) if unit in units else "", lambda subject: subject_names.get(subject, "")
        )  # fmt: skip
        return self._shell.page(
            "desk/case.html",
            visit,
            cursor,
            "",
            status=status,
            own_address=f"/desk/cases/{case_id}",
            head=head,
            title=reworded(head.title, head.channel, language),
            page=page,
            items=_items(page, history, agent, address, visit),
            newest=before is None,
            earlier_href=f"/desk/cases/{case_id}?before={_mark(page.earlier)}" if page.earlier else "",
            address=address,
            open_addresses=open_addresses,
            label=lambda code: label(LABELS, code, language),
            file_name=harmless_name,
            is_pdf=is_pdf,
            most_pictures=MOST_PICTURES,
            nature=label(NATURES, head.nature, language),
            natures=[(code, label(NATURES, code, language)) for code in ("", *KNOWN_NATURES)],
            subjects=[
                ("", visit.say(_("Not said"))),
                *((str(s.id), _indented(s, subjects, language)) for s in subjects),
            ],
            reason=lambda code: label(RELATION_REASONS, code, language),
            sees=lambda unit_id: covers(visit.visible, unit_id),
            targets=_targets(units.values(), colleagues, visit),
            reply_routes=[
                (self.way_key(way), _with_marks(self._way_text(way, possible, visit, address), way, visit), way)
                for way in possible
            ],
            chosen=chosen,
            barred_pairs={(way.channel, way.address) for way in possible if way.barred},
            barred=[self._way_text(way, possible, visit, address) for way in possible if way.barred],
            channels=[("", visit.say(_("As they write"))), *_channels(possible, head.preferred_channel, visit)],
            most_files=MOST_FILES,
            most_bytes=MOST_UPLOAD_BYTES,
            answer_title=draft.title or _answer_title(head.title),
            unanswered=works and Step.CLOSE in steps and is_unanswered(cursor, case_id),
            may={step.value: works and step in steps for step in Step},
            may_assign=visit.may(Permission.ASSIGN_CASES, head.unit_id) and Step.ASSIGN in steps,
            handles_deliveries=visit.may(Permission.HANDLE_DELIVERIES, head.unit_id),
            mine=head.assignee_id == visit.agent.id,
            assignee=head.assignee_fa if language == "fa" else head.assignee_en,
            unit=head.unit_fa if language == "fa" else head.unit_en,
            subject=head.subject_fa if language == "fa" else head.subject_en,
            draft=draft,
            warning=notice,
            done=done,
            said=visit.say(_DONE[done]) if done in _DONE else "",
            undoable=undoable,
            undo_seconds=(undoable.until - now()).total_seconds() if undoable else 0,
            unread=unread or "",
            next_case=case_list.next_case(cursor, visit.agent.id, visit.visible, but=case_id)
            if done in _LEAVES
            else None,
            kept_files=undo.kept_files(cursor, visit.agent.id, case_id, draft.again) if draft.again else [],
        )

    def _way_text(
        self, way: ReplyRoute, possible: list[ReplyRoute], visit: DeskRequest, address: Callable[[str], str]
    ) -> str:
        if not way.address:
            return visit.say(_("On the tracking page only"))
        shown = address(way.address)
        channel = visit.say(labels.word(labels.CHANNEL, way.channel).label)
        # Addresses stand between isolates, so that they read left to right inside a Persian line.
        shown = f"\u2066{shown}\u2069"
        if sum((one.channel, one.address) == (way.channel, way.address) for one in possible) > 1:
            sentence = _(
                "%(channel)s to %(address)s, from %(account)s"
            )  # two bots or mailboxes of ours can write there
            return visit.say(sentence, channel=channel, address=shown, account=f"\u2066{way.account}\u2069")
        return visit.say(_("%(channel)s to %(address)s"), channel=channel, address=shown)


def _with_marks(text: str, way: ReplyRoute, visit: DeskRequest) -> str:
    """A way with what an agent should know of it before they choose it."""
    marks = (
        (way.barred, _("asked us not to write")),
        (way.doubtful and not way.barred, _("mail comes back")),
        (way.claimed, _("not proven")),
        (way.asked_for, _("they ask for the answer there")),
        (way.copied, _("was addressed too, is not the citizen")),
    )
    return " – ".join([text, *(visit.say(mark) for holds, mark in marks if holds)])


def _items(
    page: CasePage,
    history: History,
    agent: Callable[[UUID | None], str],
    address: Callable[[str], str],
    visit: DeskRequest,
) -> list[Item]:
    items = []
    for contact in page.contacts:
        if contact.direction == "in":
            author = contact.person or address(contact.address) or visit.say(_("Unknown person"))
        else:
            author = agent(contact.agent_id)
        items.append(Item(contact.at, contact=contact, author=author, anchor=f"contact-{contact.id}"))
    for event in page.events:
        text, icon = history.line(event)
        items.append(Item(event.at, text=text, icon=icon, anchor=f"event-{event.id}"))
    return sorted(items, key=lambda item: (item.at, item.contact is not None))


def _mark(place: TimelineKey) -> str:
    """A place as a link carries it: its moment and the anchor of the entry that stands there."""
    at = place.at.isoformat().replace("+00:00", "Z")
    return f"{at}_{'contact' if place.is_contact else 'event'}-{place.id}"


def _place(mark: str) -> TimelineKey | None:
    """The place an "earlier" link named. Errors: NotFound when it is none of ours."""
    if not mark:
        return None
    at, _sep, anchor = mark.partition("_")
    kind, _sep, identifier = anchor.partition("-")
    try:
        place = TimelineKey(datetime.fromisoformat(at), kind == "contact", UUID(identifier))
    except ValueError:
        raise NotFound("no such page") from None
    if place.at.tzinfo is None or kind not in ("contact", "event"):
        raise NotFound("no such page")
    return place


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("no such delivery") from None


def _shows(page: CasePage, delivery: str) -> bool:
    return any(str(one.id) == delivery for contact in page.contacts for one in contact.deliveries)


def _channels(possible: list[ReplyRoute], chosen: str, visit: DeskRequest) -> list[tuple[str, str]]:
    """The channels a person can prefer: those that reach them now, and the one they prefer already."""
    known = dict.fromkeys([*(way.channel for way in possible), *([chosen] if chosen else [])])
    return [(channel, visit.say(labels.word(labels.CHANNEL, channel).label)) for channel in known]


def _people(page: CasePage) -> list[UUID]:
    """Every agent the page names, assignees of the past included."""
    writers = {contact.agent_id for contact in page.contacts if contact.agent_id is not None}
    return list(writers.union(*(event.agent_ids() for event in page.events)))


def _targets(units: Iterable[Named], colleagues: Iterable[Named], visit: DeskRequest) -> list[tuple[str, str]]:
    """Whom a case can be given to: named colleagues first, then units."""
    language = visit.viewer.language
    me = visit.say(_("me"))
    people = [
        (f"agent:{one.id}", f"{one.name(language)} ({me})" if one.id == visit.agent.id else one.name(language))
        for one in colleagues
    ]
    return [*people, *((f"unit:{unit.id}", visit.say(_("Unit: %(name)s"), name=unit.name(language))) for unit in units)]


def _indented(subject: Named, subjects: list[Named], language: str) -> str:
    parents = {one.id: one.parent_id for one in subjects}
    depth, above = 0, subject.parent_id
    while above is not None and depth < 8:
        depth, above = depth + 1, parents.get(above)
    return "\u2003" * depth + subject.name(language)


def _answer_title(title: str) -> str:
    return title if title.lower().startswith("re:") else f"Re: {title}"
