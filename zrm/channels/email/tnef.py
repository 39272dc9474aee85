"""winmail.dat: Outlook's TNEF (MS-OXTNEF), unpacked into the files and texts it holds.

tnefparse reads the properties. The walk over the attributes is ours: the library's copies the rest of the stream at
each, opens nested messages, and trusts the sender's counts of properties and of their values.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tnefparse import TNEF, properties
from tnefparse.codepage import Codepage
from tnefparse.mapi import IMESSAGE_SIG, decode_mapi

from zrm.channels.email.charset import to_text
from zrm.kit import log
from zrm.kit.text import clean_line

_log = log.get(__name__)
_TYPES: Final = ("application/ms-tnef", "application/vnd.ms-tnef")
_SIGNATURE: Final = b"\x78\x9f\x3e\x22"
_MOST_FILES: Final = 200
_BEGINNING: Final = 6  # bytes before the first attribute
_HEAD: Final = 9  # bytes before an attribute's own, and
_AROUND: Final = 11  # with its checksum
_SMALLEST_PROPERTY: Final = 4  # bytes

logging.getLogger("tnefparse").setLevel(logging.CRITICAL)  # it would log what senders wrote


@dataclass(slots=True)
class Packed:
    """What a winmail.dat holds: plain text, HTML, and files as (name, bytes)."""

    text: str = ""
    html: str = ""
    files: list[tuple[str, bytes]] = field(default_factory=list)


def is_winmail(media_type: str, name: str, data: bytes) -> bool:
    """Whether a part is TNEF, by its type or name and always by its first bytes."""
    return data.startswith(_SIGNATURE) and (media_type in _TYPES or name.lower() in ("winmail.dat", "win.dat"))


@dataclass(slots=True)
class _File:
    """An attachment as far as it is read; `told` is its name in the first attribute, `title` the long name."""

    told: str | bytes = b""
    title: str | bytes = b""
    data: bytes = b""

    @property
    def name(self) -> str:
        name = self.title or self.told
        return clean_line((name if isinstance(name, str) else name.decode()).strip("\x00")).strip("\x00")


def unpack(data: bytes) -> Packed | None:
    """Its content; None if it cannot be parsed (it stays a file then)."""
    try:
        body, page, files = _read(data)
        packed = Packed(_words(body), _words(page))
        for file in files[:_MOST_FILES]:
            packed.files.append((file.name or f"file-{len(packed.files) + 1}", file.data))
    except Exception as error:  # noqa: BLE001  # the library breaks in many ways on damaged input; the file is kept
        _log.info("winmail.dat not readable", channel="email", error=type(error).__name__)
        return None
    return packed


def _read(data: bytes) -> tuple[object, object, list[_File]]:
    """The plain body, the HTML body, and the attachments."""
    body: object = None
    page: object = None
    files: list[_File] = []
    codepage = None
    for level, name, content in _attributes(data):
        if name == TNEF.ATTATTACHRENDDATA:
            files.append(_File())
        elif level == TNEF.LVL_ATTACHMENT:
            if not files:
                raise ValueError("an attachment's attribute before its beginning")
            _add(files[-1], name, content, codepage)
        elif name == TNEF.ATTBODY:
            body = content
        elif name == TNEF.ATTOEMCODEPAGE:
            codepage = Codepage(struct.unpack_from("<I", content)[0]).codepage()
        elif name == TNEF.ATTMAPIPROPS:
            said = {each.name: each for each in _properties(content, codepage)}
            internet = said.get(properties.MAPI_INTERNET_CODEPAGE)
            for which in (properties.MAPI_BODY, properties.MAPI_UNCOMPRESSED_BODY):
                body = said[which].data if which in said else body
            page = said[properties.MAPI_BODY_HTML].data if properties.MAPI_BODY_HTML in said else page
            if internet is not None:
                alphabet = Codepage(internet.data)
                body, page = (alphabet.decode(one) if one else one for one in (body, page))
    return body, page, files


def _attributes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The level, name and bytes of each attribute."""
    at = _BEGINNING
    while at + _AROUND < len(data):
        level, name, _, length = struct.unpack_from("<BHHI", data, at)
        yield level, name, data[at + _HEAD : at + _HEAD + length]
        at += length + _AROUND


def _add(file: _File, name: int, content: bytes, codepage: str | None) -> None:
    if name == TNEF.ATTATTACHTITLE:
        file.told = content
    elif name == TNEF.ATTATTACHDATA:
        file.data = content
    elif name == TNEF.ATTATTACHMENT:
        for each in _properties(content, codepage):
            if each.name == properties.MAPI_ATTACH_FILENAME or (
                each.name == properties.MAPI_DISPLAY_NAME and file.data and not file.told
            ):
                file.told = each.data
            elif each.name == properties.MAPI_ATTACH_LONG_FILENAME:
                file.title = file.title or each.data
            elif each.name == properties.MAPI_ATTACH_DATA_OBJ:
                file.data = each.data.removeprefix(IMESSAGE_SIG)


def _properties(content: bytes, codepage: str | None) -> list[Any]:
    """The MAPI properties, at most as many as the bytes can hold."""
    if len(content) < _SMALLEST_PROPERTY:
        return []
    (count,) = struct.unpack_from("<I", content)
    most = (len(content) - 4) // _SMALLEST_PROPERTY
    found: list[Any] = decode_mapi(_Ending(struct.pack("<I", min(count, most)) + content[4:]), codepage)
    return found


class _Ending(bytes):
    """Bytes with a guarded end: a property has no more values than the bytes can hold."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and key.start is not None and key.start > len(self):
            raise IndexError("behind the end")
        return super().__getitem__(key)


def _words(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bytes):
        return to_text(value.rstrip(b"\x00"))
    return value.rstrip("\x00") if isinstance(value, str) else ""
