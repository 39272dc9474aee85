"""Whether the time to read a mail is proportional to its length, on ordinary and on hostile input.

The curves are written to docs/bench-linear.svg: CPU per byte over the size. A flat line means linear.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from bench.figures import Figure, Result, Sizes
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.parse import parse_mail
from zrm.contract.inbound import RawContact
from zrm.normalizer.quoted_text.split import split_quotation

_Given = TypeVar("_Given")

PLOT: Final = "bench-linear.svg"
TARGET: Final = 1.15
_FITTED_FROM: Final = 100_000
"""Smaller inputs are dominated by the fixed cost of a call, which would make any curve look flat."""
_ENOUGH: Final = 2.0  # seconds; shorter runs are repeated three times, and the best counts
_TEXT: Final = 3_000_000  # fifteen times the limit of a record
_HTML: Final = 1_900_000  # above two million characters HTML is kept as a file and not read

_PERSIAN: Final = "چراغ خیابان بهار از هفتهٔ پیش خاموش است و کسی پاسخ نمی‌دهد.\n"
_ENGLISH: Final = "The lamp in Spring Street has been dark since last week and nobody answers.\n"
_HEAD: Final = (
    b"From: Ali <ali@example.org>\r\nTo: info@example.org\r\nSubject: lamp\r\nMessage-ID: <1@example.org>\r\n"
)
_PARTS: Final = b'Content-Type: multipart/mixed; boundary="b0"\r\n\r\n'

_QUOTES: Final = {
    "plain English": _ENGLISH,
    "plain Persian": _PERSIAN,
    "a thread quoted again and again": "On Mon, 2 Nov 2026 at 10:20, Ali <a@example.org> wrote:\n> > > old\n> > old\n> old\n\n",
    "hostile: half an attribution on each line": "On 2 Nov 10:20\n",
    "hostile: header lines without an end": "From: a\nTo: b\n",
    "hostile: marks and blank lines": "> a\n\n",
    "hostile: signatures": "-- \n> a\nx\n",
}
_MAILS: Final[dict[str, tuple[bytes, bytes]]] = {
    "plain Persian": (_HEAD + b"\r\n", _PERSIAN.encode()),
    "a file in base64": (
        _HEAD + _PARTS + b"--b0\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        base64.encodebytes(bytes(range(57))).replace(b"\n", b"\r\n"),
    ),
    "HTML": (_HEAD + b"Content-Type: text/html\r\n\r\n", b"<p>The <b>lamp</b> is dark.</p>\r\n"),
    "one flowed paragraph": (_HEAD + b"Content-Type: text/plain; format=flowed\r\n\r\n", b"and so it goes on \r\n"),
    "hostile: header fields": (_HEAD, b"X-A: =?utf-8?q?a?=\r\n"),
    "hostile: a subject of encoded words": (b"Subject: ", b"=?utf-8?b?YQ==?= "),
    "hostile: nearly boundaries": (_HEAD + _PARTS, b"--b0x\r\n"),
    "hostile: containers in containers": (
        b"".join(
            b'Content-Type: multipart/mixed; boundary="n%d"\r\n\r\n--n%d\r\n' % (depth, depth) for depth in range(25)
        ),
        b"--n19x\r\n",
    ),
    "hostile: text turned around": (_HEAD + b"\r\n", "\u202ba\r\n".encode()),
    "hostile: a bounce of addresses": (
        b"From: MAILER-DAEMON@example.org\r\nSubject: Undelivered Mail Returned to Sender\r\n\r\n",
        b"<a@b.example>: host x said: 550 5.1.1\r\n",
    ),
}


@dataclass(frozen=True, slots=True)
class Curve:
    """CPU seconds by size in bytes."""

    name: str
    points: tuple[tuple[int, float], ...]

    @property
    def slope(self) -> float:
        """The exponent: 1 for linear, 2 for quadratic."""
        fitted = [point for point in self.points if point[0] >= _FITTED_FROM]
        return exponent(fitted if len(fitted) > 1 else self.points)


def exponent(points: list[tuple[int, float]] | tuple[tuple[int, float], ...]) -> float:
    """The slope of the straight line through the points' logarithms, by least squares."""
    logs: list[tuple[float, float]] = [(math.log(size), math.log(seconds)) for size, seconds in points]
    middle_x, middle_y = sum(x for x, _ in logs) / len(logs), sum(y for _, y in logs) / len(logs)
    rise = sum((x - middle_x) * (y - middle_y) for x, y in logs)
    return rise / sum((x - middle_x) * (x - middle_x) for x, _ in logs)


def measure(sizes: Sizes, docs: Path) -> Result:
    """In this process; no hub is needed."""
    result = Result(
        "Reading a mail, by its size",
        f"CPU of one process for inputs of {sizes.lengths[0]:,} to {sizes.lengths[-1]:,} bytes. The figure is the exponent "
        f"of the line through the logarithms, from {_FITTED_FROM:,} bytes on: 1 is linear. The desk's record keeps "
        "1,000,000 characters of a text and the HTML of a mail up to two million; quotes are measured to three million "
        "bytes all the same.",
    )
    boxes = Mailboxes(EmailConfig.model_validate({"mailboxes": {"info": {"address": "info@example.org"}}}))
    texts = tuple(length for length in sizes.lengths if length <= _TEXT)
    quotes = [curve(name, partial(_text, piece), split_quotation, texts) for name, piece in _QUOTES.items()]
    mails = [
        curve(
            name,
            partial(_mail, head, piece),
            partial(parse_mail, mailboxes=boxes),
            tuple(length for length in sizes.lengths if name != "HTML" or length <= _HTML),
        )
        for name, (head, piece) in _MAILS.items()
    ]
    for kind, curves in (("quotes", quotes), ("MIME", mails)):
        result.figures += [
            Figure(
                f"{kind}, {one.name}",
                f"{one.slope:.2f} ({1e9 * one.points[-1][1] / one.points[-1][0]:.0f} ns a byte at {one.points[-1][0]:,})",
                target=f"≤ {TARGET}",
                met=one.slope <= TARGET,
            )
            for one in curves
        ]
    if not sizes.quick:
        _plot({"folding quotes": quotes, "taking MIME apart": mails}, docs / PLOT)
        result.notes.append(f"![CPU for each byte by size]({PLOT})")
    return result


def curve(
    name: str, make: Callable[[int], _Given], read: Callable[[_Given], object], lengths: tuple[int, ...]
) -> Curve:
    """The cost of reading at each length."""
    read(make(lengths[0]))  # warm up what is built at first use
    points = []
    for length in lengths:
        given, best = make(length), math.inf
        for _ in range(3):
            began = time.process_time()
            read(given)
            best = min(best, time.process_time() - began)
            if best > _ENOUGH:
                break
        points.append((length, max(best, 1e-6)))
    return Curve(name, tuple(points))


def _text(piece: str, length: int) -> str:
    return "Hello\n" + piece * max(1, length // len(piece.encode()))


def _mail(head: bytes, piece: bytes, length: int) -> RawContact:
    sender = "" if b"MAILER-DAEMON" in head else "ali@example.org"
    body = head + piece * max(1, length // len(piece))
    return RawContact("email", "info", "x", body, "message/rfc822", {"mail_from": sender})


def _plot(panels: dict[str, list[Curve]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "zrm"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, columns = plt.subplots(1, 2, figsize=(10, 4.6))
    for axes, (title, curves) in zip(columns, panels.items(), strict=True):
        for one in curves:
            style = "--" if one.name.startswith("hostile") else "-"
            per_byte = [1e9 * seconds / size for size, seconds in one.points]
            axes.plot([size for size, _ in one.points], per_byte, style, marker="o", markersize=3, label=one.name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("bytes")
        axes.set_ylabel("CPU for each byte, ns")
        axes.set_title(title, fontsize=10)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
