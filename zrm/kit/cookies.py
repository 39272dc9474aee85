"""How our cookies are called: over TLS with the prefix that binds them to this very host.

A browser takes a `__Host-` cookie only from a TLS answer of the host itself, with Secure, without Domain and for the whole
host: a neighbour under the same domain, or whoever answers for us without TLS, can neither set nor replace it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie's name and the path it is set with."""

    name: str
    path: str


def cookie(name: str, path: str, *, secure: bool) -> Cookie:
    """The cookie `name`, for `path` alone where there is no TLS (`secure` False): a browser would not take the prefix."""
    return Cookie(f"__Host-{name}", "/") if secure else Cookie(name, path)
