"""Contacts in quarantine, and what a person does about each."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.layout import Shell
from zrm.casestore import directory
from zrm.casework import quarantine_actions
from zrm.casework.context import InvalidInput
from zrm.errors import NotFound
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import Cursor

router = page_router()
_log = log.get(__name__)


@router.get("/desk/quarantine")
def held(context: Desk, desk_request: SignedIn) -> Response:
    """The quarantined contacts, the most urgent first."""
    with context.database.cursor() as cursor:
        return _draw(context, cursor, desk_request)


@router.post("/desk/quarantine/{contact_id}/{step}")
def handle(contact_id: UUID, step: str, context: Desk, desk_request: SignedIn) -> Response:
    """Take a contact, file it again, or set it aside with a reason."""
    with context.database.cursor() as cursor:
        match step:
            case "take":
                trace = quarantine_actions.take(cursor, desk_request.actor, contact_id)
            case "replay":
                trace = quarantine_actions.replay(cursor, desk_request.actor, contact_id)
            case "ignore":
                try:
                    trace = quarantine_actions.set_aside(
                        cursor, desk_request.actor, contact_id, desk_request.form.get("reason", "")
                    )
                except InvalidInput:
                    return _draw(context, cursor, desk_request, unreasoned=contact_id)
            case _:
                raise NotFound("no such step")
    _log.info("step taken", contact=str(contact_id), trace=trace, step=step, agent=str(desk_request.agent.id))
    return RedirectResponse("/desk/quarantine", status_code=303)


def _draw(
    context: DeskContext, cursor: Cursor, desk_request: DeskRequest, *, unreasoned: UUID | None = None
) -> Response:
    """The page; `unreasoned` is the contact that should be set aside, but without a reason."""
    rows = quarantine_actions.listing(cursor, desk_request.actor)
    owners = directory.agents_by_id(cursor, [row.owner_id for row in rows if row.owner_id])
    return Shell(context).page(
        "desk/quarantine.html",
        desk_request,
        cursor,
        "quarantine",
        status=422 if unreasoned else 200,
        own_address="/desk/quarantine",
        rows=rows,
        names={agent_id: agent.name(desk_request.viewer.language) for agent_id, agent in owners.items()},
        now=now(),
        unreasoned=unreasoned,
    )
