"""The names of our cookies: over TLS with the prefix that binds them to this very host.

A browser takes a `__Host-` cookie only from a TLS answer of the host itself, with Secure, without Domain and for the
whole host: another host under the same domain, or an attacker on a connection without TLS, can neither set nor replace
it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie's name and the path it is set with."""

    name: str
    path: str


def cookie(name: str, path: str, *, secure: bool) -> Cookie:
    """The cookie `name`; for `path` alone where there is no TLS (`secure` False): a browser would refuse the prefix."""
    return Cookie(f"__Host-{name}", "/") if secure else Cookie(name, path)
