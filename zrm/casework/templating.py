"""Fills in templates: `{name}` and the like become the case's own values. Pure: a text and its values in, a text out.

The variables are a closed list. Another name in braces is refused when the template is written; in an old template it
is left as it stands, so that the flaw stays visible.

A value of the other direction stands between isolates (U+2066 to U+2069); otherwise it would turn the sentence around
(zammad#5819). In SMS, where old telephones show those as boxes, older marks replace them when the text is sent
(`zrm.kit.direction.in_marks`). No mark stands directly at the end of an address: a program that makes it a link would
include the mark.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from zrm.ui.i18n import _

VARIABLES: Final[dict[str, str]] = {
    "name": _("the citizen's name"),
    "code": _("the tracking code"),
    "track": _("the address of the tracking page"),
    "unit": _("the unit that has the case"),
    "subject": _("what the case is about"),
    "title": _("the case's title"),
    "agent": _("your own name"),
    "organisation": _("the organisation's name"),
}
"""The variables that may stand in braces, and what each becomes."""

IN_ACKNOWLEDGEMENTS: Final = ("code", "track", "organisation")
"""The variables of an acknowledgement: nothing the citizen wrote; otherwise a forged sender could have us carry text to
others.
"""

_BRACES: Final = re.compile(r"\{([^{}\n]{0,40})\}")
_LRI, _FSI, _PDI, _LRM, _RLM = "\u2066", "\u2068", "\u2069", "\u200e", "\u200f"


@dataclass(frozen=True, slots=True)
class Filled:
    """A template's text for one case; `missing` are the variables that are empty in this case."""

    text: str
    missing: tuple[str, ...] = ()


def unknown_placeholders(text: str, known: Collection[str] = VARIABLES) -> list[str]:
    """The names in braces that are no variables, as written, each once."""
    return list(dict.fromkeys(found[0] for found in _BRACES.finditer(text) if found[1] not in known))


def beginning(text: str, most: int) -> list[tuple[str, bool]]:
    """A template's first `most` characters on one line, as (piece, whether it is a variable in its braces).

    A shortened text ends with an ellipsis, after a whole word where there is one, and never within braces.
    """
    line = " ".join(text.split())
    kept = line
    if len(line) > most:
        cut = next((found.start() for found in _BRACES.finditer(line) if found.start() < most < found.end()), most)
        kept = f"{line[:cut].rpartition(' ')[0] or line[:cut]}…" if cut == most else f"{line[:cut]}…"
    parts, place = list[tuple[str, bool]](), 0
    for found in _BRACES.finditer(kept):
        parts += [(kept[place : found.start()], False), (found[0], found[1] in VARIABLES)]
        place = found.end()
    return [(piece, named) for piece, named in (*parts, (kept[place:], False)) if piece]


def fill(text: str, values: Mapping[str, str]) -> Filled:
    """The text with the case's values; an empty one leaves no gap before a comma or between words."""
    missing = tuple(dict.fromkeys(found[1] for found in _BRACES.finditer(text) if values.get(found[1]) == ""))
    for name in missing:
        text = re.sub(r"[ \u00a0]?\{" + name + r"\}", "", text)
    direction = _directions(text)[:1]

    def value(found: re.Match[str]) -> str:
        name, words = found[1], values.get(found[1], found[0])
        if name == "code":
            return f"{_LRI}{words.removeprefix(_LRM)}{_PDI}" if direction == "R" else words
        if name == "track":
            begins = direction == "R" and text[: found.start()].rpartition("\n")[2].strip() == ""
            return f"{_RLM}{words}" if begins else words
        foreign = name in VARIABLES and direction and set(_directions(words)) - {direction}
        return f"{_FSI}{words}{_PDI}" if foreign else words

    return Filled(_BRACES.sub(value, text).strip(), missing)


def _directions(text: str) -> str:
    """The direction of each letter of a text, L or R; the first is that of the whole text."""
    kinds = (unicodedata.bidirectional(letter) for letter in _BRACES.sub("", text))
    return "".join("L" if kind == "L" else "R" for kind in kinds if kind in ("L", "R", "AL"))


def with_greeting_and_signature(greeting: str, text: str, signature: str) -> str:
    """An answer between its unit's greeting and signature; either may be empty."""
    return "\n\n".join(part for part in (greeting, text, signature) if part)
