"""Entries of an agent that cannot be used, as sentences in their language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from zrm.casework.context import InputFlaw, InputProblem
from zrm.kit import phones
from zrm.kit.direction import isolated
from zrm.languages import Language
from zrm.ui.i18n import _, digits, gettext
from zrm.ui.phone_flaws import sentence_of

_ANY: Final = ""
Sentences = Mapping[tuple[str, InputFlaw], str]
_BY_NAME: Final[dict[tuple[str, InputFlaw], str]] = {
    ("text", InputFlaw.EMPTY): _("The answer is empty."),
    ("note", InputFlaw.EMPTY): _("The note is empty."),
    ("result", InputFlaw.EMPTY): _("Enter the result of the case."),
    ("to", InputFlaw.UNKNOWN_CHOICE): _("Choose a colleague or a unit from the list."),
    ("subject", InputFlaw.UNKNOWN_CHOICE): _("Choose a subject from the list."),
    ("nature", InputFlaw.UNKNOWN_CHOICE): _("Choose one from the list, or leave it empty."),
    ("language", InputFlaw.UNKNOWN_CHOICE): _("Choose a language and a channel from the list."),
    ("channel", InputFlaw.UNKNOWN_CHOICE): _("Choose a language and a channel from the list."),
    ("unit", InputFlaw.UNKNOWN_CHOICE): _("Choose a unit from the list."),
    (_ANY, InputFlaw.EMPTY): _("This field is required."),
    (_ANY, InputFlaw.TOO_LONG): _("This is too long: %(most)s characters at most."),
    (_ANY, InputFlaw.UNKNOWN_CHOICE): _("Choose from the list."),
    (_ANY, InputFlaw.ROUTE_BARRED): _("The citizen asked us not to write there. Choose another channel."),
    (_ANY, InputFlaw.ROUTE_WITHOUT_FILES): _(
        "Files cannot be sent this way. Choose another channel, or send the answer without files."
    ),
    (_ANY, InputFlaw.TOO_LONG_FOR_ROUTE): _("The answer is too long for this channel: %(most)s characters at most."),
    (_ANY, InputFlaw.NOT_ANSWERED): _(
        "The citizen has not been answered. Enter the reason for closing the case without an answer."
    ),
    (_ANY, InputFlaw.UNKNOWN_PLACEHOLDERS): _("Unknown placeholders: %(braces)s"),
    (_ANY, InputFlaw.CODE_MISSING): _("The acknowledgement must contain the tracking code: write {code}."),
    (_ANY, InputFlaw.NOT_A_NUMBER): _("Enter one telephone number in digits, or leave it empty."),
    (_ANY, InputFlaw.NOT_AN_EMAIL): _("Enter one e-mail address, such as name@example.org, or leave it empty."),
}


def sentence(problem: InputProblem, language: Language, own: Sentences | None = None) -> str:
    """What to correct; `own` are a page's own sentences, which take precedence over the common ones."""
    found = problem.values.get("found")
    if isinstance(found, phones.Flaw):
        return gettext(language, sentence_of(found), count=found.digits)
    known = {**_BY_NAME, **(own or {})}
    message = known.get((problem.name, problem.flaw)) or known[_ANY, problem.flaw]
    return gettext(language, message, **{key: _shown(value, language) for key, value in problem.values.items()})


def sentences(
    problems: Iterable[InputProblem], language: Language, own: Sentences | None = None
) -> list[tuple[str, str]]:
    """The same for each, as (field, sentence)."""
    return [(problem.name, sentence(problem, language, own)) for problem in problems]


def _shown(value: object, language: Language) -> str:
    if isinstance(value, int):
        return digits(value, language)
    return " ".join(map(isolated, value)) if isinstance(value, tuple) else str(value)
