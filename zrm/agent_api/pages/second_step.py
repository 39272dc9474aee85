"""The second step of signing in: a code of the app, a recovery code, or a passkey."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, OwingSecondStep
from zrm.agent_api.pages.entrance import Entrance
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.passkey_requests import PasskeyRequest
from zrm.agent_api.pages.sign_in import TOO_MANY, local, own_name, wait
from zrm.agent_api.tries import Bounds
from zrm.casework.sign_in import second_step_by_code
from zrm.errors import TooManyTries
from zrm.kit import log
from zrm.security import second_step, sessions
from zrm.security.sessions import How
from zrm.ui import headers
from zrm.ui.i18n import _

router = page_router()
_log = log.get(__name__)


@router.get("/desk/sign-in/second")
def page(request: Request, context: Desk, desk_request: OwingSecondStep) -> Response:
    """The field for the code, and the passkey's button."""
    return _draw(context, request, desk_request)


@router.post("/desk/sign-in/second")
def take(request: Request, context: Desk, desk_request: OwingSecondStep) -> Response:
    """Let the agent in, or say that it was not right."""
    bounds = Bounds.of(context, request, str(desk_request.agent.id), desk_request.agent.id)
    try:
        bounds.count_try()
    except TooManyTries as error:
        return wait(_draw(context, request, desk_request, problem=TOO_MANY, status=429), error)
    how = _second_step(context, request, desk_request)
    if how is None:
        bounds.count_miss()
        _log.info("second step refused", agent=str(desk_request.agent.id))
        problem = _("This code is not right, or it was used already. Codes of the app change every half minute.")
        return _draw(context, request, desk_request, problem=problem, status=401)
    bounds.forgive()
    target = local(desk_request.form.get("next", "")) or "/desk"
    if how is How.RECOVERY_CODE:
        target = "/desk/security"  # that page says how many are left
    response = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
    Entrance(context).finish(request, response, desk_request.session, how)
    PasskeyRequest(context).drop(response)
    return response


@router.post("/desk/sign-in/second/passkey/options")
def options(context: Desk, desk_request: OwingSecondStep) -> Response:
    """What the browser needs to use one of the agent's passkeys, as JSON."""
    return PasskeyRequest(context).to_use(desk_request.agent.id)


def _draw(
    context: DeskContext, request: Request, desk_request: DeskRequest, *, problem: str = "", status: int = 200
) -> Response:
    with context.database.cursor() as cursor:
        app = second_step.confirmed_since(cursor, desk_request.agent.id) is not None
        keys = bool(context.passkey_site) and PasskeyRequest(context).has_any(cursor, desk_request.agent.id)
    html = context.pages.render(
        "desk/second_step.html",
        desk_request.viewer,
        organisation=own_name(context, desk_request.viewer.language),
        csrf=sessions.csrf_for_page(desk_request.session),
        next_href=local(desk_request.form.get("next", request.query_params.get("next", ""))),
        app=app,
        passkeys=keys,
        problem=problem,
    )
    return HTMLResponse(html, status_code=status, headers=headers.PAGE)


def _second_step(context: DeskContext, request: Request, desk_request: DeskRequest) -> How | None:
    """How the second step was taken; None if it was not."""
    if desk_request.form.get("credential"):
        return (
            How.PASSKEY
            if PasskeyRequest(context).used(request, desk_request.form["credential"], desk_request.agent.id)
            else None
        )
    code = desk_request.form.get("code", "")[:100]
    with context.database.cursor() as cursor:
        return second_step_by_code(cursor, desk_request.agent.id, context.secret, code)
