"""Who is at the door of the desk: the session behind the cookie, the agent behind the session, the form they sent.

`Guard.visit` is the one dependency of every page behind sign-in: it finds the session, reads the form itself so that
its size has a limit before anything is parsed, and checks the CSRF token of every unsafe request. Files are taken from
who is signed in only, and the route class lets go of them when the request is over.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Final, cast
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from zrm.agent_api.context import DeskContext
from zrm.casestore import directory
from zrm.casestore.agent import Permission
from zrm.casestore.directory import DeskAgent
from zrm.errors import TooLarge, ZrmError
from zrm.kit.db import Cursor
from zrm.security import sessions
from zrm.security.grants import Grants, Units
from zrm.security.sessions import Session, Stage
from zrm.ui.calendars import Calendar
from zrm.ui.i18n import Language, gettext
from zrm.ui.viewer import Theme, Viewer

COOKIE: Final = ("zrm_desk", "/desk")
"""The name and the path of the session's cookie; `DeskContext.cookie` makes them those of this installation."""
MOST_FORM_BYTES: Final = 512 * 1024
MOST_UPLOAD_BYTES: Final = 25 * 1024 * 1024
MOST_FILES: Final = 10
_UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class SignInNeeded(ZrmError):
    """Nobody is signed in (or the session has ended): show the sign-in page."""


class ForgedForm(ZrmError):
    """An unsafe request without the session's CSRF token: refuse it, nothing was done."""


@dataclass(frozen=True)
class DeskRequest:
    """One request of a signed-in agent; `began` is the wall-clock second from which on its page may be behind the store."""

    agent: DeskAgent
    session: Session
    grants: Grants
    viewer: Viewer
    form: dict[str, str] = field(default_factory=dict)
    files: tuple[UploadFile, ...] = ()
    began: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        """The agent's name in their own language."""
        return self.agent.name_fa if self.viewer.language == "fa" else self.agent.name_en

    def say(self, message: str, **values: object) -> str:
        """A message in the agent's language."""
        return gettext(self.viewer.language, message, **values)

    @property
    def visible(self) -> Units:
        """The units whose cases the agent sees."""
        return self.grants.units(Permission.VIEW_CASES)

    def may(self, permission: Permission, unit_id: UUID) -> bool:
        """Whether the agent may do this in the unit; nothing is allowed where they may not even look."""
        return self.grants.has(Permission.VIEW_CASES, unit_id) and self.grants.has(permission, unit_id)

    def require(self, permission: Permission, unit_id: UUID) -> None:
        """Errors: NotFound for a unit the agent does not see, Forbidden for a step they may not take there."""
        self.grants.require(permission, unit_id, to_see=Permission.VIEW_CASES)


class StageNeeded(ZrmError):
    """The session is not good for this page: it leads to what is still missing at `stage`."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.stage = stage


class ProofNeeded(ZrmError):
    """The agent must show again who they are; nothing was done."""


class Guard:
    """Turns requests into visits.

    `visit` is for the desk's pages; `recent` for steps that matter (exports, permissions, how one signs in): there the agent
    has shown who they are within ten minutes. `owing` is for the second step alone, `enrolling` for setting one up.
    """

    def __init__(self, context: DeskContext) -> None:
        self._context = context

    async def visit(self, request: Request) -> DeskRequest:
        """The visit of a signed-in agent. Errors: SignInNeeded, StageNeeded, ForgedForm, TooLarge."""
        return await self._admit(request, (Stage.SIGNED_IN,))

    async def recent(self, request: Request) -> DeskRequest:
        """The visit of an agent who has lately shown who they are. Errors: as `visit`, and ProofNeeded."""
        return _proven(await self._admit(request, (Stage.SIGNED_IN,)))

    async def enrolling(self, request: Request) -> DeskRequest:
        """As `recent`, also for who must set up a second step before anything else."""
        return _proven(await self._admit(request, (Stage.SIGNED_IN, Stage.SET_UP)))

    async def owing(self, request: Request) -> DeskRequest:
        """The visit of an agent who owes the second step. Errors: as `visit`."""
        return await self._admit(request, (Stage.SECOND_STEP,))

    async def anybody(self, request: Request) -> DeskRequest:
        """The visit of whoever has a session, whatever it is good for."""
        return await self._admit(request, tuple(Stage))

    async def _admit(self, request: Request, stages: tuple[Stage, ...]) -> DeskRequest:
        visit = await run_in_threadpool(self._find, request)
        request.state.visit = visit
        if visit.session.stage not in stages:
            raise StageNeeded(visit.session.stage)
        if request.method in _UNSAFE:
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                form, files = await read_parts(request)
                visit = replace(visit, form=form, files=files)
            else:
                visit = replace(visit, form=await read_form(request))
            given = request.headers.get("X-CSRF-Token") or visit.form.get("csrf_token", "")
            if not sessions.csrf_matches(visit.session, given):
                raise ForgedForm("no CSRF token")
        return visit

    def of(self, request: Request) -> DeskRequest:
        """The visit of a signed-in agent, for a request that sends no form. Errors: SignInNeeded."""
        visit = self._find(request)
        if visit.session.stage is not Stage.SIGNED_IN:
            raise SignInNeeded("not all of it")
        return visit

    def _find(self, request: Request) -> DeskRequest:
        token = request.cookies.get(self._context.cookie(*COOKIE).name, "")
        if not token:
            raise SignInNeeded("no session")
        with self._context.database.cursor() as cursor:
            visit = self.find(cursor, token)
        if visit is None:
            raise SignInNeeded("no session")
        return visit

    def find(self, cursor: Cursor, token: str) -> DeskRequest | None:
        """The visit behind a cookie's token; None when it signs nobody in."""
        session = sessions.find(cursor, token)
        agent = directory.at_desk(cursor, session.agent_id) if session else None
        if session is None or agent is None:
            return None
        return DeskRequest(agent, session, Grants.of(agent.grants), viewer_of(agent, self._context))


def _proven(visit: DeskRequest) -> DeskRequest:
    if not visit.session.proven:
        raise ProofNeeded("not proven lately")
    return visit


def viewer_of(agent: DeskAgent, context: DeskContext) -> Viewer:
    """How the agent's pages are written; the columns hold no other words than these types know."""
    return Viewer(
        cast(Language, agent.language),
        cast(Calendar, agent.calendar),
        cast(Theme, agent.theme),
        context.settings.organisation.timezone,
    )


async def read_form(request: Request) -> dict[str, str]:
    """A URL-encoded form of at most `MOST_FORM_BYTES`; of a field given twice the last counts. Errors: TooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            raise TooLarge(MOST_FORM_BYTES)
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return {}
    return {name: _plain(value) for name, value in pairs}


async def read_parts(request: Request) -> tuple[dict[str, str], tuple[UploadFile, ...]]:
    """A form with files: its fields and its files that have a name; both empty when it cannot be read.

    Files above a megabyte lie in temporary files, kept in `request.state.uploads` until the request is over.
    Errors: TooLarge for more than `MOST_UPLOAD_BYTES` in all, or more than `MOST_FILES`.
    """

    async def counted() -> AsyncGenerator[bytes, None]:
        taken = 0
        async for chunk in request.stream():
            taken += len(chunk)
            if taken > MOST_UPLOAD_BYTES + MOST_FORM_BYTES:
                raise TooLarge(MOST_UPLOAD_BYTES)
            yield chunk

    try:
        parser = MultiPartParser(
            request.headers, counted(), max_files=MOST_FILES + 1, max_fields=200, max_part_size=MOST_FORM_BYTES
        )
        parts = await parser.parse()
    except (MultiPartException, FormParserError, KeyError, ValueError) as error:
        if isinstance(error, MultiPartException) and "Too many files" in error.message:
            raise TooLarge(MOST_UPLOAD_BYTES) from None
        return {}, ()
    form: dict[str, str] = {}
    files: list[UploadFile] = []
    for name, value in parts.multi_items():
        if isinstance(value, str):
            form[name] = _plain(value.encode("utf-8", "replace").decode())
        else:
            files.append(value)
    request.state.uploads = files
    named = tuple(file for file in files if file.filename)
    if len(named) > MOST_FILES:
        raise TooLarge(MOST_UPLOAD_BYTES)
    return form, named


def _plain(value: str) -> str:
    """NUL cannot be stored; browsers send line ends as CR LF."""
    return value.replace("\x00", "").replace("\r\n", "\n")
