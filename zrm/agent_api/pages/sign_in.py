"""Signing in and out: by password, by passkey, by the organisation's identity provider.

An unknown login, a wrong password and an agent who has left get the same response and take the same time; `tries`
limits the tries. Signing in always begins a new session. The form before sign-in has a token of its own (a cookie and a
field that must agree), so that a foreign page cannot sign an agent in as another.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import COOKIE, AnySession, SignInNeeded, read_form
from zrm.agent_api.pages.entrance import Entrance
from zrm.agent_api.pages.error_pages import guess_viewer, page_router
from zrm.agent_api.pages.passkey_requests import PasskeyRequest
from zrm.agent_api.tries import Bounds
from zrm.casestore import agent as agents
from zrm.errors import NotFound, TooManyTries
from zrm.kit import log
from zrm.security import passwords, sessions
from zrm.security.sessions import How
from zrm.ui import headers
from zrm.ui.i18n import _

_FORM_COOKIE: Final = ("zrm_sign_in", "/desk/sign-in")
_LONGEST_LOGIN: Final = 200
_OLD_PAGE: Final = _("The page was open for too long. Please try again.")
TOO_MANY: Final = _("Too many tries. Wait a while and try again.")
_log = log.get(__name__)


router = page_router()


@router.get("/desk/sign-in")
async def page(request: Request, context: Desk) -> Response:
    """The page before the desk; `?next=` is the page to go on with."""
    return sign_in_form(context, request, next_href=local(request.query_params.get("next", "")))


@router.post("/desk/sign-in")
async def sign_in(request: Request, context: Desk) -> Response:
    """By password. Errors: NotFound where passwords are not used."""
    form = await read_form(request)
    next_href = local(form.get("next", ""))
    login = form.get("login", "").strip()[:_LONGEST_LOGIN]
    if not context.settings.security.passwords:
        raise NotFound("no passwords here")
    if not _is_our_form(context, request, form):
        return sign_in_form(context, request, next_href=next_href, login=login, problem=_OLD_PAGE, status=403)
    try:
        return await run_in_threadpool(_by_password, context, request, login, form, next_href)
    except TooManyTries as error:
        response = sign_in_form(context, request, next_href=next_href, login=login, problem=TOO_MANY, status=429)
        return wait(response, error)
    except SignInNeeded:
        problem = _("The login or the password is not right.")
        return sign_in_form(context, request, next_href=next_href, login=login, problem=problem, status=401)


@router.post("/desk/sign-out")
def sign_out(context: Desk, desk_request: AnySession) -> Response:
    """End the session here."""
    with context.database.cursor() as cursor:
        sessions.end(cursor, desk_request.session.token_hash)
    context.hub.drop(desk_request.session.token_hash)
    response = RedirectResponse("/desk/sign-in", status_code=303, headers={"Cache-Control": "no-store"})
    ours = context.cookie(*COOKIE)
    response.delete_cookie(ours.name, path=ours.path, secure=context.secure)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@router.post("/desk/sign-in/passkey/options")
async def passkey_options(request: Request, context: Desk) -> Response:
    """What the browser needs to use a passkey, as JSON."""
    if not _is_our_form(context, request, await read_form(request)):
        return Response(status_code=403, headers={"Cache-Control": "no-store"})
    return await run_in_threadpool(PasskeyRequest(context).to_use)


@router.post("/desk/sign-in/passkey")
async def passkey(request: Request, context: Desk) -> Response:
    """By passkey."""
    form = await read_form(request)
    next_href = local(form.get("next", ""))
    if not _is_our_form(context, request, form):
        return sign_in_form(context, request, next_href=next_href, problem=_OLD_PAGE, status=403)
    try:
        response = await run_in_threadpool(_by_passkey, context, request, form, next_href)
    except TooManyTries as error:
        return wait(sign_in_form(context, request, next_href=next_href, problem=TOO_MANY, status=429), error)
    except SignInNeeded:
        problem = _("This passkey is not known here. Sign in another way.")
        return sign_in_form(context, request, next_href=next_href, problem=problem, status=401)
    PasskeyRequest(context).drop(response)
    return response


def _by_passkey(context: DeskContext, request: Request, form: dict[str, str], next_href: str) -> Response:
    """Let an agent in by passkey. Errors: SignInNeeded when it is refused, TooManyTries."""
    bounds = Bounds.of(context, request, "", None)
    bounds.look_at_peer()
    agent_id = PasskeyRequest(context).used(request, form.get("credential", ""))
    if agent_id is None:
        bounds.count_peers_miss()
        raise SignInNeeded("no passkey of an agent's")
    return Entrance(context).enter(request, agent_id, How.PASSKEY, next_href=next_href, whole=True)


def _by_password(context: DeskContext, request: Request, login: str, form: dict[str, str], next_href: str) -> Response:
    """Let an agent in by password. Errors: SignInNeeded when it is refused, TooManyTries."""
    with context.database.cursor() as cursor:
        account = agents.by_login(cursor, login)
    bounds = Bounds.of(context, request, login, account.id if account else None)
    bounds.count_try()
    right = passwords.matches(form.get("password", ""), account.password_hash if account and account.active else None)
    if account is None or not right:
        bounds.count_miss()
        _log.info("sign-in refused", known_browser=bounds.known)
        raise SignInNeeded("wrong")
    bounds.forgive()
    return Entrance(context).enter(request, account.id, How.PASSWORD, next_href=next_href)


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
        provider=provider.label.in_language(viewer.language) if provider else "",
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
    return context.settings.organisation.name.in_language(language)


def _is_our_form(context: DeskContext, request: Request, form: dict[str, str]) -> bool:
    token = request.cookies.get(context.cookie(*_FORM_COOKIE).name, "")
    return bool(token) and hmac.compare_digest(token.encode(), form.get("token", "").encode())


def wait(response: Response, error: TooManyTries) -> Response:
    """The response, with how long to wait."""
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
