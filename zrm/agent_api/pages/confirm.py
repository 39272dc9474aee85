"""Proving one's identity again before a step that matters: by password, the app's code, a passkey or the identity
provider.
"""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.passkey_requests import PasskeyRequest
from zrm.agent_api.pages.sign_in import local, own_name
from zrm.casestore import agent as agents
from zrm.casestore.agent import NO_PASSWORD
from zrm.casework.sign_in import proves_again
from zrm.kit import log, throttle
from zrm.security import provider_accounts, second_step, sessions
from zrm.ui import headers
from zrm.ui.i18n import _

_log = log.get(__name__)


router = page_router()


@router.get("/desk/confirm")
def page(request: Request, context: Desk, desk_request: SignedIn) -> Response:
    """The ways to prove it; `?next=` is the page to go on with."""
    return _draw(context, desk_request, local(request.query_params.get("next", "")))


@router.post("/desk/confirm")
def confirm(request: Request, context: Desk, desk_request: SignedIn) -> Response:
    """Go on, or say that it was not right. Errors: TooManyTries."""
    rates, key = context.settings.rates, f"password:{desk_request.agent.id}"
    throttle.count_try(context.database, key, tries=rates.sign_in_tries, window=rates.sign_in_window)
    target = local(desk_request.form.get("next", ""))
    if not _shown(context, request, desk_request):
        return _draw(context, desk_request, target, problem=_("That is not right. Try again."), status=401)
    throttle.forgive(context.database, key)
    with context.database.cursor() as cursor:
        sessions.prove(cursor, desk_request.session.token_hash)
    _log.info("shown again who it is", agent=str(desk_request.agent.id))
    response = RedirectResponse(target or "/desk/security", status_code=303, headers={"Cache-Control": "no-store"})
    PasskeyRequest(context).drop(response)
    return response


@router.post("/desk/confirm/passkey/options")
def options(context: Desk, desk_request: SignedIn) -> Response:
    """What the browser needs to use one of the agent's passkeys, as JSON."""
    return PasskeyRequest(context).to_use(desk_request.agent.id)


def _shown(context: DeskContext, request: Request, desk_request: DeskRequest) -> bool:
    form = desk_request.form
    if form.get("credential"):
        return PasskeyRequest(context).used(request, form["credential"], desk_request.agent.id) is not None
    return proves_again(
        context.database,
        desk_request.agent.id,
        context.secret,
        context.settings.security,
        code=form.get("code", "")[:100],
        password=form.get("password", ""),
    )


def _draw(
    context: DeskContext, desk_request: DeskRequest, next_href: str, *, problem: str = "", status: int = 200
) -> Response:
    provider = context.settings.security.identity_provider
    with context.database.cursor() as cursor:
        account = agents.of_id(cursor, desk_request.agent.id)
        app = second_step.confirmed_since(cursor, desk_request.agent.id) is not None
        keys = bool(context.passkey_site) and PasskeyRequest(context).has_any(cursor, desk_request.agent.id)
        linked = provider is not None and provider_accounts.is_linked(cursor, desk_request.agent.id, provider.issuer)
    has_password = account is not None and account.password_hash != NO_PASSWORD
    html = context.pages.render(
        "desk/confirm.html",
        desk_request.viewer,
        organisation=own_name(context, desk_request.viewer.language),
        csrf=sessions.csrf_for_page(desk_request.session),
        next_href=next_href,
        problem=problem,
        by_password=has_password and context.settings.security.passwords,
        app=app,
        passkeys=keys,
        provider=provider.label.in_language(desk_request.viewer.language) if provider and linked else "",
    )
    return HTMLResponse(html, status_code=status, headers=headers.PAGE)
