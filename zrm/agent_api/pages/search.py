"""Finding cases by what is typed into the desk's header: words, names, numbers, codes.

What is searched for is mostly a citizen's name or number, and page addresses end up in logs and histories. So the form
is posted, and the page of results has it sealed in its address, which only this installation can read.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final
from urllib.parse import urlencode

from cryptography.fernet import Fernet, InvalidToken
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from psycopg.errors import QueryCanceled

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.layout import Shell
from zrm.agent_api.pages.paging import mark_of, place_of
from zrm.agent_api.pages.rows import row_values
from zrm.casestore.case_list import CaseRow, PageKey
from zrm.casestore.search import Hit
from zrm.casestore.search_words import LONGEST_QUERY, Query, excerpt, marked, parse
from zrm.casework import case_reading
from zrm.errors import NotFound
from zrm.inbox import code as codes
from zrm.kit.db import DatabaseAway
from zrm.ui.descriptions import worded

PAGE: Final = 25


router = page_router()


@router.post("/desk/search")
def ask(context: Desk, desk_request: SignedIn) -> Response:
    """Go to the results, or straight to the case whose code was typed."""
    typed = desk_request.form.get("q", "").strip()[: LONGEST_QUERY + 1]
    sealed = f"?{urlencode({'s': _SealedQuery(context.secret).closed(typed)})}" if typed else ""
    return _case(context, desk_request, typed) or RedirectResponse(f"/desk/search{sealed}", status_code=303)


@router.get("/desk/search")
def results(request: Request, context: Desk, desk_request: SignedIn) -> Response:
    """`s` is what was typed, sealed; `q` is plain text, in a link made elsewhere."""
    asked, seal = request.query_params, _SealedQuery(context.secret)
    typed = seal.opened(asked["s"]) if "s" in asked else asked.get("q", "")[: LONGEST_QUERY + 1]
    if "q" in asked and (case := _case(context, desk_request, typed)):
        return case
    query = parse(typed, context.settings.organisation.region)
    after = place_of(asked.get("after", ""))
    found, too_slow = _find(context, desk_request, query, after)
    first = f"/desk/search?{urlencode({'s': seal.closed(typed)})}"
    with context.database.cursor() as cursor:
        older = f"{first}&{urlencode({'after': mark_of(found[PAGE - 1][0])})}" if len(found) > PAGE else ""
        return Shell(context).page(
            "desk/search.html",
            desk_request,
            cursor,
            "",
            query=query,
            longest=LONGEST_QUERY,
            rows=[_values(desk_request, query, row, hit) for row, hit in found[:PAGE]],
            first_href=first if after else "",
            older_href=older,
            too_slow=too_slow,
            is_code=codes.read(typed) is not None,
            by_address=case_reading.searches_all_addresses(desk_request.actor),
        )


def _case(context: DeskContext, desk_request: DeskRequest, typed: str) -> Response | None:
    """Go to the case whose code was typed, if the agent may see it."""
    code = codes.read(typed)
    if code is None:
        return None
    with context.database.cursor() as cursor:
        case_id = case_reading.by_code(cursor, desk_request.actor, code)
    return RedirectResponse(f"/desk/cases/{case_id}", status_code=303) if case_id else None


def _find(
    context: DeskContext, desk_request: DeskRequest, query: Query, after: PageKey | None
) -> tuple[list[tuple[CaseRow, Hit]], bool]:
    """One line more than a page, and whether it took too long."""
    try:
        with context.database.cursor() as cursor:
            return case_reading.search(cursor, desk_request.actor, query, limit=PAGE + 1, after=after), False
    except DatabaseAway as error:
        if error.sqlstate != QueryCanceled.sqlstate:
            raise
        return [], True


def _values(desk_request: DeskRequest, query: Query, row: CaseRow, hit: Hit) -> dict[str, object]:
    """What the macro `case_row` needs, with the found words marked."""
    values = row_values(row, desk_request.viewer)
    title = str(values["title"])
    text = " ".join((hit.text or worded(hit.description, desk_request.viewer.language)).split())
    said_once = text.startswith(title.removesuffix("…").rstrip())
    values["title_pieces"] = excerpt(text, query.terms) if said_once and text else marked(title, query.terms)
    values["snippet_pieces"] = [] if said_once else excerpt(text, query.terms)
    values["person_pieces"] = marked(row.person, query.terms)
    return values


class _SealedQuery:
    """Seals what was typed for use in an address."""

    def __init__(self, secret: bytes) -> None:
        self._box = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"zrm desk search\0" + secret).digest()))

    def closed(self, typed: str) -> str:
        return self._box.encrypt(typed.encode("utf-8", "replace")).decode()

    def opened(self, sealed: str) -> str:
        """What was typed; empty for none. Errors: NotFound when we did not seal it."""
        if not sealed:
            return ""
        try:
            return self._box.decrypt(sealed.encode("utf-8", "replace")).decode()
        except InvalidToken:
            raise NotFound("no such search") from None
