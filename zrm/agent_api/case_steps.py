"""What an agent does to a case, as forms. Each ends in the page again: as it is now, or saying why nothing was done.

A form carries the version of the case the agent saw. When the case has changed since, nothing is done: the page shows
the present state and keeps what was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.case_page import CasePages, Draft
from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest, Guard
from zrm.agent_api.files import keep
from zrm.casestore import directory, timeline
from zrm.casestore.agent import Permission
from zrm.casestore.timeline import CaseHead
from zrm.casework import case_actions, undo
from zrm.casework.case_actions import ActionContext
from zrm.casework.reply_routes import WEB
from zrm.contract import StoredFile
from zrm.errors import Conflict, NotAllowed, NotFound
from zrm.kit import log
from zrm.kit.db import Cursor
from zrm.security.grants import Grants, covers
from zrm.ui.i18n import LANGUAGES, _, digits

LONGEST_TEXT = 100_000
LONGEST_TITLE = 250
LONGEST_REASON = 500
_log = log.get(__name__)
Step = Callable[[Cursor, DeskRequest, CaseHead, ActionContext], object]


class Unfit(Exception):
    """The form cannot be used as it is; the message (already translated) says what to correct."""


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the steps on the router."""
    steps = _Steps(context)

    @router.post("/desk/cases/{case_id}/{name}")
    def step(case_id: UUID, name: str, visit: DeskRequest = Depends(guard.visit)) -> Response:
        return steps.take(visit, case_id, name)

    @router.post("/desk/cases/{case_id}/relations/{relation_id}")
    def relation(case_id: UUID, relation_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        def decide(cursor: Cursor, visit: DeskRequest, _head: CaseHead, act: ActionContext) -> None:
            keep = visit.form.get("decision") == "kept"
            case_actions.decide_relation(cursor, act.agent_id, act.case_id, relation_id, keep=keep)

        return steps.do(visit, case_id, "relation", Permission.WORK_CASES, decide)


class _Steps:
    """The steps by the last word of their address."""

    def __init__(self, context: DeskContext) -> None:
        self._context = context
        self._pages = CasePages(context)
        work = Permission.WORK_CASES
        self._known: dict[str, tuple[Permission, Step]] = {
            "claim": (work, lambda cursor, _visit, _head, act: case_actions.claim(cursor, act)),
            "release": (work, lambda cursor, _visit, _head, act: case_actions.release(cursor, act)),
            "reopen": (work, lambda cursor, _visit, _head, act: case_actions.reopen(cursor, act)),
            "close": (work, self._close),
            "undo": (work, self._undo),
            "note": (work, _note),
            "classify": (work, _classify),
            "reply": (work, self._reply),
            "person": (work, self._person),
            "assign": (Permission.ASSIGN_CASES, _assign),
        }

    def take(self, visit: DeskRequest, case_id: UUID, name: str) -> Response:
        """The step of that name. Errors: NotFound."""
        if name not in self._known:
            raise NotFound("no such step")
        return self.do(visit, case_id, name, *self._known[name])

    def do(self, visit: DeskRequest, case_id: UUID, name: str, permission: Permission, step: Step) -> Response:
        """Do a step in one transaction; on a refusal, in a second one, show the case with the reason."""
        try:
            with self._context.database.cursor() as cursor:
                head = self._pages.head(cursor, visit, case_id)
                visit.require(permission, head.unit_id)
                done = step(cursor, visit, head, ActionContext(visit.agent.id, case_id, _version(visit.form)))
                # In the step's own transaction, which holds the case: what it sends bears this very trace.
                trace = case_actions.trace_of(cursor, case_id)
        except Conflict:
            notice = _("The case has changed since you opened it. Nothing was done: look at it and decide again.")
            return self._again(visit, case_id, visit.say(notice), 409)
        except undo.TooLate:
            return self._again(visit, case_id, visit.say(_("It has left already and cannot be taken back.")), 409)
        except NotAllowed:
            return self._again(visit, case_id, visit.say(_("This is not possible now. Nothing was done.")), 409)
        except Unfit as error:
            return self._again(visit, case_id, str(error), 422)
        _log.info("step taken", case=str(case_id), trace=trace, step=name, agent=str(visit.agent.id))
        with self._context.database.cursor() as cursor:
            unit_id = timeline.unit_of(cursor, case_id)
        if unit_id is None or not covers(visit.visible, unit_id):
            return RedirectResponse("/desk", status_code=303)  # handed over to where the agent does not see it
        taken_back = f"&again={done.contact_id}" if isinstance(done, undo.Undoable) and done.step == "reply" else ""
        return RedirectResponse(f"/desk/cases/{case_id}?done={name}{taken_back}", status_code=303)

    def _again(self, visit: DeskRequest, case_id: UUID, notice: str, status: int) -> Response:
        form = visit.form
        draft = (
            Draft(form.get("text", ""), form.get("title", ""), form.get("way", ""), _uuid(form.get("again", "")))
            if "way" in form
            else None
        )
        if visit.files:
            notice = f"{notice} {visit.say(_('Attach the files again.'))}"
        with self._context.database.cursor() as cursor:
            return self._pages.draw(cursor, visit, case_id, notice=notice, draft=draft, status=status)

    def _reply(self, cursor: Cursor, visit: DeskRequest, head: CaseHead, act: ActionContext) -> None:
        text = _text(visit, "text", visit.say(_("The answer is empty.")))
        way = self._pages.way(cursor, head.id, visit.form.get("way", ""))
        if way.barred:
            raise Unfit(visit.say(_("The citizen asked us not to write there. Choose another way.")))
        if (visit.files or any(name.startswith("keep-") for name in visit.form)) and not way.files:
            raise Unfit(visit.say(_("This way carries no files. Choose another way, or send the answer without them.")))
        if way.max_text is not None and len(text) > way.max_text:
            message = _("The answer is too long for this way: %(most)s characters at most.")
            raise Unfit(visit.say(message, most=digits(way.max_text, visit.viewer.language)))
        # One line, whatever was pasted: a line break in a title would be a header of its own.
        title = " ".join(visit.form.get("title", "").split())[:LONGEST_TITLE] or head.title
        domain = self._context.settings.mail_domain
        case_actions.reply(
            cursor,
            act,
            way=way,
            title=title,
            text=text,
            domain=domain,
            language=head.preferred_language,
            files=[*self._kept(cursor, visit, act), *(keep(self._context.blobs, file) for file in visit.files)],
            hold=self._context.settings.dispatch.hold,
        )

    def _close(self, cursor: Cursor, visit: DeskRequest, _head: CaseHead, act: ActionContext) -> None:
        result = _text(visit, "result", visit.say(_("Say with what result the case ends.")), 2000)
        reason = visit.form.get("reason", "").strip()[:LONGEST_REASON]
        try:
            case_actions.close(cursor, act, result=result, reason=reason, hold=self._context.settings.dispatch.hold)
        except case_actions.ReasonNeeded:
            raise Unfit(
                visit.say(_("Nobody has answered the citizen. Say why the case is closed all the same."))
            ) from None

    def _undo(self, cursor: Cursor, visit: DeskRequest, _head: CaseHead, act: ActionContext) -> undo.Undoable:
        event_id = _uuid(visit.form.get("event", ""))
        if event_id is None:
            raise undo.TooLate("no step is named")
        return undo.undo(cursor, act, event_id, hold=self._context.settings.dispatch.hold)

    def _kept(self, cursor: Cursor, visit: DeskRequest, act: ActionContext) -> list[StoredFile]:
        """The files of an answer that was taken back and that are to go with this one."""
        known = undo.kept_files(cursor, act.agent_id, act.case_id, _uuid(visit.form.get("again", "")))
        return [
            StoredFile(file.key, file.size, file.name, file.media_type)
            for file in known
            if f"keep-{file.id}" in visit.form
        ]

    def _person(self, cursor: Cursor, visit: DeskRequest, head: CaseHead, act: ActionContext) -> None:
        language, channel = visit.form.get("language", ""), visit.form.get("channel", "")
        known = {"", head.preferred_channel, WEB, *(sender.channel for sender in self._context.senders)}
        if language not in ("", *LANGUAGES) or channel not in known:
            raise Unfit(visit.say(_("Choose a language and a channel from the list.")))
        case_actions.set_contact_preference(cursor, act, language=language, channel=channel)


def _version(form: dict[str, str]) -> int:
    """The version the agent saw; a form without one saw nothing."""
    text = form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _text(visit: DeskRequest, name: str, missing: str, longest: int = LONGEST_TEXT) -> str:
    text = visit.form.get(name, "").strip()
    if not text:
        raise Unfit(missing)
    if len(text) > longest:
        raise Unfit(visit.say(_("That is too long.")))
    return text


def _note(cursor: Cursor, visit: DeskRequest, _head: CaseHead, act: ActionContext) -> None:
    case_actions.note(cursor, act, text=_text(visit, "note", visit.say(_("The note is empty."))))


def _classify(cursor: Cursor, visit: DeskRequest, _head: CaseHead, act: ActionContext) -> None:
    chosen = visit.form.get("subject", "")
    known = {str(subject.id): subject.id for subject in directory.subjects(cursor)}
    if chosen and chosen not in known:
        raise Unfit(visit.say(_("Choose a subject from the list.")))
    case_actions.classify(cursor, act, subject_id=known.get(chosen), nature=visit.form.get("nature", ""))


def _assign(cursor: Cursor, visit: DeskRequest, head: CaseHead, act: ActionContext) -> None:
    kind, _sep, identifier = visit.form.get("to", "").partition(":")
    missing = visit.say(_("Choose a colleague or a unit from the list."))
    try:
        target = UUID(identifier)
    except ValueError:
        raise Unfit(missing) from None
    if kind == "unit":
        if target not in {unit.id for unit in directory.units(cursor)}:
            raise Unfit(missing)
        case_actions.transfer(cursor, act, to_unit=target)
        return
    colleague = directory.at_desk(cursor, target)
    if kind != "agent" or colleague is None:
        raise Unfit(missing)
    # The case stays where it is if the colleague works there; else it goes with them to their own unit.
    works_here = Grants.of(colleague.grants).has(Permission.WORK_CASES, head.unit_id)
    case_actions.assign(cursor, act, to_agent=target, to_unit=head.unit_id if works_here else colleague.unit_id)
