"""The lists of cases."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import Desk
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.layout import VIEW_NAMES, Shell
from zrm.agent_api.pages.paging import mark_of, place_of
from zrm.agent_api.pages.rows import row_values
from zrm.casestore.case_list import View
from zrm.casework import case_reading
from zrm.ui.i18n import _

PAGE = 50

_EMPTY = {
    View.UNASSIGNED: (_("No unassigned cases"), _("New cases of your units appear here by themselves.")),
    View.MINE: (_("You have no open cases"), _("Open an unassigned case and press c to take it.")),
    View.WAITING: (
        _("No cases waiting for the citizen"),
        _("Cases you have answered stay here until the citizen writes again."),
    ),
    View.OPEN: (_("No open cases"), _("New cases of your units appear here by themselves.")),
    View.CLOSED: (_("No closed cases yet"), _("Closed cases are kept here.")),
}


router = page_router()


@router.get("/desk")
@router.get("/desk/")
async def home(_visit: SignedIn) -> Response:
    """The desk begins with the unassigned cases."""
    return RedirectResponse("/desk/queue/unassigned", status_code=303)


@router.get("/desk/queue/{view}")
def listing(request: Request, view: View, context: Desk, desk_request: SignedIn) -> Response:
    """One list, one page at a time."""
    after = place_of(request.query_params.get("after", ""))
    with context.database.cursor() as cursor:
        rows = case_reading.listing(cursor, desk_request.actor, view, limit=PAGE + 1, after=after)
        more = len(rows) > PAGE
        rows = rows[:PAGE]
        title, text = _EMPTY[view]
        return Shell(context).page(
            "desk/queue.html",
            desk_request,
            cursor,
            view.value,
            heading=desk_request.say(VIEW_NAMES[view]),
            rows=[row_values(row, desk_request.viewer) for row in rows],
            match=_match(view, desk_request) if after is None else {"status": "none"},
            first_href=f"/desk/queue/{view}" if after else "",
            older_href=f"/desk/queue/{view}?after={mark_of(rows[-1])}" if more else "",
            empty=(desk_request.say(title), desk_request.say(text)),
            page_size=PAGE,
        )


def _match(view: View, desk_request: DeskRequest) -> dict[str, str]:
    """What the open page keeps of the live events."""
    match = case_reading.match_of(desk_request.actor, view)
    status = {"status": " ".join(match.statuses)}
    return status if match.assignee is None else {**status, "assignee": str(match.assignee)}
