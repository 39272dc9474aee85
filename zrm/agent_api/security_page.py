"""An agent's own security: the second step, passkeys, recovery codes, where they are signed in, and when they were let in.

Whatever changes how one signs in asks first who one is (`Guard.recent`). Who must set up a second step sees these pages
alone, without the desk around them.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest, Guard
from zrm.agent_api.entrance import Entrance
from zrm.agent_api.labels import SIGNED_IN_BY
from zrm.agent_api.layout import Shell
from zrm.agent_api.passkey_requests import PasskeyErrand
from zrm.agent_api.sign_in import own_name
from zrm.errors import NotFound
from zrm.kit import log
from zrm.kit.db import Cursor
from zrm.security import headers, passkeys, second_step, sessions, sign_ins
from zrm.security.sessions import How, Stage
from zrm.ui.i18n import _

HOME = "/desk/security"
_log = log.get(__name__)


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the pages and their steps on the router."""
    pages = _SecurityPages(context)
    _add_app(router, context, guard, pages)
    _add_passkeys(router, context, guard, pages)

    @router.get(HOME)
    def overview(request: Request, visit: DeskRequest = Depends(guard.visit)) -> Response:
        return pages.overview(visit, told=request.query_params.get("told", ""))

    @router.get(f"{HOME}/set-up")
    def set_up(visit: DeskRequest = Depends(guard.enrolling)) -> Response:
        return pages.set_up(visit)

    @router.post(f"{HOME}/recovery-codes")
    def codes(request: Request, visit: DeskRequest = Depends(guard.recent)) -> Response:
        return pages.new_codes(request, visit, How.TWO_STEPS)

    @router.post(f"{HOME}/sessions/end-others")
    def end_others(visit: DeskRequest = Depends(guard.visit)) -> Response:
        with context.database.cursor() as cursor:
            ended = sessions.end_others(cursor, visit.agent.id, visit.session.token_hash)
        for session_hash in ended:
            context.hub.drop(session_hash)
        return _back("ended")

    @router.post(HOME + "/sessions/{session_id}/end")
    def end_one(session_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        with context.database.cursor() as cursor:
            ended = sessions.end_one(cursor, visit.agent.id, session_id)
        if ended is None:
            raise NotFound("no such session")
        context.hub.drop(ended)
        return _back("ended")


def _add_app(router: APIRouter, context: DeskContext, guard: Guard, pages: _SecurityPages) -> None:
    @router.post(f"{HOME}/authenticator")
    def begin(visit: DeskRequest = Depends(guard.enrolling)) -> Response:
        pages.require_offer(visit)
        with context.database.cursor() as cursor:
            second_step.begin(cursor, visit.agent.id, context.secret)
        return RedirectResponse(f"{HOME}/authenticator", status_code=303)

    @router.get(f"{HOME}/authenticator")
    def scan(visit: DeskRequest = Depends(guard.enrolling)) -> Response:
        return pages.scan(visit)

    @router.post(f"{HOME}/authenticator/confirm")
    def confirm(request: Request, visit: DeskRequest = Depends(guard.enrolling)) -> Response:
        with context.database.cursor() as cursor:
            right = second_step.confirm(cursor, visit.agent.id, context.secret, visit.form.get("code", "")[:100])
        if not right:
            problem = _(
                "This code is not right. Look whether the clock of your device is right, and type the next one."
            )
            return pages.scan(visit, problem=problem, status=422)
        _log.info("authenticator app set up", agent=str(visit.agent.id))
        return pages.set_up_done(request, visit, How.TWO_STEPS)

    @router.post(f"{HOME}/authenticator/remove")
    def remove(visit: DeskRequest = Depends(guard.recent)) -> Response:
        with context.database.cursor() as cursor:
            second_step.remove_app(cursor, visit.agent.id)
        _log.info("authenticator app removed", agent=str(visit.agent.id))
        return _back("removed")


def _add_passkeys(router: APIRouter, context: DeskContext, guard: Guard, pages: _SecurityPages) -> None:
    errand = PasskeyErrand(context)

    @router.post(f"{HOME}/passkeys/options")
    def options(visit: DeskRequest = Depends(guard.enrolling)) -> Response:
        pages.require_offer(visit)
        organisation = own_name(context, visit.viewer.language)
        return errand.to_make(visit.agent.id, login=visit.agent.login, name=visit.name, organisation=organisation)

    @router.post(f"{HOME}/passkeys")
    def make(request: Request, visit: DeskRequest = Depends(guard.enrolling)) -> Response:
        pages.require_offer(visit)
        name = _name(visit) or visit.say(_("Passkey"))
        if not errand.made(request, visit.form.get("credential", ""), visit.agent.id, name):
            problem = _("No passkey was made. Try again.")
            if visit.session.stage is Stage.SET_UP:
                return pages.set_up(visit, problem=problem, status=422)
            return pages.overview(visit, problem=problem, status=422)
        _log.info("passkey made", agent=str(visit.agent.id))
        response = pages.set_up_done(request, visit, How.PASSKEY)
        errand.drop(response)
        return response

    @router.post(HOME + "/passkeys/{passkey_id}/rename")
    def rename(passkey_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        with context.database.cursor() as cursor:
            if not (name := _name(visit)) or not passkeys.rename(cursor, visit.agent.id, passkey_id, name):
                raise NotFound("no such passkey")
        return _back("renamed")

    @router.post(HOME + "/passkeys/{passkey_id}/remove")
    def remove(passkey_id: UUID, visit: DeskRequest = Depends(guard.recent)) -> Response:
        with context.database.cursor() as cursor:
            if not passkeys.remove(cursor, visit.agent.id, passkey_id):
                raise NotFound("no such passkey")
        _log.info("passkey removed", agent=str(visit.agent.id))
        return _back("removed")


class _SecurityPages:
    """Draws and does."""

    def __init__(self, context: DeskContext) -> None:
        self._context = context
        self._shell = Shell(context)
        self._entrance = Entrance(context)

    def require_offer(self, visit: DeskRequest) -> None:
        """Errors: NotFound where no second step is offered."""
        if self._context.settings.security.two_step == "off" and visit.session.stage is Stage.SIGNED_IN:
            raise NotFound("no second step is offered")

    def overview(self, visit: DeskRequest, *, told: str = "", problem: str = "", status: int = 200) -> Response:
        """The page with everything on it."""
        with self._context.database.cursor() as cursor:
            return self._shell.page(
                "desk/security.html",
                visit,
                cursor,
                "settings",
                status=status,
                told=told,
                problem=problem,
                offered=self._context.settings.security.two_step != "off",
                since=second_step.confirmed_since(cursor, visit.agent.id),
                keys=passkeys.of_agent(cursor, visit.agent.id),
                longest=passkeys.LONGEST_NAME,
                passkeys_possible=self._context.passkey_site is not None,
                codes_left=second_step.recovery_codes_left(cursor, visit.agent.id),
                sessions=sessions.of_agent(cursor, visit.agent.id),
                sign_ins=sign_ins.latest(cursor, visit.agent.id),
                how=SIGNED_IN_BY,
            )

    def set_up(self, visit: DeskRequest, *, problem: str = "", status: int = 200) -> Response:
        """The choice of a second step, for who must have one."""
        possible = self._context.passkey_site is not None
        return self._alone("desk/set_up.html", visit, status, problem=problem, passkeys_possible=possible)

    def scan(self, visit: DeskRequest, *, problem: str = "", status: int = 200) -> Response:
        """The app's key as a picture and in letters, and the field for its first code."""
        with self._context.database.cursor() as cursor:
            key = second_step.waiting_key(cursor, visit.agent.id, self._context.secret)
        if key is None:
            return RedirectResponse(HOME if visit.session.stage is Stage.SIGNED_IN else f"{HOME}/set-up", 303)
        organisation = own_name(self._context, visit.viewer.language)
        address = second_step.address_for_app(key, login=visit.agent.login, organisation=organisation)
        groups = " ".join(key[at : at + 4] for at in range(0, len(key), 4))
        picture = second_step.picture_for_app(address)
        return self._alone(
            "desk/authenticator.html", visit, status, problem=problem, picture=picture, key=groups, address=address
        )

    def set_up_done(self, request: Request, visit: DeskRequest, how: How) -> Response:
        """A second step is there now: with it come recovery codes, unless there are some."""
        with self._context.database.cursor() as cursor:
            left = second_step.recovery_codes_left(cursor, visit.agent.id)
        if not left:
            return self.new_codes(request, visit, how)
        response = _back("added")
        self._finish(request, response, visit, how)
        return response

    def new_codes(self, request: Request, visit: DeskRequest, how: How) -> Response:
        """New recovery codes, shown this once."""
        with self._context.database.cursor() as cursor:
            codes = self._codes(cursor, visit)
        response = self._alone("desk/recovery_codes.html", visit, 200, codes=codes)
        self._finish(request, response, visit, how)
        return response

    def _codes(self, cursor: Cursor, visit: DeskRequest) -> list[str]:
        _log.info("recovery codes made", agent=str(visit.agent.id))
        return second_step.new_recovery_codes(cursor, visit.agent.id, self._context.secret)

    def _finish(self, request: Request, response: Response, visit: DeskRequest, how: How) -> None:
        if visit.session.stage is Stage.SET_UP:
            self._entrance.finish(request, response, visit.session, how)

    def _alone(self, template: str, visit: DeskRequest, status: int, **values: object) -> HTMLResponse:
        html = self._context.pages.render(
            template,
            visit.viewer,
            organisation=own_name(self._context, visit.viewer.language),
            csrf=sessions.csrf_for_page(visit.session),
            must=visit.session.stage is Stage.SET_UP,
            **values,
        )
        return HTMLResponse(html, status_code=status, headers=headers.PAGE)


def _name(visit: DeskRequest) -> str:
    return " ".join(visit.form.get("name", "").split())[: passkeys.LONGEST_NAME]


def _back(told: str) -> Response:
    return RedirectResponse(f"{HOME}?told={told}", status_code=303, headers={"Cache-Control": "no-store"})
