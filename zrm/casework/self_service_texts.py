"""The installation's own answers to a citizen who sent a keyword, a code or a digit. Pure: facts in, a short text out.

A mail's subject is ours, never the sender's, so that we cannot be made to carry text to a third party. Every text fits
into two text messages in Persian (134 characters), which keeps the costs low.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from zrm.casestore.case import OwnCase, Status
from zrm.config import Settings
from zrm.kit.gsm import cost
from zrm.languages import LANGUAGES, Language
from zrm.localized import in_language
from zrm.ui.calendars import DateReader, date_text
from zrm.ui.i18n import _, digits, format_code, gettext

SelfServiceAnswer = Literal["help", "stop", "start", "status", "unknown", "codes", "no codes", "rated"]

_STATES: Final[dict[str, str]] = {
    "": _("Case %(code)s has reached us and waits its turn."),
    Status.NEW: _("Case %(code)s has reached us and waits its turn."),
    Status.OPEN: _("Case %(code)s is being worked on."),
    Status.WAITING: _("Case %(code)s has been answered. If something is missing, just write to us."),
    Status.CLOSED: _("Case %(code)s is closed. If it is not settled for you, just write to us."),
}
_TEXTS: Final[dict[SelfServiceAnswer, str]] = {
    "help": _(
        "%(name)s\nDescribe your case in words.\nYour 12-digit code: where your case stands.\n"
        "CODES: the codes of your cases.\nSTOP: no more messages. START: messages again."
    ),
    "stop": _("You will get no more messages from this number. To get them again, send START."),
    "start": _("You will get our messages again. To end them, send STOP."),
    "unknown": _("We know no case with this code. Please look at its 12 digits again. CODES: the codes of your cases."),
    "no codes": _("We know no current case of yours."),
    "rated": _("Thank you. Your rating has been recorded."),
}
_BY_MAIL: Final[dict[SelfServiceAnswer, str]] = {
    "stop": _("You will get no more mail from us at this address. To get it again, send a mail that says START."),
    "start": _("You will get our mail again. To end it, send a mail that says STOP."),
    "unknown": _(
        "We know no case with this code. Please look at its 12 digits again. "
        "To get the codes of your cases, send a mail that says CODES."
    ),
}

_SUBJECTS: Final[dict[SelfServiceAnswer, str]] = {
    "help": _("How to reach us"),
    "stop": _("No more mail from us"),
    "start": _("Mail from us again"),
    "status": _("The state of your case"),
    "unknown": _("The state of your case"),
    "codes": _("Your tracking codes"),
    "no codes": _("Your tracking codes"),
    "rated": _("Your rating"),
}
_MOST_LISTED: Final = 20
_MOST_SEGMENTS: Final = 2

CLOSING_SUBJECT: Final = _("Your case is closed")


def subject_of(answer: SelfServiceAnswer, language: Language) -> str:
    """The subject of an answer by mail."""
    return gettext(language, _SUBJECTS[answer])


def text_of(
    answer: SelfServiceAnswer, language: Language, *, name: str, code: str = "", status: str = "", by_mail: bool = False
) -> str:
    """The answer in the citizen's language. `status` is that of the case behind `code`, empty while it is not filed
    yet.
    """
    worded = {**_TEXTS, **_BY_MAIL} if by_mail else _TEXTS
    message = _STATES[status] if answer == "status" else worded[answer]
    return gettext(language, message) % {"name": name, "code": format_code(code, language)}


def codes_text(cases: Sequence[OwnCase], language: Language, settings: Settings, *, by_mail: bool) -> str:
    """The tracking codes of a person's cases, each with its day and by mail with its nature; nothing that a citizen
    wrote.

    A mail lists `_MOST_LISTED` of them, an SMS as many as two messages hold; the text says how many are left out.
    """
    name = settings.organisation.name.in_language(language)
    if by_mail:
        return gettext(
            language,
            "Hello,\n\nthese are the tracking codes of your cases with us:\n\n%(codes)s\n\n"
            "With a code you can follow its case, on the web or by telephone:\n\n    %(track)s\n\n%(name)s",
            codes=_listed(cases, _MOST_LISTED, language, settings, by_mail=True),
            track=f"{settings.public_url}/track",
            name=name,
        )

    def text(most: int) -> str:
        codes = _listed(cases, most, language, settings, by_mail=False)
        return gettext(language, "%(name)s\nYour codes:\n%(codes)s", name=name, codes=codes)

    most = min(len(cases), _MOST_LISTED)
    while most > 1 and cost(text(most)).segments > _MOST_SEGMENTS:
        most -= 1
    return text(most)


def _listed(cases: Sequence[OwnCase], most: int, language: Language, settings: Settings, *, by_mail: bool) -> str:
    reader = DateReader(language, LANGUAGES[language].calendar, settings.organisation.timezone)
    lines = []
    for case in cases[:most]:
        # The day comes first: otherwise a line that begins with a code would be laid out left to right.
        code, day = format_code(case.code, language), date_text(case.opened_at, reader)
        if not by_mail:
            lines.append(f"{day}: {code}")
            continue
        kind = in_language(case.nature_names, language) or gettext(language, "Message")
        line = _("%(kind)s, %(day)s, closed: %(code)s") if case.closed else _("%(kind)s, %(day)s: %(code)s")
        lines.append(f"    {gettext(language, line, code=code, kind=kind, day=day)}")
    if len(cases) > most:
        lines.append(gettext(language, "and %(count)s more", count=digits(len(cases) - most, language)))
    return "\n".join(lines)


def asked_for_by_form(language: Language) -> str:
    """Why this mail came, for a reader who may not have asked for it."""
    return gettext(
        language,
        "Somebody typed this address into our site, to get its codes. If it was not you, you need not do anything: "
        "nobody else has seen them.",
    )


def closing_text(code: str, language: Language, reason: str = "") -> str:
    """The text a citizen reads when their case is closed, with the question how content they are.

    `reason` is the agent's own text, why it is closed without an answer.
    """
    text = gettext(
        language,
        "Case %(code)s is closed. How satisfied are you with it? Answer with one digit, from 1 (not at all) to 5 (very).",
        code=format_code(code, language),
    )
    said = digits(text, language)
    return (
        f"{gettext(language, 'Your case is closed without an answer, because:')}\n{reason}\n\n{said}"
        if reason
        else said
    )
