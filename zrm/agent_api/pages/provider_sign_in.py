"""Signing in at the organisation's identity provider, and proving one's identity there again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import SignInNeeded, without_form
from zrm.agent_api.pages.entrance import Entrance
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.sign_in import local, sign_in_form
from zrm.agent_api.sealed_cookies import SealedCookie, SealedState
from zrm.config import IdentityProviderConfig as Settings
from zrm.errors import NotFound
from zrm.kit import log
from zrm.kit.clock import now
from zrm.security import sessions
from zrm.security.provider_accounts import agent_of
from zrm.security.sessions import How
from zrm.ui.i18n import _

if TYPE_CHECKING:
    from zrm.security.identity_provider import IdentityProvider

_SIGN_IN, _CONFIRM = "sign-in", "confirm"
_SECONDS: Final = 600  # from the button to the response
_FAILED: Final = _("The sign-in there failed. Try again, or ask the system administrator.")
_STRANGER: Final = _("You are signed in there, but no agent of this desk belongs to that account.")
_log = log.get(__name__)


router = page_router()


@router.get("/desk/sign-in/provider")
def go(request: Request, context: Desk) -> Response:
    """Send the browser to the provider; `?confirm` for a signed-in agent who proves their identity again."""
    from zrm.security.identity_provider import ProviderFailed
    from zrm.security.identity_provider import SignInRequest as Secrets

    provider, _settings = _provider(context)
    secrets, confirm = Secrets.new(), "confirm" in request.query_params
    next_href = local(request.query_params.get("next", ""))
    try:
        address = provider.address(secrets, again=confirm)
    except ProviderFailed as error:
        return _failed(context, request, str(error), _FAILED, status=503)
    response = RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
    taken = (secrets.state, secrets.nonce, secrets.verifier)
    _cookie(context).write(response, SealedState(_CONFIRM if confirm else _SIGN_IN, taken, next_href))
    return response


@router.get("/desk/sign-in/provider/answer")
def come_back(request: Request, context: Desk) -> Response:
    """The provider's response, brought back by the browser."""
    from zrm.security.identity_provider import ProviderFailed
    from zrm.security.identity_provider import SignInRequest as Secrets

    provider, settings = _provider(context)
    state = _cookie(context).read(request, _SIGN_IN) or _cookie(context).read(request, _CONFIRM)
    if state is None:
        return _failed(context, request, "no sign-in was started here", _FAILED, status=400)
    try:
        person = provider.person(Secrets(*state.secrets), dict(request.query_params))
    except ProviderFailed as error:
        return _failed(context, request, str(error), _FAILED, status=401)
    with context.database.cursor() as cursor:
        agent_id = agent_of(cursor, person.issuer, person.subject, person.login)
    if agent_id is None:
        return _failed(context, request, "no agent has this account", _STRANGER, status=403)
    if state.purpose == _CONFIRM:
        response = _confirm(context, request, agent_id, person.authenticated_at, state.next_href)
    else:
        whole, target = settings.proves_two_steps, state.next_href
        response = Entrance(context).enter(request, agent_id, How.PROVIDER, next_href=target, whole=whole)
    _cookie(context).drop(response)
    return response


def _provider(context: DeskContext) -> tuple[IdentityProvider, Settings]:
    """Errors: NotFound where the settings name no provider."""
    provider, settings = context.provider, context.settings.security.identity_provider
    if provider is None or settings is None:
        raise NotFound("no identity provider")
    return provider, settings


def _cookie(context: DeskContext) -> SealedCookie:
    return SealedCookie(context, "zrm_provider", "/desk", seconds=_SECONDS)


def _confirm(
    context: DeskContext, request: Request, agent_id: UUID, authenticated_at: float, next_href: str
) -> Response:
    """Only the agent who is signed in here, and only if the provider has really asked again."""
    try:
        desk_request = without_form(request)
    except SignInNeeded:
        return _failed(context, request, "the session ended meanwhile", _FAILED, status=401)
    fresh = now().timestamp() - authenticated_at < _SECONDS
    if desk_request.agent.id != agent_id or not fresh:
        return _failed(context, request, "another agent, or not asked again", _FAILED, status=403)
    with context.database.cursor() as cursor:
        sessions.prove(cursor, desk_request.session.token_hash)
    return RedirectResponse(next_href or "/desk/security", status_code=303, headers={"Cache-Control": "no-store"})


def _failed(context: DeskContext, request: Request, reason: str, problem: str, *, status: int) -> Response:
    _log.warning("sign-in at the identity provider failed", reason=reason)
    response = sign_in_form(context, request, next_href="", problem=problem, status=status)
    _cookie(context).drop(response)
    return response
