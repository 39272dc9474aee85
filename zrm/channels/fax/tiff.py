"""The outline of a fax's TIFF, read without decoding a pixel: pages, sizes, resolution, positions of the data.

Everything in the file is the sender's claim. Anything impossible is an error here, so that later decoders get only
files whose claims fit their bytes. Own code, because it runs on every fax in an ordinary worker and must answer any
bytes with a result or `NotAFax`, in bounded time and memory.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

MAX_PAGES: Final = 500
MAX_WIDTH: Final = 10_000  # pixels; ISO A3 at 400 dots an inch has 4864
MAX_HEIGHT: Final = 60_000  # rows; six metres of paper at the usual 196 an inch
MAX_PIXELS: Final = 60_000_000  # of one page
MAX_PIXELS_ALL: Final = 3_000_000_000  # of all pages: 500 of the usual ones, at two hundredths of a second each
_MAX_ENTRIES: Final = 512
_MAX_STRIPS: Final = 65_536

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _DESCRIPTION, _OFFSETS, _SAMPLES, _ROWS, _COUNTS, _XRES, _YRES, _UNIT = (
    256, 257, 258, 259, 270, 273, 277, 278, 279, 282, 283, 296,
)  # fmt: skip
_INTEGERS: Final = {1: "B", 3: "H", 4: "I"}
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
# Bits that a row needs at least: G4 says "as above" in one; G3 ends rows or runs in more; 0 for "compute".
_ROW_BITS: Final = {1: 0, 2: 8, 3: 1, 4: 1, 5: 0, 8: 0, 32773: 0}
_RATIO: Final = {5: 1400, 8: 1100, 32773: 65}  # the largest expansion of a byte, for LZW, Deflate and PackBits


class NotAFax(Exception):
    """These bytes are no fax's TIFF; the message says what is wrong, for an agent."""


class NoPages(NotAFax):
    """The file is valid but has no page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: size in pixels, dots an inch each way, and TIFF's number of its compression."""

    width: int
    height: int
    x_dpi: float
    y_dpi: float
    compression: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A fax: its pages, and the words in the first page's description (HylaFAX puts the sender's id there)."""

    pages: tuple[Page, ...]
    description: str


def outline(data: bytes) -> Outline:
    """Read the outline. Errors: NotAFax, and no other, for any bytes."""
    if not data:
        raise NoPages("an empty file")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise NotAFax("not a TIFF file")
    reader = _Reader(data, order)
    pages: list[Page] = []
    seen: set[int] = set()
    description = ""
    pixels = 0
    offset = reader.number("I", 4)
    while offset:
        if offset in seen:
            raise NotAFax("its pages form a circle")
        if len(pages) == MAX_PAGES:
            raise NotAFax(f"more than {MAX_PAGES} pages")
        seen.add(offset)
        tags, offset = reader.directory(offset)
        page = _page(reader, tags, len(pages) + 1)
        pixels += page.width * page.height
        if pixels > MAX_PIXELS_ALL:
            raise NotAFax("its pages are larger than any fax")
        if not pages:
            description = reader.text(tags.get(_DESCRIPTION))
        pages.append(page)
    if not pages:
        raise NoPages("a TIFF file without a page")
    return Outline(tuple(pages), description)


@dataclass(frozen=True, slots=True)
class _TagEntry:
    """One tag: TIFF's type, number of values, and their position in the file."""

    kind: int
    count: int
    at: int


class _Reader:
    """Reads numbers from the file, never outside it."""

    def __init__(self, data: bytes, order: str) -> None:
        self._data = data
        self._order = order
        self.size = len(data)

    def number(self, code: str, at: int) -> int:
        """One unsigned number of struct's code. Errors: NotAFax beyond the end."""
        return self.numbers(code, 1, at)[0]

    def numbers(self, code: str, count: int, at: int) -> tuple[int, ...]:
        """Several unsigned numbers. Errors: NotAFax beyond the end."""
        try:
            return struct.unpack_from(f"{self._order}{count}{code}", self._data, at)
        except struct.error:
            raise NotAFax("it is cut off") from None

    def directory(self, at: int) -> tuple[dict[int, _TagEntry], int]:
        """The tags of the page at `at`, and the position of the next page (0: none)."""
        count = self.number("H", at)
        if count > _MAX_ENTRIES:
            raise NotAFax("a page with too many tags")
        entries: dict[int, _TagEntry] = {}
        for index in range(count):
            entry = at + 2 + 12 * index
            tag, kind = self.numbers("H", 2, entry)
            values = self.number("I", entry + 4)
            inside = values * _SIZES.get(kind, 1) <= 4
            entries[tag] = _TagEntry(kind, values, entry + 8 if inside else self.number("I", entry + 8))
        return entries, self.number("I", at + 2 + 12 * count)

    def integers(self, entry: _TagEntry | None, most: int) -> tuple[int, ...]:
        """A tag's whole numbers; none for a missing tag. Errors: NotAFax."""
        if entry is None:
            return ()
        code = _INTEGERS.get(entry.kind)
        if code is None or entry.count > most:
            raise NotAFax("a tag of the wrong kind")
        return self.numbers(code, entry.count, entry.at)

    def integer(self, entry: _TagEntry | None, default: int) -> int:
        """A tag's first whole number. Errors: NotAFax."""
        values = self.integers(entry, 16)
        return values[0] if values else default

    def ratio(self, entry: _TagEntry | None) -> float:
        """A tag's rational number, 0 for a missing or invalid one. Errors: NotAFax."""
        if entry is None or entry.kind != 5 or entry.count < 1:
            return 0.0
        over, under = self.numbers("I", 2, entry.at)
        return over / under if under else 0.0

    def text(self, entry: _TagEntry | None) -> str:
        """A tag's text up to its first NUL, at most 200 bytes of it; empty for anything else."""
        if entry is None or entry.kind != 2 or entry.at > self.size:
            return ""
        content = self._data[entry.at : entry.at + min(entry.count, 200)]
        return content.partition(b"\0")[0].decode("utf-8", errors="replace").strip()


def _page(reader: _Reader, tags: dict[int, _TagEntry], number: int) -> Page:
    width, height = reader.integer(tags.get(_WIDTH), 0), reader.integer(tags.get(_HEIGHT), 0)
    if not (0 < width <= MAX_WIDTH and 0 < height <= MAX_HEIGHT and width * height <= MAX_PIXELS):
        raise NotAFax(f"page {number} claims {width} by {height} dots")
    if reader.integer(tags.get(_BITS), 1) != 1 or reader.integer(tags.get(_SAMPLES), 1) != 1:
        raise NotAFax(f"page {number} is not in black and white")
    compression = reader.integer(tags.get(_COMPRESSION), 1)
    if compression not in _ROW_BITS:
        raise NotAFax(f"page {number} is packed in a way no fax machine does ({compression})")
    room = _data_size(reader, tags, height, number)
    row = (width + 7) // 8
    bits = _ROW_BITS[compression]
    least = (height * bits + 7) // 8 if bits else row * height // _RATIO.get(compression, 1)
    if room < least:
        raise NotAFax(f"page {number} claims {height} rows but has {room} bytes")
    scale = 2.54 if reader.integer(tags.get(_UNIT), 2) == 3 else 1.0
    x_dpi, y_dpi = (_sane(reader.ratio(tags.get(tag)) * scale) for tag in (_XRES, _YRES))
    return Page(width, height, x_dpi or 204.0, y_dpi or 196.0, compression)


def _data_size(reader: _Reader, tags: dict[int, _TagEntry], height: int, number: int) -> int:
    """The total bytes of the page's strips, all of them inside the file. Errors: NotAFax."""
    offsets = reader.integers(tags.get(_OFFSETS), _MAX_STRIPS)
    counts = reader.integers(tags.get(_COUNTS), _MAX_STRIPS)
    rows = reader.integer(tags.get(_ROWS), height)
    if not offsets or rows < 1 or len(offsets) != (height + min(rows, height) - 1) // min(rows, height):
        raise NotAFax(f"page {number} does not have the strips it claims")
    if not counts and len(offsets) == 1:  # old machines omit the count of a single strip
        counts = (max(0, reader.size - offsets[0]),)
    if len(counts) != len(offsets) or any(
        at < 8 or at + count > reader.size for at, count in zip(offsets, counts, strict=False)
    ):
        raise NotAFax(f"page {number} has its data outside the file")
    return sum(counts)


def _sane(dpi: float) -> float:
    """Dots an inch in a fax machine's range (38 to 1200), 0 for anything else."""
    return dpi if 30 <= dpi <= 1300 else 0.0
