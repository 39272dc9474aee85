"""Keys and queries: the same word in all its spellings, numbers in all their forms, and nothing hostile hurts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.casestore.search_words import (
    LONGEST_QUERY,
    MOST_TERMS,
    Query,
    contact_key,
    excerpt,
    marked,
    parse,
    words,
)

MOBILE = "+989121234567"
LANDLINE = "+982188776655"


def in_key(query: Query, key: str) -> bool:
    return bool(query.terms) and all(any(needle in key for needle in term.needles) for term in query.terms)


def fits(pattern: str, value: str) -> bool:
    """LIKE, for the two shapes of pattern there are."""
    bare = pattern.removeprefix("%").removesuffix("%").replace("\\", "")
    return bare in value if pattern.endswith("%") else value.endswith(bare)


def of_address(typed: str, address: str) -> bool:
    query = parse(typed, "IR")
    return bool(query.terms) and all(any(fits(p, address) for p in term.addresses) for term in query.terms)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("رضایی", "نامهٔ آقای رضائي"),
        ("كيف", "کیف گمشده"),
        ("خیابان‌ها", "خیابان ها"),
        ("خيابان", "خیابان‌های شهر"),
        ("می‌شود", "مي شود"),
        ("مسؤول", "مسوول"),
        ("آسفالت", "اسفالت"),
        ("مُحَمَّد", "محمد"),
        ("مـــدرسه", "مدرسه"),
        ("۱۲۳۴", "پلاک 1234"),
        ("1234", "پلاک ۱۲۳۴"),
        ("LAMP", "the lamp is dark"),
        ("straße", "STRASSE"),
        ("اب", "آب قطع است"),
        ("قطع آب", "آب ما قطع است"),
        ("«آب»", "آب، برق و گاز"),
        ("فالت", "آسفالت"),
        ("ali@people.example", "write to Ali@People.example"),
    ],
)
def test_spellings_of_one_word_find_each_other(typed: str, text: str) -> None:
    assert in_key(parse(typed, "IR"), contact_key(text))


@pytest.mark.parametrize(
    ("typed", "text"),
    [("آب", "کتاب"), ("12", "پلاک 1234"), ("234", "پلاک 12345"), ("رضایی", "رضوی"), ("آب برق", "آب"), ("9 12", "912")],
)
def test_what_is_not_there_is_not_found(typed: str, text: str) -> None:
    assert not in_key(parse(typed, "IR"), contact_key(text))


FORMS = [
    "+989121234567", "00989121234567", "09121234567", "9121234567", "989121234567", "۰۹۱۲۱۲۳۴۵۶۷", "٠٩١٢١٢٣٤٥٦٧",
    "0912 123 4567", "0912-123-4567", "+98 912 123 45 67", "+98 (912) 123-4567", "0098 912 1234567",
    "\u200e+98 912 123 4567\u200f", "\u2066+۹۸ ۹۱۲ ۱۲۳ ۴۵۶۷\u2069", "+98 0912 123 4567", "(0912) 1234567", "tel:+989121234567",
]  # fmt: skip


@pytest.mark.parametrize("typed", FORMS)
def test_a_number_in_any_form_finds_its_address(typed: str) -> None:
    assert of_address(typed, MOBILE)
    assert not of_address(typed, LANDLINE)


@pytest.mark.parametrize("typed", FORMS)
@pytest.mark.parametrize("written", ["09121234567", "۰۹۱۲ ۱۲۳ ۴۵۶۷", "+98-912-123-4567", "0098 9121234567"])
def test_a_number_in_any_form_finds_what_was_written_in_any_form(typed: str, written: str) -> None:
    assert in_key(parse(typed, "IR"), contact_key(f"با {written} تماس بگیرید"))


@pytest.mark.parametrize(
    ("typed", "address", "found"),
    [
        ("4567", MOBILE, True), ("۴۵۶۷", MOBILE, True), ("567", MOBILE, True), ("1234", MOBILE, False),
        ("0912", MOBILE, True), ("6655", LANDLINE, True), ("88776655", LANDLINE, True), ("021 8877 6655", LANDLINE, True),
        ("4567", LANDLINE, False), ("67", MOBILE, False), ("0049 30 901820", "+4930901820", True), ("030901820", MOBILE, False),
        ("sara@home", "sara@home.example", True), ("HOME.example", "sara@home.example", True), ("sara_k", "saraxk@home.example", False),
        ("سارا", "sara@home.example", False), ("ali@例.example", "ali@例.example", False),
    ],
)  # fmt: skip
def test_parts_of_addresses(typed: str, address: str, found: bool) -> None:  # a column of the table
    assert of_address(typed, address) is found


def test_a_name_and_last_digits_are_two_terms() -> None:
    name, number = parse("رضایی ۴۵۶۷", "IR").terms
    assert (name.needles, name.addresses) == (("رضایی",), ())
    assert number.addresses == ("%4567",)


def test_a_code_is_found_as_it_is_shown_and_by_its_end() -> None:
    key = contact_key("The lamp", "", "", "950000000017")
    for typed in ("950000000017", "9500-0000-0017", "9500 0000 0017", "۹۵۰۰-۰۰۰۰-۰۰۱۷", "0017", "9500"):
        assert in_key(parse(typed, "IR"), key), typed
    assert in_key(parse("9500 0000 0017", "IR"), contact_key("my code is 9500-0000-0017"))


def test_words_too_short_are_said_and_left_out() -> None:
    query = parse("ا lamp", "IR")
    assert (len(query.terms), query.left_out, query.too_many) == (1, ("ا",), False)
    assert parse("ا", "IR").terms == ()
    assert parse("؟!", "IR") == Query("؟!")
    many = parse(" ".join(f"word{n}x" for n in range(30)), "IR")
    assert (len(many.terms), many.too_many) == (MOST_TERMS, True)
    assert parse("x" * (LONGEST_QUERY + 1), "IR").too_many


@given(st.text(max_size=300), st.sampled_from(["IR", "DE"]))
def test_nothing_typed_does_harm(typed: str, region: str) -> None:
    query = parse(typed, region)
    for term in query.terms:
        assert all(needle.strip() and set(needle) & set("%_\\") == set() for needle in term.needles)
    marked(typed, query.terms)


@given(st.text(max_size=200), st.data())
def test_every_word_of_a_text_finds_it(text: str, data: st.DataObject) -> None:
    long = [word for word in words(text).split() if len(word) >= 3 and not word.isdecimal()]
    if long:
        typed = data.draw(st.sampled_from(long))
        assert in_key(parse(typed, "IR"), contact_key(text))


@given(st.text(alphabet="اآبپ ‌ي۱2a\u064b\u200f-\n", max_size=80), st.text(alphabet="ابپی12a ", max_size=12))
def test_pieces_are_the_text_and_found_ones_hold_a_word(text: str, typed: str) -> None:
    query = parse(typed, "IR")
    pieces = marked(text, query.terms)
    assert "".join(piece for piece, _ in pieces) == " ".join(text.replace("\u200f", "").split())
    for piece, found in pieces:
        if found:
            key = f" {words(piece)} "
            assert any(needle.strip() in key for term in query.terms for needle in term.needles)


def test_whole_words_are_pointed_out() -> None:
    assert marked("خیابانِ بهارستان", parse("بهار", "IR").terms) == [("خیابانِ ", False), ("بهارستان", True)]
    assert marked("تلفن ۰۹۱۲۱۲۳۴۵۶۷ است", parse("+989121234567", "IR").terms)[1] == ("۰۹۱۲۱۲۳۴۵۶۷", True)
    assert marked("The lamp", ()) == [("The lamp", False)]


def test_an_excerpt_shows_what_was_found_far_inside() -> None:
    pieces = excerpt(
        "before it " * 300 + "the \u202elamp\u202c is dark " + "after it " * 300, parse("lamp", "IR").terms
    )
    shown = "".join(piece for piece, _ in pieces)
    assert ("lamp", True) in pieces
    assert "\u202e" not in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert len(shown) < 200
