"""Letting agents in: the cookies of the session that `casework.sign_in` begins, and the page they go on with."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import COOKIE
from zrm.agent_api.pages.error_pages import STAGE_PAGES
from zrm.agent_api.tries import BROWSER_COOKIE, marks_of
from zrm.casework import sign_in
from zrm.casework.sign_in import Proof
from zrm.kit import log
from zrm.security import browsers
from zrm.security.sessions import How, Session, Stage

_YEAR = 365 * 24 * 3600
_log = log.get(__name__)


class Entrance:
    """The desk's entrance."""

    def __init__(self, context: DeskContext) -> None:
        self._context = context

    def enter(
        self, request: Request, agent_id: UUID, how: How, *, next_href: str = "", whole: bool = False
    ) -> Response:
        """Begin a session for an agent who has proved their identity; `whole`: by both steps, if two are required."""
        with self._context.database.cursor() as cursor:
            proof = self._proof(request, agent_id, how)
            token, session = sign_in.enter(cursor, proof, self._context.settings.security, both_steps=whole)
        _log.info("signed in", agent=str(agent_id), how=how, stage=session.stage)
        target = STAGE_PAGES[session.stage]
        if session.stage is Stage.SIGNED_IN:
            target = next_href or target
        elif next_href and session.stage is Stage.SECOND_STEP:
            target += f"?next={quote(next_href, safe='')}"
        response = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
        self._give(request, response, token, session)
        return response

    def finish(self, request: Request, response: Response, session: Session, how: How) -> None:
        """Nothing is missing any more: the response carries a complete session in place of the earlier one."""
        with self._context.database.cursor() as cursor:
            token, whole = sign_in.finish(cursor, self._proof(request, session.agent_id, how))
        _log.info("signed in", agent=str(session.agent_id), how=how, stage=whole.stage)
        self._give(request, response, token, whole)

    def _proof(self, request: Request, agent_id: UUID, how: How) -> Proof:
        return Proof(
            agent_id,
            how,
            browsers.read(request.headers.get("user-agent", "")),
            known_browser=marks_of(self._context, request).knows(self._context.secret, agent_id),
            earlier_token=request.cookies.get(self._context.cookie(*COOKIE).name, ""),
        )

    def _give(self, request: Request, response: Response, token: str, session: Session) -> None:
        """The cookies: the session's and, once the agent is in, the browser's."""
        cookies: list[tuple[tuple[str, str], str, int | None]] = [(COOKIE, token, None)]
        if session.stage is Stage.SIGNED_IN:
            marks = marks_of(self._context, request).with_agent(self._context.secret, session.agent_id)
            cookies.insert(0, (BROWSER_COOKIE, marks, _YEAR))
        for named, value, seconds in cookies:
            ours = self._context.cookie(*named)
            response.set_cookie(
                ours.name,
                value,
                max_age=seconds,
                path=ours.path,
                httponly=True,
                samesite="lax",
                secure=self._context.secure,
            )
