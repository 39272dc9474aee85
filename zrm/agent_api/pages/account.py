"""The agent's own pages: notices, settings, password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.history_sentences import notice_href, notice_text
from zrm.agent_api.pages.layout import Shell
from zrm.casestore.notification import Notice, NoticeKind
from zrm.casework import notifications
from zrm.casework.password_change import PasswordEntry, PasswordFlaw, PasswordRefused, change_password
from zrm.casework.preferences import set_preferences
from zrm.kit import log
from zrm.security import passwords
from zrm.security.passwords import Weakness
from zrm.ui.descriptions import title_of, worded
from zrm.ui.i18n import _, digits

_FLAWS = {
    PasswordFlaw.NOT_PRESENT: _("This is not your current password."),
    PasswordFlaw.NOT_REPEATED: _("The two new passwords are not the same."),
}
_log = log.get(__name__)


router = page_router()


@router.get("/desk/notifications")
def notices(context: Desk, desk_request: SignedIn) -> Response:
    """The newest notices."""
    with context.database.cursor() as cursor:
        lines = [_line(desk_request, notice) for notice in notifications.listing(cursor, desk_request.actor)]
        return Shell(context).page("desk/notifications.html", desk_request, cursor, "notifications", lines=lines)


@router.post("/desk/notifications/read")
def read_all(context: Desk, desk_request: SignedIn) -> Response:
    """Mark everything that was shown as read."""
    with context.database.cursor() as cursor:
        notifications.read_all(cursor, desk_request.actor, shown=_uuid(desk_request.form.get("shown", "")))
    return RedirectResponse("/desk/notifications", status_code=303)


@router.post("/desk/notifications/{notice_id}/read")
def read_one(notice_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """Mark one line as read."""
    with context.database.cursor() as cursor:
        notifications.read_line(cursor, desk_request.actor, notice_id)
    return RedirectResponse("/desk/notifications", status_code=303)


@router.post("/desk/preferences")
def preferences(request: Request, context: Desk, desk_request: SignedIn) -> Response:
    """How the agent wants their pages written."""
    with context.database.cursor() as cursor:
        set_preferences(cursor, desk_request.actor, desk_request.form)
    return RedirectResponse(_back(request), status_code=303)


@router.get("/desk/settings")
def settings(request: Request, context: Desk, desk_request: SignedIn) -> Response:
    """The choices, and the form for a new password."""
    saved = "saved" in request.query_params
    with context.database.cursor() as cursor:
        return Shell(context).page(
            "desk/settings.html", desk_request, cursor, "settings", errors=[], saved=saved, shortest=passwords.SHORTEST
        )


@router.post("/desk/settings/password")
def password(context: Desk, desk_request: SignedIn) -> Response:
    """Change the password."""
    errors = _change_password(context, desk_request)
    if not errors:
        return RedirectResponse("/desk/settings?saved", status_code=303)
    with context.database.cursor() as cursor:
        return Shell(context).page(
            "desk/settings.html",
            desk_request,
            cursor,
            "settings",
            status=422,
            own_address="/desk/settings",
            errors=errors,
            saved=False,
            shortest=passwords.SHORTEST,
        )


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A line of the list, in the reader's language. `words` and `href` are empty where they may not see the case (any
    more).
    """

    id: UUID
    kind: str
    at: datetime
    unread: int
    text: str
    words: str
    href: str


def _line(desk_request: DeskRequest, notice: Notice) -> NoticeLine:
    language, seen = desk_request.viewer.language, notice.unit_id is not None
    words = notice.words or worded(notice.words_description, language)
    if notice.kind == NoticeKind.SIGN_IN:
        words = words or desk_request.say(_("Unknown browser"))
    return NoticeLine(
        notice.id,
        notice.kind,
        notice.at,
        notice.unread,
        notice_text(notice.kind, title_of(notice, language), language),
        " ".join(words.split()),
        notice_href(notice.kind, notice.case_id, seen=seen),
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _change_password(context: DeskContext, desk_request: DeskRequest) -> list[tuple[str, str]]:
    """Change the password; returns (field, what is wrong) pairs, none if it was changed. Errors: TooManyTries."""
    entry = PasswordEntry(*(desk_request.form.get(name, "") for name in ("now", "new", "repeated")))
    own = (desk_request.agent.login, *desk_request.agent.names.values())
    try:
        ended = change_password(
            context.database, desk_request.actor, desk_request.session.token_hash, entry, context.settings, own=own
        )
    except PasswordRefused as refused:
        return [(name, _why_not(desk_request, flaw)) for name, flaw in refused.problems]
    for session_hash in ended:
        context.hub.drop(session_hash)
    _log.info("password changed", agent=str(desk_request.agent.id))
    return []


def _why_not(desk_request: DeskRequest, flaw: PasswordFlaw | Weakness) -> str:
    if isinstance(flaw, PasswordFlaw):
        return desk_request.say(_FLAWS[flaw])
    least, most = (digits(number, desk_request.viewer.language) for number in (passwords.SHORTEST, passwords.LONGEST))
    return desk_request.say(passwords.MESSAGES[flaw], least=least, most=most)


def _back(request: Request) -> str:
    """The page the choice was made on, if the browser names one of ours; only the path is used."""
    path = request.headers.get("referer", "").partition("//")[2].partition("/")[2].partition("?")[0]
    return f"/{path}" if path.startswith("desk/") and "\\" not in path and "//" not in path else "/desk"
