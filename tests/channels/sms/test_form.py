"""Twilio's forms are read as the standard library reads them, which takes twice as long."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.sms.form import Fields, read_form

PIECES = st.sampled_from(
    [*"%&=+;a", "%D8%B3", "%d8", "%00", "%26", "%3D", "%2B", "%25", "%zz", "%4", "%FF", "Body", "سلام", "\0"]
)


def standard(body: bytes) -> Fields:
    """As the standard library reads a form."""
    text = body.decode("ascii")
    return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=500)


@given(st.lists(PIECES, max_size=30).map(lambda pieces: "".join(pieces).encode()) | st.binary(max_size=60))
def test_every_body_is_read_as_the_standard_library_reads_it(body: bytes) -> None:
    try:
        wanted = standard(body)
    except ValueError:
        with pytest.raises(ValueError, match=r"ASCII|fields|codec"):
            read_form(body)
    else:
        assert read_form(body) == wanted


@pytest.mark.parametrize(("count", "fits"), [(500, True), (501, False)])
def test_too_many_fields_are_no_form(count: int, fits: bool) -> None:
    body = b"&".join([b"a=1"] * count)
    if fits:
        assert len(read_form(body)) == len(standard(body)) == count
    else:
        with pytest.raises(ValueError, match="too many"):
            read_form(body)
