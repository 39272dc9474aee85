"""Templates filled in: `{name}` and the like become the case's own words. Pure: a text and its values in, a text out.

The variables are a closed list. A brace that names none of them is refused when the template is written; in an old one
it is left as it stands, so that nothing is lost without being seen.
"""

from __future__ import annotations

import re
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
    """The text with the case's values; an empty one leaves no gap before a comma or between words."""
    missing = tuple(dict.fromkeys(found[1] for found in _BRACES.finditer(text) if values.get(found[1]) == ""))
    for name in missing:
        text = re.sub(r"[ \u00a0]?\{" + name + r"\}", "", text)
    return Filled(_BRACES.sub(lambda found: values.get(found[1], found[0]), text).strip(), missing)


def around(greeting: str, text: str, signature: str) -> str:
    """An answer between its unit's greeting and signature; either may be empty."""
    return "\n\n".join(part for part in (greeting, text, signature) if part)
