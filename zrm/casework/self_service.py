"""What the house says by itself to a citizen who sent a word, a code or a digit. Pure: facts in, a short text out.

A mail's subject is ours, never the sender's: nobody can have us carry words to an address that is not theirs. Every text
fits into two text messages in Persian (134 characters), so that asking costs nobody much.
"""

from __future__ import annotations

from typing import Final, Literal

from zrm.casestore.case import Status
from zrm.kit.i18n import Language, _, digits, gettext, in_fours

Answer = Literal["help", "stop", "start", "status", "unknown", "rated"]

_STATES: Final[dict[str, str]] = {
    "": _("Case %(code)s has reached us and waits its turn."),
    Status.NEW: _("Case %(code)s has reached us and waits its turn."),
    Status.OPEN: _("Case %(code)s is being worked on."),
    Status.WAITING: _("Case %(code)s has been answered. If something is missing, just write to us."),
    Status.CLOSED: _("Case %(code)s is closed. If it is not settled for you, just write to us."),
}
_TEXTS: Final[dict[Answer, str]] = {
    "help": _(
        "%(name)s\nWrite what troubles you.\nYour 12-digit code: where your case stands.\n"
        "STOP: no more messages. START: messages again."
    ),
    "stop": _("You will get no more messages from this number. To get them again, send START."),
    "start": _("You will get our messages again. To end them, send STOP."),
    "unknown": _("We know no case with this code. Please look at its 12 digits again."),
    "rated": _("Thank you. Your rating has been recorded."),
}
_BY_MAIL: Final[dict[Answer, str]] = {
    "stop": _("You will get no more mail from us at this address. To get it again, send a mail that says START."),
    "start": _("You will get our mail again. To end it, send a mail that says STOP."),
}


_SUBJECTS: Final[dict[Answer, str]] = {
    "help": _("How to reach us"),
    "stop": _("No more mail from us"),
    "start": _("Mail from us again"),
    "status": _("The state of your case"),
    "unknown": _("The state of your case"),
    "rated": _("Your rating"),
}
FAREWELL_SUBJECT: Final = _("Your case is closed")


def subject_of(answer: Answer, language: Language) -> str:
    """The subject of an answer by mail."""
    return gettext(language, _SUBJECTS[answer])


def text_of(
    answer: Answer, language: Language, *, name: str, code: str = "", status: str = "", by_mail: bool = False
) -> str:
    """The answer in the citizen's language. `status` of the case behind `code`, empty while it is not filed yet."""
    worded = {**_TEXTS, **_BY_MAIL} if by_mail else _TEXTS
    message = _STATES[status] if answer == "status" else worded[answer]
    return gettext(language, message) % {"name": name, "code": in_fours(code, language)}


def farewell(code: str, language: Language, reason: str = "") -> str:
    """What a citizen reads when their case is closed, with the question how content they are.

    `reason` is the agent's own words, why it is closed without an answer.
    """
    text = gettext(
        language,
        "Case %(code)s is closed. How content are you with it? Answer with one digit, from 1 (not at all) to 5 (very).",
        code=in_fours(code, language),
    )
    said = digits(text, language)
    return (
        f"{gettext(language, 'Your case is closed without an answer, because:')}\n{reason}\n\n{said}"
        if reason
        else said
    )
