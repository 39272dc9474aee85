"""The words of HTML that a stranger made costly: they are had all the same, by the tags alone."""

from __future__ import annotations

import pytest

from zrm.channels.email.htmltext import words_of


@pytest.mark.parametrize(
    "piece",
    [
        "<main>",
        "<script>",
        "<STYLE>",
        "<head>",
        "<title>",
        "<script",
        "<div><!--</div>-->",
        "<p ",
        "<",
        "</",
        "<!--",
        "&#",
    ],
)
def test_words_among_what_is_repeated_are_read(piece: str) -> None:
    """A million characters; each opening that nobody closes was looked for to the end, as often as it was repeated."""
    hostile = piece * (900_000 // len(piece))
    assert "before" in words_of(f"<p>before</p>{hostile}")


def test_a_script_is_no_word_even_where_the_page_is_too_costly_to_be_laid_out() -> None:
    text = words_of("<main>" * 5_000 + "<Script>no</sCript><style>no</style>one<SCRIPT>no</SCRIPT>two<p>three</p>")
    assert text.split() == ["onetwo", "three"]


def test_a_number_of_a_million_digits_is_no_character() -> None:
    hostile = "<main>" * 5_000
    assert words_of(f"{hostile}a&#{'1' * 200_000};b&#x{'f' * 200_000};c&#1740;") == "abcی"


def test_attributes_without_end_do_not_hold_it_up() -> None:
    assert words_of("<p " + "".join(f"a{number}=1 " for number in range(80_000)) + ">words</p>") == "words"
