"""A contact without words is described in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from zrm.channels.fax.parse import BROKE_OFF, PAGES
from zrm.contract.descriptions import Description, describe
from zrm.languages import Language
from zrm.ui.descriptions import title_of, worded


@dataclass(frozen=True)
class Row:
    """What has a title."""

    title: str
    description: Description = ()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Fax, 3 pages\nThe transmission broke off: %(x)s T2"),
        ("fa", "نمابر، ۳ صفحه\nارسال نیمه‌کاره ماند: %(x)s T2"),
    ],
)
def test_each_reader_reads_their_own_language(language: Language, words: str) -> None:
    description = (PAGES(num=3), BROKE_OFF(error="%(x)s T2"))
    assert worded(description, language) == words
    assert title_of(Row("", description), language) == words.partition("\n")[0]


def test_one_page_is_one() -> None:
    assert worded([PAGES(num=1)], "en") == "Fax, 1 page"


def test_words_of_a_citizen_stay_as_they_are() -> None:
    assert title_of(Row("Photo"), "fa") == "Photo"
    assert title_of(Row("", ()), "fa") == ""


def test_a_line_of_another_version_shows_its_code() -> None:
    assert worded([{"code": "fax.colour", "params": {}}], "en") == "fax.colour"


def test_a_code_means_one_sentence() -> None:
    assert describe("fax.pages", "Fax, %(num)s page", "Fax, %(num)s pages") == PAGES
    with pytest.raises(ValueError, match=r"fax\.pages"):
        describe("fax.pages", "Fax")
