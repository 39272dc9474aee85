"""Why a contact is in quarantine or a task gave up, in the reader's language.

The rooms that record a reason write an English sentence, sometimes with a detail behind a colon (a parser's own words, a
name of a field). The sentence is translated here, where it is shown; the detail stays as it is.
"""

from __future__ import annotations

from typing import Final

from zrm.kit.i18n import Language, _, gettext

KNOWN: Final = (
    _("a fax without a page, and no word why"),
    _("not a fax"),
    _("not a web contact; look at"),
    _("not a web contact; the text holds nothing that can be shown"),
    _("the message does not say who sent it"),
    _("the report names no message"),
    _("the report names no message or no state"),
    _("not a message of SMPP's"),
    _("the message does not say who sent it (no From)"),
    _("not a form of Twilio's"),
    _("not a text message"),
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
    _("the mail server could not hand this message over; it is still in the mailbox there"),
    _("the message is empty"),
    _("its parts together are no message"),
    _("the original is not in the blob store"),
    _("a wish of nobody: it came from no address"),
    _("rendering was begun too often and never finished"),
    _("telling agents was begun too often and never finished"),
    _("sending was begun too often and never finished"),
    _("these pages cannot be shown"),
    _("the renderer died"),
    _("nothing was drawn"),
    _("scanning was begun too often and never finished"),
    _("the virus scanner cannot judge this file"),
    _("the virus scanner does not answer"),
)
"""The sentences that are translated; each is what stands before a colon, or the whole."""


def reason_text(recorded: str, language: Language) -> str:
    """A recorded reason as the reader sees it; what is not known stays as it was recorded."""
    if not recorded:  # the empty message is the catalogue's own head
        return ""
    if (whole := gettext(language, recorded)) != recorded:
        return whole
    head, colon, detail = recorded.partition(": ")
    if not colon:
        return recorded
    # What is unknown in a line of Persian is isolated, so that it does not turn the line around.
    shown = reason_text(detail, language)
    if language == "fa" and shown == detail:
        shown = f"\u2068{detail}\u2069"
    return f"{gettext(language, head)}: {shown}"
