"""TIFFs for the tests: honest ones by Pillow, lying ones by hand."""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageDraw

SIZE = (1728, 1146)


def page(number: int = 1, size: tuple[int, int] = SIZE) -> Image.Image:
    """A page with lines on it, different for each number."""
    image = Image.new("1", size, 1)
    draw = ImageDraw.Draw(image)
    for row in range(20, size[1], 40):
        draw.line((100, row, 100 + (row * 7 * number) % (size[0] - 200), row), fill=0, width=3)
    return image


def fax(
    pages: int = 2, *, compression: str | None = "group3", dpi: tuple[int, int] = (204, 98), station: str = ""
) -> bytes:
    """A fax of so many pages."""
    images = [page(number) for number in range(1, pages + 1)]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format="TIFF",
        compression=compression,
        dpi=dpi,
        save_all=True,
        append_images=images[1:],
        tiffinfo={270: station} if station else {},
    )
    return buffer.getvalue()


def tiff(
    *directories: dict[int, tuple[int, int, int]], tail: bytes = b"\0" * 64, following: int | None = None
) -> bytes:
    """A little-endian TIFF of these directories (tag: type, count, value), `tail` at its end.

    `following` is where the last directory says the next one is.
    """
    parts = [b"II*\0", struct.pack("<I", 8)]
    at = 8
    for index, entries in enumerate(directories):
        length = 2 + 12 * len(entries) + 4
        last = index == len(directories) - 1
        parts.append(struct.pack("<H", len(entries)))
        parts += [struct.pack("<HHII", tag, *value) for tag, value in sorted(entries.items())]
        parts.append(struct.pack("<I", (following or 0) if last else at + length))
        at += length
    return b"".join(parts) + tail


def claims(
    width: int = 1728,
    height: int = 10,
    *,
    offset: int = 8,
    count: int = 40,
    compression: int = 4,
    bits: int = 1,
    rows: int | None = None,
) -> dict[int, tuple[int, int, int]]:
    """A directory that says so."""
    return {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, bits), 259: (3, 1, compression), 262: (3, 1, 0),
        273: (4, 1, offset), 277: (3, 1, 1), 278: (4, 1, height if rows is None else rows), 279: (4, 1, count),
    }  # fmt: skip
