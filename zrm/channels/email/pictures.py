"""The pictures that came with a mail, at the places where its HTML names them.

A picture is named by its Content-ID (in any case, percent-encoded, with or without its brackets or `cid:`), by its
Content-Location, or by its file name, whatever its disposition. Each place is rewritten to `cid:<content id>`, the one
form that the desk resolves, and a picture without an id gets one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import unescape
from typing import Final
from urllib.parse import unquote

from zrm.contract.files import InboundFile

_IMAGE: Final = re.compile(r"<img\b[^<>]{0,4000}>", re.IGNORECASE)
_SOURCE: Final = re.compile(r"((?<![\w-])src\s{0,20}=\s{0,20})(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)", re.IGNORECASE)
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._@+$=-]{1,200}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture among a mail's files, and its possible names in the HTML."""

    place: int  # in the list of files
    content_id: str
    location: str
    name: str


def put_in_place(html: str, files: list[InboundFile], pictures: Iterable[Picture]) -> str:
    """The HTML with each of the mail's own pictures as `cid:`; the files so named become inline, with that id."""
    names = _Names(pictures)

    def rewritten(match: re.Match[str]) -> str:
        written = match[2].strip("\"'")
        picture = names.find(written)
        if picture is None:
            return match[0]
        file = files[picture.place]
        plain = _PLAIN_ID.fullmatch(file.content_id) is not None
        identity = file.content_id if plain else f"picture-{picture.place + 1}@this.mail"
        files[picture.place] = replace(file, role="inline", content_id=identity)
        return match[0] if written == f"cid:{identity}" else f'{match[1]}"cid:{identity}"'

    return _IMAGE.sub(lambda image: _SOURCE.sub(rewritten, image[0], count=1), html)


class _Names:
    """The possible names of the pictures; of two with one name the first is meant."""

    def __init__(self, pictures: Iterable[Picture]) -> None:
        self._by_id: dict[str, Picture] = {}
        self._by_local_part: dict[str, Picture] = {}
        self._by_location: dict[str, Picture] = {}
        self._by_name: dict[str, Picture] = {}
        for picture in pictures:
            identity = picture.content_id.casefold()
            if identity:
                self._by_id.setdefault(identity, picture)
                self._by_local_part.setdefault(identity.partition("@")[0], picture)
            if picture.location:
                self._by_location.setdefault(picture.location, picture)
                self._by_name.setdefault(_last(picture.location), picture)
            if picture.name:
                self._by_name.setdefault(picture.name.casefold(), picture)

    def find(self, written: str) -> Picture | None:
        """The picture that a `src` means; None for an external one."""
        address = unescape(written).strip()
        scheme = address[:8].lower()
        if scheme.startswith("cid:"):
            identity = unquote(address[4:]).strip("<> ").casefold()
            return (
                self._by_id.get(identity)
                or self._by_id.get(address[4:].strip("<> ").casefold())
                or self._by_local_part.get(identity.partition("@")[0])
                or self._by_name.get(identity)
            )
        found = self._by_location.get(address) or self._by_location.get(unquote(address))
        if found is not None or scheme.startswith(("http:", "https:", "//", "data:")):
            return found
        return self._by_id.get(unquote(address).strip("<> ").casefold()) or self._by_name.get(_last(unquote(address)))


def _last(address: str) -> str:
    return address.replace("\\", "/").partition("?")[0].rpartition("/")[2].casefold()
