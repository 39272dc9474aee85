"""A request at the desk: the session of the cookie, the agent of the session, and the form they sent.

Every route behind sign-in takes one of the dependencies below. It finds the session, reads the form itself so that its
size is limited before anything is parsed, and checks the CSRF token of every unsafe request. Files are accepted only
from a signed-in agent, and the route class releases them when the request is over.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, cast
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Depends, Request
from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from zrm.agent_api.context import DeskContext
from zrm.casestore import directory
from zrm.casestore.agent import Permission
from zrm.casestore.directory import DeskAgent
from zrm.casework.context import ActingAgent
from zrm.errors import TooLarge, ZrmError
from zrm.languages import Calendar
from zrm.localized import in_language
from zrm.security import sessions
from zrm.security.grants import Grants, Units
from zrm.security.sessions import Session, Stage
from zrm.ui.i18n import gettext
from zrm.ui.viewer import Theme, Viewer

COOKIE: Final = ("zrm_desk", "/desk")
"""The name and the path of the session's cookie; `DeskContext.cookie` gives the name in this installation."""
MOST_FORM_BYTES: Final = 512 * 1024
MOST_UPLOAD_BYTES: Final = 25 * 1024 * 1024
MOST_FILES: Final = 10
_UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class SignInNeeded(ZrmError):
    """No agent is signed in (or the session has ended): show the sign-in page."""


class ForgedForm(ZrmError):
    """An unsafe request without the session's CSRF token: refused, nothing was done."""


@dataclass(frozen=True)
class DeskRequest:
    """One request of a signed-in agent; `began` is the wall-clock second from which on its page may be out of date."""

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
        return in_language(self.agent.names, self.viewer.language)

    def say(self, message: str, **values: object) -> str:
        """A message in the agent's language."""
        return gettext(self.viewer.language, message, **values)

    @property
    def actor(self) -> ActingAgent:
        """The acting agent, for the rules below."""
        return ActingAgent(self.agent.id, self.grants)

    @property
    def visible(self) -> Units:
        """The units whose cases the agent sees."""
        return self.actor.visible

    def may(self, permission: Permission, unit_id: UUID) -> bool:
        """Whether the agent may do this in the unit, so that the page offers it; the action itself checks again."""
        return self.actor.may(permission, unit_id)


class StageNeeded(ZrmError):
    """The session is not valid for this page: send the agent to what is still missing at `stage`."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.stage = stage


class ProofNeeded(ZrmError):
    """The agent must prove their identity again; nothing was done."""


async def signed_in(request: Request) -> DeskRequest:
    """The request of a signed-in agent. Errors: SignInNeeded, StageNeeded, ForgedForm, TooLarge."""
    return await _admit(request, (Stage.SIGNED_IN,))


async def lately_proven(request: Request) -> DeskRequest:
    """The request of an agent who has proved their identity within ten minutes. Errors: as `signed_in`, and
    ProofNeeded.
    """
    return _proven(await _admit(request, (Stage.SIGNED_IN,)))


async def enrolling(request: Request) -> DeskRequest:
    """As `lately_proven`, also for an agent who must set up a second step before anything else."""
    return _proven(await _admit(request, (Stage.SIGNED_IN, Stage.SET_UP)))


async def owing_second_step(request: Request) -> DeskRequest:
    """The request of an agent who owes the second step. Errors: as `signed_in`."""
    return await _admit(request, (Stage.SECOND_STEP,))


async def any_session(request: Request) -> DeskRequest:
    """The request of an agent with a session at any stage."""
    return await _admit(request, tuple(Stage))


SignedIn = Annotated[DeskRequest, Depends(signed_in)]
"""The parameter of every route behind sign-in."""
LatelyProven = Annotated[DeskRequest, Depends(lately_proven)]
"""For steps that matter: exports, permissions, how one signs in."""
Enrolling = Annotated[DeskRequest, Depends(enrolling)]
OwingSecondStep = Annotated[DeskRequest, Depends(owing_second_step)]
AnySession = Annotated[DeskRequest, Depends(any_session)]


async def _admit(request: Request, stages: tuple[Stage, ...]) -> DeskRequest:
    found = await run_in_threadpool(_find, request)
    request.state.desk_request = found
    if found.session.stage not in stages:
        raise StageNeeded(found.session.stage)
    if request.method in _UNSAFE:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            form, files = await read_parts(request)
            found = replace(found, form=form, files=files)
        else:
            found = replace(found, form=await read_form(request))
        given = request.headers.get("X-CSRF-Token") or found.form.get("csrf_token", "")
        if not sessions.csrf_matches(found.session, given):
            raise ForgedForm("no CSRF token")
    return found


def without_form(request: Request) -> DeskRequest:
    """The request of a signed-in agent that sends no form. Errors: SignInNeeded."""
    found = _find(request)
    if found.session.stage is not Stage.SIGNED_IN:
        raise SignInNeeded("not all of it")
    return found


def _find(request: Request) -> DeskRequest:
    context: DeskContext = request.app.state.desk
    token = request.cookies.get(context.cookie(*COOKIE).name, "")
    if not token:
        raise SignInNeeded("no session")
    with context.database.cursor() as cursor:
        session = sessions.find(cursor, token)
        agent = directory.at_desk(cursor, session.agent_id) if session else None
    if session is None or agent is None:
        raise SignInNeeded("no session")
    return DeskRequest(agent, session, Grants.of(agent.grants), viewer_of(agent, context))


def _proven(found: DeskRequest) -> DeskRequest:
    if not found.session.proven:
        raise ProofNeeded("not proven lately")
    return found


def viewer_of(agent: DeskAgent, context: DeskContext) -> Viewer:
    """How the agent's pages are written; the columns contain only values of these types."""
    return Viewer(
        agent.language,
        cast(Calendar, agent.calendar),
        cast(Theme, agent.theme),
        context.settings.organisation.timezone,
    )


async def read_form(request: Request) -> dict[str, str]:
    """A URL-encoded form of at most `MOST_FORM_BYTES`; of a field given twice the last value counts. Errors: TooLarge."""
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

    parser = MultiPartParser(
        request.headers, counted(), max_files=MOST_FILES + 1, max_fields=200, max_part_size=MOST_FORM_BYTES
    )
    try:
        parts = await parser.parse()
    except (MultiPartException, FormParserError, KeyError, ValueError):
        if sum(isinstance(value, UploadFile) for _name, value in parser.items) > MOST_FILES:
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
