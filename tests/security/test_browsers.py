"""What a browser says it is, and the marks it keeps."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.security.browsers import UNKNOWN, Browser, Marks, read

SECRET = b"a secret of this test"
GECKO = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
KIT = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"


@pytest.mark.parametrize(
    ("words", "browser"),
    [
        (GECKO, Browser("Firefox", "Linux")),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Safari/537.36", Browser("Chrome", "Windows")),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Safari/537.36 Edg/142.0", Browser("Edge", "Windows")),
        (f"Mozilla/5.0 (Linux; Android 16; Pixel 9) {KIT} Mobile Safari/537.36", Browser("Chrome", "Android")),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605 Version/18.5 Mobile/15E Safari/604",
            Browser("Safari", "iPhone"),
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Safari/605", Browser("Safari", "macOS")),
        ("curl/8.14", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_browser_in_two_words(words: str, browser: Browser) -> None:
    assert read(words) == browser


def test_a_browser_knows_the_agents_who_signed_in_with_it_and_nobody_else() -> None:
    daniel, maryam = uuid4(), uuid4()
    cookie = Marks.read("").with_agent(SECRET, daniel)
    assert Marks.read(cookie).knows(SECRET, daniel)
    assert not Marks.read(cookie).knows(SECRET, maryam)
    assert not Marks.read(cookie).knows(b"another installation's secret", daniel)
    both = Marks.read(cookie).with_agent(SECRET, maryam)
    assert all(Marks.read(both).knows(SECRET, one) for one in (daniel, maryam))
    assert str(daniel) not in both


def test_a_mark_belongs_to_its_browser() -> None:
    """Put into another browser's cookie it is worth nothing."""
    daniel = uuid4()
    one, other = (Marks.read("").with_agent(SECRET, daniel) for _ in range(2))
    mixed = "~".join([one.partition("~")[0], other.partition("~")[2]])
    assert not Marks.read(mixed).knows(SECRET, daniel)


def test_a_browser_of_many_agents_keeps_the_latest_eight() -> None:
    agents = [uuid4() for _ in range(12)]
    cookie = ""
    for one in agents:
        cookie = Marks.read(cookie).with_agent(SECRET, one)
    assert [Marks.read(cookie).knows(SECRET, one) for one in agents] == [False] * 4 + [True] * 8


@given(st.text(max_size=400))
def test_whatever_stands_in_the_cookie_is_a_new_browsers(cookie: str) -> None:
    marks = Marks.read(cookie)
    assert not marks.knows(SECRET, uuid4())
    assert Marks.read(marks.with_agent(SECRET, uuid4())).number == marks.number
