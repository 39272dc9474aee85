"""Finding cases by what is typed into the desk's header: words, names, numbers, codes.

What is searched for is mostly a citizen's name or number, and addresses of pages lie in logs and histories. So it is
posted, and the page of results has it sealed in its address, readable to nobody but this installation.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from psycopg.errors import QueryCanceled

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest, Guard
from zrm.agent_api.layout import Shell
from zrm.agent_api.paging import mark_of, place_of
from zrm.agent_api.rows import row_values
from zrm.casestore import case_list, search
from zrm.casestore.agent import Permission
from zrm.casestore.case import case_of
from zrm.casestore.case_list import PageKey, QueueRow
from zrm.casestore.search import Hit, Reach
from zrm.casestore.search_words import LONGEST_QUERY, Query, excerpt, marked, parse
from zrm.errors import NotFound
from zrm.inbox import code as codes
from zrm.kit.db import Cursor
from zrm.security.grants import covers
from zrm.ui.untitled_contacts import reworded

PAGE: Final = 25


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the search on the router."""
    shell = Shell(context)
    seal = _Seal(context.secret)
    region = context.settings.organisation.region

    @router.post("/desk/search")
    def ask(visit: DeskRequest = Depends(guard.visit)) -> Response:
        typed = visit.form.get("q", "").strip()[: LONGEST_QUERY + 1]
        sealed = f"?{urlencode({'s': seal.closed(typed)})}" if typed else ""
        return _case(visit, typed) or RedirectResponse(f"/desk/search{sealed}", status_code=303)

    @router.get("/desk/search")
    def results(request: Request, visit: DeskRequest = Depends(guard.visit)) -> Response:
        """`s` is what was typed, sealed; `q` as it is, in a link that somebody else made."""
        asked = request.query_params
        typed = seal.opened(asked["s"]) if "s" in asked else asked.get("q", "")[: LONGEST_QUERY + 1]
        if "q" in asked and (case := _case(visit, typed)):
            return case
        query = parse(typed, region)
        after = place_of(asked.get("after", ""))
        hits, too_slow = _find(visit, query, after)
        first = f"/desk/search?{urlencode({'s': seal.closed(typed)})}"
        with context.database.cursor() as cursor:
            found = _rows(cursor, visit, hits)
            older = f"{first}&{urlencode({'after': mark_of(found[PAGE - 1][0])})}" if len(found) > PAGE else ""
            return shell.page(
                "desk/search.html",
                visit,
                cursor,
                "",
                query=query,
                longest=LONGEST_QUERY,
                rows=[_values(visit, query, row, hit) for row, hit in found[:PAGE]],
                first_href=first if after else "",
                older_href=older,
                too_slow=too_slow,
                is_code=codes.read(typed) is not None,
                by_address=_reach(visit).by_address is None,
            )

    def _case(visit: DeskRequest, typed: str) -> Response | None:
        """To the case whose code was typed, if it is one that the agent may see."""
        code = codes.read(typed)
        if code is None:
            return None
        with context.database.cursor() as cursor:
            case_id = case_of(cursor, code)
            row = next(iter(case_list.rows(cursor, [case_id])), None) if case_id else None
        found = row is not None and covers(visit.visible, row.unit_id)
        return RedirectResponse(f"/desk/cases/{case_id}", status_code=303) if found else None

    def _find(visit: DeskRequest, query: Query, after: PageKey | None) -> tuple[list[Hit], bool]:
        """One hit more than a page, and whether it took too long."""
        try:
            with context.database.cursor() as cursor:
                return search.find(cursor, query, _reach(visit), limit=PAGE + 1, after=after), False
        except QueryCanceled:
            return [], True


def _reach(visit: DeskRequest) -> Reach:
    return Reach(visit.visible, visit.grants.both(Permission.VIEW_CASES, Permission.VIEW_ADDRESSES))


def _rows(cursor: Cursor, visit: DeskRequest, hits: list[Hit]) -> list[tuple[QueueRow, Hit]]:
    """The lines of the hits, in their order; a case may have left the agent's units in between."""
    rows: dict[UUID, QueueRow] = {row.id: row for row in case_list.rows(cursor, [hit.case_id for hit in hits])}
    return [(rows[hit.case_id], hit) for hit in hits if covers(visit.visible, rows[hit.case_id].unit_id)]


def _values(visit: DeskRequest, query: Query, row: QueueRow, hit: Hit) -> dict[str, object]:
    """What the macro `case_row` wants, with the words that were found pointed out."""
    values = row_values(row, visit.viewer, open_addresses=visit.may(Permission.VIEW_ADDRESSES, row.unit_id))
    title = str(values["title"])
    text = " ".join(reworded(hit.text, row.channel, visit.viewer.language).split())
    said_once = text.startswith(title.removesuffix("…").rstrip())
    values["title_pieces"] = excerpt(text, query.terms) if said_once and text else marked(title, query.terms)
    values["snippet_pieces"] = [] if said_once else excerpt(text, query.terms)
    values["person_pieces"] = marked(row.person, query.terms)
    return values


class _Seal:
    """Makes what was typed fit for an address."""

    def __init__(self, secret: bytes) -> None:
        self._box = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"zrm desk search\0" + secret).digest()))

    def closed(self, typed: str) -> str:
        return self._box.encrypt(typed.encode("utf-8", "replace")).decode()

    def opened(self, sealed: str) -> str:
        """What was typed; empty for none. Errors: NotFound when it is not of our making."""
        if not sealed:
            return ""
        try:
            return self._box.decrypt(sealed.encode("utf-8", "replace")).decode()
        except InvalidToken:
            raise NotFound("no such search") from None
