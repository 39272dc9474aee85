"""Whatever an agent enters and cannot be used has its sentence, in both languages, with what it needs filled in."""

from __future__ import annotations

import re

import pytest

from zrm.agent_api.pages.input_problems import sentence
from zrm.casework.context import InputFlaw, InputProblem
from zrm.kit import phones

VALUES: dict[InputFlaw, dict[str, object]] = {
    InputFlaw.TOO_LONG: {"most": 100_000},
    InputFlaw.TOO_LONG_FOR_ROUTE: {"most": 600},
    InputFlaw.UNKNOWN_PLACEHOLDERS: {"braces": ("{nmae}", "{x}")},
    InputFlaw.DOUBTFUL_NUMBER: {"found": phones.Flaw("too_few", 1), "digits": "0912"},
}


@pytest.mark.parametrize("flaw", InputFlaw)
def test_every_flaw_is_said(flaw: InputFlaw) -> None:
    problem = InputProblem("anything", flaw, VALUES.get(flaw, {}))
    english, persian = sentence(problem, "en"), sentence(problem, "fa")
    assert re.search("[A-Za-z]", english)
    assert re.search("[آ-ی]", persian)
    assert "%(" not in english + persian


def test_the_numbers_and_braces_stand_in_it() -> None:
    assert "۶۰۰" in sentence(InputProblem("text", InputFlaw.TOO_LONG_FOR_ROUTE, {"most": 600}), "fa")
    said = sentence(InputProblem("text_en", InputFlaw.UNKNOWN_PLACEHOLDERS, {"braces": ("{nmae}",)}), "en")
    assert "{nmae}" in said


def test_a_page_has_its_own_words_first() -> None:
    problem = InputProblem("text", InputFlaw.EMPTY)
    assert sentence(problem, "en") == "The answer is empty."
    assert sentence(problem, "en", {("text", InputFlaw.EMPTY): "The note is empty."}) == "The note is empty."
