"""A case as one line of a list: the same in the page and in a live event."""

from __future__ import annotations

from zrm.casestore.case_list import CaseRow
from zrm.localized import in_language
from zrm.ui.descriptions import title_of, worded
from zrm.ui.pages import Pages
from zrm.ui.viewer import Viewer


def row_values(row: CaseRow, viewer: Viewer) -> dict[str, object]:
    """What the macro `case_row` needs, in the viewer's language."""
    said = row.snippet or worded(row.snippet_description, viewer.language)
    title, snippet = _said_once(*(" ".join(text.split()) for text in (title_of(row, viewer.language), said)))
    return {
        "id": row.id,
        "href": f"/desk/cases/{row.id}",
        "title": title,
        "snippet": snippet,
        "person": row.person,
        "address": row.address,
        "kind": row.channel,
        "status": row.status,
        "at": row.last_contact_at,
        "sort": f"{row.last_contact_at.isoformat(timespec='microseconds')} {row.id}",
        "unit": in_language(row.unit_names, viewer.language),
        "assignee": in_language(row.assignee_names, viewer.language),
        "subject": in_language(row.subject_names, viewer.language),
        "unread": row.status == "new",
        "undelivered": row.undelivered,
    }


def _said_once(title: str, snippet: str) -> tuple[str, str]:
    """An SMS has its own beginning as its title: then its text is the title, whole, and is not shown twice."""
    begun = title.removesuffix("…").rstrip()
    return (snippet, "") if begun and snippet.startswith(begun) else (title, snippet)


def draw_row(pages: Pages, viewer: Viewer, row: CaseRow) -> str:
    """The line's HTML."""
    return pages.render("desk/row.html", viewer, row=row_values(row, viewer)).strip()
