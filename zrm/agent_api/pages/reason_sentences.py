"""Why a contact is in quarantine, a task failed or an answer did not arrive, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

from zrm.contract.reasons import Reason
from zrm.contract.sentences import fill
from zrm.kit.direction import isolated
from zrm.languages import Language
from zrm.ui.i18n import _, digits, gettext
from zrm.ui.labels import channel_name


@dataclass(frozen=True, slots=True)
class WordedReason:
    """A stored reason for one reader: the sentence, and a program's own words beside it; empty if there are none."""

    text: str
    technical: str = ""


def worded(reason: Reason | None, language: Language) -> WordedReason:
    """A stored reason as the reader sees it. A code of another version is shown as something unexpected, a known one with
    other values without them.
    """
    if reason is None:
        return WordedReason("")
    if not reason.sentence:
        return WordedReason(gettext(language, _("Something unexpected happened")), str(reason))
    values = {gap: _value(gap, value, language) for gap, value in reason.params.items()}
    text, technical = fill(gettext(language, reason.sentence), values), reason.words
    if reason.because is not None:
        further = worded(reason.because, language)
        text, technical = f"{text}: {further.text}", further.technical or technical
    return WordedReason(text, technical)


def _value(gap: str, value: object, language: Language) -> str:
    """The value for a gap: a channel by its name, a number in the language's digits, anything else as it is."""
    if gap == "channel":
        return channel_name(str(value), language)
    return digits(str(value), language) if gap == "number" else isolated(str(value))
