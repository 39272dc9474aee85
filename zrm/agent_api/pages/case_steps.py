"""What an agent does to a case, as forms. Each ends in the page again: with the new state, or saying why nothing was
done.

A form carries the version of the case the agent saw. When the case has changed since, nothing is done: the page shows
the present state and keeps what was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from fastapi import Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.case import draw
from zrm.agent_api.pages.case_view import CaseRequest, Draft
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.files import keep
from zrm.agent_api.pages.input_problems import sentence
from zrm.agent_api.pages.route_choices import named_route
from zrm.casework import case_actions, case_reading, undo
from zrm.casework.context import ActionContext, InvalidInput
from zrm.casework.transitions import Step
from zrm.contract.files import StoredFile
from zrm.errors import Conflict, NotAllowed, NotFound
from zrm.kit import log
from zrm.kit.db import Cursor
from zrm.ui.i18n import _

_log = log.get(__name__)
StepForm = Callable[[DeskContext, Cursor, DeskRequest, ActionContext], object]


router = page_router()


@router.post("/desk/cases/{case_id}/{name}")
def step(case_id: UUID, name: str, context: Desk, desk_request: SignedIn) -> Response:
    """The step of that name. Errors: NotFound."""
    if name not in _STEPS:
        raise NotFound("no such step")
    return _do(context, desk_request, case_id, name, _STEPS[name])


@router.post("/desk/cases/{case_id}/relations/{relation_id}")
def relation(case_id: UUID, relation_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """Keep or dismiss the link to another case."""

    def decide(_context: DeskContext, cursor: Cursor, desk_request: DeskRequest, act: ActionContext) -> None:
        case_actions.decide_relation(cursor, act, relation_id, keep=desk_request.form.get("decision") == "kept")

    return _do(context, desk_request, case_id, "relation", decide)


def _do(context: DeskContext, desk_request: DeskRequest, case_id: UUID, name: str, take: StepForm) -> Response:
    """Take a step in one transaction; on a refusal, in a second one, show the case with the reason."""
    act = ActionContext(desk_request.actor, case_id, _version(desk_request.form), context.sending)
    try:
        with context.database.cursor() as cursor:
            done, trace = case_actions.traced(cursor, act, lambda: take(context, cursor, desk_request, act))
    except (Conflict, NotAllowed, InvalidInput) as error:
        return _refused(context, desk_request, case_id, error)
    _log.info("step taken", case=str(case_id), trace=trace, step=name, agent=str(desk_request.agent.id))
    with context.database.cursor() as cursor:
        if not case_reading.sees_case(cursor, desk_request.actor, case_id):
            return RedirectResponse("/desk", status_code=303)  # handed over to a unit the agent does not see
    more = ""
    if isinstance(done, undo.Undoable) and done.step is Step.REPLY:
        more = f"&again={done.contact_id}"
    elif isinstance(done, UUID):
        more = f"&note={done}"
    return RedirectResponse(f"/desk/cases/{case_id}?done={name}{more}", status_code=303)


def _refused(
    context: DeskContext, desk_request: DeskRequest, case_id: UUID, error: Conflict | NotAllowed | InvalidInput
) -> Response:
    """The case as it is now, with why nothing was done and what was typed."""
    form, status = desk_request.form, 409
    match error:
        case Conflict():
            notice = desk_request.say(
                _("The case has changed since you opened it. Nothing was done: look at it and decide again.")
            )
        case undo.TooLate():
            notice = desk_request.say(_("It has already been sent and cannot be undone."))
        case InvalidInput():
            notice, status = sentence(error.problems[0], desk_request.viewer.language), 422
        case _:
            notice = desk_request.say(_("This is not possible now. Nothing was done."))
    if desk_request.files:
        notice = f"{notice} {desk_request.say(_('Attach the files again.'))}"
    draft = Draft()
    if "route" in form:
        draft = Draft(form.get("text", ""), form.get("title", ""), form["route"], _uuid(form.get("again", "")))
    with context.database.cursor() as cursor:
        return draw(context, cursor, desk_request, case_id, CaseRequest(notice, draft), status=status)


def _reply(context: DeskContext, cursor: Cursor, desk_request: DeskRequest, act: ActionContext) -> None:
    form = desk_request.form
    route = named_route(context, case_actions.answer_routes(cursor, act), form.get("route", ""))
    kept = [
        StoredFile(file.key, file.size, file.name, file.media_type)
        for file in undo.kept_files(cursor, act, _uuid(form.get("again", "")))
        if f"keep-{file.id}" in form
    ]
    files = [*kept, *(keep(context.blobs, file) for file in desk_request.files)]
    case_actions.reply(cursor, act, route=route, title=form.get("title", ""), text=form.get("text", ""), files=files)


def _version(form: dict[str, str]) -> int | None:
    """The version the agent saw; None for a form without one, with which no case that asks for it changes."""
    text = form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _uuid(text: str) -> UUID:
    """An id from a form; an unreadable one becomes an id that belongs to nothing."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _close(_context: DeskContext, cursor: Cursor, desk_request: DeskRequest, act: ActionContext) -> None:
    case_actions.close(
        cursor, act, result=desk_request.form.get("result", ""), reason=desk_request.form.get("reason", "")
    )


def _undo(_context: DeskContext, cursor: Cursor, desk_request: DeskRequest, act: ActionContext) -> undo.Undoable:
    return undo.undo(cursor, act, _uuid(desk_request.form.get("event", "")))


def _note(_context: DeskContext, cursor: Cursor, desk_request: DeskRequest, act: ActionContext) -> UUID:
    return case_actions.note(cursor, act, text=desk_request.form.get("note", ""))


def _classify(_context: DeskContext, cursor: Cursor, desk_request: DeskRequest, act: ActionContext) -> None:
    chosen = desk_request.form.get("subject", "")
    subject_id = _uuid(chosen) if chosen else None
    case_actions.classify(cursor, act, subject_id=subject_id, nature=desk_request.form.get("nature", ""))


def _preference(_context: DeskContext, cursor: Cursor, desk_request: DeskRequest, act: ActionContext) -> None:
    language, channel = desk_request.form.get("language", ""), desk_request.form.get("channel", "")
    case_actions.set_contact_preference(cursor, act, language=language, channel=channel)


def _assign(_context: DeskContext, cursor: Cursor, desk_request: DeskRequest, act: ActionContext) -> None:
    kind, _sep, identifier = desk_request.form.get("to", "").partition(":")
    if kind == "unit":
        case_actions.transfer(cursor, act, to_unit=_uuid(identifier))
    else:
        case_actions.assign(cursor, act, to_agent=_uuid(identifier) if kind == "agent" else _uuid(""))


_STEPS: Final[dict[str, StepForm]] = {
    "claim": lambda _context, cursor, _visit, act: case_actions.claim(cursor, act),
    "release": lambda _context, cursor, _visit, act: case_actions.release(cursor, act),
    "reopen": lambda _context, cursor, _visit, act: case_actions.reopen(cursor, act),
    "close": _close,
    "undo": _undo,
    "note": _note,
    "classify": _classify,
    "reply": _reply,
    "preference": _preference,
    "assign": _assign,
    "follow": lambda _context, cursor, _visit, act: case_actions.follow(cursor, act),
    "unfollow": lambda _context, cursor, _visit, act: case_actions.follow(cursor, act, following=False),
}
"""The steps by the last word of their address."""
