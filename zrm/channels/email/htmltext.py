"""The text of an HTML mail without plain text, laid out as it reads; quotations are marked with `>`."""

from __future__ import annotations

import html as entities
import re
from typing import Final

from zrm.kit.html_cost import is_too_costly

_LONGEST: Final = 1_000_000
_TAG: Final = re.compile(r"<[^<>]*>")
_BREAK: Final = re.compile(r"</?(?:p|div|br|tr|li|h[1-6]|table|blockquote)\b[^<>]*>", re.IGNORECASE)
_DROPPED: Final = re.compile(r"<(script|style|title|head)\b", re.IGNORECASE)
_CLOSING: Final = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "title", "head")}
# beyond every character number, and costly to parse
_LONG_NUMBER: Final = re.compile(r"&#(?:[0-9]{10,}|[xX][0-9a-fA-F]{10,});?")


def words_of(html: str) -> str:
    """Plain text of HTML, laid out as it reads. HTML too long or too deep for the layout only loses its tags."""
    if not html.strip():
        return ""
    if len(html) <= _LONGEST and not is_too_costly(html):
        laid_out = _lay_out(html)
        if laid_out is not None:
            return laid_out
    return _strip(html)


def _lay_out(html: str) -> str | None:
    # Slow to import (lxml), and most mail has plain text.
    from inscriptis import Inscriptis
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig
    from lxml.etree import LxmlError  # type: ignore[import-untyped]  # lxml has no types of its own
    from lxml.html import document_fromstring  # type: ignore[import-untyped]  # lxml has no types of its own

    from zrm.channels.email.htmlquotes import mark_quotations, write_marks

    config = ParserConfig(css=CSS_PROFILES["strict"], display_links=False, display_images=False)
    text = html.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    # An XML declaration in a text that is already decoded is refused by the parser.
    text = re.sub(r"^\s*<\?xml[^>]{0,200}\?>", "", text)
    try:
        tree = document_fromstring(text)
        mark_quotations(tree)
        laid_out = Inscriptis(tree, config).get_text()
    except (RecursionError, LxmlError, ValueError, IndexError, KeyError, AttributeError, TypeError, AssertionError):
        # The library's own errors on hostile HTML; the words can still be extracted.
        return None
    return write_marks("\n".join(line.rstrip() for line in str(laid_out).split("\n"))).strip("\n")


def _strip(html: str) -> str:
    """The text between the tags, in one pass: the end of an unclosed element is searched once, not from each
    opening.
    """
    kept: list[str] = []
    at = 0
    unclosed: set[str] = set()
    for match in _DROPPED.finditer(html):
        name = match[1].lower()
        if match.start() < at:
            continue
        kept.append(html[at : match.start()])
        closing = None if name in unclosed else _CLOSING[name].search(html, match.end())
        if closing is None:
            unclosed.add(name)
        at = match.end() if closing is None else closing.start()
    kept.append(html[at:])
    text = _TAG.sub("", _BREAK.sub("\n", "".join(kept)))
    return re.sub(r"\n{3,}", "\n\n", entities.unescape(_LONG_NUMBER.sub("", text))).strip()
