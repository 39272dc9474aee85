"""What the desk shows: the fax dot for dot, in its true proportions, whatever became of single pages."""

from __future__ import annotations

import io
from typing import cast

import pikepdf
import pytest
from PIL import Image

from tests.channels.fax.faxes import SIZE, claims, fax, page, tiff
from zrm.casestore.attachment import MOST_PICTURES
from zrm.channels.fax.render import MAX_DOTS, MAX_PICTURES, fax_pages, tiff_pages_png, tiff_to_pdf
from zrm.channels.fax.tiff import NotAFax


def images_of(pdf: bytes) -> list[Image.Image]:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        sheets = [next(iter(sheet.get_images().values())) for sheet in document.pages]
        assert all(isinstance(sheet, pikepdf.Stream) for sheet in sheets)
        return [pikepdf.PdfImage(cast("pikepdf.Stream", sheet)).as_pil_image().convert("1") for sheet in sheets]


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_lzw", "packbits", None])
def test_pdf_has_every_dot(compression: str | None) -> None:
    shown = images_of(tiff_to_pdf(fax(3, compression=compression)))
    assert [image.tobytes() for image in shown] == [page(number).tobytes() for number in (1, 2, 3)]


@pytest.mark.parametrize(("dpi", "height"), [((204, 98), 842), ((204, 196), 421)])
def test_pdf_has_the_pages_true_size(dpi: tuple[int, int], height: int) -> None:
    with pikepdf.open(io.BytesIO(tiff_to_pdf(fax(1, dpi=dpi)))) as document:
        assert [round(float(side)) for side in document.pages[0].mediabox] == [0, 0, 610, height]


def test_same_fax_gives_the_same_pdf() -> None:
    assert tiff_to_pdf(fax()) == tiff_to_pdf(fax())


def test_thumbnail_has_true_proportions() -> None:
    first, second = tiff_pages_png(fax(2), width=500)
    with Image.open(io.BytesIO(first)) as image:
        assert (image.format, image.size) == ("PNG", (500, round(SIZE[1] * 204 / 98 * 500 / SIZE[0])))
    assert first != second


def test_a_long_fax_is_a_whole_pdf_and_its_first_pages_as_pictures() -> None:
    pdf, *pictures = fax_pages(fax(MAX_PICTURES + 2))
    assert (pdf[:5], len(pictures)) == (b"%PDF-", MAX_PICTURES)
    assert MAX_PICTURES == MOST_PICTURES  # the desk says so beneath them


def test_a_roll_of_paper_is_a_small_picture() -> None:
    roll = io.BytesIO()
    Image.new("1", (1000, 50_000), 1).save(roll, format="TIFF", compression="packbits", dpi=(204, 196))
    (picture,) = tiff_pages_png(roll.getvalue())
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size[0] * image.size[1] <= MAX_DOTS


def test_unreadable_page_is_crossed_out_and_the_rest_shown() -> None:
    content = bytearray(fax(3, compression="tiff_deflate"))
    with Image.open(io.BytesIO(bytes(content))) as image:
        image.seek(1)
        (at, *_) = image.tag_v2[273]  # type: ignore[attr-defined]  # only TIFF images have tags
    content[at : at + 30] = b"\xff" * 30
    first, second, third = images_of(tiff_to_pdf(bytes(content)))
    assert first.tobytes() == page(1).tobytes()
    assert third.tobytes() == page(3).tobytes()
    assert second.tobytes() not in (page(2).tobytes(), Image.new("1", SIZE, 1).tobytes())
    assert second.getpixel((SIZE[0] // 2, SIZE[1] // 2)) == 0


@pytest.mark.parametrize("content", [b"", b"junk", tiff(claims(height=50_000))])
def test_what_is_no_fax_is_refused_before_pillow_sees_it(content: bytes) -> None:
    with pytest.raises(NotAFax):
        tiff_to_pdf(content)
    with pytest.raises(NotAFax):
        list(tiff_pages_png(content))
