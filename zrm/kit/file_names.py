"""A file's bare name, from the sender's: without paths of any system, addresses, and direction marks."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

from zrm.kit.text import clean_line

LONGEST: Final = 150
"""Characters of a name that are kept; its extension is kept too, because people and programs rely on it."""

_JOINERS: Final = "\u200c\u200d"  # invisible, and Persian needs them
_ADDRESS: Final = re.compile(r"(?i)(?:https?|ftp|file)://")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
# Names that Windows reserves for devices, with any extension.
_RESERVED: Final = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)")
_LONGEST_ENDING: Final = 20


def file_name(written: str) -> str:
    """The name without folders, controls and direction marks, at most `LONGEST` characters; "" if nothing is left."""
    name = clean_line(written)
    if _ADDRESS.match(name):
        name = clean_line(unquote(name.partition("?")[0].partition("#")[0]))
    name = "".join(sign for sign in name if sign in _JOINERS or unicodedata.category(sign) not in ("Cc", "Cf"))
    name = name.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    name = _DRIVE.sub("", name, count=1) if _DRIVE.match(name) else name
    name = name.strip(" .")
    if _RESERVED.match(name):
        name = f"_{name}"
    if len(name) <= LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    if dot and len(ending) <= _LONGEST_ENDING:
        return f"{stem[: LONGEST - 1 - len(ending)]}.{ending}"
    return name[:LONGEST]
