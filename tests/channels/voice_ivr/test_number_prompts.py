"""Numbers, dates and codes as rows of prompt names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.voice_ivr import number_prompts, prompts
from zrm.languages import Language

KNOWN = set(prompts.names())


@pytest.mark.parametrize(
    ("value", "language", "said"),
    [
        (0, "fa", "n-0"),
        (21, "fa", "n-20 and n-1"),
        (110, "fa", "n-100 and n-10"),
        (1000, "fa", "thousand"),
        (1405, "fa", "thousand and n-400 and n-5"),
        (2345, "fa", "n-2 thousand and n-300 and n-40 and n-5"),
        (0, "en", "n-0"),
        (21, "en", "n-20 n-1"),
        (110, "en", "n-1 hundred and n-10"),
        (2009, "en", "n-2 thousand and n-9"),
    ],
)
def test_numbers(value: int, language: Language, said: str) -> None:
    assert number_prompts.number(value, language) == said.split()


@pytest.mark.parametrize(
    ("moment", "language", "said"),
    [
        (datetime(2026, 11, 23, 12, tzinfo=UTC), "fa", "day-2 month-9 thousand and n-400 and n-5"),
        (datetime(2026, 11, 23, 21, tzinfo=UTC), "fa", "day-3 month-9 thousand and n-400 and n-5"),
        (datetime(2025, 3, 20, 12, tzinfo=UTC), "fa", "day-30 month-12 thousand and n-400 and n-3"),
        (datetime(2026, 11, 23, 12, tzinfo=UTC), "en", "the day-23 of month-11 n-20 n-20 n-6"),
        (datetime(2009, 1, 1, 12, tzinfo=UTC), "en", "the day-1 of month-1 n-2 thousand and n-9"),
        (datetime(1905, 1, 1, 12, tzinfo=UTC), "en", "the day-1 of month-1 n-19 n-0 n-5"),
        (datetime(1900, 1, 1, 12, tzinfo=UTC), "en", "the day-1 of month-1 n-19 hundred"),
    ],
)
def test_dates(moment: datetime, language: Language, said: str) -> None:
    assert number_prompts.date(moment, language, "Asia/Tehran") == said.split()


def test_a_code_is_said_in_groups_of_four() -> None:
    assert number_prompts.code("123456789012") == (
        "n-1 n-2 n-3 n-4 pause n-5 n-6 n-7 n-8 pause n-9 n-0 n-1 n-2".split()  # noqa: SIM905  # it reads as it is said
    )


@pytest.mark.parametrize("value", [-1, 10_000])
def test_numbers_nobody_needs_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="9999"):
        number_prompts.number(value, "fa")


@given(value=st.integers(0, 9999), language=st.sampled_from(["fa", "en"]))
def test_every_number_has_its_prompts(value: int, language: Language) -> None:
    assert {(language, name) for name in number_prompts.number(value, language)} <= KNOWN


@given(
    moment=st.integers(86_400, 13_569_465_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    language=st.sampled_from(["fa", "en"]),
)
def test_every_date_has_its_prompts(moment: datetime, language: Language) -> None:
    assert {(language, name) for name in number_prompts.date(moment, language, "Asia/Tehran")} <= KNOWN
