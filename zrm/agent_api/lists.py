"""The lists of cases, and finding one by its code."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.rows import row_values
from zrm.agent_api.shell import VIEW_NAMES, Shell
from zrm.agent_api.visit import Guard, Visit
from zrm.casestore import queue
from zrm.casestore.agent import Permission
from zrm.casestore.queue import Place, QueueRow, View
from zrm.errors import NotFound
from zrm.inbox import code as codes
from zrm.kit.i18n import _
from zrm.security.grants import covers

PAGE = 50

_EMPTY = {
    View.UNASSIGNED: (_("Nobody is waiting for somebody"), _("New cases of your units appear here by themselves.")),
    View.MINE: (_("You have no open case"), _("Take one from the unassigned cases: open it and press c.")),
    View.WAITING: (_("No case waits for a citizen"), _("Cases you have answered wait here until the citizen writes.")),
    View.OPEN: (_("No case is open"), _("New cases of your units appear here by themselves.")),
    View.CLOSED: (_("No case is closed yet"), _("Closed cases are kept here.")),
}


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the lists on the router."""
    shell = Shell(context)

    @router.get("/desk")
    @router.get("/desk/")
    async def home(visit: Visit = Depends(guard.visit)) -> Response:
        return RedirectResponse("/desk/queue/unassigned", status_code=303)

    @router.get("/desk/queue/{view}")
    def listing(request: Request, view: View, visit: Visit = Depends(guard.visit)) -> Response:
        after = _place(request.query_params.get("after", ""))
        with context.database.cursor() as cursor:
            rows = queue.page(cursor, view, visit.agent.id, visit.visible, limit=PAGE + 1, after=after)
            more = len(rows) > PAGE
            rows = rows[:PAGE]
            title, text = _EMPTY[view]
            return shell.page(
                "desk/queue.html",
                visit,
                cursor,
                view.value,
                heading=visit.say(VIEW_NAMES[view]),
                rows=[
                    row_values(row, visit.viewer, open_addresses=visit.may(Permission.VIEW_ADDRESSES, row.unit_id))
                    for row in rows
                ],
                match=_match(view, visit) if after is None else {"status": "none"},
                first_href=f"/desk/queue/{view}" if after else "",
                older_href=f"/desk/queue/{view}?after={_mark(rows[-1])}" if more else "",
                empty=(visit.say(title), visit.say(text)),
                page_size=PAGE,
            )

    @router.get("/desk/search")
    def search(request: Request, visit: Visit = Depends(guard.visit)) -> Response:
        """Finds a case by its tracking code, however it is typed."""
        typed = request.query_params.get("q", "")
        code = codes.read(typed)
        with context.database.cursor() as cursor:
            found = queue.case_of_code(cursor, code) if code else None
            if found and covers(visit.visible, found[1]):
                return RedirectResponse(f"/desk/cases/{found[0]}", status_code=303)
            return shell.page("desk/search.html", visit, cursor, "", typed=typed, is_code=code is not None)


def _match(view: View, visit: Visit) -> dict[str, str]:
    """What the open page keeps of the live events: the same rule as the query's."""
    match = {"status": " ".join(queue.STATUSES[view])}
    if view is View.UNASSIGNED:
        match["assignee"] = ""
    elif view is View.MINE:
        match["assignee"] = str(visit.agent.id)
    return match


def _mark(row: QueueRow) -> str:
    return f"{row.last_contact_at.isoformat().replace('+00:00', 'Z')}_{row.id}"


def _place(mark: str) -> Place | None:
    """The place an "older" link named. Errors: NotFound when it is none of ours."""
    if not mark:
        return None
    at, _sep, identifier = mark.partition("_")
    try:
        moment = datetime.fromisoformat(at)
        place = Place(moment, UUID(identifier))
    except ValueError:
        raise NotFound("no such page") from None
    if moment.tzinfo is None:
        raise NotFound("no such page")
    return place
