"""What parsing an HTML text into a tree would cost, computed before it is parsed.

The parsers' work grows with the number of tags times their depth, and with the square of a tag's attributes: hostile
input can make both quadratic in its size. One look at each character is enough: comments, attributes and the text of
scripts are skipped as the parsers skip them, every element counts, known or not, and a closing tag counts only where
its element is open.
"""

from __future__ import annotations

import re
from typing import Final

DEEPEST: Final = 2_000
"""Depth of nested elements; mail programs nest some hundreds in a thread of a hundred answers."""

_MOST_WORK: Final = 20_000_000
"""The sum over all tags of their depth, the open formatting elements, and the square of their attributes."""

_SHORT: Final = 16_000
_FEW: Final = 700
"""Characters and tags; below both nothing is costly."""

_LONG_TAG: Final = 1_000
_QUOTED: Final = re.compile(r"""=\s*+(?:"[^"]*+"|'[^']*+')""")

# No repetition backtracks, so a failed match has looked at each character once.
_TAG: Final = re.compile(
    r"""<(?:(?P<comment>!--)|(?P<other>[!?])|(?P<closing>/?)(?P<name>[a-zA-Z][^\s/>]*+)"""
    r"""(?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+|["'])*+(?P<end>>)?+)"""
)
_LEAVES: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_ENDED_BY_THE_NEXT: Final = frozenset(
    {"a", "dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"}
)
_FORMATTING: Final = frozenset(
    {"b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
_COPY: Final = 40
"""Open formatting is recreated in each paragraph, which costs this many times a level of depth."""
_TEXTS: Final = frozenset({"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"})


def is_too_costly(html: str) -> bool:
    """Whether a parser would nest deeper, or work longer, than for honest HTML."""
    if len(html) <= _SHORT and html.count("<") <= _FEW:
        return False
    open_elements: dict[str, int] = {}
    depth = formatting = work = at = 0
    while (tag := _TAG.search(html, at)) is not None:
        at = tag.end()
        if tag["comment"]:
            at = html.find("-->", at - 2) + 3
            if at < 3:
                return False
        elif tag["name"]:
            if not tag["end"]:
                return False
            name = tag["name"].lower()
            if tag["closing"]:
                if open_elements.get(name):
                    open_elements[name] -= 1
                    depth -= 1
                    formatting -= name in _FORMATTING
            elif name in _TEXTS:
                closing = re.compile(f"</{name}", re.IGNORECASE).search(html, at)
                if closing is None:
                    return False
                at = closing.start()
            elif name not in _LEAVES and name not in _ENDED_BY_THE_NEXT:
                open_elements[name] = open_elements.get(name, 0) + 1
                depth += 1
                formatting += name in _FORMATTING
            work += depth + _COPY * formatting
            if tag.end() - tag.start() > _LONG_TAG:
                work += len(_QUOTED.sub("= ", tag[0]).split()) ** 2
            if depth > DEEPEST or work > _MOST_WORK:
                return True
    return False
