"""Signing in at the organisation's identity provider, and showing there again who one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import Guard, SignInNeeded
from zrm.agent_api.entrance import Entrance
from zrm.agent_api.sealed_cookies import SealedCookie, SealedState
from zrm.agent_api.sign_in import local, sign_in_form
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
_SECONDS: Final = 600  # from the button to the answer
_FAILED: Final = _("The sign-in there did not work. Try again, or ask whoever looks after the desk.")
_STRANGER: Final = _("You are signed in there, but no agent of this desk belongs to that account.")
_log = log.get(__name__)


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the way to the provider and back on the router; without a provider there is nothing there."""
    cookie = SealedCookie(context, "zrm_provider", "/desk", seconds=_SECONDS)
    pages = _ProviderPages(context, cookie, guard)
    router.get("/desk/sign-in/provider")(pages.go)
    router.get("/desk/sign-in/provider/answer")(pages.come_back)


class _ProviderPages:
    def __init__(self, context: DeskContext, cookie: SealedCookie, guard: Guard) -> None:
        self._context, self._cookie, self._guard = context, cookie, guard
        self._entrance = Entrance(context)

    def _provider(self) -> tuple[IdentityProvider, Settings]:
        """Errors: NotFound where the settings name none."""
        provider, settings = self._context.provider, self._context.settings.security.identity_provider
        if provider is None or settings is None:
            raise NotFound("no identity provider")
        return provider, settings

    async def go(self, request: Request) -> Response:
        """Send the browser to the provider; `?confirm` of who is signed in, to show again who they are."""
        return await run_in_threadpool(self._go, request)

    async def come_back(self, request: Request) -> Response:
        """What the browser brings back from there."""
        return await run_in_threadpool(self._come_back, request)

    def _go(self, request: Request) -> Response:
        from zrm.security.identity_provider import ProviderFailed
        from zrm.security.identity_provider import SignInRequest as Secrets

        provider, _settings = self._provider()
        secrets, confirm = Secrets.new(), "confirm" in request.query_params
        next_href = local(request.query_params.get("next", ""))
        try:
            address = provider.address(secrets, again=confirm)
        except ProviderFailed as error:
            return self._failed(request, str(error), _FAILED, status=503)
        response = RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
        taken = (secrets.state, secrets.nonce, secrets.verifier)
        self._cookie.write(response, SealedState(_CONFIRM if confirm else _SIGN_IN, taken, next_href))
        return response

    def _come_back(self, request: Request) -> Response:
        from zrm.security.identity_provider import ProviderFailed
        from zrm.security.identity_provider import SignInRequest as Secrets

        provider, settings = self._provider()
        errand = self._cookie.read(request, _SIGN_IN) or self._cookie.read(request, _CONFIRM)
        if errand is None:
            return self._failed(request, "nobody was sent there", _FAILED, status=400)
        try:
            person = provider.person(Secrets(*errand.secrets), dict(request.query_params))
        except ProviderFailed as error:
            return self._failed(request, str(error), _FAILED, status=401)
        with self._context.database.cursor() as cursor:
            agent_id = agent_of(cursor, person.issuer, person.subject, person.login)
        if agent_id is None:
            return self._failed(request, "no agent has this account", _STRANGER, status=403)
        if errand.purpose == _CONFIRM:
            response = self._confirm(request, agent_id, person.authenticated_at, errand.next_href)
        else:
            whole, target = settings.proves_two_steps, errand.next_href
            response = self._entrance.enter(request, agent_id, How.PROVIDER, next_href=target, whole=whole)
        self._cookie.drop(response)
        return response

    def _confirm(self, request: Request, agent_id: object, authenticated_at: float, next_href: str) -> Response:
        """Only the agent who is signed in here, and only if the provider has really asked again."""
        try:
            visit = self._guard.of(request)
        except SignInNeeded:
            return self._failed(request, "the session ended meanwhile", _FAILED, status=401)
        fresh = now().timestamp() - authenticated_at < _SECONDS
        if visit.agent.id != agent_id or not fresh:
            return self._failed(request, "another agent, or not asked again", _FAILED, status=403)
        with self._context.database.cursor() as cursor:
            sessions.prove(cursor, visit.session.token_hash)
        return RedirectResponse(next_href or "/desk/security", status_code=303, headers={"Cache-Control": "no-store"})

    def _failed(self, request: Request, reason: str, problem: str, *, status: int) -> Response:
        _log.warning("sign-in at the identity provider failed", reason=reason)
        response = sign_in_form(self._context, request, next_href="", problem=problem, status=status)
        self._cookie.drop(response)
        return response
