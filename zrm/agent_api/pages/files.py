"""Citizens' files: recordings, faxes, attachments, their HTML and the originals, each behind the case's permission.

Only sound, plain pictures and the pages we rendered ourselves are shown in place; everything else is saved, under a
type that no browser runs. A PDF opens in a tab of its own, without active content (`zrm.kit.still_pdf`); one that
cannot be cleaned is saved, and the original can always be saved. A citizen's HTML has an address of its own and a
sandbox, and loads nothing unless the agent asks for the pictures. A file that has a virus, or has not been scanned yet,
is given out only after a confirmation on a page of its own, and the case's history records the agent.
"""

from __future__ import annotations

import base64
import re
import threading
import unicodedata
from collections.abc import Mapping
from html import unescape
from typing import Final
from urllib.parse import quote, unquote
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse
from starlette.datastructures import UploadFile

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.layout import Shell
from zrm.casestore.contact_files import EmbeddedPicture, StoredFileRow
from zrm.casework import case_files
from zrm.casework.case_files import UnsafeFile
from zrm.contract.capabilities import of_channel
from zrm.contract.files import StoredFile
from zrm.contract.reasons import Reason
from zrm.errors import NotFound
from zrm.inbox.reading import Original
from zrm.kit import log, render_child
from zrm.kit.blobs import BlobStore
from zrm.kit.media_types import usual_name
from zrm.kit.still_pdf import still_pdf
from zrm.normalizer.html import PLACEHOLDER, sanitise
from zrm.ui import headers

SHOWN: Final = frozenset(
    {
        "audio/wav", "audio/x-wav", "audio/mpeg", "audio/ogg", "audio/webm", "audio/mp4", "audio/basic",
        "image/png", "image/jpeg", "image/gif", "image/webp",
    }
)  # fmt: skip
_PDF: Final = "application/pdf"
_PDF_BYTES: Final = 64 * 1024 * 1024
_PDF_SECONDS: Final = 15.0
_AT_A_TIME: Final = threading.BoundedSemaphore(2)
"""How many PDFs are cleaned at a time: each takes a process and several times its size."""
_PLAIN_BYTES: Final = 256 * 1024
_PICTURE_BYTES: Final = 8 * 1024 * 1024
_CID: Final = re.compile(r'src="\s*cid:([^"]*)"', re.IGNORECASE)
_log = log.get(__name__)
_MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}")


router = page_router()


@router.get("/desk/files/{file_id}")
def file(request: Request, file_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """A file of a contact; Range requests are answered, `?save` always saves."""
    try:
        with context.database.cursor() as cursor:
            stored = case_files.file(cursor, desk_request.actor, file_id)
    except UnsafeFile as unsafe:
        return _warn(context, desk_request, f"/desk/files/{file_id}", unsafe, unsafe.name)
    media_type = usual_name(stored.media_type.partition(";")[0].strip().lower())
    ours = stored.role == "rendition" and media_type == _PDF
    if not ours and is_pdf(stored.media_type, stored.name) and "save" not in request.query_params:
        return _still_pdf(context, stored)
    shown = (media_type in SHOWN or ours) and "save" not in request.query_params
    return _blob(context, stored.blob_key, stored.name, media_type if shown else "", shown=shown)


@router.post("/desk/files/{file_id}")
def save_in_spite(file_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """The file, although it has or may have a virus, for an agent who was warned."""
    with context.database.cursor() as cursor:
        stored = case_files.file_in_spite(cursor, desk_request.actor, file_id)
    return _blob(context, stored.blob_key, stored.name, "", shown=False)


@router.get("/desk/contacts/{contact_id}/original")
def original(request: Request, contact_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """A contact as received: saved, or (`?text`) its beginning as plain text."""
    with context.database.cursor() as cursor:
        found = case_files.original_to_read(cursor, desk_request.actor, contact_id)
    if "text" in request.query_params:
        return PlainTextResponse(_beginning(context, found), headers=headers.DOWNLOAD)
    try:
        with context.database.cursor() as cursor:
            case_files.original(cursor, desk_request.actor, contact_id)
    except UnsafeFile as unsafe:
        return _warn(context, desk_request, f"/desk/contacts/{contact_id}/original", unsafe, _name(found))
    return _original(context, found)


@router.post("/desk/contacts/{contact_id}/original")
def original_in_spite(contact_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """A contact as received, although a file in it has or may have a virus, for an agent who was warned."""
    with context.database.cursor() as cursor:
        found = case_files.original_in_spite(cursor, desk_request.actor, contact_id)
    return _original(context, found)


@router.get("/desk/contacts/{contact_id}/html")
def html(request: Request, contact_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """A contact's HTML, made harmless, for its frame; `?pictures` also loads remote ones."""
    with context.database.cursor() as cursor:
        found = case_files.html(cursor, desk_request.actor, contact_id)
    asked = "pictures" in request.query_params
    shown = _with_pictures(context, sanitise(found.html, remote_pictures=asked), found.pictures)
    page = (
        '<!doctype html><html dir="auto"><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        "<style>body{margin:12px;font:15px/1.6 system-ui,Tahoma,sans-serif;color:#1a1c21;background:#fff;"
        f'overflow-wrap:anywhere}}img{{max-width:100%}}</style><body dir="auto">{shown}</body></html>'
    )
    return HTMLResponse(page, headers=headers.FOREIGN_HTML_WITH_PICTURES if asked else headers.FOREIGN_HTML)


@router.get("/desk/contacts/{contact_id}/text")
def whole_text(contact_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """A contact's whole text, as far as it is stored, with the quotation below it."""
    with context.database.cursor() as cursor:
        text = case_files.whole_text(cursor, desk_request.actor, contact_id)
    return PlainTextResponse(text, headers=headers.DOWNLOAD)


def _warn(context: DeskContext, desk_request: DeskRequest, action: str, unsafe: UnsafeFile, name: str) -> Response:
    """Instead of the file: what is wrong with it, and the deliberate step."""
    with context.database.cursor() as cursor:
        return Shell(context).page(
            "desk/unsafe_file.html",
            desk_request,
            cursor,
            "",
            status=409,
            action=action,
            case_id=unsafe.case_id,
            name=harmless_name(name),
            threat=unsafe.threat,
        )


def _original(context: DeskContext, found: Original) -> Response:
    if found.body_key is not None:
        return _blob(context, found.body_key, _name(found), "", shown=False)
    return Response(found.body or b"", media_type="application/octet-stream", headers=_saved(_name(found)))


def _name(found: Original) -> str:
    return f"{found.channel}-{found.contact_id}.{of_channel(found.channel).original_suffix}"


def _with_pictures(context: DeskContext, html: str, pictures: Mapping[str, EmbeddedPicture]) -> str:
    """The HTML with the mail's own pictures embedded, because its sandbox may load nothing; too large ones are left
    out.
    """
    room = _PICTURE_BYTES
    by_id = {content_id.casefold(): picture for content_id, picture in pictures.items()}

    def put_in(match: re.Match[str]) -> str:
        nonlocal room
        named = match[1].strip()
        picture = by_id.get(unquote(unescape(named)).casefold())
        media_type = usual_name(picture.media_type) if picture else ""
        if not picture or not media_type.startswith("image/") or media_type not in SHOWN or picture.size > room:
            return f'src="{PLACEHOLDER}"'
        room -= picture.size
        return f'src="data:{media_type};base64,{base64.b64encode(context.blobs.get(picture.blob_key)).decode()}"'

    return _CID.sub(put_in, html)


def _beginning(context: DeskContext, found: Original) -> str:
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


def _still_pdf(context: DeskContext, stored: StoredFileRow) -> Response:
    """A PDF for a tab of its own, or saved as it came if it cannot be cleaned."""
    problem = "it is too large"
    if stored.size <= _PDF_BYTES and context.blobs.path(stored.blob_key).is_file():
        with _AT_A_TIME:
            made = render_child.in_child(still_pdf, context.blobs.get(stored.blob_key), _PDF_SECONDS)
        if not isinstance(made, Reason):
            inline = f"inline; filename*=UTF-8''{quote(harmless_name(stored.name), safe='')}"
            return Response(made[0], media_type=_PDF, headers={**headers.FOREIGN_PDF, "Content-Disposition": inline})
        problem = str(made)
    _log.info("a PDF is saved instead of shown", reason=problem)
    return _blob(context, stored.blob_key, stored.name, "", shown=False)


def is_pdf(media_type: str, name: str) -> bool:
    """Whether a file is a PDF by its type, or by its name where the sender's program gave no type."""
    usual = usual_name(media_type.partition(";")[0].strip().lower())
    return usual == _PDF or (usual == "application/octet-stream" and name.lower().endswith(".pdf"))


def _saved(name: str) -> Mapping[str, str]:
    return {
        **headers.DOWNLOAD,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(harmless_name(name), safe='')}",
    }


def keep(blobs: BlobStore, upload: UploadFile) -> StoredFile:
    """Put an agent's file into the store. If a later step fails, the file does no harm there.

    Errors: StoreUnavailable, StoreFull.
    """
    key, size = blobs.put(upload.file)
    media_type = (upload.content_type or "").partition(";")[0].strip().lower()
    known = media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"
    return StoredFile(key, size, harmless_name(upload.filename or ""), known)


def harmless_name(name: str) -> str:
    """A file's name without folders, control characters, or marks that reverse it ("exe.jpg" read backwards)."""
    kept = "".join("_" if sign in '/\\:"<>|?*' else sign for sign in name if unicodedata.category(sign)[0] != "C")
    return kept.strip(" .")[-150:] or "file"
