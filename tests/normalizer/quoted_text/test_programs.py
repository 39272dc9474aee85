"""Attributions and header lines in the languages of citizens, and their own sentences that look like them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.normalizer.quoted_text.programs import ATTRIBUTIONS, BLOCKS, SENTENCES
from zrm.normalizer.quoted_text.split import SplitText, split_quotation

OURS = frozenset({"info@zrm.example"})
MINE = "My own answer.\n\n"
THEIRS = "Dear citizen,\nwhich street do you mean?\nRegards\n"
MARKED = "> Dear citizen,\n> which street do you mean?\n> Regards\n"
RULES = ("________________________________\n", "-----------------\n\n")


KNOWN_BLOCKS = {language: rows for language, rows in BLOCKS.items() if language != "others"}


def each(lines: Mapping[str, tuple[str, ...]]) -> list[object]:
    return [
        pytest.param(row, id=f"{language} {number}")
        for language, rows in lines.items()
        for number, row in enumerate(rows, 1)
    ]


def test_every_language_has_its_rows() -> None:
    languages = {
        "en", "fa", "ar", "de", "fr", "nl", "es", "it", "pt", "pl", "ru", "uk", "tr", "zh", "ja", "ko", "sv", "da", "no", "fi", "cs", "he",
        "ur", "az", "ku",
    }  # fmt: skip
    assert all(len(ATTRIBUTIONS[language]) >= 3 for language in languages)
    assert languages <= set(BLOCKS)
    assert languages <= set(SENTENCES)


@pytest.mark.parametrize("line", each(ATTRIBUTIONS))
@pytest.mark.parametrize("ours", [frozenset(), OURS], ids=["nobody known", "ours known"])
def test_an_attribution_goes_with_the_marked_lines_below(line: str, ours: frozenset[str]) -> None:
    for between in ("\n\n", "\n"):
        quoted = f"{line}{between}{MARKED}"
        assert split_quotation(MINE + quoted, ours) == SplitText(MINE, quoted)


@pytest.mark.parametrize("line", each(ATTRIBUTIONS))
def test_without_marks_it_takes_an_address_of_ours(line: str) -> None:
    quoted = f"{line}\n\n{THEIRS}"
    found = split_quotation(MINE + quoted, OURS)
    assert found == (SplitText(MINE, quoted) if "@" in line or line.endswith("--") else SplitText(MINE + quoted))
    foreign = quoted.replace("info@zrm.example", "tax@tax.example")
    if "@" in line:
        assert split_quotation(MINE + foreign, OURS) == SplitText(MINE + foreign)


@pytest.mark.parametrize("block", each(BLOCKS))
@pytest.mark.parametrize("rule", ["", *RULES], ids=["no rule", "underscores", "dashes"])
def test_header_lines_with_an_address_of_ours_begin_a_quotation(block: str, rule: str) -> None:
    for desk in ("Desk <info@zrm.example>", '"Desk" [mailto:info@zrm.example]'):
        quoted = f"{rule}{block.format(desk=desk)}\n\n{THEIRS}"
        assert split_quotation(MINE + quoted, OURS) == SplitText(MINE, quoted)


@pytest.mark.parametrize("block", each(BLOCKS))
def test_header_lines_of_somebody_elses_mail_begin_none(block: str) -> None:
    text = f"{MINE}{RULES[0]}{block.format(desk='Landlord <l@home.example>')}\n\nThe heating stays off.\n\nI object.\n"
    assert split_quotation(text, OURS) == SplitText(text)


@pytest.mark.parametrize("block", each(KNOWN_BLOCKS))
def test_header_lines_without_an_address_need_a_rule_above(block: str) -> None:
    lines = f"{block.format(desk='Desk')}\n\n{THEIRS}"
    assert split_quotation(MINE + lines, OURS) == SplitText(MINE + lines)
    assert split_quotation(MINE + RULES[0] + lines, OURS) == SplitText(MINE, RULES[0] + lines)


@pytest.mark.parametrize("sentence", each(SENTENCES))
def test_a_sentence_of_the_writers_is_no_attribution(sentence: str) -> None:
    text = f"Good day.\n\n{sentence}\n\nThe house is empty.\n\nThat is wrong, six people live here.\n"
    assert split_quotation(text, OURS) == SplitText(text)
    marked = f"Good day.\n\n{sentence}\n\n> The house is empty.\n"
    assert split_quotation(marked, OURS) == SplitText(marked)
