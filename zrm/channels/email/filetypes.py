"""A file's type by its content, when the sender's declaration differs.

libmagic gets the first bytes, with long runs of blanks shortened: its time grows with the square of a run. That moves
later offsets; the signatures of programs, which do harm, are at the beginning. Its result counts where it is certain
and the difference matters: a program declared as a picture. Text of all kinds, and office files that are archives
inside, keep their declared type.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from zrm.kit.media_types import usual_name

_HEAD: Final = 65_536
_BLANKS: Final = re.compile(rb"[\t-\r ]{17,}")
_LONGEST_PATTERN: Final = 1024
"""Bytes that its regular expressions search; those repeat their work, and tell only kinds of text apart."""
_PROGRAMS: Final = frozenset(
    {
        "application/x-dosexec", "application/vnd.microsoft.portable-executable", "application/x-executable", "application/x-sharedlib",
        "application/x-pie-executable", "application/x-mach-binary", "application/x-msi", "application/x-elf", "text/x-shellscript",
        "application/x-ms-shortcut", "application/x-object",
    }
)  # fmt: skip
_SURE: Final = _PROGRAMS | {
    "text/html", "image/svg+xml", "application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "image/tiff", "image/bmp",
    "application/zip", "application/x-rar", "application/gzip", "application/x-7z-compressed", "application/x-bzip2", "application/x-xz",
    "application/vnd.ms-cab-compressed", "application/x-tar",
}  # fmt: skip
_NOTHING_SAID: Final = frozenset(
    {"", "application/octet-stream", "application/binary", "application/x-download", "application/force-download"}
)
_ARCHIVES_INSIDE: Final = (
    "application/vnd.openxmlformats", "application/vnd.oasis.opendocument", "application/epub", "application/java-archive",
    "application/vnd.android", "application/vnd.google-earth.kmz", "application/vnd.ms-", "application/msword", "application/vnd.apple.",
)  # fmt: skip
_lock: Final = threading.Lock()


def true_type(claimed: str, data: bytes) -> tuple[str, bool]:
    """(media type to record, whether the sender's declaration was false) of a file that was declared as `claimed`."""
    said = usual_name(claimed.lower())
    found = _look(data)
    if found not in _SURE or found == said:
        return claimed, False
    if said in _NOTHING_SAID:
        return found, found in _PROGRAMS
    if found in _PROGRAMS or not (_is_archive_inside(said, found) or _is_text(said, found)):
        return found, True
    return claimed, False


def is_program(media_type: str) -> bool:
    """Whether a file of this type runs code when it is opened."""
    return media_type in _PROGRAMS


def _is_archive_inside(said: str, found: str) -> bool:
    return found == "application/zip" and said.startswith(_ARCHIVES_INSIDE)


def _is_text(said: str, found: str) -> bool:
    """Text with a tag in it looks like HTML to libmagic; under its own type it does no harm."""
    return found in ("text/html", "image/svg+xml") and (
        said.startswith(("text/", "message/")) or said.endswith(("+xml", "/xml"))
    )


@lru_cache(maxsize=1)
def _magic() -> Any:
    import_module("pylibmagic")  # puts the library where the next line finds it
    import magic

    looking = magic.Magic(mime=True)
    looking.setparam(magic.MAGIC_PARAM_REGEX_MAX, _LONGEST_PATTERN)
    return looking


def _look(data: bytes) -> str:
    if not data:
        return ""
    head = _BLANKS.sub(_shortened, data[:_HEAD])
    with _lock:
        return str(_magic().from_buffer(head))


def _shortened(blanks: re.Match[bytes]) -> bytes:
    return blanks[0][:16]
