"""A contact without words is described in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.fax.parse import BROKE_OFF, PAGES
from zrm.contract.descriptions import Description, describe, described
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


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "Fax, … pages"),
        ({"num": "many"}, "Fax, … pages"),
        ({"num": 3, "language": "x", "one": "y"}, "Fax, 3 pages"),
    ],
)
def test_values_of_another_version_leave_a_place_open(params: dict[str, str | int], words: str) -> None:
    assert worded([{"code": "fax.pages", "params": params}], "en") == words


_VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.text(), max_size=2)
)
_NAMES = st.sampled_from(["num", "language", "message", "one", "many", "count", "error", "line", "%"]) | st.text(
    max_size=5
)


@given(
    data=st.data(),
    params=_VALUES | st.dictionaries(_NAMES, _VALUES, max_size=4),
    language=st.sampled_from(["fa", "en"]),
)
def test_no_stored_description_is_unreadable(data: st.DataObject, params: Any, language: Language) -> None:
    """Every code, and values and shapes that this version never stored."""
    code = data.draw(st.sampled_from(sorted(described())))
    assert worded([{"code": code, "params": params}], language)
    assert title_of(Row("", [{"code": code, "params": params}]), language)
    shape: Any
    for shape in (params, {"code": code}, [params], [{"params": params}], [[code, params]]):
        worded(shape, language)
        title_of(Row("", shape), language)


def test_a_code_means_one_sentence() -> None:
    assert describe("fax.pages", "Fax, %(num)s page", "Fax, %(num)s pages") == PAGES
    with pytest.raises(ValueError, match=r"fax\.pages"):
        describe("fax.pages", "Fax")
