"""A fax's pages for the desk: one lossless PDF, or a small PNG a page. Decodes pixels, so run it in a child process.

The outline is checked first; Pillow then gets only pages whose stated sizes fit their bytes, one at a time. A page that
cannot be decoded becomes a crossed-out one, so that the others are still shown with their right numbers.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Final

import img2pdf
from PIL import Image, ImageDraw

from zrm.channels.fax.tiff import NotAFax, Page, outline

MAX_PDF: Final = 200 * 1024 * 1024  # bytes
MAX_PICTURES: Final = 30  # pages
MAX_DOTS: Final = 2_500_000  # of one picture, a byte each at most: a letter at a thousand across has 1.4 million
_WHITE: Final = 1


def fax_pages(data: bytes) -> Iterator[bytes]:
    """The fax as a PDF, then each of its first `MAX_PICTURES` pages as a PNG. Errors: NotAFax."""
    yield tiff_to_pdf(data)
    yield from islice(tiff_pages_png(data), MAX_PICTURES)


def tiff_to_pdf(data: bytes) -> bytes:
    """The fax as a PDF in its true proportions, each page as group 4, dot for dot. Errors: NotAFax."""
    packed: list[bytes] = []
    size = 0
    for page, image in _pages(data):
        buffer = io.BytesIO()
        # One strip: PDF wants a page's group 4 in one piece, and then it is copied as it is.
        image.save(
            buffer,
            format="TIFF",
            compression="group4",
            dpi=(page.x_dpi, page.y_dpi),
            strip_size=(page.width + 7) // 8 * page.height,
        )
        packed.append(buffer.getvalue())
        size += len(packed[-1])
        if size > MAX_PDF:
            raise NotAFax("too large to show")
    pdf: bytes = img2pdf.convert(packed, engine=img2pdf.Engine.internal, nodate=True)
    return pdf


def tiff_pages_png(data: bytes, width: int = 1000) -> Iterator[bytes]:
    """Each page as a grey PNG of at most `width` pixels across and `MAX_DOTS` in all, in its true proportions.

    Errors: NotAFax.
    """
    for page, image in _pages(data):
        across = min(width, page.width)
        down = max(1, round(page.height * page.x_dpi / page.y_dpi * across / page.width))
        if across * down > MAX_DOTS:
            smaller = math.sqrt(MAX_DOTS / (across * down))
            across, down = max(1, int(across * smaller)), max(1, int(down * smaller))
        buffer = io.BytesIO()
        image.convert("L").resize((across, down), Image.Resampling.BOX).save(buffer, format="PNG")
        yield buffer.getvalue()


def _pages(data: bytes) -> Iterator[tuple[Page, Image.Image]]:
    """Each page with its pixels, mode "1"; one at a time. Errors: NotAFax."""
    fax = outline(data)
    for number, page in enumerate(fax.pages):
        yield page, _decoded(data, number, page) or _crossed_out(page)


def _decoded(data: bytes, number: int, page: Page) -> Image.Image | None:
    """The page's pixels, None if they cannot be decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.simplefilter("ignore", UserWarning)  # Pillow's warnings about tags we do not use
        try:
            with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
                image.seek(number)
                if image.size != (page.width, page.height) or image.mode != "1":
                    return None
                image.load()
                # A fresh image, because re-encoding one that libtiff decoded would copy its tags.
                return Image.frombytes("1", image.size, image.tobytes())
        except Exception:  # noqa: BLE001 - damaged pages make Pillow raise nearly anything; the page is shown as unreadable
            return None


def _crossed_out(page: Page) -> Image.Image:
    image = Image.new("1", (page.width, page.height), _WHITE)
    draw = ImageDraw.Draw(image)
    right, bottom = page.width - 1, page.height - 1
    draw.line((0, 0, right, bottom), fill=0, width=5)
    draw.line((0, bottom, right, 0), fill=0, width=5)
    draw.rectangle((0, 0, right, bottom), outline=0, width=5)
    return image
