"""Faxes: page images as a fax machine sends them, and HylaFAX's own `faxrcvd` in a private spool."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from tests.lab.peers import HYLAFAX, why_missing
from tests.lab.places import REPOSITORY, cache_folder
from tests.lab.process import PeerError

WIDTH, HEIGHT = 1728, 2292  # A4 at 204 x 196 dots an inch
RESOLUTION = (204, 196)

ENGLISH = ("The street light in front of house 12 is broken.", "It has been dark for nine nights.")
PERSIAN = ("شکایت شهروند از شهرداری", "چراغ خیابان جلوی خانهٔ ۱۲ خراب است", "لطفاً رسیدگی کنید، با تشکر")

FONT_FOLDERS = (
    REPOSITORY / "node_modules" / "vazirmatn",
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
)
FONT_NAMES = ("Vazirmatn-Regular.ttf", "DejaVuSans.ttf")


def write_fax(path: Path, pages: int = 2) -> Path:
    """Write a letter in English and Persian as a group 3 TIFF of this many pages, 204 x 196; returns its path."""
    images = [_page(number) for number in range(1, pages + 1)]
    images[0].save(path, format="TIFF", compression="group3", dpi=RESOLUTION, save_all=True, append_images=images[1:])
    return path


def _page(number: int) -> Image.Image:
    image = Image.new("1", (WIDTH, HEIGHT), 1)
    draw = ImageDraw.Draw(image)
    draw.text((120, 160), f"COMPLAINT No. 4719, page {number}", font=_font(60), fill=0)
    for row, line in enumerate(ENGLISH):
        draw.text((120, 320 + row * 100), line, font=_font(48), fill=0)
    # Without raqm, Pillow neither joins nor reorders Persian letters; the page can then be sent but not read.
    direction = "rtl" if features.check("raqm") else None
    for row, line in enumerate(PERSIAN):
        draw.text((WIDTH - 120, 640 + row * 120), line, font=_font(56), fill=0, anchor="ra", direction=direction)
    return image


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in FONT_NAMES:
        for folder in FONT_FOLDERS:
            if found := next(folder.rglob(name), None):
                return ImageFont.truetype(str(found), size)
    return ImageFont.load_default(size)


@dataclass(frozen=True)
class Handed:
    """The result of `faxrcvd`: its exit status and its output."""

    status: int
    output: str


class HylafaxSpool:
    """A private HylaFAX spool in `folder`, whose etc/FaxDispatch is the script given.

    No daemon and no modem: the real `faxrcvd` is run as the modem's process runs it after a reception.
    """

    def __init__(self, folder: Path, fax_dispatch: Path) -> None:
        if fault := why_missing("hylafax"):
            raise PeerError(f"HylaFAX: {fault}")
        self.folder = folder
        self._received = 0
        software = HYLAFAX.folder(cache_folder())
        shutil.copytree(software / "var" / "spool" / "hylafax", folder, symlinks=True, dirs_exist_ok=True)
        shutil.copytree(software / "etc" / "hylafax", folder / "etc", symlinks=True, dirs_exist_ok=True)
        programs = folder / "programs"
        programs.mkdir()
        self._write_faxinfo(software, programs / "faxinfo")
        _write_script(programs / "sendmail", f"cat >> {shlex.quote(str(folder / 'log' / 'mail'))}\n")
        settings = {
            "SPOOL": folder,
            "SBIN": programs,
            "LIBEXEC": programs,
            "TIFFBIN": programs,
            "SENDMAIL": programs / "sendmail",
            "AWK": "awk",
            "SED": "sed",
            "TTYCMD": "false",
        }
        lines = (f"{name}={shlex.quote(str(value))}\n" for name, value in settings.items())
        (folder / "etc" / "setup.cache").write_text("".join(lines), encoding="utf-8")
        (folder / "etc" / "FaxDispatch").unlink(missing_ok=True)
        (folder / "etc" / "FaxDispatch").symlink_to(fax_dispatch.resolve())

    @property
    def mail(self) -> str:
        """The mails of HylaFAX to its fax master, as one text."""
        path = self.folder / "log" / "mail"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def receive(
        self,
        tiff: Path | None,
        *,
        caller: str = "02188776655",
        name: str = "",
        called: str = "150",
        device: str = "ttyS0",
        error: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Handed:
        """Deliver a received fax; `tiff` None is a reception that failed before its first page."""
        self._received += 1
        name_in_queue = f"recvq/fax{self._received:09d}.tif"
        if tiff is not None:
            shutil.copyfile(tiff, self.folder / name_in_queue)
        argv = ["bin/faxrcvd", name_in_queue, device, f"{self._received:09d}", error, caller, name, called]
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return Handed(done.returncode, done.stdout)

    @staticmethod
    def _write_faxinfo(software: Path, target: Path) -> None:
        # Through the unpacked tree's own loader: its libraries need not match this machine's.
        command = shlex.join(HYLAFAX.command(software, "usr/lib/hylafax/bin/faxinfo"))
        _write_script(target, f'exec {command} "$@"\n')


def _write_script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}", encoding="utf-8")
    path.chmod(0o755)
