"""Templates filled in: `{name}` and the like become the case's own words. Pure: a text and its values in, a text out.

The variables are a closed list. A brace that names none of them is refused when the template is written; in an old one
it is left as it stands, so that nothing is lost without being seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from zrm.kit.i18n import _

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
"""What may stand in braces, and what it becomes."""

IN_ACKNOWLEDGEMENTS: Final = ("code", "track", "organisation")
"""What may stand in an acknowledgement: nothing the citizen wrote, or a forged sender could have us carry words to others."""

_WORDS: Final = frozenset(VARIABLES) - {"code", "track"}
"""Variables in somebody's words. The code keeps its order by itself, and an address must stay one that can be tapped."""

_BRACES: Final = re.compile(r"\{([^{}\n]{0,40})\}")


@dataclass(frozen=True, slots=True)
class Filled:
    """A template's text for one case; `missing` are the variables that are empty in this case."""

    text: str
    missing: tuple[str, ...] = ()


def strange(text: str, known: Collection[str] = VARIABLES) -> list[str]:
    """What stands in braces and is no variable, as written, each once."""
    return list(dict.fromkeys(found[0] for found in _BRACES.finditer(text) if found[1] not in known))


def fill(text: str, values: Mapping[str, str]) -> Filled:
    """The text with the case's values; an empty one leaves no gap before a comma or between words.

    Words of the other writing direction are isolated, so that they do not turn the sentence around them (zammad#5819).
    """
    missing = tuple(dict.fromkeys(found[1] for found in _BRACES.finditer(text) if values.get(found[1]) == ""))
    for name in missing:
        text = re.sub(r"[ \u00a0]?\{" + name + r"\}", "", text)
    direction = _directions(text)[:1]

    def value(found: re.Match[str]) -> str:
        words = values.get(found[1], found[0])
        foreign = direction and found[1] in _WORDS and set(_directions(words)) - {direction}
        return f"\u2068{words}\u2069" if foreign else words

    return Filled(_BRACES.sub(value, text).strip(), missing)


def _directions(text: str) -> str:
    """The direction of each letter of a text, L or R; the first is that of the whole."""
    kinds = (unicodedata.bidirectional(letter) for letter in _BRACES.sub("", text))
    return "".join("L" if kind == "L" else "R" for kind in kinds if kind in ("L", "R", "AL"))


def around(greeting: str, text: str, signature: str) -> str:
    """An answer between its unit's greeting and signature; either may be empty."""
    return "\n\n".join(part for part in (greeting, text, signature) if part)
