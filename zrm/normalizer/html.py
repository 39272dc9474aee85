"""A citizen's HTML made harmless: the desk's page can show it, and it can neither act nor load anything.

nh3 (the ammonia parser) does the work with allow-lists; this module says what is allowed. Kept: structure, simple
styling, direction and language. Removed: scripts, forms, frames, styles that position or load. A remote picture tells
its sender that and when it was seen, so a placeholder with its text replaces it until an agent asks for the pictures.
Pictures inside the mail (`cid:`) stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import nh3

from zrm.kit.html_cost import is_too_costly

_LONGEST: Final = 500_000  # characters; the desk shows longer HTML as text, and the original is kept anyway
_MOST_ESCAPING: Final = 20_000_000_000
"""The sum over all texts of their length times their number of ampersands and hard spaces: nh3 scans the rest of a text
at each of them.
"""
PLACEHOLDER: Final = "data:image/gif;base64,R0lGODlhAQABAIAAAMLCwgAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="
_PICTURES: Final = tuple(f"data:image/{kind};base64," for kind in ("png", "jpeg", "jpg", "gif", "webp"))

_TAGS: Final = {
    "a", "abbr", "address", "article", "b", "bdi", "bdo", "big", "blockquote", "br", "caption", "center", "cite", "code",
    "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "font", "footer",
    "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img", "ins", "kbd", "li", "main", "mark", "ol", "p", "pre",
    "q", "rp", "rt", "ruby", "s", "samp", "section", "small", "span", "strike", "strong", "sub", "summary", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr",
}  # fmt: skip
_WITHOUT_CONTENT: Final = {
    "script", "style", "title", "template", "noscript", "iframe", "object", "svg", "math", "textarea", "select",
}  # fmt: skip
_ATTRIBUTES: Final = {
    "*": {"dir", "lang", "title", "align", "style"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "valign"},
    "th": {"colspan", "rowspan", "valign", "scope"},
    "ol": {"start", "type"},
    "font": {"color"},
    "bdo": {"dir"},
    "time": {"datetime"},
}
_STYLES: Final = {
    "color", "background-color", "font-weight", "font-style", "text-align", "text-decoration", "direction",
    "unicode-bidi", "white-space",
}  # fmt: skip


def _attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "img" and name == "src" and not _address(value).startswith(("cid:", *_PICTURES)):
        return PLACEHOLDER
    return _attribute_with_remote(tag, name, value)


def _attribute_with_remote(tag: str, name: str, value: str) -> str | None:
    address = _address(value) if name in ("src", "href") else ""
    if tag == "img" and name == "src":
        return value if address.startswith(("cid:", "https://", "http://", *_PICTURES)) else PLACEHOLDER
    if name == "href":
        return value if address.startswith(("http://", "https://", "mailto:", "tel:")) else None
    if name == "dir":
        return value if value.strip().lower() in ("rtl", "ltr", "auto") else None
    return value


def _address(value: str) -> str:
    return "".join(value.split()).lower()


def _cleaner(attribute: Callable[[str, str, str], str | None]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags=_WITHOUT_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}, "img": {"loading": "lazy"}},
        strip_comments=True,
    )


_CLEANERS: Final = {False: _cleaner(_attribute), True: _cleaner(_attribute_with_remote)}


def sanitise(html: str, *, remote_pictures: bool = False) -> str:
    """Harmless HTML with the same text, or "" when it is too long, too deep or too costly to check (show the text
    then).

    With `remote_pictures` their addresses stay in it: to be kept, or shown to an agent who asked for them.
    """
    if len(html) > _LONGEST or is_too_costly(html) or _too_much_to_escape(html):
        return ""
    safe = _CLEANERS[remote_pictures].clean(html)
    # Overlapping formatting is written out again in every paragraph; no honest mail grows tenfold.
    return safe if len(safe) <= 10 * len(html) + 10_000 else ""


def _too_much_to_escape(html: str) -> bool:
    texts = html.split("<")
    return sum(len(text) * (text.count("&") + text.count("\xa0")) for text in texts) > _MOST_ESCAPING
