"""An agent's own security: the second step, passkeys, recovery codes, where they are signed in, and their sign-ins.

A change of how the agent signs in requires a recent proof of identity (`LatelyProven`). An agent who must set up a
second step sees only these pages, without the desk around them.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, Enrolling, LatelyProven, SignedIn
from zrm.agent_api.pages.entrance import Entrance
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.history_sentences import SIGNED_IN_BY
from zrm.agent_api.pages.layout import Shell
from zrm.agent_api.pages.passkey_requests import PasskeyRequest
from zrm.agent_api.pages.sign_in import own_name
from zrm.casework import sign_in
from zrm.errors import NotFound
from zrm.kit import log
from zrm.security import passkeys, second_step, sessions, sign_ins
from zrm.security.sessions import How, Stage
from zrm.ui import headers
from zrm.ui.i18n import _

HOME = "/desk/security"
_log = log.get(__name__)


router = page_router()


@router.get(HOME)
def overview(request: Request, context: Desk, desk_request: SignedIn) -> Response:
    """Everything about how the agent signs in."""
    return _overview(context, desk_request, told=request.query_params.get("told", ""))


@router.get(f"{HOME}/set-up")
def set_up(context: Desk, desk_request: Enrolling) -> Response:
    """The choice of a second step."""
    return _set_up(context, desk_request)


@router.post(f"{HOME}/recovery-codes")
def codes(request: Request, context: Desk, desk_request: LatelyProven) -> Response:
    """New recovery codes, shown only this once."""
    with context.database.cursor() as cursor:
        made = second_step.new_recovery_codes(cursor, desk_request.agent.id, context.secret)
    return _show_codes(context, request, desk_request, How.TWO_STEPS, made)


@router.post(f"{HOME}/sessions/end-others")
def end_others(context: Desk, desk_request: SignedIn) -> Response:
    """Sign out everywhere else."""
    with context.database.cursor() as cursor:
        ended = sessions.end_others(cursor, desk_request.agent.id, desk_request.session.token_hash)
    for session_hash in ended:
        context.hub.drop(session_hash)
    return _back("ended")


@router.post(HOME + "/sessions/{session_id}/end")
def end_one(session_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """Sign out in one other place."""
    with context.database.cursor() as cursor:
        ended = sessions.end_one(cursor, desk_request.agent.id, session_id)
    if ended is None:
        raise NotFound("no such session")
    context.hub.drop(ended)
    return _back("ended")


@router.post(f"{HOME}/authenticator")
def begin_app(context: Desk, desk_request: Enrolling) -> Response:
    """A key for an authenticator app."""
    sign_in.require_second_step_offered(context.settings.security, desk_request.session)
    with context.database.cursor() as cursor:
        second_step.begin(cursor, desk_request.agent.id, context.secret)
    return RedirectResponse(f"{HOME}/authenticator", status_code=303)


@router.get(f"{HOME}/authenticator")
def scan(context: Desk, desk_request: Enrolling) -> Response:
    """The key as a picture and in letters, and the field for its first code."""
    return _scan(context, desk_request)


@router.post(f"{HOME}/authenticator/confirm")
def confirm_app(request: Request, context: Desk, desk_request: Enrolling) -> Response:
    """The app's first code."""
    with context.database.cursor() as cursor:
        right = second_step.confirm(
            cursor, desk_request.agent.id, context.secret, desk_request.form.get("code", "")[:100]
        )
    if not right:
        problem = _("This code is not right. Check that the clock of your device is right, and enter the next code.")
        return _scan(context, desk_request, problem=problem, status=422)
    _log.info("authenticator app set up", agent=str(desk_request.agent.id))
    return _set_up_done(context, request, desk_request, How.TWO_STEPS)


@router.post(f"{HOME}/authenticator/remove")
def remove_app(context: Desk, desk_request: LatelyProven) -> Response:
    """Remove the app."""
    with context.database.cursor() as cursor:
        second_step.remove_app(cursor, desk_request.agent.id)
    _log.info("authenticator app removed", agent=str(desk_request.agent.id))
    return _back("removed")


@router.post(f"{HOME}/passkeys/options")
def passkey_options(context: Desk, desk_request: Enrolling) -> Response:
    """What the browser needs to create a passkey, as JSON."""
    sign_in.require_second_step_offered(context.settings.security, desk_request.session)
    organisation = own_name(context, desk_request.viewer.language)
    passkey = PasskeyRequest(context)
    return passkey.to_make(
        desk_request.agent.id, login=desk_request.agent.login, name=desk_request.name, organisation=organisation
    )


@router.post(f"{HOME}/passkeys")
def make_passkey(request: Request, context: Desk, desk_request: Enrolling) -> Response:
    """Store the passkey that the browser created."""
    sign_in.require_second_step_offered(context.settings.security, desk_request.session)
    passkey, name = PasskeyRequest(context), _name(desk_request) or desk_request.say(_("Passkey"))
    if not passkey.made(request, desk_request.form.get("credential", ""), desk_request.agent.id, name):
        problem = _("No passkey was made. Try again.")
        if desk_request.session.stage is Stage.SET_UP:
            return _set_up(context, desk_request, problem=problem, status=422)
        return _overview(context, desk_request, problem=problem, status=422)
    _log.info("passkey made", agent=str(desk_request.agent.id))
    response = _set_up_done(context, request, desk_request, How.PASSKEY)
    passkey.drop(response)
    return response


@router.post(HOME + "/passkeys/{passkey_id}/rename")
def rename_passkey(passkey_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """Rename a passkey."""
    with context.database.cursor() as cursor:
        if not (name := _name(desk_request)) or not passkeys.rename(cursor, desk_request.agent.id, passkey_id, name):
            raise NotFound("no such passkey")
    return _back("renamed")


@router.post(HOME + "/passkeys/{passkey_id}/remove")
def remove_passkey(passkey_id: UUID, context: Desk, desk_request: LatelyProven) -> Response:
    """Remove a passkey."""
    with context.database.cursor() as cursor:
        if not passkeys.remove(cursor, desk_request.agent.id, passkey_id):
            raise NotFound("no such passkey")
    _log.info("passkey removed", agent=str(desk_request.agent.id))
    return _back("removed")


def _overview(
    context: DeskContext, desk_request: DeskRequest, *, told: str = "", problem: str = "", status: int = 200
) -> Response:
    """The page with everything on it."""
    with context.database.cursor() as cursor:
        return Shell(context).page(
            "desk/security.html",
            desk_request,
            cursor,
            "settings",
            status=status,
            told=told,
            problem=problem,
            offered=sign_in.offers_second_step(context.settings.security),
            since=second_step.confirmed_since(cursor, desk_request.agent.id),
            keys=passkeys.of_agent(cursor, desk_request.agent.id),
            longest=passkeys.LONGEST_NAME,
            passkeys_possible=context.passkey_site is not None,
            codes_left=second_step.recovery_codes_left(cursor, desk_request.agent.id),
            sessions=sessions.of_agent(cursor, desk_request.agent.id),
            sign_ins=sign_ins.latest(cursor, desk_request.agent.id),
            how=SIGNED_IN_BY,
        )


def _set_up(context: DeskContext, desk_request: DeskRequest, *, problem: str = "", status: int = 200) -> Response:
    """The choice of a second step, for an agent who must have one."""
    possible = context.passkey_site is not None
    return _alone(context, "desk/set_up.html", desk_request, status, problem=problem, passkeys_possible=possible)


def _scan(context: DeskContext, desk_request: DeskRequest, *, problem: str = "", status: int = 200) -> Response:
    """The app's key as a picture and in letters, and the field for its first code."""
    with context.database.cursor() as cursor:
        key = second_step.waiting_key(cursor, desk_request.agent.id, context.secret)
    if key is None:
        return RedirectResponse(HOME if desk_request.session.stage is Stage.SIGNED_IN else f"{HOME}/set-up", 303)
    organisation = own_name(context, desk_request.viewer.language)
    address = second_step.address_for_app(key, login=desk_request.agent.login, organisation=organisation)
    groups = " ".join(key[at : at + 4] for at in range(0, len(key), 4))
    picture = second_step.picture_for_app(address)
    return _alone(
        context,
        "desk/authenticator.html",
        desk_request,
        status,
        problem=problem,
        picture=picture,
        key=groups,
        address=address,
    )


def _set_up_done(context: DeskContext, request: Request, desk_request: DeskRequest, how: How) -> Response:
    """After a second step is set up: the first recovery codes, if they were made now."""
    with context.database.cursor() as cursor:
        codes = sign_in.first_recovery_codes(cursor, desk_request.agent.id, context.secret)
    if codes:
        return _show_codes(context, request, desk_request, how, codes)
    response = _back("added")
    _finish(context, request, response, desk_request, how)
    return response


def _show_codes(
    context: DeskContext, request: Request, desk_request: DeskRequest, how: How, codes: list[str]
) -> Response:
    """New recovery codes, shown only this once."""
    _log.info("recovery codes made", agent=str(desk_request.agent.id))
    response = _alone(context, "desk/recovery_codes.html", desk_request, 200, codes=codes)
    _finish(context, request, response, desk_request, how)
    return response


def _finish(context: DeskContext, request: Request, response: Response, desk_request: DeskRequest, how: How) -> None:
    if desk_request.session.stage is Stage.SET_UP:
        Entrance(context).finish(request, response, desk_request.session, how)


def _alone(
    context: DeskContext, template: str, desk_request: DeskRequest, status: int, **values: object
) -> HTMLResponse:
    html = context.pages.render(
        template,
        desk_request.viewer,
        organisation=own_name(context, desk_request.viewer.language),
        csrf=sessions.csrf_for_page(desk_request.session),
        must=desk_request.session.stage is Stage.SET_UP,
        **values,
    )
    return HTMLResponse(html, status_code=status, headers=headers.PAGE)


def _name(desk_request: DeskRequest) -> str:
    return " ".join(desk_request.form.get("name", "").split())[: passkeys.LONGEST_NAME]


def _back(told: str) -> Response:
    return RedirectResponse(f"{HOME}?told={told}", status_code=303, headers={"Cache-Control": "no-store"})
