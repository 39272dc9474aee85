"""The outline of a TIFF: honest ones are read, lying ones refused, and no bytes do harm."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.fax.faxes import SIZE, claims, fax, tiff
from zrm.channels.fax.tiff import MAX_PAGES, NoPages, NotAFax, outline


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_lzw", "tiff_deflate", "packbits", None])
def test_honest_fax_is_read(compression: str | None) -> None:
    read = outline(fax(3, compression=compression, station="+98 21 3000"))
    assert [(page.width, page.height) for page in read.pages] == [SIZE] * 3
    assert (read.pages[0].x_dpi, read.pages[0].y_dpi) == (204, 98)
    assert read.description == "+98 21 3000"


def test_resolution_may_be_in_centimetres_or_nonsense() -> None:
    def page(x: tuple[int, int], unit: int) -> tuple[float, float]:
        tail = struct.pack("<IIII", *x, 3858, 100) + b"\0" * 64
        at = 8 + 2 + 12 * 12 + 4
        entries = claims() | {282: (5, 1, at), 283: (5, 1, at + 8), 296: (3, 1, unit)}
        (read,) = outline(tiff(entries, tail=tail)).pages
        return round(read.x_dpi), round(read.y_dpi)

    assert page((8031, 100), 3) == (204, 98)
    assert page((1, 0), 3) == (204, 98)
    assert page((2**32 - 1, 1), 2) == (204, 39)


@pytest.mark.parametrize("content", [b"", b"II*\0\0\0\0\0", b"MM\0*\0\0\0\0"], ids=["empty", "little", "big"])
def test_file_without_a_page_is_told_apart(content: bytes) -> None:
    with pytest.raises(NoPages):
        outline(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7 ...", "not a TIFF"),
        (b"II*\0", "is cut off"),
        (fax(1)[:200], "is cut off|outside"),
        (tiff(claims(), following=8), "circle"),
        (tiff(*[claims()] * (MAX_PAGES + 1)), "more than 500 pages"),
        (tiff(claims(width=0)), "claims 0 by 10"),
        (tiff(claims(width=60_000)), "claims"),
        (tiff(claims(height=2**32 - 1)), "claims"),
        (tiff(claims(width=10_000, height=10_000)), "claims"),
        (tiff(claims(height=30_000)), "claims 30000 rows but has 40 bytes"),
        (tiff(claims(compression=1)), "claims 10 rows"),
        (tiff(claims(width=8000, height=7000, compression=8)), "claims 7000 rows"),
        (tiff(claims(offset=10**9)), "outside the file"),
        (tiff(claims(count=2**32 - 1)), "outside the file"),
        (tiff(claims(rows=1)), "strips"),
        (tiff(claims(rows=0)), "strips"),
        (tiff(claims(bits=8)), "black and white"),
        (tiff(claims(compression=7)), "packed"),
        (tiff(claims() | {273: (4, 2**31, 8)}), "wrong kind"),
        (tiff(claims() | {273: (2, 1, 8)}), "wrong kind"),
        (tiff({}), "claims 0 by 0"),
        (b"II*\0\x08\0\0\0\xff\xff", "too many tags"),
    ],
)  # fmt: skip
def test_lying_fax_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(NotAFax, match=reason):
        outline(content)


def test_many_large_pages_are_too_much_together() -> None:
    page = claims(width=5000, height=10_000, count=1300)
    assert len(outline(tiff(*[page] * 60, tail=b"\0" * 2000)).pages) == 60
    with pytest.raises(NotAFax, match="larger than any fax"):
        outline(tiff(*[page] * 61, tail=b"\0" * 2000))


HONEST = fax(2, station="TSI")


@given(st.binary(max_size=300), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0"]))
def test_no_bytes_do_harm(content: bytes, magic: bytes) -> None:
    with contextlib.suppress(NotAFax):
        outline(magic + content)


@given(st.lists(st.tuples(st.integers(0, len(HONEST) - 1), st.integers(0, 255)), max_size=8), st.integers(0, 4000))
def test_no_damage_does_harm(changes: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(HONEST)
    # Half of the changes where the structure is: at the start, and in the directories.
    for at, value in changes:
        content[at] = value
        content[at % 8] = content[at % 8] if at % 3 else value
    try:
        read = outline(bytes(content[: len(content) - cut]))
    except NotAFax:
        return
    assert read.pages
