"""Signing in and out: by password, by passkey, by the organisation's identity provider; and the second step.

An unknown login, a wrong password and an agent who has left answer alike and cost alike; `tries` says how often somebody may
try. Signing in always begins a new session. The form before sign-in has a token of its own (a cookie and a field that must
agree), so that nobody can be signed in as somebody else by a foreign page.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import COOKIE, DeskRequest, Guard, SignInNeeded, read_form
from zrm.agent_api.entrance import Entrance
from zrm.agent_api.error_pages import guess_viewer
from zrm.agent_api.passkey_requests import PasskeyErrand
from zrm.agent_api.tries import Bounds
from zrm.casestore import directory
from zrm.errors import NotFound, TooManyTries
from zrm.kit import log
from zrm.security import headers, passwords, second_step, sessions
from zrm.security.sessions import How
from zrm.ui.i18n import _

_FORM_COOKIE: Final = ("zrm_sign_in", "/desk/sign-in")
_LONGEST_LOGIN: Final = 200
_OLD_PAGE: Final = _("The page was open for too long. Please try again.")
_TOO_MANY: Final = _("Too many tries. Wait a while and try again.")
_log = log.get(__name__)


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put sign-in and sign-out on the router."""
    entrance = Entrance(context)
    _add_passkey(router, context)
    _add_second_step(router, context, guard)

    @router.get("/desk/sign-in")
    async def sign_in_page(request: Request) -> Response:
        return sign_in_form(context, request, next_href=local(request.query_params.get("next", "")))

    @router.post("/desk/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request)
        next_href = local(form.get("next", ""))
        login = form.get("login", "").strip()[:_LONGEST_LOGIN]
        if not context.settings.security.passwords:
            raise NotFound("no passwords here")
        if not _is_our_form(context, request, form):
            return sign_in_form(context, request, next_href=next_href, login=login, problem=_OLD_PAGE, status=403)
        try:
            return await run_in_threadpool(_by_password, entrance, context, request, login, form, next_href)
        except TooManyTries as error:
            return _wait(sign_in_form(context, request, next_href=next_href, login=login, problem=_TOO_MANY, status=429), error)  # fmt: skip
        except SignInNeeded:
            problem = _("The login or the password is not right.")
            return sign_in_form(context, request, next_href=next_href, login=login, problem=problem, status=401)

    @router.post("/desk/sign-out")
    def sign_out(visit: DeskRequest = Depends(guard.anybody)) -> Response:
        with context.database.cursor() as cursor:
            sessions.end(cursor, visit.session.token_hash)
        context.hub.drop(visit.session.token_hash)
        response = RedirectResponse("/desk/sign-in", status_code=303, headers={"Cache-Control": "no-store"})
        ours = context.cookie(*COOKIE)
        response.delete_cookie(ours.name, path=ours.path, secure=context.secure)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response


def _add_passkey(router: APIRouter, context: DeskContext) -> None:
    entrance, passkeys = Entrance(context), PasskeyErrand(context)

    @router.post("/desk/sign-in/passkey/options")
    async def passkey_options(request: Request) -> Response:
        """What the browser needs to use a passkey, as JSON."""
        if not _is_our_form(context, request, await read_form(request)):
            return Response(status_code=403, headers={"Cache-Control": "no-store"})
        return await run_in_threadpool(passkeys.to_use)

    @router.post("/desk/sign-in/passkey")
    async def passkey(request: Request) -> Response:
        form = await read_form(request)
        next_href = local(form.get("next", ""))
        if not _is_our_form(context, request, form):
            return sign_in_form(context, request, next_href=next_href, problem=_OLD_PAGE, status=403)

        def enter() -> Response:
            bounds = Bounds.of(context, request, "", None)
            bounds.look_at_peer()
            agent_id = passkeys.used(request, form.get("credential", ""))
            if agent_id is None:
                bounds.count_peers_miss()
                raise SignInNeeded("no passkey of an agent's")
            return entrance.enter(request, agent_id, How.PASSKEY, next_href=next_href, whole=True)

        try:
            response = await run_in_threadpool(enter)
        except TooManyTries as error:
            return _wait(sign_in_form(context, request, next_href=next_href, problem=_TOO_MANY, status=429), error)
        except SignInNeeded:
            problem = _("This passkey opens nothing here. Sign in another way.")
            return sign_in_form(context, request, next_href=next_href, problem=problem, status=401)
        passkeys.drop(response)
        return response


def _add_second_step(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    entrance, passkeys = Entrance(context), PasskeyErrand(context)

    @router.get("/desk/sign-in/second")
    def second_page(request: Request, visit: DeskRequest = Depends(guard.owing)) -> Response:
        return draw(request, visit)

    @router.post("/desk/sign-in/second")
    def second(request: Request, visit: DeskRequest = Depends(guard.owing)) -> Response:
        """A code of the app, a recovery code, or a passkey's answer."""
        bounds = Bounds.of(context, request, str(visit.agent.id), visit.agent.id)
        try:
            bounds.count_try()
        except TooManyTries as error:
            return _wait(draw(request, visit, problem=_TOO_MANY, status=429), error)
        how = _second_step(context, passkeys, request, visit)
        if how is None:
            bounds.count_miss()
            _log.info("second step refused", agent=str(visit.agent.id))
            problem = _("This code is not right, or it was used already. Codes of the app change every half minute.")
            return draw(request, visit, problem=problem, status=401)
        bounds.forgive()
        target = local(visit.form.get("next", "")) or "/desk"
        if how is How.RECOVERY_CODE:
            target = "/desk/security"  # where it says how many are left
        response = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
        entrance.finish(request, response, visit.session, how)
        passkeys.drop(response)
        return response

    @router.post("/desk/sign-in/second/passkey/options")
    def options(visit: DeskRequest = Depends(guard.owing)) -> Response:
        return passkeys.to_use(visit.agent.id)

    def draw(request: Request, visit: DeskRequest, *, problem: str = "", status: int = 200) -> Response:
        with context.database.cursor() as cursor:
            app = second_step.confirmed_since(cursor, visit.agent.id) is not None
            keys = bool(context.passkey_site) and passkeys.has_any(cursor, visit.agent.id)
        html = context.pages.render(
            "desk/second_step.html",
            visit.viewer,
            organisation=own_name(context, visit.viewer.language),
            csrf=sessions.csrf_for_page(visit.session),
            next_href=local(visit.form.get("next", request.query_params.get("next", ""))),
            app=app,
            passkeys=keys,
            problem=problem,
        )
        return HTMLResponse(html, status_code=status, headers=headers.PAGE)


def _second_step(context: DeskContext, passkeys: PasskeyErrand, request: Request, visit: DeskRequest) -> How | None:
    """How the second step was taken; None if it was not."""
    if visit.form.get("credential"):
        return How.PASSKEY if passkeys.used(request, visit.form["credential"], visit.agent.id) else None
    code = visit.form.get("code", "")[:100]
    with context.database.cursor() as cursor:
        if second_step.right_code(cursor, visit.agent.id, context.secret, code):
            return How.TWO_STEPS
        if second_step.use_recovery_code(cursor, visit.agent.id, context.secret, code):
            return How.RECOVERY_CODE
    return None


def _by_password(
    entrance: Entrance, context: DeskContext, request: Request, login: str, form: dict[str, str], next_href: str
) -> Response:
    """Let somebody in by password. Errors: SignInNeeded when it is not to be, TooManyTries."""
    with context.database.cursor() as cursor:
        account = directory.account(cursor, login)
    bounds = Bounds.of(context, request, login, account.id if account else None)
    bounds.count_try()
    right = passwords.matches(form.get("password", ""), account.password_hash if account and account.active else None)
    if account is None or not right:
        bounds.count_miss()
        _log.info("sign-in refused", known_browser=bounds.known)
        raise SignInNeeded("wrong")
    bounds.forgive()
    return entrance.enter(request, account.id, How.PASSWORD, next_href=next_href)


def sign_in_form(
    context: DeskContext, request: Request, *, next_href: str, login: str = "", problem: str = "", status: int = 200
) -> Response:
    """The page before the desk, with its token."""
    viewer = guess_viewer(context, request)
    token = secrets.token_urlsafe(24)
    provider = context.settings.security.identity_provider
    html = context.pages.render(
        "desk/sign_in.html",
        viewer,
        organisation=own_name(context, viewer.language),
        own_address=f"/desk/sign-in?{urlencode({'lang': viewer.language, 'next': next_href})}" if problem else "",
        token=token,
        next_href=next_href,
        login=login,
        problem=problem,
        by_password=context.settings.security.passwords,
        provider=(provider.label.fa if viewer.language == "fa" else provider.label.en) if provider else "",
        passkeys=context.passkey_site is not None,
    )
    response = HTMLResponse(html, status_code=status, headers=headers.PAGE)
    ours = context.cookie(*_FORM_COOKIE)
    response.set_cookie(
        ours.name, token, path=ours.path, httponly=True, samesite="strict", secure=context.secure, max_age=3600
    )
    return response


def own_name(context: DeskContext, language: str) -> str:
    """The organisation's name in a language."""
    name = context.settings.organisation.name
    return name.fa if language == "fa" else name.en


def _is_our_form(context: DeskContext, request: Request, form: dict[str, str]) -> bool:
    token = request.cookies.get(context.cookie(*_FORM_COOKIE).name, "")
    return bool(token) and hmac.compare_digest(token.encode(), form.get("token", "").encode())


def _wait(response: Response, error: TooManyTries) -> Response:
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def local(target: str) -> str:
    """The address to go back to, only if it is a page of the desk: never a foreign host."""
    clean = (
        target.startswith("/desk/")
        and "\\" not in target
        and ".." not in target
        and not any(ord(sign) < 33 for sign in target)
    )
    return target if clean and not target.startswith("/desk/sign-") else ""
