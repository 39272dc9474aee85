"""A citizen's PDF for viewing: its pages as they came, without active content.

A browser's viewer runs the JavaScript of a PDF, whatever the answer's headers say (Chromium does, seen in November
2026): it reaches no page of ours, but shows dialogs that look like the desk's. So actions are removed, except links to
a page of the document or to an address, which wait for a click; and the file is written anew, so that a viewer meets
only what was understood here. Parses hostile input: run it in a child process with limits.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Final

import pikepdf

_LEADING: Final = frozenset({b"/GoTo", b"/URI", b"/Named", b"/Thread", b"/GoToDp"})
"""Actions that lead somewhere; all others do something."""

_BY_ITSELF: Final = ("/OpenAction", "/AA", "/JavaScript", "/JS", "/XFA", "/Requirements", "/RichMediaContent")
"""Keys (ISO 32000-2) of what runs without a click, of scripts, and of forms that are programs."""

_ACTIONS: Final = ("/A", "/PA", "/Next")
_DEEPEST: Final = 200  # levels of nesting within one object


def still_pdf(data: bytes) -> Iterator[bytes]:
    """The PDF without active content. Errors: pikepdf.PdfError for an invalid PDF, PasswordError for an encrypted
    one.
    """
    with pikepdf.open(io.BytesIO(data)) as pdf:
        _still(pdf.trailer, 0)
        for found in pdf.objects:
            _still(found, 0)
        written = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pikepdf.PageCopyWarning)  # of fields that belong to no form
            pdf.save(written)
    yield written.getvalue()


def _still(found: pikepdf.Object, depth: int) -> None:
    """Remove actions from an object and its direct children; objects it refers to are visited separately."""
    if depth > _DEEPEST:
        raise pikepdf.PdfError("nested too deep")
    if isinstance(found, pikepdf.Stream):
        found = found.stream_dict
    if isinstance(found, pikepdf.Dictionary):
        for key in [key for key in _BY_ITSELF if key in found]:
            del found[key]
        for key in [key for key in _ACTIONS if key in found and _acts(found[key])]:
            del found[key]
        children = list(found.as_dict().values())
    elif isinstance(found, pikepdf.Array):
        children = list(found)
    else:
        return
    for child in children:
        if not getattr(child, "is_indirect", True):  # numbers and booleans are no objects
            _still(child, depth + 1)


def _acts(action: pikepdf.Object) -> bool:
    """Whether an action, or the first of several, is anything but a link."""
    if isinstance(action, pikepdf.Array):
        return any(_acts(one) for one in action)
    return isinstance(action, pikepdf.Dictionary) and "/S" in action and action["/S"].unparse() not in _LEADING
