"""Quotations in the HTML of a mail, marked in its text as mail programs mark them: lines that begin with `>`, ruled
lines.

A quotation is recognised by the structure (`blockquote type="cite"`, the elements Gmail and Yahoo make), or by the line
above it that names a date or an address and ends with a colon. A merely indented paragraph is none. Elsewhere (Outlook)
there are only a ruled line and header lines in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from lxml import etree  # type: ignore[import-untyped]  # lxml ships no annotations

_BEGIN, _END = (
    "\ufdd0",
    "\ufdd1",
)  # Unicode noncharacters; in a mail's own text they can only mark that mail's quotations
_RULE: Final = "_" * 32
_RECENT: Final = 600  # characters
_FIRST_PIECES: Final = 30
_BLOCKS: Final = frozenset(
    {"p", "div", "br", "tr", "li", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr"}
)
_CELLS: Final = frozenset({"td", "th"})
_QUOTING: Final = frozenset({"gmail_quote", "protonmail_quote", "tutanota_quote"})
_CONTAINERS: Final = frozenset({"gmail_quote", "gmail_quote_container", "gmail_extra"})
_ATTRIBUTING: Final = frozenset({"moz-cite-prefix", "gmail_attr", "reply-intro"})
_RENAMED: Final = re.compile(r"^(?:x_|ecx|yiv\d+)+|_\d+$")
_DATE_OR_ADDRESS: Final = re.compile(r"\S@\S|\d[:./-]\d")
_TOP_LINE: Final = re.compile(r"border-top(?:-style)?\s*:[^;]*\bsolid\b", re.IGNORECASE)


def mark_quotations(tree: Any) -> None:
    """Put marks around the outermost quotations of an lxml tree, and lines where it shows them; for `write_marks`."""
    ruled = [element for element in tree.iter("hr", "div", "td") if element.tag == "hr" or _has_top_line(element)]
    for quotation in list(_quotations(tree)):
        _put_before(_line_above(quotation), _BEGIN)
        _put_behind(quotation, _END)
    for element in ruled:
        if element.tag == "hr":
            element.tag, element.text = "div", _RULE
        else:
            _put_first(element, _RULE)


def write_marks(text: str) -> str:
    """The text of a marked tree, with the quotations' lines marked by `>`."""
    if _BEGIN not in text and _END not in text:
        return text
    written: list[str] = []
    quoted: list[str] | None = None
    for line in text.split("\n"):
        bare = line.strip()
        if bare == _BEGIN:
            _add(written, quoted or [])
            quoted = []
        elif _END in line or quoted is None:
            _add(written, quoted or [])
            quoted = None
            if bare != _END and (bare or written[-1:] != [""]):
                written.append(line.replace(_BEGIN, "").replace(_END, ""))
        else:
            quoted.append(bare.replace(_BEGIN, ""))
    _add(written, quoted or [])
    return "\n".join(written)


def _add(written: list[str], quoted: list[str]) -> None:
    """The lines of a quotation with their marks, separated by a blank line; blank lines at both ends are the
    layout's.
    """
    said = [index for index, line in enumerate(quoted) if line]
    if said:
        while written and not written[-1]:
            written.pop()
        written += ["", *(f"> {line}".rstrip() for line in quoted[said[0] : said[-1] + 1]), ""]


def _quotations(tree: Any) -> Iterator[Any]:
    """The outermost quotations, in order, in one walk. Table rows with several cells have none: the cells share their
    lines.
    """
    recent = ""  # the last text before an element, a line each block
    inside: Any = None
    containers = shared = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        names = _names(element)
        if event == "start":
            if (
                inside is None
                and not shared
                and _is_quotation(element, tag, names, recent, in_container=containers > 0)
            ):
                inside = element
                yield element
            step, text = 1, element.text if tag else ""
        else:
            inside = None if element is inside else inside
            step, text = -1, element.tail
        containers += step * (not _CONTAINERS.isdisjoint(names))
        shared += step * (tag in _CELLS and _has_neighbour(element))
        line = "\n" if tag in _BLOCKS else ""
        recent = f"{recent}{line}{(text or '')[-_RECENT:]}"[-_RECENT:]


def _is_quotation(element: Any, tag: str, names: frozenset[str], recent: str, *, in_container: bool) -> bool:
    if "yahoo_quoted" in names:
        return not _first_text(element).startswith("-")  # dashes: a forwarded mail
    if tag != "blockquote":
        return False
    if element.get("type", "").lower() == "cite" or element.get("cite", "").lower().startswith("mid:"):
        return True
    if not _QUOTING.isdisjoint(names):
        first = next(iter(element), None)
        typed = first is not None and "gmail_default" in _names(first)  # by Gmail's button, in a new mail
        return in_container or not typed
    if not set(element.attrib) - {"dir", "lang"}:
        return True
    return _announces(recent) or _announces(_first_text(element), first=True)


def _announces(text: str, *, first: bool = False) -> bool:
    """Whether the last lines of a text (or its first) are an attribution."""
    if not first and not text.rstrip().endswith((":", "：")):
        return False
    lines = [line for line in (" ".join(one.split()) for one in text.split("\n")) if line]
    line = " ".join(lines[:1] if first else lines[-3:])
    return line.endswith((":", "：")) and bool(_DATE_OR_ADDRESS.search(line))


def _first_text(element: Any) -> str:
    """The first words within an element, only as many as needed."""
    found = ""
    for piece in islice(element.itertext(), _FIRST_PIECES):
        found += piece[:_RECENT]
        if len(found) >= _RECENT or piece.rstrip().endswith((":", "：")):
            break
    return found.strip()


def _line_above(quotation: Any) -> Any:
    """The element before a quotation with the attribution, if that names no address; else the quotation."""
    above = quotation.getprevious()
    if above is None or _ATTRIBUTING.isdisjoint(_names(above)) or (above.tail or "").strip():
        return quotation
    words = _first_text(above)
    return quotation if "@" in words or words.startswith("-") else above


def _has_top_line(element: Any) -> bool:
    return bool(_TOP_LINE.search(element.get("style", "")[:_RECENT]))


def _has_neighbour(cell: Any) -> bool:
    return any(one is not None and one.tag in _CELLS for one in (cell.getprevious(), cell.getnext()))


def _names(element: Any) -> frozenset[str]:
    """Classes and id; those renamed by a quoting program (`x_gmail_quote`, `yahoo_quoted_12`) count as well."""
    if not isinstance(element.tag, str) or not element.attrib:
        return frozenset()
    names = f"{element.get('class', '')[:_RECENT]} {element.get('id', '')[:_RECENT]}".split()
    return frozenset(_RENAMED.sub("", name) for name in names)


def _put_before(element: Any, sign: str) -> None:
    if element.getparent() is None:
        _put_first(element, sign)
    else:
        element.addprevious(_line(sign))


def _put_first(element: Any, sign: str) -> None:
    line = _line(sign)
    line.tail, element.text = element.text, None
    element.insert(0, line)


def _put_behind(element: Any, sign: str) -> None:
    line = _line(sign)
    if element.getparent() is None:
        element.append(line)
    else:
        line.tail, element.tail = element.tail, None
        element.addnext(line)


def _line(sign: str) -> Any:
    line = etree.Element("div")
    line.text = sign
    return line
