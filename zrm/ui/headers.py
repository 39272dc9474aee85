"""The security headers of answers: what a page may load, which sites may frame it, that it is not stored."""

from __future__ import annotations

from typing import Final

STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000")
"""For every answer of an installation whose public address is https: no requests without TLS for a year."""

_COMMON: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}

PAGE: Final = {
    **_COMMON,
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " font-src 'self'; media-src 'self'; connect-src 'self'; frame-src 'self'; manifest-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
"""For every page of ours, the portal's and the desk's. Scripts and styles only from our own files, none inline.

Pages are personal or carry a form's identity, so none is stored. The referrer policy is same-origin and not
no-referrer, because the latter makes browsers post "Origin: null".
"""

FOREIGN_HTML: Final = {
    **_COMMON,
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none';"
        " frame-ancestors 'self'"
    ),
}
"""For a citizen's HTML in its frame: no script, no form, no external resource, an origin of its own."""

FOREIGN_HTML_WITH_PICTURES: Final = {
    **FOREIGN_HTML,
    "Content-Security-Policy": FOREIGN_HTML["Content-Security-Policy"].replace(
        "img-src data:", "img-src data: https: http:"
    ),
    "Referrer-Policy": "no-referrer",
}
"""The same for an agent who asked for the external pictures."""

SHOWN_FILE: Final = {
    **_COMMON,
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'",
}
"""For a file of a harmless kind that the desk shows in place: sound, a still image, pages we made ourselves."""

FOREIGN_PDF: Final = {
    **_COMMON,
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'"
    ),
}
"""For a citizen's PDF in a tab of its own: it gets an origin of its own and runs no script of a page."""

DOWNLOAD: Final = {
    **_COMMON,
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
}
"""For everything else: it is downloaded, never shown."""
