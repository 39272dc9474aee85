"""Short texts that templates need: labels of closed vocabularies, sizes, codes, paragraphs.

A vocabulary maps a stored code to (msgid, tone, icon). The tone is one of neutral, info, good, warn, bad; colour never
stands alone: each badge also has an icon and a word.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from zrm.contract.capabilities import of_channel
from zrm.kit.direction import isolate_codes, reading_direction
from zrm.languages import LANGUAGES, Language
from zrm.ui.i18n import _, digits, gettext


class Word(NamedTuple):
    """How a stored code is shown: the English msgid, a tone and an icon's name."""

    label: str
    tone: str
    icon: str


CASE_STATUS: Final = {
    "new": Word(_("New"), "info", "circle-dashed"),
    "open": Word(_("Open"), "info", "circle-dot"),
    "in_progress": Word(_("In progress"), "info", "circle-dot"),
    "waiting": Word(_("Waiting for the citizen"), "warn", "hourglass"),
    "answered": Word(_("Answered"), "good", "arrow-forward-up"),
    "reopened": Word(_("Reopened"), "warn", "refresh"),
    "closed": Word(_("Closed"), "neutral", "circle-check"),
}

DELIVERY_STATE: Final = {
    "queued": Word(_("Queued"), "neutral", "hourglass"),
    "sending": Word(_("Sending"), "info", "send"),
    "sent": Word(_("Sent"), "info", "check"),
    "delivered": Word(_("Delivered"), "good", "checks"),
    "failed": Word(_("Not delivered"), "bad", "circle-x"),
    "unknown": Word(_("Unclear whether it was sent"), "warn", "help-circle"),
    "withdrawn": Word(_("Taken back before it was sent"), "neutral", "arrow-back-up"),
}
_ON_PAGE: Final = Word(_("Shown on the tracking page"), "good", "world")

DELIVERY_KIND: Final = {
    "answer": Word(_("Answer"), "neutral", "send"),
    "acknowledgement": Word(_("Acknowledgement"), "neutral", "robot"),
    "closing_message": Word(_("Closing message"), "neutral", "circle-check"),
    "proof_link": Word(_("Link to the tracking page"), "neutral", "link"),
}

QUARANTINE_STATE: Final = {
    "held": Word(_("In quarantine"), "warn", "shield-half"),
    "replayed": Word(_("Filed after all"), "good", "circle-check"),
    "dismissed": Word(_("Set aside with a reason"), "neutral", "circle-x"),
}

CITIZEN_STATE: Final = {
    "received": Word(_("Received"), "info", "inbox"),
    "in_progress": Word(_("In progress"), "info", "circle-dot"),
    "answered": Word(_("Answered"), "good", "message"),
    "closed": Word(_("Closed"), "neutral", "circle-check"),
}

_SIZES: Final = (_("%(number)s B"), _("%(number)s kB"), _("%(number)s MB"), _("%(number)s GB"))
_BLANK_LINES: Final = re.compile(r"\n[ \t]*\n+")


def word(vocabulary: dict[str, Word], code: str) -> Word:
    """The label of a stored code; a code from a newer version is shown as it is."""
    return vocabulary.get(code) or Word(code, "neutral", "circle-dot")


def delivery_word(state: str, channel: str) -> Word:
    """The label of a delivery's state: what goes to a page of ours is not delivered to anybody, it is shown there."""
    if state in ("sent", "delivered") and of_channel(channel).on_page:
        return _ON_PAGE
    return word(DELIVERY_STATE, state)


def channel_name(kind: str, language: Language) -> str:
    """The name of a channel; for a channel that no longer exists, its kind."""
    return of_channel(kind).name(language)


def by_channel(kind: str, language: Language) -> str:
    """How a sentence says that a message came or went by a channel: "by e-mail"."""
    return of_channel(kind).sentence_part(language)


def byte_size(size: int, language: Language) -> str:
    """A size in bytes as a person reads it, in powers of 1000: "1.2 MB"."""
    number, unit = float(size), 0
    while number >= 999.5 and unit < len(_SIZES) - 1:
        number, unit = number / 1000, unit + 1
    shown = f"{number:.0f}" if unit == 0 or number >= 10 else f"{number:.1f}".removesuffix(".0")
    shown = digits(shown, language).replace(".", LANGUAGES[language].decimal_point)
    return gettext(language, _SIZES[unit], number=shown)


def duration(seconds: float, language: Language) -> str:
    """A recording's length, "2:05" or "1:02:05", in the language's digits."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return digits(f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}", language)


_MOST_PARAGRAPHS: Final = 2_000


def paragraphs(text: str) -> Markup:
    """Plain text as escaped HTML: a blank line starts a paragraph (each with its own direction), a newline breaks.

    A paragraph that is only a link, an address or a code is aligned as its neighbours and read left to right. Beyond
    `_MOST_PARAGRAPHS` the rest is one paragraph that keeps its blank lines.
    """
    split = _BLANK_LINES.split(text.replace("\r\n", "\n"), maxsplit=_MOST_PARAGRAPHS)
    blocks = [block.strip("\n") for block in split if block.strip()]
    around = reading_direction(text)
    return Markup("").join(_paragraph(block, around) for block in blocks)


def _paragraph(block: str, around: str) -> Markup:
    line = Markup(str(escape(isolate_codes(block))).replace("\n", "<br>"))  # noqa: S704  # escaped in this line
    if around == "rtl" and len(block.split(maxsplit=1)) == 1 and reading_direction(block) != "rtl":
        return Markup('<p dir="rtl"><bdi dir="ltr">{}</bdi></p>').format(line)
    direction = reading_direction(block) if block.lstrip().startswith("@") else "auto"  # a login is no word of the text
    return Markup('<p dir="{}">{}</p>').format(direction, line)
