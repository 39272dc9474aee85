"""Why a contact is in quarantine, a task gave up or an answer did not arrive, in the reader's language.

The rooms that record a reason write an English sentence, sometimes with a detail behind a colon (a parser's own words, the
name of an error). The sentence is translated here, where it is shown; a detail that is a program's word and no sentence of
ours is kept apart, as it was recorded, for whoever mends the cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from zrm.kit.direction import isolated
from zrm.ui import labels
from zrm.ui.i18n import Language, _, digits, gettext

KNOWN: Final = (
    _("a fax without a page, and no word why"),
    _("not a fax"),
    _("no note came with the fax"),
    _("the note cannot be read"),
    _("the note's file is missing"),
    _("not a web contact; look at: %(fields)s"),
    _("not a contact taken at the desk; look at: %(fields)s"),
    _("not a contact taken at the desk; nobody took it"),
    _("not a rating from 1 to 5"),
    _("not an address that has lost its codes"),
    _("not a web contact; the text holds nothing that can be shown"),
    _("the message does not say who sent it"),
    _("the report names no message"),
    _("the report names no message or no state"),
    _("not a message of SMPP's"),
    _("the message does not say who sent it (no %(field)s)"),
    _("not a form of Twilio's"),
    _("not a text message"),
    _("not a text message but one of another network of Twilio's (%(network)s)"),
    _("not a %(shape)s of the provider's"),
    _("no list of reports at %(field)s"),
    _("the gateway %(name)s is no longer in the configuration"),
    _("the provider is not described as one that receives"),
    _("the provider is not described as one that reports"),
    _("the gateway of these parts is no longer in the configuration"),
    _("not the facts of a call"),
    _("a start without a time zone"),
    _("a call without a recording"),
    _("not an update of the Bot API"),
    _("not readable as JSON"),
    _("a message of a kind this channel does not know"),
    _("not an update of a bot of ours"),
    _("a gathered contact without its parts"),
    _("a gathered contact with a part that says nothing"),
    _("a gathered contact of several chats"),
    _("the mail server could not hand this message over; it is still in the mailbox there"),
    _("the message is empty"),
    _("its parts together are no message"),
    _("the original is not in the blob store"),
    _("a wish of nobody: it came from no address"),
    _("no channel %(channel)s is configured"),
    _("no channel %(channel)s is configured that joins parts"),
    _("the parser of %(channel)s failed"),
    _("expected one contact, found %(number)s"),
    _("unexpected %(kind)s"),
    _("could not be stored"),
    _("filing it was begun too often and never finished"),
    _("rendering was begun too often and never finished"),
    _("telling agents was begun too often and never finished"),
    _("sending was begun too often and never finished"),
    _("these pages cannot be shown"),
    _("the renderer died"),
    _("nothing was drawn"),
    _("took longer than %(number)s s"),
    _("reading it took more than %(number)s s"),
    _("reading it needed more than %(number)s MB of memory"),
    _("the process that read it died of it"),
    _("reading it failed"),
    _("scanning was begun too often and never finished"),
    _("the virus scanner cannot judge this file"),
    _("the virus scanner does not answer"),
    _("fetching was begun too often and never finished"),
    _("the channel %(channel)s is not configured"),
    _("internal error while sending: %(error)s"),
    _("channels.sms.folder cannot be written: %(problem)s"),
)
"""The sentences that are translated; each is what stands before a colon, or the whole, with gaps for what varies."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A recorded reason for one reader: what to read, and as recorded if it holds more than that; empty if not."""

    text: str
    technical: str = ""


def _pattern(sentence: str) -> re.Pattern[str]:
    """What a sentence looks like as it is recorded: its gaps are groups, a detail behind a colon may follow."""
    parts = re.split(r"%\((\w+)\)s", sentence)
    shape = "".join(f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    return re.compile(rf"{shape}(?:: (?P<_detail>.*))?", re.DOTALL)


# The longest first: what says more is not taken for the beginning of what says less.
_PATTERNS: Final = [(_pattern(sentence), sentence) for sentence in sorted(KNOWN, key=len, reverse=True)]


def reason(recorded: str, language: Language) -> Reason:
    """A recorded reason as the reader sees it; words that are none of ours are only in its technical detail."""
    if not recorded:
        return Reason("")
    text, whole = _read(recorded, language)
    return Reason(text or gettext(language, _("Something unexpected happened")), "" if whole else recorded)


def of_delivery(error: str, language: Language) -> str:
    """Why an answer did not arrive: a sentence of ours, else the words of whoever refused it, told as theirs."""
    if not error:
        return ""
    text, _whole = _read(error, language)
    return text or gettext(language, _("The receiving service says: %(words)s"), words=isolated(error))


def _read(recorded: str, language: Language) -> tuple[str, bool]:
    """(the sentence in the language, whether it says everything); an empty sentence if it is none of ours."""
    if recorded and gettext("fa", recorded) != recorded:  # a channel's own sentence, without gaps
        return gettext(language, recorded), True
    for pattern, sentence in _PATTERNS:
        if match := pattern.fullmatch(recorded):
            gaps = match.groupdict()
            detail = gaps.pop("_detail")
            text = gettext(language, sentence, **{gap: _fill(gap, said, language) for gap, said in gaps.items()})
            if detail is None:
                return text, True
            further, whole = _read(detail, language)
            return (f"{text}: {further}" if further else text), whole
    return "", False


def _fill(gap: str, said: str, language: Language) -> str:
    """What stands in a gap: a channel by its name, a number in the language's digits, anything else as it is."""
    if gap == "channel":
        return labels.channel_name(said, language)
    return digits(said, language) if gap == "number" else isolated(said)
