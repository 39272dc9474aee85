"""The desk's frame around a page: the navigation with its numbers, the signed-in agent, the response's headers."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import HTMLResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest
from zrm.agent_api.pages.reason_sentences import worded
from zrm.casestore import case_list, worklists
from zrm.casestore.agent import Permission
from zrm.casestore.case_list import View
from zrm.casework import notifications
from zrm.casework.counters import Counters
from zrm.kit.db import Cursor
from zrm.localized import in_language
from zrm.security import sessions
from zrm.ui import headers
from zrm.ui.frame import DeskFrame, NavItem, NavSection
from zrm.ui.i18n import _

VIEW_NAMES = {
    View.UNASSIGNED: _("Unassigned"),
    View.MINE: _("Mine"),
    View.WAITING: _("Waiting for the citizen"),
    View.OPEN: _("All open"),
    View.CLOSED: _("Closed"),
}
_VIEW_LOOKS = {
    View.UNASSIGNED: ("inbox", "g u"),
    View.MINE: ("user-check", "g m"),
    View.WAITING: ("hourglass", "g w"),
    View.OPEN: ("circle-dot", "g a"),
    View.CLOSED: ("circle-check", "g c"),
}


class Shell:
    """Renders the desk's pages."""

    def __init__(self, context: DeskContext) -> None:
        self._context = context

    def page(
        self,
        template: str,
        desk_request: DeskRequest,
        cursor: Cursor,
        current: str,
        *,
        status: int = 200,
        search: bool = True,
        own_address: str = "",
        **values: object,
    ) -> HTMLResponse:
        """A whole page inside the frame; a page that needs the room has a link to the search in place of its field.

        `own_address`: the address of the page by GET. A page that refuses a form gets this address in the browser's
        history, so that Back and Reload request it and never send the form again.
        """
        frame = self.frame(desk_request, cursor, current, search=search)
        html = self._context.pages.render(
            template,
            desk_request.viewer,
            frame=frame,
            desk_request=desk_request,
            own_address=own_address if status >= HTTPStatus.BAD_REQUEST else "",
            told_reason=lambda reason: worded(reason, desk_request.viewer.language),
            **values,
        )
        return HTMLResponse(html, status_code=status, headers=headers.PAGE)

    def frame(self, desk_request: DeskRequest, cursor: Cursor, current: str, *, search: bool = True) -> DeskFrame:
        """What stands around the page, with the numbers as they are now."""
        waiting = worklists.work_counts(cursor)
        operates = desk_request.grants.everywhere(Permission.HANDLE_DELIVERIES)
        problems = len(self._context.problems(cursor, desk_request.grants))
        counts = Counters(case_list.counted(cursor), waiting, problems).of(desk_request.actor)
        return DeskFrame(
            organisation=self._context.settings.organisation.name.in_language(desk_request.viewer.language),
            user_name=desk_request.name,
            user_note=in_language(desk_request.agent.unit_names, desk_request.viewer.language),
            csrf=sessions.csrf_for_page(desk_request.session),
            current=current,
            sections=self._sections(desk_request, counts, overdue=waiting.overdue),
            unread=notifications.unread(cursor, desk_request.actor),
            events_href=f"/desk/events?since={desk_request.began:.3f}",
            search_href="/desk/search",
            search_field=search,
            problems_href="/desk/failed-deliveries" if operates and current != "failed_deliveries" else "",
            problems=problems,
        )

    def _sections(self, desk_request: DeskRequest, counts: dict[str, int], *, overdue: bool) -> list[NavSection]:
        views = [
            NavItem(
                view.value,
                desk_request.say(VIEW_NAMES[view]),
                f"/desk/queue/{view}",
                *_VIEW_LOOKS[view],
                count=counts.get(view.value),
            )
            for view in View
        ]
        if desk_request.grants.anywhere(Permission.TAKE_CONTACTS):
            views.append(NavItem("new-contact", desk_request.say(_("New contact")), "/desk/new-contact", "plus", "g k"))
        operations = []
        if desk_request.grants.everywhere(Permission.HANDLE_QUARANTINE):
            operations.append(
                NavItem(
                    "quarantine", desk_request.say(_("Quarantine")), "/desk/quarantine", "shield-half", "g q",
                    count=counts.get("quarantine"), urgent=overdue,
                )
            )  # fmt: skip
        if desk_request.grants.anywhere(Permission.HANDLE_DELIVERIES):
            operations.append(
                NavItem(
                    "failed_deliveries", desk_request.say(_("Delivery problems")), "/desk/failed-deliveries", "alert-triangle", "g t",
                    count=counts.get("failed_deliveries"), urgent=True,
                )
            )  # fmt: skip
        if desk_request.grants.everywhere(Permission.VIEW_LEDGER):
            operations.append(NavItem("ledger", desk_request.say(_("Contact ledger")), "/desk/ledger", "books", "g l"))
        administration = []
        if desk_request.grants.anywhere(Permission.MANAGE_TEMPLATES):
            administration.append(
                NavItem("templates", desk_request.say(_("Templates")), "/desk/templates", "file-text", "g p")
            )
        own = [NavItem("settings", desk_request.say(_("Settings")), "/desk/settings", "adjustments-horizontal", "g s")]
        sections = [NavSection("", views)]
        if operations:
            sections.append(NavSection(desk_request.say(_("Operations")), operations))
        if administration:
            sections.append(NavSection(desk_request.say(_("Administration")), administration))
        return [*sections, NavSection(desk_request.say(_("You")), own)]
