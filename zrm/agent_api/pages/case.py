"""One case on one page: its conversation and history in one timeline, its facts, its person, what to do next."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import Request, Response

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.case_view import CaseRequest, Draft, case_view
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.layout import Shell
from zrm.agent_api.pages.route_choices import route_key
from zrm.casestore.timeline import TimelineKey
from zrm.casework import case_reading, notifications, template_actions, undo
from zrm.casework.context import ActionContext
from zrm.casework.reply_routes import ReplyRoute
from zrm.errors import NotFound
from zrm.kit.db import Cursor

router = page_router()


@router.get("/desk/cases/{case_id}")
def page(request: Request, case_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """The case with its newest entries.

    `?before=` shows those before a place, `?delivery=` those with an answer; `?template=` puts a template into the
    composer, `?again=` the agent's own withdrawn answer; `?done=` names the step that led here, `?note=` the note.
    """
    asked = request.query_params
    delivery, note = asked.get("delivery", ""), asked.get("note", "")
    with context.database.cursor() as cursor:
        unread = notifications.read_case(cursor, desk_request.actor, case_id)
        draft = Draft()
        if again := asked.get("again", ""):
            draft = _taken_back(context, cursor, desk_request, case_id, _uuid(again))
        if wanted := asked.get("template", ""):
            text = template_actions.insertion(cursor, desk_request.actor, case_id, context.settings, _uuid(wanted))
            draft = Draft(text)
        return draw(
            context,
            cursor,
            desk_request,
            case_id,
            CaseRequest(draft=draft, done=asked.get("done", ""), unread=unread, note_id=_uuid(note) if note else None),
            before=_place(asked.get("before", "")),
            delivery_id=_uuid(delivery) if delivery else None,
        )


def draw(
    context: DeskContext,
    cursor: Cursor,
    desk_request: DeskRequest,
    case_id: UUID,
    asked: CaseRequest,
    *,
    before: TimelineKey | None = None,
    delivery_id: UUID | None = None,
    status: int = 200,
) -> Response:
    """The page with the newest entries, or those before a place; with `delivery_id`, those with its answer.

    Errors: NotFound.
    """
    seen = case_reading.page(
        cursor, desk_request.actor, case_id, context.sending, before=before, delivery_id=delivery_id
    )
    return Shell(context).page(
        "desk/case.html",
        desk_request,
        cursor,
        "",
        status=status,
        own_address=f"/desk/cases/{case_id}",
        case=case_view(context, cursor, desk_request, seen, asked),
    )


def _taken_back(
    context: DeskContext, cursor: Cursor, desk_request: DeskRequest, case_id: UUID, contact_id: UUID
) -> Draft:
    """The agent's own withdrawn answer, as a draft; an empty one if there is none with that id."""
    kept = undo.withdrawn(cursor, ActionContext(desk_request.actor, case_id, None), contact_id)
    if kept is None:
        return Draft()
    chosen_route = route_key(context, ReplyRoute(kept.channel, kept.account, kept.address))
    return Draft(kept.text, kept.title, chosen_route, contact_id)


def _place(mark: str) -> TimelineKey | None:
    """The place that an "earlier" link named. Errors: NotFound when it is not one of ours."""
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
        raise NotFound("no such id") from None
