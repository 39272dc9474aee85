"""Files of citizens: recordings, faxes, attachments, their HTML and the originals, each behind the case's permission.

Only sound, plain pictures and the pages we made ourselves are shown in place; everything else is saved, under a type
no browser runs. A citizen's HTML has an address of its own, a sandbox for an origin, and loads nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.visit import Guard, Visit
from zrm.casestore import timeline
from zrm.casestore.agent import Permission
from zrm.errors import NotFound
from zrm.inbox import reading
from zrm.kit.db import Cursor
from zrm.normalizer.html import sanitise
from zrm.security import headers
from zrm.security.grants import covers

SHOWN: Final = frozenset(
    {
        "audio/wav", "audio/x-wav", "audio/mpeg", "audio/ogg", "audio/webm", "audio/mp4", "audio/basic",
        "image/png", "image/jpeg", "image/gif", "image/webp",
    }
)  # fmt: skip
_RENDITION: Final = "application/pdf"
_PLAIN_BYTES: Final = 256 * 1024


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the files on the router."""

    @router.get("/desk/files/{file_id}")
    def file(request: Request, file_id: UUID, visit: Visit = Depends(guard.visit)) -> Response:
        """A file of a contact; Range requests are answered, `?save` always saves."""
        with context.database.cursor() as cursor:
            stored = timeline.stored_file(cursor, file_id)
        if stored is None or not covers(visit.visible, stored.unit_id):
            raise NotFound("no such file")
        media_type = stored.media_type.partition(";")[0].strip().lower()
        ours = stored.role == "rendition" and media_type == _RENDITION
        shown = (media_type in SHOWN or ours) and "save" not in request.query_params
        return _blob(context, stored.blob_key, stored.name, media_type if shown else "", shown=shown)

    @router.get("/desk/contacts/{contact_id}/html")
    def html(contact_id: UUID, visit: Visit = Depends(guard.visit)) -> Response:
        """A contact's HTML, made harmless, for its frame."""
        with context.database.cursor() as cursor:
            found = timeline.contact_html(cursor, contact_id)
        if found is None or not covers(visit.visible, found[0]):
            raise NotFound("no such contact")
        page = (
            '<!doctype html><html dir="auto"><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            "<style>body{margin:12px;font:15px/1.6 system-ui,Tahoma,sans-serif;color:#1a1c21;background:#fff;"
            f'overflow-wrap:anywhere}}img{{max-width:100%}}</style><body dir="auto">{sanitise(found[1])}</body></html>'
        )
        return HTMLResponse(page, headers=headers.FOREIGN_HTML)

    @router.get("/desk/contacts/{contact_id}/original")
    def original(request: Request, contact_id: UUID, visit: Visit = Depends(guard.visit)) -> Response:
        """A contact as it came through the door: saved, or (`?text`) its beginning as plain text."""
        with context.database.cursor() as cursor:
            _may_read_original(cursor, visit, contact_id)
            found = reading.original(cursor, contact_id)
        if found is None:
            raise NotFound("no such contact")
        if "text" in request.query_params:
            return PlainTextResponse(_beginning(context, found), headers=headers.DOWNLOAD)
        name = f"{found.channel}-{found.contact_id}.{'eml' if found.channel == 'email' else 'bin'}"
        if found.body_key is not None:
            return _blob(context, found.body_key, name, "", shown=False)
        return Response(found.body or b"", media_type="application/octet-stream", headers=_saved(name))


def _may_read_original(cursor: Cursor, visit: Visit, contact_id: UUID) -> None:
    """Who handles quarantine may read what is or was held; of a case, who sees it and may see addresses."""
    if visit.grants.anywhere(Permission.HANDLE_QUARANTINE) and reading.is_held(cursor, contact_id):
        return
    unit_id = timeline.unit_of_contact(cursor, contact_id)
    if unit_id is None:
        raise NotFound("no such contact")
    visit.require(Permission.VIEW_ADDRESSES, unit_id)


def _beginning(context: DeskContext, found: reading.Original) -> str:
    if found.body_key is None:
        data = (found.body or b"")[:_PLAIN_BYTES]
    else:
        with context.blobs.open(found.body_key) as file:
            data = file.read(_PLAIN_BYTES)
    return data.decode("utf-8", "replace")


def _blob(context: DeskContext, key: str, name: str, media_type: str, *, shown: bool) -> Response:
    path = context.blobs.path(key)
    if not path.is_file():
        raise NotFound("the file is not in the store")
    given = {**headers.SHOWN_FILE, "Content-Disposition": "inline"} if shown else _saved(name)
    return FileResponse(path, media_type=media_type or "application/octet-stream", headers=given)


def _saved(name: str) -> Mapping[str, str]:
    return {
        **headers.DOWNLOAD,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(harmless_name(name), safe='')}",
    }


def harmless_name(name: str) -> str:
    """A file's name without folders, control signs, or marks that turn it around ("exe.jpg" read backwards)."""
    kept = "".join("_" if sign in '/\\:"<>|?*' else sign for sign in name if unicodedata.category(sign)[0] != "C")
    return kept.strip(" .")[-150:] or "file"
