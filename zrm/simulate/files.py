"""What citizens attach: small pictures, letters, fax pages, speech. All differ, so no two are stored as one blob."""

from __future__ import annotations

import io
import math
import random
import wave
from array import array
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

_FAX_WIDTH: Final = 1728  # pixels of a line of ordinary fax paper
_FAX_HEIGHT: Final = 1100  # rows of a page in standard resolution
_RATE: Final = 8000  # samples of telephone sound in a second


def picture(chance: random.Random) -> bytes:
    """A JPEG of some kilobytes."""
    image = Image.new("RGB", (160, 120), (chance.randrange(256), chance.randrange(256), chance.randrange(256)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = chance.randrange(160), chance.randrange(120)
        draw.ellipse((x, y, x + chance.randrange(5, 60), y + chance.randrange(5, 60)), fill=chance.getrandbits(24))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=75)
    return out.getvalue()


def statement(text: str, chance: random.Random) -> bytes:
    """A letter as a text file, numbered."""
    return f"{chance.getrandbits(40):x}\r\n\r\n{text}\r\n".encode()


def fax_pages(chance: random.Random, pages: int) -> bytes:
    """A TIFF as a fax server stores it: lines of handwriting, Group 4, one bit a pixel."""
    sheets = [_sheet(chance) for _ in range(pages)]
    out = io.BytesIO()
    sheets[0].save(out, "TIFF", compression="group4", dpi=(204, 98), save_all=len(sheets) > 1, append_images=sheets[1:])
    return out.getvalue()


def _sheet(chance: random.Random) -> Image.Image:
    sheet = Image.new("1", (_FAX_WIDTH, _FAX_HEIGHT), 1)
    draw = ImageDraw.Draw(sheet)
    for row in range(120, _FAX_HEIGHT - 120, 60):
        x, points = 150, []
        while x < chance.randrange(900, _FAX_WIDTH - 150):
            points.append((x, row + chance.randrange(-18, 18)))
            x += chance.randrange(8, 30)
        draw.line(points, fill=0, width=3)
    return sheet


def speak_into(path: Path, seconds: float, pitch: float) -> int:
    """Write a mono 16-bit WAV at 8 kHz that sounds like humming; returns its samples. Errors: OSError."""
    samples = int(seconds * _RATE)
    turn = 2 * math.pi * pitch / _RATE
    sound = array("h", (int(9000 * math.sin(turn * at) * (0.6 + 0.4 * math.sin(at / 900))) for at in range(samples)))
    with path.open("wb") as file, wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes(sound.tobytes())
    return samples
