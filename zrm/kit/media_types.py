"""Media types that programs write under several names."""

from __future__ import annotations

from typing import Final

_USUAL: Final = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png", "image/x-ms-bmp": "image/bmp", "image/tif": "image/tiff",
    "application/x-pdf": "application/pdf", "application/x-zip-compressed": "application/zip", "application/x-gzip": "application/gzip",
    "application/vnd.rar": "application/x-rar", "application/x-rar-compressed": "application/x-rar", "application/xhtml+xml": "text/html",
}  # fmt: skip


def usual_name(media_type: str) -> str:
    """The name that browsers know, for a type in lower case; the type itself if it has no other."""
    return _USUAL.get(media_type, media_type)
