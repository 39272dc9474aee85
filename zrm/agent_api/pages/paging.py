"""Where in a list of cases a page begins, as the "older" link says it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from zrm.casestore.case_list import CaseRow, PageKey
from zrm.errors import NotFound


def mark_of(row: CaseRow) -> str:
    """The mark of the place after a row."""
    return f"{row.last_contact_at.isoformat().replace('+00:00', 'Z')}_{row.id}"


def place_of(mark: str) -> PageKey | None:
    """The place that a mark names; None for no mark. Errors: NotFound when it is not one of ours."""
    if not mark:
        return None
    at, _sep, identifier = mark.partition("_")
    try:
        moment = datetime.fromisoformat(at)
        place = PageKey(moment, UUID(identifier))
    except ValueError:
        raise NotFound("no such page") from None
    if moment.tzinfo is None:
        raise NotFound("no such page")
    return place
