"""Letting agents in: what is still missing after they proved their identity, the session, its cookies, and the
notification.

An agent who has a second step set up, or must have one, needs both steps. A passkey counts as both; so does the
identity provider where the settings say that it asks for two. A new session begins at each step, so that an earlier
one, planted or left over, gains no access.
"""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import COOKIE
from zrm.agent_api.pages.error_pages import STAGE_PAGES
from zrm.agent_api.tries import BROWSER_COOKIE, marks_of
from zrm.casestore import live, notification
from zrm.casestore.notification import NewNotice, NoticeKind
from zrm.kit import log
from zrm.kit.db import Cursor
from zrm.security import browsers, second_step, sessions, sign_ins
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
            stage = self._stage(cursor, agent_id, whole=whole)
            token, session = self._start(cursor, request, agent_id, how, stage)
        target = STAGE_PAGES[stage]
        if stage is Stage.SIGNED_IN:
            target = next_href or target
        elif next_href and stage is Stage.SECOND_STEP:
            target += f"?next={quote(next_href, safe='')}"
        response = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
        self._give(request, response, token, session)
        return response

    def finish(self, request: Request, response: Response, session: Session, how: How) -> None:
        """Nothing is missing any more: the response carries a complete session in place of the earlier one."""
        with self._context.database.cursor() as cursor:
            token, whole = self._start(cursor, request, session.agent_id, how, Stage.SIGNED_IN)
        self._give(request, response, token, whole)

    def _stage(self, cursor: Cursor, agent_id: UUID, *, whole: bool) -> Stage:
        if whole:
            return Stage.SIGNED_IN
        if second_step.has_one(cursor, agent_id):
            return Stage.SECOND_STEP
        required = self._context.settings.security.two_step == "required"
        return Stage.SET_UP if required else Stage.SIGNED_IN

    def _start(self, cursor: Cursor, request: Request, agent_id: UUID, how: How, stage: Stage) -> tuple[str, Session]:
        before = request.cookies.get(self._context.cookie(*COOKIE).name, "")
        if before:
            sessions.end(cursor, sessions.token_hash(before))
        browser = browsers.read(request.headers.get("user-agent", ""))
        token, session = sessions.start(cursor, agent_id, stage=stage, how=how, browser=browser)
        if stage is Stage.SIGNED_IN:
            known = marks_of(self._context, request).knows(self._context.secret, agent_id)
            returning = sign_ins.record(cursor, agent_id, how=how, browser=browser, known=known)
            if returning and not known:
                notification.tell(cursor, [NewNotice(agent_id, None, session.id, NoticeKind.SIGN_IN)])
                live.publish_change(cursor, "notification", [agent_id])
        _log.info("signed in", agent=str(agent_id), how=how, stage=stage)
        return token, session

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
