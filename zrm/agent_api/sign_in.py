"""Signing in and out.

An unknown login, a wrong password and an agent who has left answer alike and cost alike. Tries are counted for each
login from each peer, and misses for each peer over all logins; a success forgives the first and not the second. Signing
in always begins a new session. The form before sign-in has a token of its own (a cookie and a field that must agree),
so that nobody can be signed in as somebody else by a foreign page.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from zrm.agent_api.context import DeskContext
from zrm.agent_api.route import guess_viewer
from zrm.agent_api.visit import COOKIE, Guard, SignInNeeded, Visit, read_form
from zrm.casestore import roster
from zrm.errors import TooManyTries
from zrm.kit import log, throttle
from zrm.kit.i18n import _
from zrm.security import headers, passwords, sessions
from zrm.security.keyed import keyed_hash

_FORM_COOKIE: Final = ("zrm_sign_in", "/desk/sign-in")
_LONGEST_LOGIN: Final = 200
_PEERS_SHARE: Final = 3
"""How many times the tries of one login a peer has over all logins together."""
_log = log.get(__name__)


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put sign-in and sign-out on the router."""

    @router.get("/desk/sign-in")
    async def sign_in_page(request: Request) -> Response:
        return _form(context, request, next_href=_local(request.query_params.get("next", "")))

    @router.post("/desk/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request)
        next_href = _local(form.get("next", ""))
        form_cookie, session_cookie = context.cookie(*_FORM_COOKIE), context.cookie(*COOKIE)
        token = request.cookies.get(form_cookie.name, "")
        login = form.get("login", "").strip()[:_LONGEST_LOGIN]
        if not token or not hmac.compare_digest(token.encode(), form.get("token", "").encode()):
            problem = _("The page was open for too long. Please try again.")
            return _form(context, request, next_href=next_href, login=login, problem=problem, status=403)
        try:
            cookie = await run_in_threadpool(_sign_in, context, request, login, form.get("password", ""))
        except TooManyTries as error:
            problem = _("Too many tries. Wait a while and try again.")
            response = _form(context, request, next_href=next_href, login=login, problem=problem, status=429)
            response.headers["Retry-After"] = str(error.retry_after)
            return response
        except SignInNeeded:
            problem = _("The login or the password is not right.")
            return _form(context, request, next_href=next_href, login=login, problem=problem, status=401)
        response = RedirectResponse(next_href or "/desk", status_code=303, headers={"Cache-Control": "no-store"})
        response.delete_cookie(form_cookie.name, path=form_cookie.path, secure=context.secure)
        response.set_cookie(
            session_cookie.name,
            cookie,
            path=session_cookie.path,
            httponly=True,
            samesite="lax",
            secure=context.secure,
        )
        return response

    @router.post("/desk/sign-out")
    def sign_out(visit: Visit = Depends(guard.visit)) -> Response:
        with context.database.cursor() as cursor:
            sessions.end(cursor, visit.session.token_hash)
        context.hub.drop(visit.session.token_hash)
        response = RedirectResponse("/desk/sign-in", status_code=303, headers={"Cache-Control": "no-store"})
        ours = context.cookie(*COOKIE)
        response.delete_cookie(ours.name, path=ours.path, secure=context.secure)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response


def _sign_in(context: DeskContext, request: Request, login: str, password: str) -> str:
    """The token of a new session. Errors: SignInNeeded when it is not to be, TooManyTries."""
    peer = request.client.host if request.client else ""
    key = keyed_hash(context.secret, "sign-in", f"{login.casefold()}\0{peer}")
    whole = keyed_hash(context.secret, "sign-in peer", peer)
    rates = context.settings.rates
    most = rates.sign_in_tries * _PEERS_SHARE
    throttle.look(context.database, f"sign-in-peer:{whole}", tries=most, window=rates.sign_in_window)
    throttle.count_try(context.database, f"sign-in:{key}", tries=rates.sign_in_tries, window=rates.sign_in_window)
    with context.database.cursor() as cursor:
        account = roster.account(cursor, login)
    right = passwords.matches(password, account.password_hash if account and account.active else None)
    if account is None or not right:
        # Only misses count here: a whole town hall may sit behind one address and sign in at eight.
        throttle.count_try(context.database, f"sign-in-peer:{whole}", tries=most, window=rates.sign_in_window)
        _log.info("sign-in refused", peer=key)
        raise SignInNeeded("wrong")
    throttle.forgive(context.database, f"sign-in:{key}")
    before = request.cookies.get(context.cookie(*COOKIE).name, "")
    with context.database.cursor() as cursor:
        if before:
            sessions.end(cursor, sessions.token_hash(before))
        token, session = sessions.start(cursor, account.id)
    _log.info("signed in", agent=str(session.agent_id))
    return token


def _form(
    context: DeskContext, request: Request, *, next_href: str, login: str = "", problem: str = "", status: int = 200
) -> Response:
    viewer = guess_viewer(context, request)
    token = secrets.token_urlsafe(24)
    organisation = context.settings.organisation.name
    html = context.pages.render(
        "desk/sign_in.html",
        viewer,
        organisation=organisation.fa if viewer.language == "fa" else organisation.en,
        token=token,
        next_href=next_href,
        login=login,
        problem=problem,
    )
    response = HTMLResponse(html, status_code=status, headers=headers.PAGE)
    ours = context.cookie(*_FORM_COOKIE)
    response.set_cookie(
        ours.name, token, path=ours.path, httponly=True, samesite="strict", secure=context.secure, max_age=3600
    )
    return response


def _local(target: str) -> str:
    """The address to go back to, only if it is a page of the desk: never a foreign host."""
    clean = (
        target.startswith("/desk/")
        and "\\" not in target
        and ".." not in target
        and not any(ord(sign) < 33 for sign in target)
    )
    return target if clean and not target.startswith("/desk/sign-") else ""
