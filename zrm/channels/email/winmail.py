"""winmail.dat: what Outlook packs into TNEF, unpacked into the files and the words it holds."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from tnefparse import TNEF

from zrm.channels.email.charset import to_text
from zrm.kit import log
from zrm.kit.text import clean_line

_log = log.get(__name__)
_TYPES: Final = ("application/ms-tnef", "application/vnd.ms-tnef")
_SIGNATURE: Final = b"\x78\x9f\x3e\x22"
_MOST_FILES: Final = 200

logging.getLogger("tnefparse").setLevel(logging.CRITICAL)  # it would repeat what strangers send


@dataclass(slots=True)
class Packed:
    """What a winmail.dat holds: plain text, HTML, and files as (name, bytes)."""

    text: str = ""
    html: str = ""
    files: list[tuple[str, bytes]] = field(default_factory=list)


def is_winmail(media_type: str, name: str, data: bytes) -> bool:
    """Whether a part is TNEF, by its type or name and always by its first bytes."""
    return data.startswith(_SIGNATURE) and (media_type in _TYPES or name.lower() in ("winmail.dat", "win.dat"))


def unpack(data: bytes) -> Packed | None:
    """What is in it; None if it cannot be read (it stays a file then)."""
    try:
        found = TNEF(data, do_checksum=False)
        packed = Packed(_words(found.body), _words(found.htmlbody))
        for attachment in found.attachments[:_MOST_FILES]:
            name = clean_line(str(attachment.long_filename() or attachment.name or "")).strip("\x00")
            packed.files.append((name or f"file-{len(packed.files) + 1}", bytes(attachment.data)))
    except Exception as error:  # noqa: BLE001  # the library breaks in many ways on damaged input; the file is kept
        _log.info("winmail.dat not readable", channel="email", error=type(error).__name__)
        return None
    return packed


def _words(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bytes):
        return to_text(value.rstrip(b"\x00"))
    return value.rstrip("\x00") if isinstance(value, str) else ""
